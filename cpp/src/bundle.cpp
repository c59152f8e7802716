#include "profkit/bundle.h"

#include <stdexcept>

#include "profkit/archive.h"

namespace profkit {
namespace {

LayerSpec to_layer(const Dict& dict) {
    LayerSpec layer{.path = dict.at("path").toStringRef(),
                    .kind = dict.at("kind").toStringRef(),
                    .settings = to_map<double>(dict.at("settings").toGenericDict()),
                    .inputs = {}};
    for (const c10::IValue& input : dict.at("inputs").toListRef()) {
        layer.inputs.push_back(input.toStringRef());
    }
    return layer;
}

Samples to_samples(const Dict& dict) { return {dict.at("images").toTensor(), dict.at("labels").toTensor()}; }

Bundle to_bundle(const Dict& dict) {
    Bundle bundle{.dataset = dict.at("dataset").toStringRef(),
                  .seed = dict.at("seed").toInt(),
                  .batch_size = dict.at("batch_size").toInt(),
                  .layers = {},
                  .loss = dict.at("loss").toStringRef(),
                  .target = dict.at("target").toStringRef(),
                  .optimizer = dict.at("optimizer").toStringRef(),
                  .hyperparameters = to_map<double>(dict.at("hyperparameters").toGenericDict()),
                  .weights = to_map<at::Tensor>(dict.at("weights").toGenericDict()),
                  .train = to_samples(dict.at("train").toGenericDict()),
                  .test = to_samples(dict.at("test").toGenericDict()),
                  .order = dict.at("order").toTensor(),
                  .crops = dict.at("crops").toTensor(),
                  .crop_padding = dict.at("crop_padding").toInt(),
                  .mean = dict.at("mean").toTensor(),
                  .deviation = dict.at("deviation").toTensor(),
                  .masks = to_map<at::Tensor>(dict.at("masks").toGenericDict())};
    for (const c10::IValue& layer : dict.at("layers").toListRef()) {
        bundle.layers.push_back(to_layer(layer.toGenericDict()));
    }
    return bundle;
}

}  // namespace

Bundle read_bundle(const std::filesystem::path& path) {
    const Dict dict = read_archive(path, "bundle");
    try {
        if (const std::int64_t schema = dict.at("schema").toInt(); schema != bundle_schema) {
            throw unreadable(path, "bundle of schema " + std::to_string(schema) + ", this runner reads " +
                                       std::to_string(bundle_schema));
        }
        return to_bundle(dict);
    } catch (const c10::Error&) {
        throw unreadable(path, "not a bundle, or a damaged one");
    } catch (const std::out_of_range&) {
        throw unreadable(path, "not a bundle: a key is missing");
    }
}

}  // namespace profkit

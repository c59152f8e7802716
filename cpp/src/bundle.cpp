#include "profkit/bundle.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include <stdexcept>
#include <string>

#include "profkit/files.h"

namespace profkit {
namespace {

using Dict = c10::Dict<c10::IValue, c10::IValue>;

template <typename Value>
std::map<std::string, Value> to_map(const Dict& dict) {
    std::map<std::string, Value> values;
    for (const auto& entry : dict) {
        if constexpr (std::is_arithmetic_v<Value>) {
            values.emplace(entry.key().toStringRef(), entry.value().toScalar().to<Value>());
        } else {
            values.emplace(entry.key().toStringRef(), entry.value().to<Value>());
        }
    }
    return values;
}

LayerSpec to_layer(const Dict& dict) {
    return {dict.at("path").toStringRef(), dict.at("kind").toStringRef(),
            to_map<std::int64_t>(dict.at("settings").toGenericDict())};
}

Bundle to_bundle(const Dict& dict) {
    Bundle bundle{.layers = {},
                  .loss = dict.at("loss").toStringRef(),
                  .optimizer = dict.at("optimizer").toStringRef(),
                  .hyperparameters = to_map<double>(dict.at("hyperparameters").toGenericDict()),
                  .weights = to_map<torch::Tensor>(dict.at("weights").toGenericDict()),
                  .inputs = dict.at("inputs").toTensor(),
                  .targets = dict.at("targets").toTensor()};
    for (const c10::IValue& layer : dict.at("layers").toListRef()) {
        bundle.layers.push_back(to_layer(layer.toGenericDict()));
    }
    return bundle;
}

/// `torch::pickle_save` tags every dict with its element type, through a function that `weights_only` forbids; so the
/// same archive is put together here from the same parts, without the tags.
std::string archive(const c10::IValue& value) {
    std::string bytes;
    caffe2::serialize::PyTorchStreamWriter writer([&bytes](const void* data, std::size_t size) {
        bytes.append(static_cast<const char*>(data), size);
        return size;
    });
    std::string pickled;
    std::vector<std::string> storages;
    const auto next_storage = [&storages](const torch::Tensor&) {
        return storages.emplace_back(std::to_string(storages.size()));
    };
    torch::jit::Pickler pickler([&pickled](const char* data, std::size_t size) { pickled.append(data, size); }, nullptr,
                                nullptr, nullptr, next_storage, false);
    pickler.protocol();
    pickler.pushIValue(value);
    pickler.stop();
    writer.writeRecord("data.pkl", pickled.data(), pickled.size());
    for (std::size_t index = 0; index < storages.size(); ++index) {
        const torch::Tensor& tensor = pickler.tensorData()[index];
        writer.writeRecord("data/" + storages[index], tensor.storage().data(), tensor.storage().nbytes());
    }
    writer.writeEndOfFile();
    return bytes;
}

}  // namespace

Bundle read_bundle(const std::filesystem::path& path) {
    const std::vector<char> content = read_file(path);
    const auto refusal = [&path](const std::string& reason) {
        return std::runtime_error("cannot read " + path.string() + ": " + reason);
    };
    try {
        const Dict dict = torch::jit::pickle_load(content).toGenericDict();
        if (const std::int64_t schema = dict.at("schema").toInt(); schema != bundle_schema) {
            throw refusal("bundle of schema " + std::to_string(schema) + ", this runner reads " +
                          std::to_string(bundle_schema));
        }
        return to_bundle(dict);
    } catch (const c10::Error&) {
        // What torch says of it is about checkpoints and its own assertions.
        throw refusal("not a bundle, or a damaged one");
    } catch (const std::out_of_range&) {
        throw refusal("not a bundle: a key is missing");
    }
}

void write_results(const std::filesystem::path& path, const Results& results) {
    Dict weights(c10::StringType::get(), c10::TensorType::get());
    for (const auto& [name, weight] : results.weights) {
        weights.insert(name, weight.detach().contiguous());
    }
    Dict dict(c10::StringType::get(), c10::AnyType::get());
    dict.insert("output", results.output.contiguous());
    dict.insert("losses", torch::tensor(results.losses, torch::kFloat64));
    dict.insert("weights", weights);
    write_file(path, archive(dict));
}

}  // namespace profkit

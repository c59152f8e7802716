#include "profkit/checkpoint.h"

#include <stdexcept>

#include "profkit/archive.h"
#include "profkit/files.h"

namespace profkit {
namespace {

NamedTensors to_tensors(const Dict& dict) {
    NamedTensors tensors;
    for (auto& [name, tensor] : to_map<at::Tensor>(dict)) {
        tensors.emplace_back(name, tensor);
    }
    return tensors;
}

/// The text of a JSON array; the rest of it is for its readers to check.
std::string to_history(const std::string& text) {
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') {
        throw std::out_of_range("history");
    }
    return text;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
    Dict dict(c10::StringType::get(), c10::AnyType::get());
    dict.insert("schema", checkpoint_schema);
    dict.insert("epoch", checkpoint.epoch);
    dict.insert("step", checkpoint.step);
    dict.insert("weights", to_dict(checkpoint.weights));
    dict.insert("optimizer", to_dict(checkpoint.optimizer));
    dict.insert("history", checkpoint.history);
    write_file_whole(path, archive(dict));
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
    const Dict dict = read_archive(path, "checkpoint");
    try {
        if (const std::int64_t schema = dict.at("schema").toInt(); schema != checkpoint_schema) {
            throw unreadable(path, "checkpoint of schema " + std::to_string(schema) + ", this runner reads " +
                                       std::to_string(checkpoint_schema));
        }
        return {.epoch = dict.at("epoch").toInt(),
                .step = dict.at("step").toInt(),
                .weights = to_tensors(dict.at("weights").toGenericDict()),
                .optimizer = to_tensors(dict.at("optimizer").toGenericDict()),
                .history = to_history(dict.at("history").toStringRef())};
    } catch (const c10::Error&) {
        throw unreadable(path, "not a checkpoint, or a damaged one");
    } catch (const std::out_of_range&) {
        throw unreadable(path, "not a checkpoint: a key is missing");
    }
}

}  // namespace profkit

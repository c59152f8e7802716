#include "profkit/archive.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/import_read.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include <vector>

#include "profkit/files.h"

namespace profkit {

Dict read_archive(const std::filesystem::path& path, const std::string& what) {
    check_readable(path);
    try {
        // From the file, not from a copy of it in memory: a bundle holds the images of its dataset.
        caffe2::serialize::PyTorchStreamReader reader(path.string());
        return torch::jit::readArchiveAndTensors("data", "", "", std::nullopt, std::nullopt, std::nullopt, reader)
            .toGenericDict();
    } catch (const c10::Error&) {
        // What torch says of it is about checkpoints and its own assertions.
        throw unreadable(path, "not a " + what + ", or a damaged one");
    }
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
    const auto next_storage = [&storages](const at::Tensor&) {
        return storages.emplace_back(std::to_string(storages.size()));
    };
    torch::jit::Pickler pickler([&pickled](const char* data, std::size_t size) { pickled.append(data, size); }, nullptr,
                                nullptr, nullptr, next_storage, false);
    pickler.protocol();
    pickler.pushIValue(value);
    pickler.stop();
    writer.writeRecord("data.pkl", pickled.data(), pickled.size());
    for (std::size_t index = 0; index < storages.size(); ++index) {
        const at::Tensor& tensor = pickler.tensorData()[index];
        writer.writeRecord("data/" + storages[index], tensor.storage().data(), tensor.storage().nbytes());
    }
    writer.writeEndOfFile();
    return bytes;
}

Dict to_dict(const NamedTensors& tensors) {
    Dict dict(c10::StringType::get(), c10::TensorType::get());
    for (const auto& [name, tensor] : tensors) {
        dict.insert(name, tensor.detach().cpu().contiguous());
    }
    return dict;
}

std::runtime_error unreadable(const std::filesystem::path& path, const std::string& reason) {
    return std::runtime_error("cannot read " + path.string() + ": " + reason);
}

}  // namespace profkit

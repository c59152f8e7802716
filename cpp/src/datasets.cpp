#include "profkit/datasets.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "profkit/failure.h"
#include "profkit/files.h"

namespace profkit {
namespace {

using std::filesystem::path;

constexpr std::int64_t classes = 10;

std::vector<char> read_plain(const path& file) {
    if (const path packed = file.string() + ".gz"; !exists(file) && exists(packed)) {
        throw std::runtime_error("there is only " + packed.string() +
                                 ", and this program reads unpacked files: gunzip it");
    }
    return read_file(file);
}

std::int64_t big_endian(const std::vector<char>& data, std::size_t number) {
    std::int64_t value = 0;
    for (std::size_t byte = 4 * number; byte < 4 * (number + 1); ++byte) {
        value = 256 * value + static_cast<unsigned char>(data[byte]);
    }
    return value;
}

/// Bytes of an array of these sizes, as a tensor of its own.
at::Tensor to_tensor(std::vector<char>& data, std::size_t offset, const std::vector<std::int64_t>& sizes) {
    return at::from_blob(data.data() + offset, sizes, at::kByte).clone();
}

std::string joined(const std::vector<std::int64_t>& counts) {
    std::string text;
    for (const auto count : counts) {
        text += (text.empty() ? "" : " x ") + std::to_string(count);
    }
    return text;
}

/// The array of an IDX file: magic number, big-endian u32 counts, u8 values.
at::Tensor read_idx(const path& file, std::int64_t magic, std::size_t dimensions) {
    auto data = read_plain(file);
    const auto header = 4 * (1 + dimensions);
    if (data.size() < header) {
        throw std::runtime_error(file.string() + " has " + std::to_string(data.size()) +
                                 " bytes, fewer than an IDX header");
    }
    if (const auto found = big_endian(data, 0); found != magic) {
        throw std::runtime_error(file.string() + " begins with " + std::to_string(found) +
                                 ", not with the IDX number " + std::to_string(magic));
    }
    std::vector<std::int64_t> counts;
    // As a double: four counts of a damaged file may be more than any integer holds.
    double promised = 1;
    for (std::size_t dimension = 1; dimension <= dimensions; ++dimension) {
        promised *= static_cast<double>(counts.emplace_back(big_endian(data, dimension)));
    }
    if (const auto held = data.size() - header; promised != static_cast<double>(held)) {
        throw std::runtime_error(file.string() + " promises " + joined(counts) + " values and holds " +
                                 std::to_string(held));
    }
    return to_tensor(data, header, counts);
}

/// @param labels uint8 (n).
at::Tensor checked_labels(const path& file, const at::Tensor& labels) {
    const auto wrong = (labels >= classes).nonzero();
    if (wrong.size(0) > 0) {
        const auto index = wrong[0][0].item<std::int64_t>();
        throw std::runtime_error(file.string() + " has label " + std::to_string(labels[index].item<std::int64_t>()) +
                                 " at index " + std::to_string(index) + ", and there are " + std::to_string(classes) +
                                 " classes");
    }
    return labels.to(at::kLong);
}

Samples read_mnist(const path& directory, const std::string& split) {
    constexpr std::int64_t images_magic = 2051, labels_magic = 2049;
    const auto images = read_idx(directory / (split + "-images-idx3-ubyte"), images_magic, 3);
    const path file = directory / (split + "-labels-idx1-ubyte");
    const auto labels = read_idx(file, labels_magic, 1);
    if (images.size(0) != labels.size(0)) {
        throw std::runtime_error(directory.string() + " has " + std::to_string(images.size(0)) + " images and " +
                                 std::to_string(labels.size(0)) + " labels");
    }
    return {images.unsqueeze(1), checked_labels(file, labels)};
}

Samples read_cifar10_file(const path& file) {
    constexpr std::int64_t channels = 3, side = 32, record = 1 + channels * side * side;
    auto data = read_plain(file);
    const auto size = static_cast<std::int64_t>(data.size());
    if (size == 0 || size % record != 0) {
        throw std::runtime_error(file.string() + " has " + std::to_string(size) + " bytes, not whole records of " +
                                 std::to_string(record));
    }
    const auto records = to_tensor(data, 0, {size / record, record});
    return {records.slice(1, 1).reshape({-1, channels, side, side}), checked_labels(file, records.select(1, 0))};
}

Samples read_cifar10(const path& directory, const std::vector<std::string>& names) {
    const path inner = directory / "cifar-10-batches-bin";
    const path& folder = exists(directory / names.front()) ? directory : inner;
    std::vector<at::Tensor> images, labels;
    for (const auto& name : names) {
        auto samples = read_cifar10_file(folder / name);
        images.push_back(std::move(samples.images));
        labels.push_back(std::move(samples.labels));
    }
    return {at::cat(images), at::cat(labels)};
}

Dataset read_mnist(const path& directory) { return {read_mnist(directory, "train"), read_mnist(directory, "t10k")}; }

Dataset read_cifar10(const path& directory) {
    return {read_cifar10(directory, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                     "data_batch_5.bin"}),
            read_cifar10(directory, std::vector<std::string>{"test_batch.bin"})};
}

using Reader = Dataset (*)(const path&);

const std::map<std::string, Reader> readers{{"cifar10", read_cifar10}, {"mnist", read_mnist}};

}  // namespace

Dataset read_dataset(const std::string& name, const path& directory) {
    const auto reader = readers.find(name);
    if (reader == readers.end()) {
        throw Unsupported("this program has no reader of the dataset '" + name + "'; known: cifar10, mnist");
    }
    return reader->second(directory);
}

}  // namespace profkit

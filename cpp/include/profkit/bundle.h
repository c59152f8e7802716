#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace profkit {

inline constexpr std::int64_t bundle_schema = 2;

/// One named module as data: twin of `profkit.spec.Layer`.
struct LayerSpec {
    std::string path;
    std::string kind;
    std::map<std::string, double> settings;
    std::vector<std::string> inputs;  ///< paths of layers or `input`; empty for the layer before
};

/// Images uint8 (n, channels, height, width) and labels int64 (n).
struct Samples {
    at::Tensor images;
    at::Tensor labels;
};

/// What `bundle.pt` holds: the network as data, its initial weights, the images and the order of their use.
struct Bundle {
    std::string dataset;
    std::int64_t seed;
    std::int64_t batch_size;
    std::vector<LayerSpec> layers;
    std::string loss;
    std::string target;  ///< what the loss compares the output with: `labels` or `inputs`
    std::string optimizer;
    std::map<std::string, double> hyperparameters;
    std::map<std::string, at::Tensor> weights;  ///< parameters and buffers
    Samples train;
    Samples test;
    at::Tensor order;  ///< int64 (rows, samples of an epoch): epoch e takes row e modulo rows
    at::Tensor crops;  ///< int64 (rows, samples of an epoch, 3): top, left, flip; or empty
    std::int64_t crop_padding;
    at::Tensor mean;                          ///< float32 (channels), of pixels scaled to [0, 1]
    at::Tensor deviation;                     ///< float32 (channels)
    std::map<std::string, at::Tensor> masks;  ///< uint8 (masks, batch size, *one sample) by dropout layer

    bool has_labels() const { return target == "labels"; }
};

/// Reads what `profkit.bundle.write_bundle` wrote.
///
/// @throws std::runtime_error the file cannot be read, is no bundle, or is of another schema.
Bundle read_bundle(const std::filesystem::path& path);

}  // namespace profkit

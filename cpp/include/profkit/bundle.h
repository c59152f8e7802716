#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace profkit {

inline constexpr std::int64_t bundle_schema = 1;

/// One named module as data: twin of `profkit.spec.Layer`.
struct LayerSpec {
    std::string path;
    std::string kind;
    std::map<std::string, std::int64_t> settings;
};

/// What `bundle.pt` holds: the network as data, its initial weights and the batches in the order of their use.
struct Bundle {
    std::vector<LayerSpec> layers;
    std::string loss;
    std::string optimizer;
    std::map<std::string, double> hyperparameters;
    std::map<std::string, torch::Tensor> weights;
    torch::Tensor inputs;   ///< (batches, batch size, *input shape)
    torch::Tensor targets;  ///< (batches, batch size)
};

/// Reads what `profkit.bundle.write_bundle` wrote.
///
/// @throws std::runtime_error the file cannot be read, is no bundle, or is of another schema.
Bundle read_bundle(const std::filesystem::path& path);

/// Tensors by name, in the order of the layers.
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// What a run computed, to be compared with another implementation's.
struct Results {
    torch::Tensor output;
    std::vector<double> losses;
    NamedTensors weights;
};

/// Writes the results so that `torch.load(path, weights_only=True)` reads a dict of them.
///
/// @throws std::runtime_error the file cannot be written.
void write_results(const std::filesystem::path& path, const Results& results);

}  // namespace profkit

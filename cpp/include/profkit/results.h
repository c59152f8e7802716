#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

#include "profkit/named_tensors.h"

namespace profkit {

/// What a run computed, to be compared with another implementation's.
struct Results {
    at::Tensor output;  ///< for the first training batch in evaluation mode, before training
    std::vector<double> losses;
    NamedTensors weights;
    at::Tensor reconstruction;  ///< of the first images, after training; undefined where the target is labels
};

/// Writes the results so that `torch.load(path, weights_only=True)` reads a dict of them.
///
/// @throws std::runtime_error the file cannot be written.
void write_results(const std::filesystem::path& path, const Results& results);

}  // namespace profkit

#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace profkit {

/// Tensors by name, in the order of the layers.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

}  // namespace profkit

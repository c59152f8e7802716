#pragma once

#include <map>
#include <string>

#include "profkit/named_tensors.h"

namespace torch::optim {
class Optimizer;
}

namespace profkit {

/// What an optimizer keeps for each weight, by `<weight>/<name>` with the names that Python has for it; empty before
/// its first step.
NamedTensors read_state(const torch::optim::Optimizer& optimizer, const NamedTensors& parameters);

/// Puts such a state in the place of what the optimizer keeps.
///
/// @throws std::runtime_error a state of no weight, of another shape or of another optimizer.
void write_state(torch::optim::Optimizer& optimizer, const NamedTensors& parameters,
                 const std::map<std::string, at::Tensor>& state);

}  // namespace profkit

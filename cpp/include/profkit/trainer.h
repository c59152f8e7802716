#pragma once

#include <torch/nn/modules/container/any.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "profkit/bundle.h"
#include "profkit/region.h"

namespace profkit {

/// The network of a bundle with its loss and optimizer: twin of `profkit.runner.run.Trainer`.
class Trainer {
public:
    /// @throws std::runtime_error a part of the bundle that this program does not know, or weights that do not fit.
    explicit Trainer(const Bundle& bundle);

    /// One training step on batch `index` (modulo the number of batches); returns the loss, a scalar.
    torch::Tensor step(std::int64_t index);

    /// Output for the first batch, (batch size, classes), without gradients.
    torch::Tensor output();

    /// Weights by name (`conv1.weight`) as they are now.
    NamedTensors weights() const;

    bool is_training() const;

private:
    struct Layer {
        std::string path;
        std::string scope;  ///< made once: what a step computes for itself would be measured with it
        torch::nn::AnyModule module;
    };

    torch::Tensor inputs_;
    torch::Tensor targets_;
    std::vector<Layer> layers_;
    torch::nn::AnyModule loss_;
    std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

/// Clock times [ns] of the steps of the region, and the loss of every step, the warm-up's included.
struct Training {
    std::vector<std::int64_t> step_ns;
    std::vector<double> losses;
};

/// Told what the run is at: what, which one of how many (from 1); 0 of 0 where it is not counted.
using Progress = std::function<void(const char* what, std::int64_t number, std::int64_t count)>;

/// Takes `warmup` steps, then `steps` more inside the tool's region.
Training train(Trainer& trainer, std::int64_t warmup, std::int64_t steps, const Tool& tool, const Progress& progress);

}  // namespace profkit

#pragma once

#include <torch/nn/modules/container/any.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "profkit/bundle.h"

namespace profkit {

/// The numbers of a layer or an optimizer by name. A number that no one has taken at the end is an error: a builder
/// that passed over it would do other work than its Python twin.
template <typename Number>
class Settings {
public:
    Settings(std::string owner, std::map<std::string, Number> values)
        : owner_(std::move(owner)), values_(std::move(values)) {}

    /// @throws std::runtime_error there is no such setting.
    Number take(const std::string& name);
    Number take(const std::string& name, Number fallback);

    /// @throws std::runtime_error naming the first setting that was not taken.
    void finish() const;

private:
    std::string owner_;
    std::map<std::string, Number> values_;
};

using LayerBuilder = std::function<torch::nn::AnyModule(Settings<std::int64_t>&)>;
using LossBuilder = std::function<torch::nn::AnyModule()>;
using OptimizerBuilder =
    std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<torch::Tensor>, Settings<double>&)>;

/// Twins of the tables of the same names in `profkit/runner/layers.py`; a test holds their keys equal.
extern const std::map<std::string, LayerBuilder> layer_builders;
extern const std::map<std::string, LossBuilder> loss_builders;
extern const std::map<std::string, OptimizerBuilder> optimizer_builders;

/// One module, with weights that are still to be overwritten by the bundle's.
///
/// @throws std::runtime_error an unknown kind or setting.
torch::nn::AnyModule build_layer(const LayerSpec& spec);

/// @throws std::runtime_error an unknown name.
torch::nn::AnyModule build_loss(const std::string& name);

/// @throws std::runtime_error an unknown name or hyperparameter.
std::unique_ptr<torch::optim::Optimizer> build_optimizer(const std::string& name, std::vector<torch::Tensor> parameters,
                                                         const std::map<std::string, double>& hyperparameters);

}  // namespace profkit

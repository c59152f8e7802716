#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "profkit/bundle.h"

// Those who only name them need not compile their headers, which takes seconds.
namespace torch::nn {
class Module;
}
namespace torch::optim {
class Optimizer;
}

namespace profkit {

/// The numbers of a layer or an optimizer by name. A number that no one has taken at the end is an error: a builder
/// that passed over it would do other work than its Python twin.
class Settings {
public:
    Settings(std::string owner, std::map<std::string, double> values)
        : owner_(std::move(owner)), values_(std::move(values)) {}

    /// @throws std::runtime_error there is no such setting.
    double take(const std::string& name);
    double take(const std::string& name, double fallback);

    /// @throws std::runtime_error there is no such setting, or it is not whole.
    std::int64_t take_whole(const std::string& name);
    std::int64_t take_whole(const std::string& name, std::int64_t fallback);

    /// @throws std::runtime_error naming the first setting that was not taken.
    void finish() const;

private:
    std::int64_t whole(const std::string& name, double value) const;

    std::string owner_;
    std::map<std::string, double> values_;
};

/// A module and how it is called. `other` is the second input of a layer that takes two, and undefined for the rest.
struct LayerModule {
    std::shared_ptr<torch::nn::Module> module;
    std::function<at::Tensor(const at::Tensor& input, const at::Tensor& other)> forward;
    std::size_t inputs = 1;
};

using Loss = std::function<at::Tensor(const at::Tensor& output, const at::Tensor& target)>;

using LayerBuilder = std::function<LayerModule(Settings&)>;
using LossBuilder = std::function<Loss()>;
using OptimizerBuilder = std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<at::Tensor>, Settings&)>;

/// Twins of the tables of the same names in `profkit/runner/layers.py`; a test holds their keys equal.
extern const std::map<std::string, LayerBuilder> layer_builders;
extern const std::map<std::string, LossBuilder> loss_builders;
extern const std::map<std::string, OptimizerBuilder> optimizer_builders;

/// One module, with weights that are still to be overwritten by the bundle's.
///
/// @throws std::runtime_error an unknown kind or setting.
LayerModule build_layer(const LayerSpec& spec);

/// Dropout by given masks, one a training step, in turn: uint8 (masks, batch size, *shape of a sample), 1 to keep.
///
/// @throws std::runtime_error an unknown setting.
LayerModule build_shared_dropout(const LayerSpec& spec, const at::Tensor& masks);

/// @throws Unsupported an unknown name.
Loss build_loss(const std::string& name);

/// @throws std::runtime_error an unknown name or hyperparameter.
std::unique_ptr<torch::optim::Optimizer> build_optimizer(const std::string& name, std::vector<at::Tensor> parameters,
                                                         const std::map<std::string, double>& hyperparameters);

}  // namespace profkit

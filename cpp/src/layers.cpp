#include "profkit/layers.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/loss.h>
#include <torch/nn/modules/pooling.h>
#include <torch/optim/sgd.h>

#include <memory>
#include <stdexcept>
#include <utility>

namespace profkit {
namespace {

torch::nn::AnyModule conv2d(Settings<std::int64_t>& settings) {
    const auto in_channels = settings.take("in_channels");
    const auto out_channels = settings.take("out_channels");
    return torch::nn::AnyModule(
        torch::nn::Conv2d(torch::nn::Conv2dOptions(in_channels, out_channels, settings.take("kernel_size"))
                              .stride(settings.take("stride", 1))
                              .padding(settings.take("padding", 0))));
}

torch::nn::AnyModule relu(Settings<std::int64_t>&) { return torch::nn::AnyModule(torch::nn::ReLU()); }

torch::nn::AnyModule max_pool2d(Settings<std::int64_t>& settings) {
    return torch::nn::AnyModule(torch::nn::MaxPool2d(settings.take("kernel_size")));
}

torch::nn::AnyModule flatten(Settings<std::int64_t>&) { return torch::nn::AnyModule(torch::nn::Flatten()); }

torch::nn::AnyModule linear(Settings<std::int64_t>& settings) {
    const auto in_features = settings.take("in_features");
    return torch::nn::AnyModule(torch::nn::Linear(in_features, settings.take("out_features")));
}

torch::nn::AnyModule cross_entropy() { return torch::nn::AnyModule(torch::nn::CrossEntropyLoss()); }

std::unique_ptr<torch::optim::Optimizer> sgd(std::vector<torch::Tensor> parameters, Settings<double>& settings) {
    const auto options = torch::optim::SGDOptions(settings.take("lr"))
                             .momentum(settings.take("momentum", 0))
                             .dampening(settings.take("dampening", 0))
                             .weight_decay(settings.take("weight_decay", 0));
    return std::make_unique<torch::optim::SGD>(std::move(parameters), options);
}

template <typename Builder>
const Builder& find(const std::map<std::string, Builder>& builders, const char* what, const std::string& name) {
    const auto found = builders.find(name);
    if (found == builders.end()) {
        throw std::runtime_error(std::string("unknown ") + what + " '" + name + "' in the bundle");
    }
    return found->second;
}

}  // namespace

template <typename Number>
Number Settings<Number>::take(const std::string& name) {
    const auto taken = values_.extract(name);
    if (taken.empty()) {
        throw std::runtime_error(owner_ + " has no setting '" + name + "' in the bundle");
    }
    return taken.mapped();
}

template <typename Number>
Number Settings<Number>::take(const std::string& name, Number fallback) {
    const auto taken = values_.extract(name);
    return taken.empty() ? fallback : taken.mapped();
}

template <typename Number>
void Settings<Number>::finish() const {
    if (!values_.empty()) {
        throw std::runtime_error(owner_ + " has an unknown setting '" + values_.begin()->first + "' in the bundle");
    }
}

template class Settings<std::int64_t>;
template class Settings<double>;

const std::map<std::string, LayerBuilder> layer_builders{
    {"conv2d", conv2d}, {"relu", relu}, {"max_pool2d", max_pool2d}, {"flatten", flatten}, {"linear", linear},
};

const std::map<std::string, LossBuilder> loss_builders{{"cross_entropy", cross_entropy}};

const std::map<std::string, OptimizerBuilder> optimizer_builders{{"sgd", sgd}};

torch::nn::AnyModule build_layer(const LayerSpec& spec) {
    Settings settings("layer " + spec.path, spec.settings);
    auto module = find(layer_builders, "layer kind", spec.kind)(settings);
    settings.finish();
    return module;
}

torch::nn::AnyModule build_loss(const std::string& name) { return find(loss_builders, "loss", name)(); }

std::unique_ptr<torch::optim::Optimizer> build_optimizer(const std::string& name, std::vector<torch::Tensor> parameters,
                                                         const std::map<std::string, double>& hyperparameters) {
    Settings settings("optimizer " + name, hyperparameters);
    auto optimizer = find(optimizer_builders, "optimizer", name)(std::move(parameters), settings);
    settings.finish();
    return optimizer;
}

}  // namespace profkit

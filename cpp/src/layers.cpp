#include "profkit/layers.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/loss.h>
#include <torch/nn/modules/padding.h>
#include <torch/nn/modules/pooling.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "profkit/failure.h"

namespace profkit {
namespace {

/// A module of torch that takes one tensor.
template <typename Holder>
LayerModule layer(const Holder& holder) {
    const auto module = holder.ptr();
    return {module, [module](const at::Tensor& input, const at::Tensor&) { return module->forward(input); }};
}

template <typename Convolution, typename Options>
LayerModule convolution(Settings& settings) {
    const auto in_channels = settings.take_whole("in_channels");
    const auto out_channels = settings.take_whole("out_channels");
    return layer(Convolution(Options(in_channels, out_channels, settings.take_whole("kernel_size"))
                                 .stride(settings.take_whole("stride", 1))
                                 .padding(settings.take_whole("padding", 0))
                                 .bias(settings.take_whole("bias", 1) != 0)));
}

template <typename Pooling, typename Options>
LayerModule pooling(Settings& settings) {
    const auto kernel_size = settings.take_whole("kernel_size");
    return layer(Pooling(Options(kernel_size)
                             .stride(settings.take_whole("stride", kernel_size))
                             .padding(settings.take_whole("padding", 0))));
}

LayerModule adaptive_avg_pool2d(Settings& settings) {
    return layer(torch::nn::AdaptiveAvgPool2d(settings.take_whole("output_size")));
}

LayerModule add(Settings&) {
    return {.module = std::make_shared<torch::nn::Module>(),
            .forward = [](const at::Tensor& one, const at::Tensor& other) { return one + other; },
            .inputs = 2};
}

LayerModule batch_norm2d(Settings& settings) {
    return layer(torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(settings.take_whole("num_features"))
                                            .eps(settings.take("eps", 1e-5))
                                            .momentum(settings.take("momentum", 0.1))));
}

LayerModule dropout(Settings& settings) { return layer(torch::nn::Dropout(settings.take("p"))); }

LayerModule flatten(Settings&) { return layer(torch::nn::Flatten()); }

LayerModule linear(Settings& settings) {
    const auto in_features = settings.take_whole("in_features");
    return layer(torch::nn::Linear(torch::nn::LinearOptions(in_features, settings.take_whole("out_features"))
                                       .bias(settings.take_whole("bias", 1) != 0)));
}

LayerModule relu(Settings&) { return layer(torch::nn::ReLU()); }

LayerModule tanh(Settings&) { return layer(torch::nn::Tanh()); }

LayerModule zero_pad2d(Settings& settings) {
    const auto left = settings.take_whole("left");
    const auto right = settings.take_whole("right");
    const auto top = settings.take_whole("top");
    return layer(torch::nn::ZeroPad2d(torch::nn::ZeroPad2dOptions({left, right, top, settings.take_whole("bottom")})));
}

template <typename Holder>
Loss loss() {
    return [module = Holder().ptr()](const at::Tensor& output, const at::Tensor& target) {
        return module->forward(output, target);
    };
}

std::unique_ptr<torch::optim::Optimizer> sgd(std::vector<at::Tensor> parameters, Settings& settings) {
    const auto options = torch::optim::SGDOptions(settings.take("lr"))
                             .momentum(settings.take("momentum", 0))
                             .weight_decay(settings.take("weight_decay", 0));
    return std::make_unique<torch::optim::SGD>(std::move(parameters), options);
}

std::unique_ptr<torch::optim::Optimizer> adam(std::vector<at::Tensor> parameters, Settings& settings) {
    const auto beta1 = settings.take("beta1", 0.9);
    const auto options = torch::optim::AdamOptions(settings.take("lr"))
                             .betas({beta1, settings.take("beta2", 0.999)})
                             .weight_decay(settings.take("weight_decay", 0));
    return std::make_unique<torch::optim::Adam>(std::move(parameters), options);
}

template <typename Builder>
const Builder& find(const std::map<std::string, Builder>& builders, const char* what, const std::string& name) {
    const auto found = builders.find(name);
    if (found == builders.end()) {
        throw Unsupported(std::string("unknown ") + what + " '" + name + "' in the bundle");
    }
    return found->second;
}

}  // namespace

double Settings::take(const std::string& name) {
    const auto taken = values_.extract(name);
    if (taken.empty()) {
        throw std::runtime_error(owner_ + " has no setting '" + name + "' in the bundle");
    }
    return taken.mapped();
}

double Settings::take(const std::string& name, double fallback) {
    return values_.contains(name) ? take(name) : fallback;
}

std::int64_t Settings::take_whole(const std::string& name) { return whole(name, take(name)); }

std::int64_t Settings::take_whole(const std::string& name, std::int64_t fallback) {
    return values_.contains(name) ? take_whole(name) : fallback;
}

std::int64_t Settings::whole(const std::string& name, double value) const {
    if (value != std::trunc(value)) {
        throw std::runtime_error(owner_ + " has setting '" + name + "' of " + std::to_string(value) +
                                 " in the bundle, and takes a whole number");
    }
    return static_cast<std::int64_t>(value);
}

void Settings::finish() const {
    if (!values_.empty()) {
        throw std::runtime_error(owner_ + " has an unknown setting '" + values_.begin()->first + "' in the bundle");
    }
}

const std::map<std::string, LayerBuilder> layer_builders{
    {"adaptive_avg_pool2d", adaptive_avg_pool2d},
    {"add", add},
    {"avg_pool2d", pooling<torch::nn::AvgPool2d, torch::nn::AvgPool2dOptions>},
    {"batch_norm2d", batch_norm2d},
    {"conv2d", convolution<torch::nn::Conv2d, torch::nn::Conv2dOptions>},
    {"conv_transpose2d", convolution<torch::nn::ConvTranspose2d, torch::nn::ConvTranspose2dOptions>},
    {"dropout", dropout},
    {"flatten", flatten},
    {"linear", linear},
    {"max_pool2d", pooling<torch::nn::MaxPool2d, torch::nn::MaxPool2dOptions>},
    {"relu", relu},
    {"tanh", tanh},
    {"zero_pad2d", zero_pad2d},
};

const std::map<std::string, LossBuilder> loss_builders{
    {"cross_entropy", loss<torch::nn::CrossEntropyLoss>},
    {"l1", loss<torch::nn::L1Loss>},
    {"l2", loss<torch::nn::MSELoss>},
};

const std::map<std::string, OptimizerBuilder> optimizer_builders{{"adam", adam}, {"sgd", sgd}};

LayerModule build_layer(const LayerSpec& spec) {
    Settings settings("layer " + spec.path, spec.settings);
    auto module = find(layer_builders, "layer kind", spec.kind)(settings);
    settings.finish();
    return module;
}

LayerModule build_shared_dropout(const LayerSpec& spec, const at::Tensor& masks) {
    Settings settings("layer " + spec.path, spec.settings);
    const auto kept = 1 - settings.take("p");
    settings.finish();
    const auto module = std::make_shared<torch::nn::Module>();
    return {module, [module, masks, kept, step = std::int64_t{0}](const at::Tensor& input, const at::Tensor&) mutable {
                if (!module->is_training()) {
                    return input;
                }
                const auto mask = masks.select(0, step++ % masks.size(0)).slice(0, 0, input.size(0));
                return input * mask / kept;
            }};
}

Loss build_loss(const std::string& name) { return find(loss_builders, "loss", name)(); }

std::unique_ptr<torch::optim::Optimizer> build_optimizer(const std::string& name, std::vector<at::Tensor> parameters,
                                                         const std::map<std::string, double>& hyperparameters) {
    Settings settings("optimizer " + name, hyperparameters);
    auto optimizer = find(optimizer_builders, "optimizer", name)(std::move(parameters), settings);
    settings.finish();
    return optimizer;
}

}  // namespace profkit

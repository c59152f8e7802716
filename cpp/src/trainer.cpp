#include "profkit/trainer.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "profkit/layers.h"
#include "profkit/scope.h"

namespace profkit {
namespace {

using Clock = std::chrono::steady_clock;

/// Parameters and buffers of one layer by their name in the bundle.
NamedTensors weights_of(const std::string& path, const torch::nn::Module& module) {
    NamedTensors weights;
    for (const auto& tensors : {module.named_parameters(), module.named_buffers()}) {
        for (const auto& tensor : tensors) {
            weights.emplace_back(path + '.' + tensor.key(), tensor.value());
        }
    }
    return weights;
}

void load(torch::Tensor weight, const std::string& name, std::map<std::string, torch::Tensor>& bundled) {
    const auto found = bundled.extract(name);
    if (found.empty()) {
        throw std::runtime_error("the bundle has no weight '" + name + "'");
    }
    if (found.mapped().sizes() != weight.sizes()) {
        throw std::runtime_error("weight '" + name + "' of the bundle does not have the shape of its layer");
    }
    const torch::NoGradGuard no_grad;
    weight.copy_(found.mapped());
}

}  // namespace

Trainer::Trainer(const Bundle& bundle)
    : inputs_(bundle.inputs), targets_(bundle.targets), loss_(build_loss(bundle.loss)) {
    auto bundled = bundle.weights;
    std::vector<torch::Tensor> parameters;
    for (const auto& spec : bundle.layers) {
        auto& layer = layers_.emplace_back(Layer{spec.path, "layer/" + spec.path, build_layer(spec)});
        const auto module = layer.module.ptr();
        for (auto& [name, weight] : weights_of(layer.path, *module)) {
            load(weight, name, bundled);
        }
        std::ranges::copy(module->parameters(), std::back_inserter(parameters));
    }
    if (!bundled.empty()) {
        throw std::runtime_error("no layer has the weight '" + bundled.begin()->first + "' of the bundle");
    }
    optimizer_ = build_optimizer(bundle.optimizer, std::move(parameters), bundle.hyperparameters);
}

torch::Tensor Trainer::step(std::int64_t index) {
    torch::Tensor outputs, targets, loss;
    {
        const Scope scope("phase/data");
        const auto batch = index % inputs_.size(0);
        outputs = inputs_[batch];
        targets = targets_[batch];
    }
    {
        const Scope scope("phase/optimizer");
        optimizer_->zero_grad();
    }
    {
        const Scope scope("phase/forward");
        for (auto& layer : layers_) {
            const Scope layer_scope(layer.scope);
            outputs = layer.module.forward(outputs);
        }
        const Scope layer_scope("layer/loss");
        loss = loss_.forward(outputs, targets);
    }
    {
        const Scope scope("phase/backward");
        loss.backward();
    }
    {
        const Scope scope("phase/optimizer");
        optimizer_->step();
    }
    return loss.detach();
}

torch::Tensor Trainer::output() {
    const torch::NoGradGuard no_grad;
    torch::Tensor outputs = inputs_[0];
    for (auto& layer : layers_) {
        outputs = layer.module.forward(outputs);
    }
    return outputs;
}

NamedTensors Trainer::weights() const {
    NamedTensors weights;
    for (const auto& layer : layers_) {
        for (auto& [name, weight] : weights_of(layer.path, *layer.module.ptr())) {
            weights.emplace_back(std::move(name), weight.detach());
        }
    }
    return weights;
}

bool Trainer::is_training() const {
    return std::ranges::all_of(layers_, [](const Layer& layer) { return layer.module.ptr()->is_training(); });
}

Training train(Trainer& trainer, std::int64_t warmup, std::int64_t steps, const Tool& tool, const Progress& progress) {
    std::vector<torch::Tensor> losses;
    losses.reserve(static_cast<std::size_t>(warmup + steps));
    for (std::int64_t index = 0; index < warmup; ++index) {
        progress("warm-up", index + 1, warmup);
        losses.push_back(trainer.step(index));
    }
    Training training;
    training.step_ns.reserve(static_cast<std::size_t>(steps));
    Region region(tool);
    for (std::int64_t index = 0; index < steps; ++index) {
        progress("step", index + 1, steps);
        const auto start = Clock::now();
        {
            const Scope scope("ProfilerStep#" + std::to_string(index));
            losses.push_back(trainer.step(warmup + index));
        }
        const std::chrono::nanoseconds duration = Clock::now() - start;
        training.step_ns.push_back(duration.count());
    }
    region.close();
    progress("writing", 0, 0);
    std::ranges::transform(losses, std::back_inserter(training.losses),
                           [](const torch::Tensor& loss) { return loss.item<double>(); });
    return training;
}

}  // namespace profkit

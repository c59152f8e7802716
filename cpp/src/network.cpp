#include "profkit/network.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <stdexcept>
#include <utility>

#include "profkit/scope.h"

namespace profkit {
namespace {

constexpr const char* input_name = "input";

LayerModule build(const LayerSpec& spec, const std::optional<std::map<std::string, at::Tensor>>& masks) {
    if (!masks || spec.kind != "dropout") {
        return build_layer(spec);
    }
    const auto found = masks->find(spec.path);
    if (found == masks->end()) {
        throw std::runtime_error("the bundle has no mask for layer " + spec.path);
    }
    return build_shared_dropout(spec, found->second);
}

void append(NamedTensors& weights, const std::string& path, const torch::OrderedDict<std::string, at::Tensor>& named) {
    for (const auto& tensor : named) {
        weights.emplace_back(path + '.' + tensor.key(), tensor.value());
    }
}

}  // namespace

Network::Network(const std::vector<LayerSpec>& layers, const std::optional<std::map<std::string, at::Tensor>>& masks) {
    for (const auto& spec : layers) {
        auto& stage = stages_.emplace_back();
        stage.path = spec.path;
        stage.scope = "layer/" + spec.path;
        stage.layer = build(spec, masks);
    }
    connect(layers);
}

void Network::connect(const std::vector<LayerSpec>& layers) {
    std::map<std::string, Operand*> keeps{{input_name, &input_keeps_}};
    std::map<std::size_t, Stage*> last_use;
    const auto* before = input_name;
    for (std::size_t index = 0; index < layers.size(); ++index) {
        const auto& spec = layers[index];
        auto& stage = stages_[index];
        if (spec.inputs.size() != stage.layer.inputs && (!spec.inputs.empty() || stage.layer.inputs != 1)) {
            throw std::runtime_error("layer " + spec.path + " takes " + std::to_string(stage.layer.inputs) +
                                     " inputs, and the bundle gives it " + std::to_string(spec.inputs.size()));
        }
        for (std::size_t number = 0; number < spec.inputs.size(); ++number) {
            const auto& name = spec.inputs[number];
            if (name == before) {
                continue;
            }
            const auto source = keeps.find(name);
            if (source == keeps.end()) {
                throw std::runtime_error("layer " + spec.path + " takes the output of '" + name +
                                         "', which is no layer before it");
            }
            if (!*source->second) {
                *source->second = places_++;
            }
            (number == 0 ? stage.first : stage.second) = *source->second;
            last_use[**source->second] = &stage;
        }
        keeps[spec.path] = &stage.keeps;
        before = spec.path.c_str();
    }
    for (const auto& [place, stage] : last_use) {
        stage->releases.push_back(place);
    }
}

at::Tensor Network::forward(const at::Tensor& input) {
    std::vector<at::Tensor> kept(places_);
    if (input_keeps_) {
        kept[*input_keeps_] = input;
    }
    at::Tensor value = input;
    if (scope_listener != nullptr && scope_listener->hears_layers()) {
        for (auto& stage : stages_) {
            const Scope scope(stage.scope);
            advance(stage, value, kept);
        }
    } else {
        for (auto& stage : stages_) {
            advance(stage, value, kept);
        }
    }
    return value;
}

void Network::advance(Stage& stage, at::Tensor& value, std::vector<at::Tensor>& kept) {
    const auto& first = stage.first ? kept[*stage.first] : value;
    const auto& second = stage.second ? kept[*stage.second] : value;
    value = stage.layer.forward(first, second);
    if (stage.keeps) {
        kept[*stage.keeps] = value;
    }
    for (const auto place : stage.releases) {
        kept[place].reset();
    }
}

void Network::train(bool on) {
    for (const auto& stage : stages_) {
        stage.layer.module->train(on);
    }
    training_ = on;
}

void Network::move_to(c10::Device device) {
    for (const auto& stage : stages_) {
        stage.layer.module->to(device);
    }
}

NamedTensors Network::parameters() const {
    NamedTensors parameters;
    for (const auto& stage : stages_) {
        append(parameters, stage.path, stage.layer.module->named_parameters());
    }
    return parameters;
}

NamedTensors Network::weights() const {
    NamedTensors weights;
    for (const auto& stage : stages_) {
        append(weights, stage.path, stage.layer.module->named_parameters());
        append(weights, stage.path, stage.layer.module->named_buffers());
    }
    return weights;
}

void Network::load(const std::map<std::string, at::Tensor>& weights, const std::string& source) {
    auto unused = weights;
    const at::NoGradGuard no_grad;
    for (auto& [name, weight] : this->weights()) {
        const auto found = unused.extract(name);
        if (found.empty()) {
            throw std::runtime_error("the " + source + " has no weight '" + name + "'");
        }
        if (found.mapped().sizes() != weight.sizes()) {
            throw std::runtime_error("weight '" + name + "' of the " + source +
                                     " does not have the shape of its layer");
        }
        weight.copy_(found.mapped());
    }
    if (!unused.empty()) {
        throw std::runtime_error("no layer has the weight '" + unused.begin()->first + "' of the " + source);
    }
}

}  // namespace profkit

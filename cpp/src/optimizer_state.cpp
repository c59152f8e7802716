#include "optimizer_state.h"

#include <ATen/Functions.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <memory>
#include <stdexcept>
#include <utility>

namespace profkit {
namespace {

using torch::optim::AdamParamState;
using torch::optim::OptimizerParamState;
using torch::optim::SGDParamState;
using Kept = std::map<std::string, at::Tensor>;

NamedTensors read(const OptimizerParamState& kept) {
    if (const auto* sgd = dynamic_cast<const SGDParamState*>(&kept)) {
        return {{"momentum_buffer", sgd->momentum_buffer()}};
    }
    if (const auto* adam = dynamic_cast<const AdamParamState*>(&kept)) {
        // Python counts the steps in a tensor.
        return {{"step", at::scalar_tensor(adam->step(), at::kFloat)},
                {"exp_avg", adam->exp_avg()},
                {"exp_avg_sq", adam->exp_avg_sq()}};
    }
    throw std::logic_error("an optimizer whose state is not known");
}

std::unique_ptr<OptimizerParamState> make(const torch::optim::Optimizer& optimizer, Kept kept) {
    const auto take = [&kept](const char* name) {
        const auto taken = kept.extract(name);
        if (taken.empty()) {
            throw std::runtime_error(std::string("the checkpoint is of another optimizer: it has no '") + name + '\'');
        }
        return taken.mapped();
    };
    std::unique_ptr<OptimizerParamState> made;
    if (dynamic_cast<const torch::optim::Adam*>(&optimizer) != nullptr) {
        auto adam = std::make_unique<AdamParamState>();
        adam->step(take("step").item<std::int64_t>());
        adam->exp_avg(take("exp_avg"));
        adam->exp_avg_sq(take("exp_avg_sq"));
        made = std::move(adam);
    } else {
        auto sgd = std::make_unique<SGDParamState>();
        sgd->momentum_buffer(take("momentum_buffer"));
        made = std::move(sgd);
    }
    if (!kept.empty()) {
        throw std::runtime_error("the checkpoint is of another optimizer: it has '" + kept.begin()->first + '\'');
    }
    return made;
}

}  // namespace

NamedTensors read_state(const torch::optim::Optimizer& optimizer, const NamedTensors& parameters) {
    NamedTensors state;
    for (const auto& [path, weight] : parameters) {
        const auto found = optimizer.state().find(weight.unsafeGetTensorImpl());
        if (found == optimizer.state().end()) {
            continue;
        }
        for (auto& [name, tensor] : read(*found->second)) {
            if (tensor.defined()) {
                state.emplace_back(path + '/' + name, std::move(tensor));
            }
        }
    }
    return state;
}

void write_state(torch::optim::Optimizer& optimizer, const NamedTensors& parameters,
                 const std::map<std::string, at::Tensor>& state) {
    std::map<std::string, at::Tensor> weights(parameters.begin(), parameters.end());
    std::map<std::string, Kept> kept;
    for (const auto& [key, tensor] : state) {
        const auto slash = key.rfind('/');
        const auto weight = slash == std::string::npos ? weights.end() : weights.find(key.substr(0, slash));
        if (weight == weights.end() || (tensor.dim() > 0 && tensor.sizes() != weight->second.sizes())) {
            throw std::runtime_error("the optimizer's '" + key + "' belongs to no weight of this network");
        }
        const auto name = key.substr(slash + 1);
        const auto device = name == "step" ? c10::Device(at::kCPU) : weight->second.device();
        kept[weight->first].emplace(name,
                                    tensor.to(device, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true));
    }
    optimizer.state().clear();
    for (auto& [path, tensors] : kept) {
        optimizer.state()[weights.at(path).unsafeGetTensorImpl()] = make(optimizer, std::move(tensors));
    }
}

}  // namespace profkit

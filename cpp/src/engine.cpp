#include "profkit/engine.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <torch/cuda.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <set>

#include "optimizer_state.h"
#include "profkit/failure.h"
#include "profkit/scope.h"

namespace profkit {
namespace {

c10::Device find_device(const std::string& name) {
    if (name != "cpu" && name != "cuda") {
        throw Unsupported("this program has no device '" + name + "'; known: cpu, cuda");
    }
    if (name == "cuda" && !torch::cuda::is_available()) {
        throw Unsupported("there is no CUDA device that this torch can use");
    }
    return c10::Device(name);
}

void set_backends(const Choices& choices) {
    if (choices.deterministic) {
        // cuBLAS repeats itself only with a workspace of its own, chosen before it starts.
        setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    }
    at::globalContext().setDeterministicAlgorithms(choices.deterministic, /*warn_only=*/false);
    at::globalContext().setBenchmarkCuDNN(choices.cudnn_benchmark);
    if (choices.flush_denormals && !at::globalContext().setFlushDenormal(true)) {
        throw Unsupported("this processor cannot flush subnormal numbers to zero");
    }
}

/// The bundle's masks where they are chosen.
std::optional<std::map<std::string, at::Tensor>> masks_on(c10::Device device, const Bundle& bundle,
                                                          const Choices& choices) {
    if (!choices.masks) {
        return std::nullopt;
    }
    auto masks = bundle.masks;
    for (auto& [path, mask] : masks) {
        mask = mask.to(device);
    }
    return masks;
}

std::string devices_of(const NamedTensors& tensors) {
    std::set<std::string> devices;
    for (const auto& [name, tensor] : tensors) {
        devices.insert(tensor.device().str());
    }
    std::string joined;
    for (const auto& device : devices) {
        joined += (joined.empty() ? "" : ",") + device;
    }
    return joined;
}

NamedTensors copies(NamedTensors tensors) {
    for (auto& [name, tensor] : tensors) {
        tensor = tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    }
    return tensors;
}

}  // namespace

Engine::Engine(const Bundle& bundle, const Choices& choices)
    : device_(find_device(choices.device)),
      seed_(bundle.seed),
      network_(bundle.layers, masks_on(device_, bundle, choices)),
      loss_(build_loss(bundle.loss)) {
    set_backends(choices);
    network_.load(bundle.weights, "bundle");
    network_.move_to(device_);
    std::vector<at::Tensor> parameters;
    std::ranges::transform(network_.parameters(), std::back_inserter(parameters),
                           [](const auto& named) { return named.second; });
    optimizer_ = build_optimizer(bundle.optimizer, std::move(parameters), bundle.hyperparameters);
}

Engine::~Engine() = default;

Outcome Engine::train_step(const at::Tensor& inputs, const at::Tensor& targets) {
    if (!network_.is_training()) {
        network_.train(true);
    }
    at::Tensor outputs, loss;
    {
        const Scope scope("phase/optimizer");
        optimizer_->zero_grad();
    }
    {
        const Scope scope("phase/forward");
        outputs = network_.forward(inputs);
        const Scope layer_scope("layer/loss");
        loss = loss_(outputs, targets);
    }
    {
        const Scope scope("phase/backward");
        loss.backward();
    }
    {
        const Scope scope("phase/optimizer");
        optimizer_->step();
    }
    trained_ = network_.is_training();
    return {loss.detach(), outputs.detach()};
}

at::Tensor Engine::infer_step(const at::Tensor& inputs) {
    if (network_.is_training()) {
        network_.train(false);
    }
    const at::NoGradGuard no_grad;
    const Scope scope("phase/forward");
    return network_.forward(inputs);
}

void Engine::synchronize() const {
    if (device_.is_cuda()) {
        torch::cuda::synchronize();
    }
}

Conditions Engine::conditions(const at::Tensor& inputs) {
    // Gradients are what backward leaves at the weights; without it, what an output remembers of its making.
    const bool training = trained_.value_or(network_.is_training());
    const bool grad = training ? std::ranges::any_of(network_.parameters(),
                                                     [](const auto& named) { return named.second.grad().defined(); })
                               : infer_step(inputs).requires_grad();
    NamedTensors state = read_state(*optimizer_, network_.parameters());
    std::erase_if(state, [](const auto& named) { return named.second.dim() == 0; });
    return {.grad = grad,
            .training = training,
            .places = {{"weights", devices_of(network_.weights())},
                       {"inputs", inputs.device().str()},
                       {"state", devices_of(state)}}};
}

NamedTensors Engine::weights() const { return copies(network_.weights()); }

NamedTensors Engine::optimizer_state() const { return copies(read_state(*optimizer_, network_.parameters())); }

void Engine::restore(const std::map<std::string, at::Tensor>& weights, const std::map<std::string, at::Tensor>& state) {
    network_.load(weights, "checkpoint");
    write_state(*optimizer_, network_.parameters(), state);
}

void Engine::start_epoch(std::int64_t epoch) const { at::manual_seed(static_cast<std::uint64_t>(seed_ + epoch)); }

}  // namespace profkit

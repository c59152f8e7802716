#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "profkit/bundle.h"
#include "profkit/network.h"

namespace profkit {

/// How to compute.
struct Choices {
    std::string device = "cpu";
    bool masks = false;            ///< take dropout from the bundle's masks, not from a generator
    bool deterministic = false;    ///< only algorithms that repeat themselves to the bit
    bool cudnn_benchmark = false;  ///< let cuDNN choose its algorithms by timing them
    bool flush_denormals = false;  ///< take subnormal numbers as zero
};

/// What a training step computed, still on the engine's device.
struct Outcome {
    at::Tensor loss;     ///< scalar, mean over the batch
    at::Tensor outputs;  ///< of the last layer, before the step changed the weights
};

/// How the last steps ran, read off what they left.
struct Conditions {
    bool grad = false;      ///< whether they computed gradients
    bool training = false;  ///< whether they ran in training mode, tests between them left out
    /// Devices of the tensors (`weights`, `inputs`, `state`), several with commas; empty where there are none.
    std::map<std::string, std::string> places;
};

/// The network of a bundle with its loss and optimizer: twin of `profkit.runner.torch_engine.TorchEngine`.
class Engine {
public:
    /// Sets torch's flags as chosen.
    ///
    /// @throws Unsupported a device or a choice that is not to be had, or an unknown kind of layer, loss or optimizer.
    /// @throws std::runtime_error weights or settings that do not fit.
    Engine(const Bundle& bundle, const Choices& choices);
    ~Engine();

    const c10::Device& device() const { return device_; }
    at::Tensor to_device(const at::Tensor& tensor) const { return tensor.to(device_); }

    /// One step of training; the targets are labels, or the inputs again where the network has them as its target.
    Outcome train_step(const at::Tensor& inputs, const at::Tensor& targets);

    /// Output for a batch in evaluation mode, without gradients.
    at::Tensor infer_step(const at::Tensor& inputs);

    /// Waits until the device has done all that it was asked to; nothing on the host.
    void synchronize() const;

    /// How the steps before this ran.
    ///
    /// @param inputs a batch of theirs: without training it passes through the network once more.
    Conditions conditions(const at::Tensor& inputs);

    /// Copies of parameters and buffers as they are now, on the host.
    NamedTensors weights() const;

    /// Copies of what the optimizer keeps, by `<weight>/<name>`, on the host; empty before the first step.
    NamedTensors optimizer_state() const;

    /// Takes over weights, buffers and optimizer state.
    ///
    /// @throws std::runtime_error names or shapes do not fit.
    void restore(const std::map<std::string, at::Tensor>& weights, const std::map<std::string, at::Tensor>& state);

    /// Seeds torch's generators with the bundle's seed plus `epoch`.
    void start_epoch(std::int64_t epoch) const;

private:
    c10::Device device_;
    std::int64_t seed_;
    Network network_;
    Loss loss_;
    std::unique_ptr<torch::optim::Optimizer> optimizer_;
    std::optional<bool> trained_;  ///< whether the last step of training ran in training mode
};

}  // namespace profkit

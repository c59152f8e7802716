#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "profkit/bundle.h"
#include "profkit/layers.h"
#include "profkit/named_tensors.h"

namespace profkit {

/// Runs layers one after the other; a layer takes the output of the one before it, or those it names.
/// Twin of `profkit.runner.network.Network`.
class Network {
public:
    /// @param masks of each dropout layer, where every implementation is to drop the same.
    /// @throws Unsupported a kind of layer that this program does not know.
    /// @throws std::runtime_error a setting, an input or a mask that does not fit.
    Network(const std::vector<LayerSpec>& layers, const std::optional<std::map<std::string, at::Tensor>>& masks);

    /// Output of the last layer for a batch (batch size, *input shape), each layer in its scope where a tool listens.
    at::Tensor forward(const at::Tensor& input);

    void train(bool on);
    bool is_training() const { return training_; }
    void move_to(c10::Device device);

    /// Trainable weights by `<path>.<name>`, in the order of the layers.
    NamedTensors parameters() const;

    /// Parameters and buffers, in the order of the layers.
    NamedTensors weights() const;

    /// Copies weights and buffers in.
    ///
    /// @param source that they come from, for the error: "bundle".
    /// @throws std::runtime_error a name or a shape does not fit.
    void load(const std::map<std::string, at::Tensor>& weights, const std::string& source);

private:
    /// Where a layer takes an input from: an output that was kept, or none where it is what the layer before made.
    using Operand = std::optional<std::size_t>;

    struct Stage {
        std::string path;
        std::string scope;  ///< made once: what a step computes for itself would be measured with it
        LayerModule layer;
        Operand first;
        Operand second;
        Operand keeps;                      ///< where its output is kept for a later layer that names it
        std::vector<std::size_t> releases;  ///< outputs that no later layer takes
    };

    /// Gives every layer's inputs and outputs their places.
    void connect(const std::vector<LayerSpec>& layers);
    static void advance(Stage& stage, at::Tensor& value, std::vector<at::Tensor>& kept);

    std::vector<Stage> stages_;
    Operand input_keeps_;
    std::size_t places_ = 0;
    bool training_ = true;
};

}  // namespace profkit

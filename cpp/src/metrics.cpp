#include "profkit/metrics.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <chrono>
#include <cmath>

#include "profkit/scope.h"

namespace profkit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t reconstructions = 16;

/// Sums of a metric's means over batches, each weighted by its samples.
struct Sums {
    double cross_entropy = 0, l1 = 0, l2 = 0;
    std::int64_t samples = 0, correct = 0;
};

void add_labelled(Sums& sums, const at::Tensor& outputs, const at::Tensor& labels) {
    sums.correct += count_correct(outputs, labels);
    sums.cross_entropy += static_cast<double>(labels.size(0)) * at::cross_entropy_loss(outputs, labels).item<double>();
}

void add_reconstructed(Sums& sums, const at::Tensor& outputs, const at::Tensor& inputs) {
    const auto samples = static_cast<double>(inputs.size(0));
    sums.l1 += samples * at::l1_loss(outputs, inputs).item<double>();
    sums.l2 += samples * at::mse_loss(outputs, inputs).item<double>();
}

}  // namespace

void Totals::add(std::int64_t batch_samples, double mean_loss, std::int64_t batch_correct) {
    samples += batch_samples;
    loss += static_cast<double>(batch_samples) * mean_loss;
    correct += batch_correct;
}

std::optional<double> Totals::mean_loss() const {
    return std::isnan(loss) ? std::nullopt : std::optional(loss / static_cast<double>(samples));
}

double Totals::accuracy() const { return static_cast<double>(correct) / static_cast<double>(samples); }

std::int64_t count_correct(const at::Tensor& outputs, const at::Tensor& labels) {
    return (outputs.argmax(1) == labels).sum().item<std::int64_t>();
}

Evaluation evaluate(Engine& engine, const Batches& batches, const Bundle& bundle) {
    Evaluation found;
    if (batches.count() == 0) {
        return found;
    }
    const Listening nobody(nullptr);
    const auto start = Clock::now();
    Sums sums;
    for (std::int64_t index = 0; index < batches.count(); ++index) {
        const auto batch = batches.make(index);
        const auto inputs = engine.to_device(batch.inputs);
        const auto outputs = engine.infer_step(inputs);
        sums.samples += batch.labels.size(0);
        if (bundle.has_labels()) {
            add_labelled(sums, outputs, engine.to_device(batch.labels));
        } else {
            add_reconstructed(sums, outputs, inputs);
        }
    }
    const auto samples = static_cast<double>(sums.samples);
    if (bundle.has_labels()) {
        found.loss = sums.cross_entropy / samples;
        found.accuracy = static_cast<double>(sums.correct) / samples;
    } else {
        found.l1 = sums.l1 / samples;
        found.l2 = sums.l2 / samples;
        found.loss = bundle.loss == "l1" ? found.l1 : found.l2;
    }
    found.evaluate_ns = std::chrono::nanoseconds(Clock::now() - start).count();
    return found;
}

at::Tensor reconstruct(Engine& engine, const Batches& batches) {
    const auto inputs = batches.make(0).inputs.slice(0, 0, reconstructions);
    return engine.infer_step(engine.to_device(inputs)).cpu();
}

}  // namespace profkit

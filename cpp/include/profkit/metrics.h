#pragma once

#include <cstdint>
#include <optional>

#include "profkit/batches.h"
#include "profkit/engine.h"

namespace profkit {

/// Sums over samples.
struct Totals {
    std::int64_t samples = 0;
    double loss = 0;  ///< sum of each batch's mean loss times its samples; NaN where one was never asked for
    std::int64_t correct = 0;

    /// Counts a batch in.
    void add(std::int64_t batch_samples, double mean_loss, std::int64_t batch_correct);

    /// Mean over samples; none where it was never asked for.
    std::optional<double> mean_loss() const;

    /// Share of correct answers.
    double accuracy() const;
};

/// How many samples have their largest output (batch size, classes) at their label (batch size).
std::int64_t count_correct(const at::Tensor& outputs, const at::Tensor& labels);

/// What a network makes of all test batches: totals over totals, so that a smaller last batch counts by its size.
struct Evaluation {
    std::optional<double> loss;
    std::optional<double> accuracy;
    std::optional<double> l1;
    std::optional<double> l2;
    std::int64_t evaluate_ns = 0;
};

/// Loss and accuracy where there are labels, else L1 and L2; none where there are no batches.
Evaluation evaluate(Engine& engine, const Batches& batches, const Bundle& bundle);

/// The network's output for the first images, (at most 16, channels, height, width), on the host.
at::Tensor reconstruct(Engine& engine, const Batches& batches);

}  // namespace profkit

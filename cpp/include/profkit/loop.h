#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "profkit/batches.h"
#include "profkit/checkpoint.h"
#include "profkit/engine.h"
#include "profkit/metrics.h"
#include "profkit/phase_clock.h"
#include "profkit/region.h"

namespace profkit {

/// How to go through a bundle; twin of `profkit.runner.loop.Course`.
struct Course {
    bool infer = false;                 ///< in place of training
    std::optional<std::int64_t> steps;  ///< of the region; none where `epochs` says it
    std::optional<std::int64_t> epochs;
    std::int64_t warmup = 0;   ///< steps before the region
    std::int64_t workers = 0;  ///< threads that make batches ahead
    Tool tool;                 ///< that records the region

    const char* mode() const { return infer ? "infer" : "train"; }
};

/// What the clock saw.
struct Measured {
    std::vector<std::int64_t> step_ns;                              ///< of each step of the region
    std::vector<std::int64_t> samples;                              ///< of each of those steps
    std::array<std::vector<std::int64_t>, phases.size()> phase_ns;  ///< of each of those steps; empty under a tool
    std::vector<double> losses;                                     ///< of every step
    std::string epochs = "[]";                                      ///< what the report says of each, JSON
    std::vector<std::int64_t> warmup_ns;                            ///< of each step before the region
    Conditions conditions;                                          ///< of the last steps, read off after them
};

/// Told what the run is at, a line each time.
using Progress = std::function<void(const std::string& line)>;

/// Told where the run stands, after each epoch or at the end; makes the checkpoint only where it wants one.
using Save = std::function<void(const std::function<Checkpoint()>& checkpoint)>;

/// One way through a bundle: twin of `profkit.runner.loop.Loop`.
class Loop {
public:
    Loop(Engine& engine, const Bundle& bundle, const Course& course, Progress progress);

    /// Warms up, then takes the steps or the epochs of the region.
    ///
    /// @param start where an earlier run stood.
    /// @throws NotFinite the loss is NaN or infinite.
    Measured run(const Checkpoint& start, const Save& save);

    /// What the steps go through.
    const Batches& batches() const { return batches_; }

private:
    /// What a step leaves behind for those who count.
    struct Step {
        at::Tensor outputs;
        at::Tensor labels;
        double loss;  ///< 0 where there is none, NaN where it is not asked for
    };

    void run_steps(const Checkpoint& start, const Save& save);
    void run_epochs(const Checkpoint& start, const Save& save);
    void run_epoch(Feed& feed, std::int64_t epoch);
    void warm_up(Feed& feed);

    /// Sees how the steps ran, by a sample: nothing of it is in them.
    void note_conditions();

    /// One step of the region on the clock.
    Step take(Feed& feed, std::int64_t epoch);

    /// One step, and in training its loss kept.
    Step step(Feed& feed);

    /// The losses as numbers. Under a tool they are asked for here: in the region the question would be recorded.
    void settle_losses();

    Checkpoint checkpoint(std::int64_t epoch, std::int64_t step) const;
    void note_epoch(std::int64_t epoch, std::size_t first, const Totals& seen, const Evaluation& tested);

    Engine& engine_;
    const Bundle& bundle_;
    const Course& course_;
    Progress progress_;
    Batches test_;
    Batches batches_;
    PhaseClock clock_;
    bool clocked_;  ///< whether phases are timed: there is no tool that would be
    std::vector<at::Tensor> losses_;
    Measured measured_;
};

}  // namespace profkit

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "profkit/memory.h"
#include "profkit/region.h"
#include "profkit/scope.h"

namespace profkit {

/// What profkit asks of a program that it started, told in environment variables.
struct Wishes {
    Tool tool;                          ///< PROFKIT_TOOL, PROFKIT_ARTEFACT
    std::filesystem::path report;       ///< PROFKIT_REPORT; empty where none is asked for
    std::int64_t warmup = 0;            ///< PROFKIT_WARMUP: steps before the region
    std::optional<std::int64_t> steps;  ///< PROFKIT_STEPS; without it the region lasts until the program ends
    bool stop = false;                  ///< PROFKIT_STOP: the program ends with the region

    /// None where profkit did not start this program: PROFKIT_TOOL is not set. A tool that is not one of `tool_names()`
    /// records from outside; then steps are only timed.
    ///
    /// @throws std::invalid_argument a variable that should hold a number of steps does not.
    static std::optional<Wishes> from_environment();

    /// Removes the variables, so that programs which this one starts are not recorded with it.
    static void leave_environment();
};

/// The region of a program that is not ours: it tells where its steps begin and end, and the tool, the warm-up, the
/// number of steps and the report come from outside. What `profkit.h` and the preload library share.
///
/// Steps, and so the region, belong to one thread.
class Program {
public:
    explicit Program(Wishes wishes) : wishes_(std::move(wishes)) {}
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// This process, null where profkit did not start it. It is never destroyed: scopes may outlive every other thing.
    static Program* running();

    /// Has the tool record every thread, where it can. To be called before the region starts.
    void record_all_threads() { wishes_.tool.all_threads = true; }

    /// Starts the region: from here on everything is recorded. Where steps follow, it starts anew after the warm-up, if
    /// the tool can.
    void open();

    /// Starts the region where nobody knows whether steps will follow: not if it could not start anew.
    void open_for_now();

    void begin_step();
    void end_step();

    /// Steps that have ended, those of the warm-up included.
    std::int64_t steps_seen() const { return seen_; }

    /// Ends the region where the program has come to its end; then, where it is wished, the program ends too.
    void close();

    /// Ends the region, unless it has ended: the artefact and the report are written. At the program's end the report
    /// is written again with the times of the steps since.
    ///
    /// @param interruption that ends it before its time; empty where there was none.
    void finish(const std::string& interruption = "");

private:
    using Clock = std::chrono::steady_clock;

    bool starts_anew() const;
    void start_region();

    /// What went wrong, empty where nothing did.
    std::string write_artefact();
    /// Why there is nothing to write, empty where there is.
    std::string shortfall() const;

    void write_report() const;

    Wishes wishes_;
    std::optional<Region> region_;
    std::optional<Scope> scope_;  ///< of the step, where it is recorded
    Clock::time_point region_start_;
    Clock::time_point step_start_;
    std::int64_t region_ns_ = 0;
    std::vector<std::int64_t> warmup_ns_;
    std::vector<std::int64_t> step_ns_;
    std::vector<std::int64_t> after_ns_;  ///< of steps after the region, when no tool runs
    std::optional<Memory> memory_;        ///< after the warm-up, before the tool starts
    std::string reason_;                  ///< why the recording is not whole, empty where it is
    std::int64_t seen_ = 0;
    pid_t process_ = 0;  ///< that the region is in
    bool warmup_is_recorded_ = false;
    bool in_step_ = false;
    bool over_ = false;
};

}  // namespace profkit

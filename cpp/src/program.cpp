#include "profkit/program.h"

#include <ATen/Parallel.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "profkit/files.h"
#include "profkit/json.h"
#include "profkit/surroundings.h"

namespace profkit {
namespace {

/// By these bytes profkit tells a program that has a region of its own from one that does not.
[[gnu::used]] constexpr char region_mark[] = "profkit-region-v1";

constexpr const char* tool_variable = "PROFKIT_TOOL";
constexpr const char* artefact_variable = "PROFKIT_ARTEFACT";
constexpr const char* report_variable = "PROFKIT_REPORT";
constexpr const char* warmup_variable = "PROFKIT_WARMUP";
constexpr const char* steps_variable = "PROFKIT_STEPS";
constexpr const char* stop_variable = "PROFKIT_STOP";

/// Of these and of those that only Python programs read nothing is left to the program's children.
constexpr std::array variables{tool_variable,  artefact_variable, report_variable,    warmup_variable, steps_variable,
                               stop_variable, "PROFKIT_CONTROL", "PROFKIT_EXTENSION", "PROFKIT_MARKS"};

/// Steps after the region that are timed, to compare with those under the tool.
constexpr std::size_t most_after = 20;

std::string text_of(const char* variable) {
    const char* value = std::getenv(variable);
    return value == nullptr ? "" : value;
}

std::optional<std::int64_t> number_of(const char* variable) {
    const auto text = text_of(variable);
    if (text.empty()) {
        return std::nullopt;
    }
    std::int64_t number = 0;
    const auto* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, number).ptr != end || number < 0) {
        throw std::invalid_argument(std::string(variable) + " is '" + text + "', and should be a number of steps");
    }
    return number;
}

/// Ends the region with the thread that it is on, `exit` included: there the tool's own thread-local state, which is
/// older than this, still lives. Static objects are destroyed too late for that.
struct EndOfThread {
    Program* program = nullptr;

    ~EndOfThread() {
        if (program != nullptr) {
            program->finish();
        }
    }
};
thread_local EndOfThread end_of_thread;

/// What is written is kept, and nothing else runs: destroying torch under the program's other threads might crash.
[[noreturn]] void stop_program() {
    std::cout.flush();
    std::fflush(nullptr);
    std::_Exit(EXIT_SUCCESS);
}

}  // namespace

std::optional<Wishes> Wishes::from_environment() {
    Wishes wishes{.tool = {.name = text_of(tool_variable), .artefact = text_of(artefact_variable)},
                  .report = text_of(report_variable),
                  .warmup = number_of(warmup_variable).value_or(0),
                  .steps = number_of(steps_variable),
                  .stop = text_of(stop_variable) == "1"};
    if (wishes.tool.name.empty()) {
        return std::nullopt;
    }
    const auto inside = tool_names();
    if (std::ranges::find(inside, wishes.tool.name) == inside.end()) {
        wishes.tool.name = Tool().name;  // it looks at the program from outside
    }
    return wishes;
}

void Wishes::leave_environment() {
    for (const auto* variable : variables) {
        unsetenv(variable);
    }
}

Program* Program::running() {
    static Program* const program = []() -> Program* {
        auto wishes = Wishes::from_environment();
        Wishes::leave_environment();
        return wishes ? new Program(std::move(*wishes)) : nullptr;
    }();
    return program;
}

void Program::start_region() {
    // Kineto would tell the program's standard error when it starts and stops.
    setenv("KINETO_LOG_LEVEL", "6", 0);
    scope_listener = nullptr;
    region_.reset();
    if (seen_ > 0 && wishes_.tool.name != "callgrind") {  // there it is Valgrind's memory
        memory_ = read_memory(c10::Device(c10::kCPU));
    }
    region_.emplace(wishes_.tool);
    process_ = getpid();
    end_of_thread.program = this;
    region_start_ = Clock::now();
}

bool Program::starts_anew() const {
    // What Callgrind has counted it does not forget.
    return wishes_.tool.name != "callgrind";
}

void Program::open() {
    if (!over_ && !region_) {
        start_region();
        warmup_is_recorded_ = wishes_.tool.name != Tool().name;
    }
}

void Program::open_for_now() {
    if (wishes_.warmup == 0 || starts_anew()) {
        open();
    }
}

void Program::begin_step() {
    if (in_step_) {
        return;
    }
    if (!over_ && seen_ == wishes_.warmup && (!region_ || (seen_ > 0 && starts_anew()))) {
        start_region();
    }
    in_step_ = true;
    if (!over_ && seen_ >= wishes_.warmup) {
        region_->attend();
        scope_.emplace("ProfilerStep#", std::to_string(step_ns_.size()));
    }
    step_start_ = Clock::now();
}

void Program::end_step() {
    if (!in_step_) {
        return;
    }
    const auto taken = std::chrono::nanoseconds(Clock::now() - step_start_).count();
    scope_.reset();
    in_step_ = false;
    if (over_) {
        if (after_ns_.size() < most_after) {
            after_ns_.push_back(taken);
        }
        return;
    }
    (seen_++ < wishes_.warmup ? warmup_ns_ : step_ns_).push_back(taken);
    if (wishes_.steps && static_cast<std::int64_t>(step_ns_.size()) == *wishes_.steps) {
        close();
    }
}

void Program::close() {
    const bool was_over = over_;
    finish();
    if (!was_over && wishes_.stop) {
        stop_program();
    }
}

void Program::finish(const std::string& interruption) {
    if (region_ && process_ != getpid()) {
        return;  // a child of the program is not the program
    }
    if (!over_) {
        over_ = true;
        in_step_ = false;
        region_ns_ = region_ ? std::chrono::nanoseconds(Clock::now() - region_start_).count() : 0;
        reason_ = shortfall();
        if (reason_.empty()) {
            reason_ = write_artefact();
        }
        reason_ = interruption.empty() ? reason_ : interruption;
        region_.reset();
        scope_.reset();
    } else if (after_ns_.empty()) {
        return;
    }
    try {
        write_report();
    } catch (const std::exception& error) {
        std::cerr << "profkit: " << error.what() << '\n';
    }
}

std::string Program::write_artefact() {
    try {
        region_->close();
        return "";
    } catch (const std::exception& error) {
        const std::string message = error.what();
        return message.substr(0, message.find('\n'));
    }
}

std::string Program::shortfall() const {
    const auto warmup = std::to_string(wishes_.warmup);
    if (region_ && (seen_ == 0 || !step_ns_.empty())) {
        return "";
    }
    if (seen_ == 0) {
        return "the program ended, and no step was seen in it";
    }
    return "the program ended after " + std::to_string(seen_) + " steps, and " + warmup + " of them are warm-up";
}

void Program::write_report() const {
    if (wishes_.report.empty()) {
        return;
    }
    const auto taken = static_cast<std::int64_t>(step_ns_.size());
    auto reason = reason_;
    if (reason.empty() && taken > 0 && taken < wishes_.steps.value_or(0)) {
        reason =
            "the program ended after " + std::to_string(taken) + " of " + std::to_string(*wishes_.steps) + " steps";
    }
    Json::Object report{{"format", region_mark},
                        {"region", taken > 0 ? "steps" : "main"},
                        {"steps", taken},
                        {"step_ns", step_ns_},
                        {"warmup", wishes_.warmup},
                        {"warmup_ns", warmup_is_recorded_ ? Json(Json::Array{}) : Json(warmup_ns_)},
                        {"after_ns", after_ns_},
                        {"region_ns", region_ns_},
                        {"versions", Json::Object{{"libtorch", TORCH_VERSION}}},
                        {"threads", std::int64_t{at::get_num_threads()}},
                        {"complete", Json::Text{reason.empty() ? "true" : "false"}}};
    if (!reason.empty()) {
        report.emplace_back("reason", reason);
    }
    report.emplace_back("settings", backend_settings());
    if (memory_) {
        report.emplace_back("memory", Json::Object{{"rss_bytes", memory_->rss_bytes},
                                                   {"peak_rss_bytes", memory_->peak_rss_bytes}});
    }
    for (auto& fact : surroundings(wishes_.tool.name)) {
        report.push_back(std::move(fact));
    }
    write_file_whole(wishes_.report, Json(std::move(report)).text());
}

}  // namespace profkit

#include "profkit/phase_clock.h"

#include <c10/util/Exception.h>
#include <torch/cuda.h>

#include <algorithm>
#include <utility>

namespace profkit {

void PhaseClock::enter(std::string_view name) {
    constexpr std::string_view prefix = "phase/";
    const auto phase = name.starts_with(prefix) ? std::ranges::find(phases, name.substr(prefix.size())) : phases.end();
    open_.push_back(static_cast<std::size_t>(phase - phases.begin()));
    if (phase != phases.end()) {
        start_ = Clock::now();
    }
}

void PhaseClock::leave() {
    const auto phase = open_.back();
    open_.pop_back();
    if (phase == phases.size()) {
        return;
    }
    if (synchronizes_) {
        try {
            torch::cuda::synchronize();
        } catch (const c10::Error&) {
            // A scope cannot throw where it ends. CUDA repeats its error at the end of the step, where that can.
        }
    }
    times_[phase] += std::chrono::nanoseconds(Clock::now() - start_).count();
}

PhaseTimes PhaseClock::take() { return std::exchange(times_, {}); }

}  // namespace profkit

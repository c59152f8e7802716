#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "profkit/scope.h"

namespace profkit {

/// Of a step, in the order of their first use.
inline constexpr std::array<std::string_view, 5> phases{"data", "host_to_device", "forward", "backward", "optimizer"};

/// Time of each phase [ns], in the order of `phases`.
using PhaseTimes = std::array<std::int64_t, phases.size()>;

/// Times the phases of one step and nothing else: what a run without a tool is split into.
class PhaseClock : public ScopeListener {
public:
    /// @param synchronizes at the end of each phase wait for CUDA, so that what was asked of it is done.
    explicit PhaseClock(bool synchronizes) : synchronizes_(synchronizes) {}

    void enter(std::string_view name) override;
    void leave() override;
    bool hears_layers() const override { return false; }

    /// Times since the last call.
    PhaseTimes take();

private:
    using Clock = std::chrono::steady_clock;

    bool synchronizes_;
    PhaseTimes times_{};
    std::vector<std::size_t> open_;  ///< scopes not yet left: index of the phase, or the number of phases for others
    Clock::time_point start_;
};

}  // namespace profkit

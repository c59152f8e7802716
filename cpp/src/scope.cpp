#include "profkit/scope.h"

#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/cuda.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "profkit/files.h"
#include "profkit/json.h"

namespace profkit {
namespace {

using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ExperimentalConfig;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

}  // namespace

TorchScopes::TorchScopes(bool all_threads) {
    ExperimentalConfig experimental;
    experimental.profile_all_threads = all_threads;
    const ProfilerConfig config(ProfilerState::KINETO, /*report_input_shapes=*/true, /*profile_memory=*/true,
                                /*with_stack=*/false, /*with_flops=*/false, /*with_modules=*/false, experimental);
    std::set<ActivityType> activities{ActivityType::CPU};
    if (torch::cuda::is_available()) {
        activities.insert(ActivityType::CUDA);
    }
    torch::autograd::profiler::prepareProfiler(config, activities);
    torch::autograd::profiler::enableProfiler(config, activities);
}

TorchScopes::~TorchScopes() {
    if (recording_) {
        torch::autograd::profiler::disableProfiler();
    }
}

void TorchScopes::enter(std::string_view name) {
    auto& record = records_.emplace_back(at::RecordScope::USER_SCOPE);
    if (record.isActive()) {
        record.before(std::string(name));
    }
}

void TorchScopes::leave() {
    // A region that starts anew inside a scope does not know it.
    if (!records_.empty()) {
        records_.pop_back();
    }
}

void TorchScopes::finish(const std::filesystem::path& artefact) {
    recording_ = false;
    const auto trace = torch::autograd::profiler::disableProfiler();
    if (trace->events().empty()) {
        throw std::runtime_error("PyTorch Profiler recorded no operator");
    }
    // Kineto only logs that it cannot open its file, so the attempt is made here first.
    write_file(artefact, "");
    trace->save(artefact.string());
}

void WallclockScopes::enter(std::string_view name) {
    open_.push_back(rows_.size());
    const auto depth = static_cast<std::int64_t>(open_.size()) - 1;
    rows_.push_back({.name = std::string(name), .depth = depth, .start = {}, .duration = {}});
    rows_.back().start = Clock::now();
}

void WallclockScopes::leave() {
    const auto end = Clock::now();
    if (open_.empty()) {
        return;  // entered before the region started anew
    }
    auto& row = rows_[open_.back()];
    row.duration = end - row.start;
    open_.pop_back();
}

void WallclockScopes::finish(const std::filesystem::path& artefact) {
    Json::Array names, depths, starts, durations;
    for (std::size_t index = 0; index < rows_.size(); ++index) {
        if (std::ranges::find(open_, index) != open_.end()) {
            continue;  // a scope that the region ended in has no duration
        }
        const auto& row = rows_[index];
        names.emplace_back(row.name);
        depths.emplace_back(row.depth);
        starts.emplace_back(std::chrono::nanoseconds(row.start.time_since_epoch()).count());
        durations.emplace_back(std::chrono::nanoseconds(row.duration).count());
    }
    const Json body(Json::Object{{"format", "profkit-wallclock"},
                                 {"name", std::move(names)},
                                 {"depth", std::move(depths)},
                                 {"start_ns", std::move(starts)},
                                 {"duration_ns", std::move(durations)}});
    write_file(artefact, body.text());
}

}  // namespace profkit

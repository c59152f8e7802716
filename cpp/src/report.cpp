#include "profkit/report.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <torch/version.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>

namespace profkit {
namespace {

/// Logical processors that this process may run on, where the system binds processes at all.
Json affinity() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        Json::Array processors;
        for (std::int64_t processor = 0; processor < CPU_SETSIZE; ++processor) {
            if (CPU_ISSET(static_cast<std::size_t>(processor), &set)) {
                processors.emplace_back(processor);
            }
        }
        return processors;
    }
#endif
    return nullptr;
}

/// torch's own description of its build, in one line.
std::string torch_build() {
    std::istringstream words(at::show_config());
    std::string line;
    for (std::string word; words >> word;) {
        line += (line.empty() ? "" : " ") + word;
    }
    return line;
}

const char* truth(bool value) { return value ? "true" : "false"; }

}  // namespace

Json report(const Trainer& trainer, const Training& training) {
    return Json::Object{
        {"step_ns", training.step_ns},
        {"losses", training.losses},
        {"threads", std::int64_t{at::get_num_threads()}},
        {"affinity", affinity()},
        {"versions", Json::Object{{"torch", TORCH_VERSION}, {"compiler", PROFKIT_COMPILER}}},
        {"build", Json::Object{{"type", PROFKIT_BUILD_TYPE}, {"flags", PROFKIT_BUILD_FLAGS}, {"torch", torch_build()}}},
        {"settings", Json::Object{{"language", "c++"},
                                  {"device", "cpu"},
                                  {"grad", truth(at::GradMode::is_enabled())},
                                  {"training", truth(trainer.is_training())},
                                  {"cpu_capability", at::get_cpu_capability()},
                                  {"onednn", truth(at::hasMKLDNN())},
                                  {"deterministic", truth(at::globalContext().deterministicAlgorithms())}}},
    };
}

}  // namespace profkit

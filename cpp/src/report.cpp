#include "profkit/report.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "profkit/cuda_device.h"
#include "profkit/memory.h"
#include "profkit/phase_clock.h"
#include "profkit/surroundings.h"

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

/// The word of a text that follows a mark; empty where there is no such mark.
std::string word_after(const std::string& text, std::string_view mark) {
    const auto found = text.find(mark);
    std::string word;
    if (found != std::string::npos) {
        std::istringstream(text.substr(found + mark.size())) >> word;
    }
    return word;
}

const char* truth(bool value) { return value ? "true" : "false"; }

Json phase_times(const Measured& measured) {
    Json::Object times;
    for (std::size_t phase = 0; phase < phases.size(); ++phase) {
        times.emplace_back(phases[phase], measured.phase_ns[phase]);
    }
    return times;
}

Json places_of(const Conditions& conditions) {
    Json::Object places;
    for (const auto& [what, devices] : conditions.places) {
        places.emplace_back(what, devices);
    }
    return places;
}

Json memory_of(const c10::Device& device) {
    const auto memory = read_memory(device);
    return Json::Object{{"rss_bytes", memory.rss_bytes},
                        {"peak_rss_bytes", memory.peak_rss_bytes},
                        {"device_allocated_bytes", memory.device_allocated_bytes},
                        {"device_reserved_bytes", memory.device_reserved_bytes},
                        {"device_peak_bytes", memory.device_peak_bytes}};
}

Json versions_for(const c10::Device& device) {
    Json::Object versions{{"torch", TORCH_VERSION}, {"compiler", PROFKIT_COMPILER}};
    const std::pair<const char*, std::string> libraries[] = {
        {"onednn", word_after(at::get_mkldnn_version(), "MKL-DNN v")},
        {"mkl", word_after(at::get_mkl_version(), "Math Kernel Library Version ")}};
    for (const auto& [name, version] : libraries) {
        if (!version.empty()) {
            versions.emplace_back(name, version);
        }
    }
    if (device.is_cuda()) {
        versions.emplace_back("cuda", cuda_version());
        versions.emplace_back("cudnn", cudnn_version());
    }
    return versions;
}

/// Backend flags as they are in effect.
Json settings_for(const c10::Device& device, const Choices& choices, const Course& course,
                  const Conditions& conditions) {
    Json::Object settings{{"language", "c++"},
                          {"device", choices.device},
                          {"mode", course.mode()},
                          {"grad", truth(conditions.grad)},
                          {"training", truth(conditions.training)},
                          {"workers", std::to_string(course.workers)}};
    std::ranges::move(backend_settings(), std::back_inserter(settings));
    if (device.is_cuda()) {
        settings.emplace_back("device_name", cuda_device_name());
    }
    return settings;
}

}  // namespace

Json report(const Engine& engine, const Choices& choices, const Course& course, const Measured& measured,
            std::optional<std::int64_t> load_ns) {
    Json::Object said{
        {"mode", course.mode()},
        {"step_ns", measured.step_ns},
        {"samples", measured.samples},
        {"phase_ns", phase_times(measured)},
        {"losses", measured.losses},
        {"epochs", Json::Text{measured.epochs}},
        {"load_ns", load_ns},
        {"compile_ns", nullptr},
        {"memory", memory_of(engine.device())},
        {"threads", std::int64_t{at::get_num_threads()}},
        {"affinity", affinity()},
        {"versions", versions_for(engine.device())},
        {"build", Json::Object{{"type", PROFKIT_BUILD_TYPE}, {"flags", PROFKIT_BUILD_FLAGS}, {"torch", torch_build()}}},
        {"settings", settings_for(engine.device(), choices, course, measured.conditions)},
        {"warmup_ns", measured.warmup_ns},
        {"places", places_of(measured.conditions)},
        {"synchronised", Json::Text{"true"}},     // the loop waits for the device within every step that it times
        {"options_checked", Json::Text{"true"}},  // the parser refuses what it does not know
    };
    std::ranges::move(surroundings(course.tool.name), std::back_inserter(said));
    return said;
}

Json failure_report(const std::string& message, const std::string& kind) {
    return Json::Object{{"failure", message}, {"kind", kind}};
}

}  // namespace profkit

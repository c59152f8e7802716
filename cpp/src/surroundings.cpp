#include "profkit/surroundings.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/profiler/orchestration/observer.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace profkit {
namespace {

using Clock = std::chrono::steady_clock;

/// In the names of libraries that watch the program which loads them ahead of its own; others give it an allocator or
/// another version of what it has. `profkit/runner/surroundings.py` has the same.
constexpr std::array<std::string_view, 12> watchers{"scalene", "profiler",  "asan",      "tsan",  "ubsan", "memray",
                                                    "trace",   "heaptrack", "Injection", "gperf", "vtune", "ittnotify"};

/// Of the environment, that choose instruction sets and place threads; `profkit/runner/torch_facts.py` has the same.
constexpr std::array choosing_variables{
    "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",     "OMP_NUM_THREADS",    "OMP_PROC_BIND",    "OMP_PLACES",
    "GOMP_CPU_AFFINITY",   "KMP_AFFINITY"};

/// Of the clock, with the smallest difference that it shows.
Json clock() {
    constexpr int readings = 5000;
    auto smallest = std::numeric_limits<std::int64_t>::max();
    auto before = Clock::now();
    for (int reading = 1; reading < readings; ++reading) {
        const auto after = Clock::now();
        if (after > before) {
            smallest = std::min<std::int64_t>(smallest, std::chrono::nanoseconds(after - before).count());
        }
        before = after;
    }
    return Json::Object{{"name", "steady_clock"},
                        {"resolution_ns", static_cast<double>(smallest)},
                        {"monotonic", Json::Text{Clock::is_steady ? "true" : "false"}}};
}

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string first_word(const std::string& text) {
    std::string word;
    std::istringstream(text) >> word;
    return word;
}

/// What no other process has, on this machine and since it was started.
std::string process_mark() {
    const auto status = content("/proc/self/stat");
    constexpr int start_time = 20;  // of the words behind the name, which is in brackets
    std::istringstream words(status.substr(std::min(status.size(), status.rfind(')') + 1)));
    std::string started;
    for (int word = 0; word < start_time && words >> started; ++word) {
    }
    return first_word(content("/proc/sys/kernel/random/boot_id")).substr(0, 8) + '-' + std::to_string(getpid()) + '-' +
           (started.empty() ? std::to_string(Clock::now().time_since_epoch().count()) : started);
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

/// Who has attached to this process as debuggers do, where the system tells; empty for nobody.
std::string tracer() {
    std::istringstream lines(content("/proc/self/status"));
    constexpr std::string_view key = "TracerPid:";
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) {
            const auto process = first_word(line.substr(key.size()));
            const auto name = first_word(content("/proc/" + process + "/comm"));
            return process == "0" ? "" : name.empty() ? process : name;
        }
    }
    return "";
}

/// Libraries that watch, and that the environment loads ahead of the program's own; Valgrind's are how it shows.
void add_preloaded(std::set<std::string>& found, const char* name) {
    auto paths = variable(name);
    std::ranges::replace(paths, ':', ' ');
    std::istringstream words(paths);
    for (std::string path; words >> path;) {
        const auto library = std::filesystem::path(path).filename().string();
        if (library.starts_with("vgpreload")) {
            found.insert("valgrind");
        } else if (std::ranges::any_of(watchers, [&](auto part) { return library.find(part) != std::string::npos; })) {
            found.insert(std::string(name) + ": " + library);
        }
    }
}

Json other_tools(const std::string& own) {
    std::set<std::string> found;
    if (torch::profiler::impl::profilerEnabled()) {
        found.insert("torch profiler");
    }
    if (const auto name = tracer(); !name.empty()) {
        found.insert("ptrace: " + name);
    }
    add_preloaded(found, "LD_PRELOAD");
    add_preloaded(found, "LD_AUDIT");
    if (own == "callgrind") {
        found.erase("valgrind");
    }
    return Json::Array(found.begin(), found.end());
}

/// Whether the current directory is another than the program's own.
bool elsewhere() {
    std::error_code unknown;
    const auto folder = std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path();
    const auto from = std::filesystem::current_path(unknown).lexically_relative(folder);
    return folder.empty() || from.empty() || *from.begin() == "..";
}

Json truth(bool value) { return Json::Text{value ? "true" : "false"}; }

Json in_words(bool value) { return value ? "true" : "false"; }

/// Whether this thread takes subnormal numbers as zero, found by computing with one.
bool flushes() {
    const volatile float subnormal = 1e-40F;
    const volatile float product = subnormal * 1.0F;
    return product == 0.0F;
}

}  // namespace

Json::Object surroundings(const std::string& own) {
    return {{"clock", clock()},
            {"other_tools", other_tools(own)},
            {"process", process_mark()},
            {"headless", truth(variable("DISPLAY").empty() && variable("WAYLAND_DISPLAY").empty())},
            {"directory", truth(elsewhere())}};
}

Json::Object backend_settings() {
    const auto& context = at::globalContext();
    Json::Object settings{{"cpu_capability", at::get_cpu_capability()},
                          {"onednn", in_words(at::hasMKLDNN())},
                          {"deterministic", in_words(context.deterministicAlgorithms())},
                          {"cudnn_benchmark", in_words(context.benchmarkCuDNN())},
                          {"interop_threads", std::to_string(at::get_num_interop_threads())},
                          {"flush_denormals", in_words(flushes())}};
    // Torch refuses to answer where a program has chosen the precision of single operators.
    const auto add = [&](const char* name, auto allowed) {
        try {
            settings.emplace_back(name, in_words(allowed()));
        } catch (const c10::Error&) {
        }
    };
    add("cudnn_tf32", [&] { return context.allowTF32CuDNN(); });
    add("matmul_tf32", [&] { return context.allowTF32CuBLAS(); });
    for (const auto* name : choosing_variables) {
        if (const auto* value = std::getenv(name)) {
            settings.emplace_back(name, value);
        }
    }
    return settings;
}

}  // namespace profkit

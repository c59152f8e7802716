#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "machine.h"
#include "profkit/files.h"
#include "profkit/json.h"

namespace profkit {

std::vector<double> dispatch_ns(const std::string& device, std::size_t repeats) {
    const c10::Device place(device);
    const std::size_t calls = place.is_cpu() ? 10'000 : 2'000;
    const at::NoGradGuard no_grad;
    const auto one = at::ones({1}, at::TensorOptions(place));
    std::vector<double> times;
    for (std::size_t repeat = 0; repeat <= repeats; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        for (std::size_t call = 0; call < calls; ++call) {
            const auto sum = at::add(one, one);
        }
        if (place.is_cuda()) {
            at::detail::getCUDAHooks().deviceSynchronize(place.index());
        }
        const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
        if (repeat > 0) {
            times.push_back(elapsed.count() / static_cast<double>(calls));
        }
    }
    return times;
}

namespace {

constexpr int exit_usage = 2;
constexpr std::size_t repeats = 31;
constexpr std::size_t clock_repeats = 101;  // of a millisecond each
constexpr const char* usage =
    "usage: profkit_machine --report FILE [--progress FILE] WHAT...\n"
    "WHAT: --triad THREADS,BYTES, --clock THREADS or --dispatch DEVICE\n"
    "Measures what the words say, in their order, and writes the rates of every repeat as JSON.\n";

struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const auto* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, value).ptr != end || value == 0) {
        throw UsageError("'" + std::string(text) + "' is no positive number");
    }
    return value;
}

Json triad_of(std::string_view word) {
    const auto comma = std::min(word.find(','), word.size() - 1);
    return triad_bytes_per_s(number(word.substr(0, comma)), number(word.substr(comma + 1)), repeats);
}

Json clock_of(std::string_view word) { return clock_hz(number(word), clock_repeats); }

Json dispatch_of(std::string_view word) { return dispatch_ns(std::string(word), repeats); }

struct Kind {
    const char* flag;
    const char* what;
    Json (*measure)(std::string_view word);
};

constexpr Kind kinds[] = {
    {"--triad", "bandwidth", triad_of}, {"--clock", "clock", clock_of}, {"--dispatch", "dispatch", dispatch_of}};

/// Goes through the words in pairs.
void run(const std::vector<std::string>& words) {
    std::string report;
    std::ofstream progress;
    Json::Array measured;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        const auto& [flag, word] = std::tie(words[i], words[i + 1]);
        if (flag == "--report") {
            report = word;
            continue;
        }
        if (flag == "--progress") {
            progress.open(word, std::ios::app);
            continue;
        }
        const auto* kind = std::ranges::find(kinds, flag, [](const Kind& each) { return std::string(each.flag); });
        if (kind == std::end(kinds)) {
            throw UsageError("unknown flag '" + flag + "'");
        }
        progress << kind->what << ' ' << word << std::endl;
        measured.push_back(Json::Object{{"what", kind->what}, {"of", word}, {"repeats", kind->measure(word)}});
    }
    if (words.size() % 2 != 0 || report.empty()) {
        throw UsageError("--report and a value after every flag are needed");
    }
    write_file(report, Json(Json::Object{{"vectors", triad_vectors()}, {"measured", std::move(measured)}}).text());
}

}  // namespace
}  // namespace profkit

/// Measures what `profkit machine` cannot measure from Python.
int main(int count, char** words) {
    c10::initLogging();
    at::set_num_threads(1);
    try {
        profkit::run({words + 1, words + count});
        return EXIT_SUCCESS;
    } catch (const profkit::UsageError& error) {
        std::cerr << "profkit_machine: " << error.what() << '\n' << profkit::usage;
        return profkit::exit_usage;
    } catch (const c10::Error& error) {
        const std::string message = error.what_without_backtrace();
        std::cerr << "profkit_machine: " << message.substr(0, message.find('\n')) << '\n';
    } catch (const std::exception& error) {
        std::cerr << "profkit_machine: " << error.what() << '\n';
    }
    return EXIT_FAILURE;
}

#include "arguments.h"

#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <functional>
#include <string_view>
#include <vector>

namespace profkit {
namespace {

struct Flag {
    const char* name;
    const char* value;  ///< what stands for the value in the help; nullptr where there is none
    const char* meaning;
    std::function<void(Arguments&, const std::string&)> apply;
};

template <std::integral Number>
Number parse_number(const char* flag, const std::string& text, Number least) {
    Number number{};
    const auto end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number < least) {
        throw UsageError(std::string("--") + flag + " takes a whole number from " + std::to_string(least) + ", not '" +
                         text + "'");
    }
    return number;
}

std::string joined_tools() {
    std::string joined;
    for (const auto& name : tool_names()) {
        joined += (joined.empty() ? "" : ", ") + name;
    }
    return joined;
}

std::string known_tool(const std::string& name) {
    if (!std::ranges::count(tool_names(), name)) {
        throw UsageError("unknown tool '" + name + "'; known: " + joined_tools());
    }
    return name;
}

bool is_infer(const std::string& mode) {
    if (mode != "train" && mode != "infer") {
        throw UsageError("unknown mode '" + mode + "'; known: infer, train");
    }
    return mode == "infer";
}

const std::vector<Flag> flags{
    {"bundle", "FILE", "bundle.pt", [](auto& to, const auto& text) { to.bundle = text; }},
    {"report", "FILE", "where to write the report (JSON)", [](auto& to, const auto& text) { to.report = text; }},
    {"mode", "MODE", "train, or infer without gradients",
     [](auto& to, const auto& text) { to.course.infer = is_infer(text); }},
    {"warmup", "N", "steps before the region",
     [](auto& to, const auto& text) { to.course.warmup = parse_number<std::int64_t>("warmup", text, 0); }},
    {"steps", "N", "steps in the region",
     [](auto& to, const auto& text) { to.course.steps = parse_number<std::int64_t>("steps", text, 1); }},
    {"epochs", "N", "epochs in the region, in place of steps",
     [](auto& to, const auto& text) { to.course.epochs = parse_number<std::int64_t>("epochs", text, 1); }},
    {"threads", "N", "intra-operator threads",
     [](auto& to, const auto& text) { to.threads = parse_number<int>("threads", text, 1); }},
    {"device", "DEVICE", "cpu or cuda", [](auto& to, const auto& text) { to.choices.device = text; }},
    {"tool", "TOOL", "tool that records the region",
     [](auto& to, const auto& text) { to.course.tool.name = known_tool(text); }},
    {"artefact", "FILE", "file that the tool writes",
     [](auto& to, const auto& text) { to.course.tool.artefact = text; }},
    {"progress", "FILE", "file to append a line to at each step",
     [](auto& to, const auto& text) { to.progress = text; }},
    {"results", "FILE", "where to write outputs, losses and weights (torch.load reads them)",
     [](auto& to, const auto& text) { to.results = text; }},
    {"evidence", "DIR", "directory to write weights, state, inputs and the outcome of a step to",
     [](auto& to, const auto& text) { to.evidence = text; }},
    {"workers", "N", "threads that make batches ahead",
     [](auto& to, const auto& text) { to.course.workers = parse_number<std::int64_t>("workers", text, 0); }},
    {"data", "DIR", "read the images from these files, not from the bundle",
     [](auto& to, const auto& text) { to.data = text; }},
    {"checkpoint", "FILE", "where to write weights and optimizer state after each epoch",
     [](auto& to, const auto& text) { to.checkpoint = text; }},
    {"resume", "FILE", "checkpoint to go on from", [](auto& to, const auto& text) { to.resume = text; }},
    {"masks", nullptr, "take dropout from the bundle's masks", [](auto& to, const auto&) { to.choices.masks = true; }},
    {"deterministic", nullptr, "only algorithms that repeat themselves to the bit",
     [](auto& to, const auto&) { to.choices.deterministic = true; }},
    {"cudnn-benchmark", nullptr, "let cuDNN time its algorithms and choose",
     [](auto& to, const auto&) { to.choices.cudnn_benchmark = true; }},
    {"flush-denormals", nullptr, "take subnormal numbers as zero",
     [](auto& to, const auto&) { to.choices.flush_denormals = true; }},
    {"kinds", nullptr, "print the kinds of layer, loss and optimizer that bundles may name",
     [](auto& to, const auto&) { to.action = Arguments::Action::kinds; }},
    {"help", nullptr, "print this", [](auto& to, const auto&) { to.action = Arguments::Action::help; }},
};

void require(bool given, const char* flag) {
    if (!given) {
        throw UsageError(std::string("--") + flag + " is missing");
    }
}

/// Whether the flags make sense together.
void check(const Arguments& arguments) {
    require(!arguments.bundle.empty(), "bundle");
    require(!arguments.report.empty(), "report");
    const auto& course = arguments.course;
    if (course.steps.has_value() == course.epochs.has_value()) {
        throw UsageError("one of --steps and --epochs is needed");
    }
    require(!writes_artefact(course.tool.name) || !course.tool.artefact.empty(), "artefact");
}

}  // namespace

Arguments parse(int count, char** words) {
    std::vector<option> options;
    for (const auto& flag : flags) {
        options.push_back({flag.name, flag.value ? required_argument : no_argument, nullptr, 0});
    }
    options.push_back({});
    Arguments arguments;
    opterr = 0;
    for (int index = 0, outcome; (outcome = getopt_long(count, words, ":", options.data(), &index)) != -1;) {
        const std::string_view word = words[optind - 1];
        if (outcome == ':') {
            throw UsageError(std::string(word) + " needs a value");
        }
        if (outcome == '?') {
            throw UsageError("unknown flag '" + std::string(word) + "'; --help lists them");
        }
        flags[static_cast<std::size_t>(index)].apply(arguments, optarg ? optarg : "");
    }
    if (optind < count) {
        throw UsageError("unexpected word '" + std::string(words[optind]) + "'; --help lists the flags");
    }
    if (arguments.action == Arguments::Action::run) {
        check(arguments);
    }
    return arguments;
}

std::string help() {
    constexpr std::size_t column = 22;
    std::string text = "usage: profkit_run --bundle FILE --report FILE (--steps N | --epochs N) [flags]\n\nflags:\n";
    for (const auto& flag : flags) {
        std::string head = std::string("  --") + flag.name + (flag.value ? std::string(" ") + flag.value : "");
        head.resize(std::max(head.size() + 1, column), ' ');
        text += head + flag.meaning + '\n';
    }
    return text + "\ntools: " + joined_tools() + '\n';
}

}  // namespace profkit

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

const std::vector<Flag> flags{
    {"bundle", "FILE", "bundle.pt", [](auto& to, const auto& text) { to.bundle = text; }},
    {"report", "FILE", "where to write the report (JSON)", [](auto& to, const auto& text) { to.report = text; }},
    {"warmup", "N", "steps before the region",
     [](auto& to, const auto& text) { to.warmup = parse_number<std::int64_t>("warmup", text, 0); }},
    {"steps", "N", "steps in the region",
     [](auto& to, const auto& text) { to.steps = parse_number<std::int64_t>("steps", text, 1); }},
    {"threads", "N", "intra-operator threads",
     [](auto& to, const auto& text) { to.threads = parse_number<int>("threads", text, 1); }},
    {"tool", "TOOL", "tool that records the region",
     [](auto& to, const auto& text) { to.tool.name = known_tool(text); }},
    {"artefact", "FILE", "file that the tool writes", [](auto& to, const auto& text) { to.tool.artefact = text; }},
    {"progress", "FILE", "file to append a line to at each step",
     [](auto& to, const auto& text) { to.progress = text; }},
    {"results", "FILE", "where to write outputs, losses and weights (torch.load reads them)",
     [](auto& to, const auto& text) { to.results = text; }},
    {"kinds", nullptr, "print the kinds of layer, loss and optimizer that bundles may name",
     [](auto& to, const auto&) { to.action = Arguments::Action::kinds; }},
    {"help", nullptr, "print this", [](auto& to, const auto&) { to.action = Arguments::Action::help; }},
};

void require(bool given, const char* flag) {
    if (!given) {
        throw UsageError(std::string("--") + flag + " is missing");
    }
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
    if (arguments.action == Arguments::Action::train) {
        require(!arguments.bundle.empty(), "bundle");
        require(!arguments.report.empty(), "report");
        require(arguments.steps > 0, "steps");
        require(!writes_artefact(arguments.tool.name) || !arguments.tool.artefact.empty(), "artefact");
    }
    return arguments;
}

std::string help() {
    constexpr std::size_t column = 20;
    std::string text = "usage: profkit_run --bundle FILE --report FILE --steps N [flags]\n\nflags:\n";
    for (const auto& flag : flags) {
        std::string head = std::string("  --") + flag.name + (flag.value ? std::string(" ") + flag.value : "");
        head.resize(std::max(head.size() + 1, column), ' ');
        text += head + flag.meaning + '\n';
    }
    return text + "\ntools: " + joined_tools() + '\n';
}

}  // namespace profkit

#include "profkit/region.h"

#include <functional>
#include <map>
#include <stdexcept>

#if !defined(PROFKIT_WITHOUT_CALLGRIND)
#include "profkit/callgrind.h"
#endif

namespace profkit {
namespace {

using Start = std::function<std::unique_ptr<ScopeListener>(const Tool& tool)>;

/// Twin of `profkit.runner.region.REGIONS`.
const std::map<std::string, Start>& regions() {
    static const std::map<std::string, Start> regions{
#if !defined(PROFKIT_WITHOUT_CALLGRIND)
        {"callgrind", [](const Tool&) { return std::make_unique<CallgrindScopes>(); }},
#endif
        {"none", [](const Tool&) { return nullptr; }},
        {"torch", [](const Tool& tool) { return std::make_unique<TorchScopes>(tool.all_threads); }},
        {"wallclock", [](const Tool&) { return std::make_unique<WallclockScopes>(); }},
    };
    return regions;
}

}  // namespace

std::vector<std::string> tool_names() {
    std::vector<std::string> names;
    for (const auto& [name, start] : regions()) {
        names.push_back(name);
    }
    return names;
}

bool writes_artefact(const std::string& tool) { return tool == "torch" || tool == "wallclock"; }

Region::Region(const Tool& tool) : artefact_(tool.artefact) {
    const auto found = regions().find(tool.name);
    if (found == regions().end()) {
        throw std::invalid_argument("unknown tool '" + tool.name + "'");
    }
    listener_ = found->second(tool);
    scope_listener = listener_.get();
}

Region::~Region() { scope_listener = nullptr; }

void Region::close() {
    scope_listener = nullptr;
    if (const auto listener = std::move(listener_)) {
        listener->finish(artefact_);
    }
}

}  // namespace profkit

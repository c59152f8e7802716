#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "profkit/scope.h"

namespace profkit {

/// What a region needs to know of the tool; twin of `profkit.runner.region.Tool`.
struct Tool {
    std::string name = "none";       ///< one of `tool_names()`
    std::filesystem::path artefact;  ///< file that a tool inside this process writes
    bool all_threads = false;        ///< record what other threads than the region's do, where the tool can
};

/// Every tool there is, in alphabetical order.
std::vector<std::string> tool_names();

/// Whether this tool writes its artefact from within the program, so that it needs `Tool::artefact`.
bool writes_artefact(const std::string& tool);

/// The measured steps: the tool runs, and hears of every `Scope`, from here to `close`.
///
///     profkit::Region region({.name = "torch", .artefact = "trace.json"});
///     for (int k = 0; k < steps; ++k) {
///         const profkit::Scope step("ProfilerStep#" + std::to_string(k));
///         ...
///     }
///     region.close();
///
/// One thread at a time has a region, and is the one whose scopes count.
class Region {
public:
    /// @throws std::invalid_argument an unknown tool.
    explicit Region(const Tool& tool);
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    /// Stops the tool. Where `close` was not called, an error is on its way: no artefact is written.
    ~Region();

    /// From here on the tool hears of the scopes of the calling thread.
    void attend() const { scope_listener = listener_.get(); }

    /// Stops the tool, then writes the artefact.
    ///
    /// @throws std::runtime_error the artefact cannot be written.
    void close();

private:
    std::unique_ptr<ScopeListener> listener_;
    std::filesystem::path artefact_;
};

}  // namespace profkit

#pragma once

#include <ATen/record_function.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profkit/scope.h"

namespace profkit {

/// Scopes as labelled Callgrind dumps: entering or leaving a scope dumps the costs since the last dump, so that every
/// instruction of the region lies in exactly one part of the artefact.
///
/// Labels follow `step/<k> <phase> [layer/<path>]`: `step/0 forward layer/conv1`; `step/0 other` outside every phase;
/// `outside` outside every step. Python uses this class through `python_extension.cpp`, so both languages get the same
/// labels at the same cost. Collection is off while labels are made: a scope adds some forty instructions.
///
/// Work done backward has no scope of its own: each layer remembers which autograd nodes were created in it, and while
/// such a node runs its instructions go under that layer. Outside every phase, layers count as forward and nodes as
/// backward.
class CallgrindScopes : public ScopeListener {
public:
    /// Starts counting.
    CallgrindScopes();

    /// Stops counting: what the program does afterwards is in no part.
    ~CallgrindScopes() override;

    void enter(std::string_view name) override;
    void leave() override;

private:
    /// The part of the run that the program is in; a scope changes one of its names.
    struct Place {
        std::string step;
        std::string phase = "other";
        std::string layer;
        std::uint64_t first_node = 0;  ///< next autograd sequence number when it was entered

        std::string label() const;
    };

    /// Autograd nodes [first, end) were created in `layer`.
    struct Nodes {
        std::uint64_t first;
        std::uint64_t end;
        std::string layer;
    };

    void push(Place place);
    void enter_backward(std::int64_t node);
    std::string layer_of(std::int64_t node) const;

    std::vector<Place> places_;
    std::vector<Nodes> nodes_;  ///< of the current step, inner layers before outer ones
    at::CallbackHandle backward_callback_;
};

}  // namespace profkit

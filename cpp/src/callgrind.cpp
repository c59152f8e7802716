#include "profkit/callgrind.h"

#include <ATen/SequenceNumber.h>
#include <callgrind.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

namespace profkit {
namespace {

constexpr std::string_view step_prefix = "ProfilerStep#";
constexpr std::string_view phase_prefix = "phase/";
constexpr std::string_view layer_prefix = "layer/";
constexpr std::string_view no_phase = "other";

/// Callbacks of RecordFunction are plain functions, so the one that counts is found here.
CallgrindScopes* counting = nullptr;

/// Keeps the work of labelling out of the counts while it lives.
class Uncounted {
public:
    Uncounted() { CALLGRIND_TOGGLE_COLLECT; }
    Uncounted(const Uncounted&) = delete;
    Uncounted& operator=(const Uncounted&) = delete;
    ~Uncounted() { CALLGRIND_TOGGLE_COLLECT; }
};

void dump(const std::string& label) { CALLGRIND_DUMP_STATS_AT(label.c_str()); }

}  // namespace

std::string CallgrindScopes::Place::label() const {
    if (step.empty()) {
        return "outside";
    }
    return "step/" + step + ' ' + phase + (layer.empty() ? "" : ' ' + layer);
}

CallgrindScopes::CallgrindScopes() : places_(1) {
    counting = this;
    backward_callback_ =
        at::addGlobalCallback(at::RecordFunctionCallback(
                                  [](const at::RecordFunction& node) -> std::unique_ptr<at::ObserverContext> {
                                      counting->enter_backward(node.seqNr());
                                      return nullptr;
                                  },
                                  [](const at::RecordFunction&, at::ObserverContext*) { counting->leave(); })
                                  .scopes({at::RecordScope::BACKWARD_FUNCTION}));
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

CallgrindScopes::~CallgrindScopes() {
    dump(places_.back().label());
    CALLGRIND_STOP_INSTRUMENTATION;
    at::removeCallback(backward_callback_);
    counting = nullptr;
}

void CallgrindScopes::enter(std::string_view name) {
    const Uncounted labelling;
    Place place = places_.back();
    if (name.starts_with(step_prefix)) {
        place = Place();
        place.step = name.substr(step_prefix.size());
        nodes_.clear();
    } else if (name.starts_with(phase_prefix)) {
        place.phase = name.substr(phase_prefix.size());
    } else if (name.starts_with(layer_prefix)) {
        place.layer = name;
        // Programs that name only their layers call them to go forward.
        place.phase = place.phase == no_phase ? "forward" : place.phase;
    }
    push(std::move(place));
}

void CallgrindScopes::enter_backward(std::int64_t node) {
    const Uncounted labelling;
    Place place = places_.back();
    place.layer = layer_of(node);
    place.phase = place.phase == no_phase ? "backward" : place.phase;
    push(std::move(place));
}

void CallgrindScopes::leave() {
    const Uncounted labelling;
    if (places_.size() == 1) {
        throw std::logic_error("no scope to leave");
    }
    const Place place = std::move(places_.back());
    dump(place.label());
    places_.pop_back();
    if (const auto end = at::sequence_number::peek(); !place.layer.empty() && place.first_node < end) {
        nodes_.push_back({place.first_node, end, place.layer});
    }
}

void CallgrindScopes::push(Place place) {
    dump(places_.back().label());
    place.first_node = at::sequence_number::peek();
    places_.push_back(std::move(place));
}

std::string CallgrindScopes::layer_of(std::int64_t node) const {
    // A node without a number (gradient accumulation) has the largest one, which no layer has.
    const auto number = static_cast<std::uint64_t>(node);
    const auto found = std::find_if(nodes_.begin(), nodes_.end(), [number](const Nodes& nodes) {
        return nodes.first <= number && number < nodes.end;
    });
    return found == nodes_.end() ? "" : found->layer;
}

}  // namespace profkit

#pragma once

#include <string>

#include "profkit/json.h"

namespace profkit {

/// What surrounds a run in its process, with the keys of the Python report: the clock, other tools than the recorder's
/// own, a mark of the process, whether there is a display, and whether it runs outside of the program's directory.
/// Twin of `profkit.runner.surroundings`.
///
/// @param own the recorder's tool.
Json::Object surroundings(const std::string& own);

/// Instruction set, backend flags and what of the environment chooses them, as they are in effect for this thread, with
/// the keys of `profkit.runner.torch_facts.torch_settings`; what torch itself cannot tell is left out.
Json::Object backend_settings();

}  // namespace profkit

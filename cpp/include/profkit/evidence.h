#pragma once

#include <filesystem>

#include "profkit/batches.h"
#include "profkit/bundle.h"
#include "profkit/engine.h"

namespace profkit {

/// Writes weights, optimizer state, inputs and, of training, what one step makes of the bundle's weights, a file each
/// and one after the other, because each may be as large as the network. Twin of `profkit.runner.evidence`.
///
/// @param folder to write to.
/// @param engine as the measured steps left it.
/// @param batch the first, as the program makes it.
/// @param choices how the engine computes; the step drops what the bundle says.
/// @param infer whether there is no step to take.
/// @throws std::runtime_error a file cannot be written.
void write_evidence(const std::filesystem::path& folder, const Engine& engine, const Batch& batch, const Bundle& bundle,
                    Choices choices, bool infer);

}  // namespace profkit

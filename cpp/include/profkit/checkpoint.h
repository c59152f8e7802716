#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "profkit/named_tensors.h"

namespace profkit {

inline constexpr std::int64_t checkpoint_schema = 1;

/// Where a training run stands: weights and optimizer state between two runs, in a file that either language reads.
struct Checkpoint {
    std::int64_t epoch = 0;      ///< epochs done
    std::int64_t step = 0;       ///< steps done
    NamedTensors weights;        ///< parameters and buffers
    NamedTensors optimizer;      ///< its state by `<weight>/<name>`
    std::string history = "[]";  ///< what the report says of each epoch done, JSON
};

/// Writes a checkpoint, whole or not at all.
///
/// @throws std::runtime_error it cannot be written.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// Reads what either runner wrote.
///
/// @throws std::runtime_error the file cannot be read or is no checkpoint.
Checkpoint read_checkpoint(const std::filesystem::path& path);

}  // namespace profkit

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "profkit/engine.h"
#include "profkit/json.h"
#include "profkit/loop.h"

namespace profkit {

/// What a finished run has to say of itself, with the keys of the Python report.
///
/// @param load_ns spent on reading the files of the dataset; none where nothing was read.
Json report(const Engine& engine, const Choices& choices, const Course& course, const Measured& measured,
            std::optional<std::int64_t> load_ns);

/// What a run says that failed.
///
/// @param kind one of `nan`, `memory`, `unsupported`, `other`.
Json failure_report(const std::string& message, const std::string& kind);

}  // namespace profkit

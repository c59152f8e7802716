#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "profkit/region.h"

namespace profkit {

/// What the command line asks for; twin of the parser in `profkit/runner/run.py`.
struct Arguments {
    enum class Action { train, help, kinds };

    Action action = Action::train;
    std::filesystem::path bundle;
    std::filesystem::path report;
    std::int64_t warmup = 0;
    std::int64_t steps = 0;
    int threads = 1;
    Tool tool;
    std::filesystem::path progress;
    std::filesystem::path results;
};

/// A command line that makes no sense; the message is for its author.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// @throws UsageError
Arguments parse(int count, char** words);

/// The text of `--help`.
std::string help();

}  // namespace profkit

#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "profkit/engine.h"
#include "profkit/loop.h"

namespace profkit {

/// What the command line asks for; twin of the parser in `profkit/runner/run.py`.
struct Arguments {
    enum class Action { run, help, kinds };

    Action action = Action::run;
    std::filesystem::path bundle;
    std::filesystem::path report;
    Course course;
    Choices choices;
    int threads = 1;
    std::filesystem::path progress;
    std::filesystem::path results;
    std::filesystem::path evidence;
    std::filesystem::path data;
    std::filesystem::path checkpoint;
    std::filesystem::path resume;
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

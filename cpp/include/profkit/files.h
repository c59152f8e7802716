#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace profkit {

/// The whole file.
///
/// @throws std::runtime_error with the path and the system's reason.
std::vector<char> read_file(const std::filesystem::path& path);

/// Replaces the file.
///
/// @throws std::runtime_error with the path and the system's reason.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace profkit

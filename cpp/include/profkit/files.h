#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace profkit {

/// @throws std::runtime_error with the path and the system's reason why it is no file that can be read.
void check_readable(const std::filesystem::path& path);

/// The whole file.
///
/// @throws std::runtime_error with the path and the system's reason.
std::vector<char> read_file(const std::filesystem::path& path);

/// Replaces the file.
///
/// @throws std::runtime_error with the path and the system's reason.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Replaces the file whole or not at all, also where the program is killed meanwhile.
///
/// @throws std::runtime_error with the path and the system's reason.
void write_file_whole(const std::filesystem::path& path, std::string_view content);

}  // namespace profkit

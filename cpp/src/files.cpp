#include "profkit/files.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace profkit {
namespace {

std::runtime_error failure(const char* verb, const std::filesystem::path& path) {
    const std::string reason = std::generic_category().message(errno);
    return std::runtime_error(std::string("cannot ") + verb + ' ' + path.string() + ": " + reason);
}

}  // namespace

std::vector<char> read_file(const std::filesystem::path& path) {
    // A directory opens like a file and then reads as an empty one.
    if (std::filesystem::is_directory(path)) {
        errno = EISDIR;
        throw failure("read", path);
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw failure("read", path);
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (!file) {
        throw failure("write", path);
    }
}

}  // namespace profkit

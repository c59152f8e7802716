#include "profkit/files.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace profkit {
namespace {

std::runtime_error failure(const char* verb, const std::filesystem::path& path) {
    const std::string reason = std::generic_category().message(errno);
    return std::runtime_error(std::string("cannot ") + verb + ' ' + path.string() + ": " + reason);
}

std::ifstream open_to_read(const std::filesystem::path& path) {
    // A directory opens like a file and then reads as an empty one.
    if (std::filesystem::is_directory(path)) {
        errno = EISDIR;
        throw failure("read", path);
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw failure("read", path);
    }
    return file;
}

}  // namespace

void check_readable(const std::filesystem::path& path) { open_to_read(path); }

std::vector<char> read_file(const std::filesystem::path& path) {
    auto file = open_to_read(path);
    std::vector<char> content(std::filesystem::file_size(path));
    if (!file.read(content.data(), static_cast<std::streamsize>(content.size()))) {
        throw failure("read", path);
    }
    return content;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (!file) {
        throw failure("write", path);
    }
}

void write_file_whole(const std::filesystem::path& path, std::string_view content) {
    const std::filesystem::path unfinished = path.string() + '.' + std::to_string(getpid());
    try {
        write_file(unfinished, content);
        std::filesystem::rename(unfinished, path);
    } catch (const std::runtime_error&) {
        std::error_code ignored;
        std::filesystem::remove(unfinished, ignored);
        throw;
    }
}

}  // namespace profkit

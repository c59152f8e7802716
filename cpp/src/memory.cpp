#include "profkit/memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace profkit {
namespace {

/// Resident now; none where the system has no /proc.
std::optional<std::int64_t> resident() {
    std::ifstream statm("/proc/self/statm");
    std::int64_t all_pages = 0, resident_pages = 0;
    if (statm >> all_pages >> resident_pages) {
        return resident_pages * sysconf(_SC_PAGESIZE);
    }
    return std::nullopt;
}

std::optional<std::int64_t> peak_resident() {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return std::nullopt;
    }
#if defined(__APPLE__)
    return usage.ru_maxrss;
#else
    constexpr std::int64_t bytes_per_kilobyte = 1024;
    return usage.ru_maxrss * bytes_per_kilobyte;
#endif
}

}  // namespace

Memory read_memory(const c10::Device& device) {
    Memory memory{.rss_bytes = resident(),
                  .peak_rss_bytes = {},
                  .device_allocated_bytes = {},
                  .device_reserved_bytes = {},
                  .device_peak_bytes = {}};
    // The system counts the most a little behind what there is now.
    if (const auto peak = peak_resident()) {
        memory.peak_rss_bytes = std::max(*peak, memory.rss_bytes.value_or(0));
    }
    if (device.is_cuda()) {
        constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
        const auto stats = c10::getDeviceAllocator(c10::kCUDA)->getDeviceStats(device.has_index() ? device.index() : 0);
        memory.device_allocated_bytes = stats.allocated_bytes[all].current;
        memory.device_reserved_bytes = stats.reserved_bytes[all].current;
        memory.device_peak_bytes = stats.allocated_bytes[all].peak;
    }
    return memory;
}

}  // namespace profkit

#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

namespace profkit {

/// Resident memory of the process and what the device's allocator holds [byte]; none where it is not known.
struct Memory {
    std::optional<std::int64_t> rss_bytes;
    std::optional<std::int64_t> peak_rss_bytes;
    std::optional<std::int64_t> device_allocated_bytes;
    std::optional<std::int64_t> device_reserved_bytes;
    std::optional<std::int64_t> device_peak_bytes;
};

Memory read_memory(const c10::Device& device);

}  // namespace profkit

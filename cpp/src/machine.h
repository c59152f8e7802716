#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace profkit {

/// Bandwidth of `a = b + s * c`, of which each thread has its own third of a share of the working set, touched by it
/// first. Counted are b and c read and a written; a cache that reads a before it writes it moves a third more.
///
/// @param threads that work together.
/// @param bytes of the three arrays of all threads together.
/// @param repeats of which each goes over the arrays for ten milliseconds or once.
/// @return bytes/s of each repeat.
std::vector<double> triad_bytes_per_s(std::size_t threads, std::size_t bytes, std::size_t repeats);

/// Widest vectors that the triad is done with here (`avx512f`).
std::string triad_vectors();

/// Cycles a second, by additions of which each waits for the one before, one a cycle on every processor.
///
/// @param threads that do this at once; the slowest of them is the one that is told.
/// @return of each repeat.
std::vector<double> clock_hz(std::size_t threads, std::size_t repeats);

/// Time of one `aten::add` of tensors of one element, without gradients [ns].
///
/// @param device `cpu` or `cuda:0`, whose queue is empty at the end of each repeat.
/// @return of each repeat.
/// @throws c10::Error there is no such device.
std::vector<double> dispatch_ns(const std::string& device, std::size_t repeats);

}  // namespace profkit

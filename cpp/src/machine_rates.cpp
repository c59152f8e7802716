#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "machine.h"

// One program for every processor: the loader takes the widest of these that the processor has.
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && __has_attribute(target_clones)
#define PROFKIT_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PROFKIT_CLONES
#endif

namespace profkit {

/// As wide as the widest vector; where they are narrower, each takes several.
struct alignas(64) Lane {
    using Vector = double __attribute__((vector_size(64)));
    Vector values;
};

PROFKIT_CLONES void triad(Lane* __restrict a, const Lane* __restrict b, const Lane* __restrict c, double s,
                          std::size_t lanes) {
    for (std::size_t i = 0; i < lanes; ++i) {
        a[i].values = b[i].values + s * c[i].values;
    }
}

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds repeat_time{0.01};

/// Makes the compiler believe that everything in memory was read and may have changed.
inline void keep_memory() { asm volatile("" ::: "memory"); }

/// The arrays of one thread, a third of a page apart beyond whole pages: stores and loads of the same offset in a page
/// wait for each other.
class Arrays {
public:
    explicit Arrays(std::size_t bytes)
        : lanes_(lanes_of(bytes)),
          stride_((lanes_ + page - 1) / page * page + page / 3),
          storage_(3 * stride_, Lane{Lane::Vector{} + 1.0}) {}

    void pass() {
        triad(storage_.data(), storage_.data() + stride_, storage_.data() + 2 * stride_, 0.5, lanes_);
        keep_memory();
    }

    /// Read and written in one pass.
    static std::size_t traffic(std::size_t bytes) { return 3 * lanes_of(bytes) * sizeof(Lane); }

private:
    static constexpr std::size_t page = 4096 / sizeof(Lane);

    static std::size_t lanes_of(std::size_t bytes) { return std::max<std::size_t>(bytes / 3 / sizeof(Lane), 1); }

    std::size_t lanes_;
    std::size_t stride_;
    std::vector<Lane> storage_;
};

/// What a thread does once it is ready.
using Work = std::function<void()>;

/// When a thread began and ended.
struct Span {
    Clock::time_point begin;
    Clock::time_point end;
};

/// From the first that began to the last that ended: none need be on a processor when the others begin.
double seconds_of(const std::vector<Span>& spans) {
    const auto first = std::ranges::min(spans, {}, &Span::begin);
    const auto last = std::ranges::max(spans, {}, &Span::end);
    return Seconds(last.end - first.begin).count();
}

/// Runs what `prepare` makes in each thread, all at once, and again; seconds of each repeat, the first left out.
template <typename Prepare>
std::vector<double> timed(std::size_t threads, std::size_t repeats, const Prepare& prepare) {
    std::vector<double> seconds;
    std::vector<Span> spans(threads);
    std::barrier gate(static_cast<std::ptrdiff_t>(threads));
    const auto go_through = [&](std::size_t thread) {
        const Work work = prepare();
        for (std::size_t repeat = 0; repeat <= repeats; ++repeat) {
            gate.arrive_and_wait();
            spans[thread].begin = Clock::now();
            work();
            spans[thread].end = Clock::now();
            gate.arrive_and_wait();
            if (thread == 0 && repeat > 0) {
                seconds.push_back(seconds_of(spans));
            }
        }
    };
    std::vector<std::jthread> others;
    for (std::size_t thread = 1; thread < threads; ++thread) {
        others.emplace_back(go_through, thread);
    }
    go_through(0);
    return seconds;
}

/// Passes that take as long as a repeat should, by the fastest of a few tries.
std::size_t passes_of(std::size_t bytes) {
    Arrays arrays(bytes);
    auto passes = std::size_t{1};
    for (;; passes *= 2) {
        const auto start = Clock::now();
        for (std::size_t pass = 0; pass < passes; ++pass) {
            arrays.pass();
        }
        if (Clock::now() - start > repeat_time / 2) {
            return passes;
        }
    }
}

constexpr std::size_t additions = 1 << 22;

void add_one_after_the_other() {
    std::uint64_t sum = 0;
    std::uint64_t step = 1;
    asm volatile("" : "+r"(step));  // in a register: small constants are added before they reach the adders
    for (std::size_t i = 0; i < additions; i += 8) {
        for (int unrolled = 0; unrolled < 8; ++unrolled) {
            sum += step;
            asm volatile("" : "+r"(sum));
        }
    }
}

}  // namespace

std::vector<double> triad_bytes_per_s(std::size_t threads, std::size_t bytes, std::size_t repeats) {
    const auto share = bytes / threads;
    const auto passes = passes_of(share);
    auto seconds = timed(threads, repeats, [=]() -> Work {
        const auto arrays = std::make_shared<Arrays>(share);
        return [=] {
            for (std::size_t pass = 0; pass < passes; ++pass) {
                arrays->pass();
            }
        };
    });
    for (auto& each : seconds) {
        each = static_cast<double>(Arrays::traffic(share) * passes * threads) / each;
    }
    return seconds;
}

std::string triad_vectors() {
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
    return __builtin_cpu_supports("avx512f") ? "avx512f" : __builtin_cpu_supports("avx2") ? "avx2" : "sse2";
#else
    return "the compiler's default";
#endif
}

std::vector<double> clock_hz(std::size_t threads, std::size_t repeats) {
    auto rates = timed(threads, repeats, []() -> Work { return add_one_after_the_other; });
    for (auto& rate : rates) {
        rate = static_cast<double>(additions) / rate;
    }
    return rates;
}

}  // namespace profkit

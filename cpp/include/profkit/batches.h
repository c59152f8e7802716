#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "profkit/bundle.h"

namespace profkit {

/// Inputs float32 (batch size, *input shape) and labels int64 (batch size).
struct Batch {
    at::Tensor inputs;
    at::Tensor labels;
};

/// The batches of one part of a bundle, each made when it is asked for: twin of `profkit.runner.batches.Batches`,
/// operator by operator.
class Batches {
public:
    /// Training samples in the order and with the crops of the epochs.
    static Batches training(const Bundle& bundle);

    /// Samples in the order of their files and without augmentation.
    static Batches in_order(const Bundle& bundle, const Samples& samples);

    /// Batches in an epoch; the last one may be smaller.
    std::int64_t count() const;

    /// Batch `index` since the first epoch; each epoch has its own order, and after the last the first comes again.
    Batch make(std::int64_t index) const;

private:
    Batches(const Bundle& bundle, const Samples& samples, at::Tensor order, at::Tensor crops);

    Samples samples_;
    std::int64_t size_;
    at::Tensor order_;
    at::Tensor crops_;  ///< undefined where images are taken as they are
    std::int64_t padding_;
    at::Tensor mean_;
    at::Tensor deviation_;
};

/// Hands out batches one after the other, made at once or ahead of time by threads: at most two for each thread.
class Feed {
public:
    /// @param workers threads; 0 to make each batch when it is asked for.
    /// @param first index of the first batch.
    /// @param count how many will be asked for.
    Feed(const Batches& batches, std::int64_t workers, std::int64_t first, std::int64_t count);
    Feed(const Feed&) = delete;
    Feed& operator=(const Feed&) = delete;

    /// Ends the threads.
    ~Feed();

    /// The next batch.
    Batch take();

private:
    using Made = std::variant<Batch, std::exception_ptr>;

    void work();
    Made make(std::int64_t index) const;

    const Batches& batches_;
    std::int64_t taken_;  ///< index of the batch that is asked for next
    std::int64_t begun_;  ///< index of the batch that is begun next
    std::int64_t end_;
    std::int64_t ahead_;
    bool closing_ = false;
    std::map<std::int64_t, Made> made_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::jthread> threads_;
};

}  // namespace profkit

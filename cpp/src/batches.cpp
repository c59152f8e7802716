#include "profkit/batches.h"

#include <ATen/Functions.h>
#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>

#include <utility>

namespace profkit {
namespace {

/// A window of each image with zeros around it, mirrored where its crop says so.
///
/// @param images uint8 (n, channels, height, width).
/// @param crops int64 (n, 3): top, left, flip.
/// @param padding pixels of zeros on each side.
at::Tensor crop(const at::Tensor& images, const at::Tensor& crops, std::int64_t padding) {
    const auto count = images.size(0), channels = images.size(1), height = images.size(2), width = images.size(3);
    const auto padded = at::constant_pad_nd(images, {padding, padding, padding, padding}, 0);
    const auto parts = crops.unbind(1);
    const auto rows = parts[0].unsqueeze(1) + at::arange(height, at::kLong);
    const auto across = at::arange(width, at::kLong);
    const auto columns = parts[1].unsqueeze(1) + at::where(parts[2].unsqueeze(1) > 0, width - 1 - across, across);
    using at::indexing::TensorIndex;
    return padded.index({at::arange(count, at::kLong).view({count, 1, 1, 1}),
                         at::arange(channels, at::kLong).view({channels, 1, 1}), rows.view({count, 1, height, 1}),
                         columns.view({count, 1, 1, width})});
}

/// For channels, so that it applies to images (n, channels, height, width).
at::Tensor by_channel(const at::Tensor& values) { return values.view({-1, 1, 1}); }

}  // namespace

Batches::Batches(const Bundle& bundle, const Samples& samples, at::Tensor order, at::Tensor crops)
    : samples_(samples),
      size_(bundle.batch_size),
      order_(std::move(order)),
      crops_(std::move(crops)),
      padding_(bundle.crop_padding),
      mean_(by_channel(bundle.mean)),
      deviation_(by_channel(bundle.deviation)) {}

Batches Batches::training(const Bundle& bundle) {
    return {bundle, bundle.train, bundle.order, bundle.crops.numel() > 0 ? bundle.crops : at::Tensor()};
}

Batches Batches::in_order(const Bundle& bundle, const Samples& samples) {
    return {bundle, samples, at::arange(samples.images.size(0), at::kLong).unsqueeze(0), at::Tensor()};
}

std::int64_t Batches::count() const { return (order_.size(1) + size_ - 1) / size_; }

Batch Batches::make(std::int64_t index) const {
    const auto epoch = index / count() % order_.size(0);
    const auto first = index % count() * size_;
    const auto rows = order_.select(0, epoch).slice(0, first, first + size_);
    auto images = samples_.images.index_select(0, rows);
    auto labels = samples_.labels.index_select(0, rows);
    if (crops_.defined()) {
        images = crop(images, crops_.select(0, epoch).slice(0, first, first + size_), padding_);
    }
    return {images.to(at::kFloat).div_(255).sub_(mean_).div_(deviation_), std::move(labels)};
}

Feed::Feed(const Batches& batches, std::int64_t workers, std::int64_t first, std::int64_t count)
    : batches_(batches), taken_(first), begun_(first), end_(first + count), ahead_(2 * workers) {
    for (std::int64_t worker = 0; worker < workers; ++worker) {
        threads_.emplace_back([this] { work(); });
    }
}

Feed::~Feed() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
}

Batch Feed::take() {
    const auto index = taken_++;
    if (threads_.empty()) {
        return batches_.make(index);
    }
    std::unique_lock lock(mutex_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return made_.contains(index); });
    auto made = std::move(made_.extract(index).mapped());
    lock.unlock();
    if (const auto* error = std::get_if<std::exception_ptr>(&made)) {
        std::rethrow_exception(*error);
    }
    return std::get<Batch>(std::move(made));
}

void Feed::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return closing_ || begun_ == end_ || begun_ < taken_ + ahead_; });
        if (closing_ || begun_ == end_) {
            return;
        }
        const auto index = begun_++;
        lock.unlock();
        auto made = make(index);
        lock.lock();
        made_.emplace(index, std::move(made));
        changed_.notify_all();
    }
}

Feed::Made Feed::make(std::int64_t index) const {
    try {
        return batches_.make(index);
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace profkit

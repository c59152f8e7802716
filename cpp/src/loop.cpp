#include "profkit/loop.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "profkit/failure.h"
#include "profkit/json.h"
#include "profkit/scope.h"

namespace profkit {
namespace {

using Clock = std::chrono::steady_clock;

double finite(double loss, std::size_t step, std::int64_t epoch) {
    if (!std::isfinite(loss)) {
        const char* value = std::isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf";
        throw NotFinite(std::string("loss is ") + value + " at step " + std::to_string(step) + " (epoch " +
                        std::to_string(epoch) + ')');
    }
    return loss;
}

Batches batches_of(const Bundle& bundle, const Course& course) {
    if (!course.infer) {
        return Batches::training(bundle);
    }
    return Batches::in_order(bundle, bundle.test.images.size(0) > 0 ? bundle.test : bundle.train);
}

std::map<std::string, at::Tensor> by_name(const NamedTensors& tensors) { return {tensors.begin(), tensors.end()}; }

std::string numbered(const char* what, std::int64_t index, std::int64_t count) {
    return std::string(what) + ' ' + std::to_string(index + 1) + '/' + std::to_string(count);
}

std::int64_t sum_from(const std::vector<std::int64_t>& times, std::size_t first) {
    return std::accumulate(times.begin() + static_cast<std::ptrdiff_t>(first), times.end(), std::int64_t{0});
}

/// A number that JSON can hold.
Json number_or_null(const std::optional<double>& value) {
    return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

/// The text of a JSON array with one more value at its end.
std::string appended(std::string array, const std::string& value) {
    array.pop_back();
    return array + (array.find_last_not_of(" \n[") == std::string::npos ? "" : ", ") + value + ']';
}

}  // namespace

Loop::Loop(Engine& engine, const Bundle& bundle, const Course& course, Progress progress)
    : engine_(engine),
      bundle_(bundle),
      course_(course),
      progress_(std::move(progress)),
      test_(Batches::in_order(bundle, bundle.test)),
      batches_(batches_of(bundle, course)),
      clock_(engine.device().is_cuda()),
      clocked_(course.tool.name == Tool().name) {}

Measured Loop::run(const Checkpoint& start, const Save& save) {
    if (course_.epochs) {
        run_epochs(start, save);
    } else {
        run_steps(start, save);
    }
    progress_("writing");
    settle_losses();
    return std::move(measured_);
}

void Loop::run_steps(const Checkpoint& start, const Save& save) {
    const auto steps = course_.steps.value();
    engine_.start_epoch(0);
    Feed feed(batches_, course_.workers, start.step, course_.warmup + steps);
    warm_up(feed);
    Region region(course_.tool);
    {
        const Listening listening(clocked_ ? &clock_ : scope_listener);
        for (std::int64_t index = 0; index < steps; ++index) {
            progress_(numbered("step", index, steps));
            take(feed, 0);
        }
    }
    region.close();
    note_conditions();
    settle_losses();
    save([&] { return checkpoint(start.epoch, start.step + course_.warmup + steps); });
}

void Loop::run_epochs(const Checkpoint& start, const Save& save) {
    const auto each = batches_.count(), epochs = course_.epochs.value();
    if (course_.warmup > 0) {
        const auto weights = by_name(engine_.weights()), state = by_name(engine_.optimizer_state());
        Feed feed(batches_, course_.workers, 0, course_.warmup);
        engine_.start_epoch(0);
        warm_up(feed);
        engine_.restore(weights, state);
        losses_.clear();
    }
    measured_.epochs = start.history;
    Feed feed(batches_, course_.workers, start.epoch * each, (epochs - start.epoch) * each);
    Region region(course_.tool);
    {
        const Listening listening(clocked_ ? &clock_ : scope_listener);
        for (auto epoch = start.epoch; epoch < epochs; ++epoch) {
            run_epoch(feed, epoch);
            save([&] { return checkpoint(epoch + 1, (epoch + 1) * each); });
        }
    }
    region.close();
    note_conditions();
}

void Loop::run_epoch(Feed& feed, std::int64_t epoch) {
    engine_.start_epoch(epoch);
    const auto first = measured_.step_ns.size();
    const auto each = batches_.count();
    const auto name = numbered("epoch", epoch, *course_.epochs);
    Totals seen;
    for (std::int64_t index = 0; index < each; ++index) {
        progress_(name + ", " + numbered("step", index, each));
        const auto taken = take(feed, epoch);
        const auto correct =
            bundle_.has_labels() ? count_correct(taken.outputs, engine_.to_device(taken.labels)) : std::int64_t{0};
        seen.add(measured_.samples.back(), taken.loss, correct);
    }
    progress_(name + ", testing");
    note_epoch(epoch, first, seen, evaluate(engine_, test_, bundle_));
}

void Loop::note_epoch(std::int64_t epoch, std::size_t first, const Totals& seen, const Evaluation& tested) {
    Json::Object row{{"epoch", epoch}, {"samples", seen.samples}, {"epoch_ns", sum_from(measured_.step_ns, first)}};
    for (std::size_t phase = 0; phase < phases.size(); ++phase) {
        row.emplace_back(std::string(phases[phase]) + "_ns",
                         clocked_ ? Json(sum_from(measured_.phase_ns[phase], first)) : Json(nullptr));
    }
    const bool counted = !course_.infer && bundle_.has_labels();
    row.emplace_back("evaluate_ns", tested.evaluate_ns);
    row.emplace_back("train_loss", course_.infer ? Json(nullptr) : number_or_null(seen.mean_loss()));
    row.emplace_back("train_accuracy", counted ? Json(seen.accuracy()) : Json(nullptr));
    row.emplace_back("test_loss", number_or_null(tested.loss));
    row.emplace_back("test_accuracy", number_or_null(tested.accuracy));
    row.emplace_back("test_l1", number_or_null(tested.l1));
    row.emplace_back("test_l2", number_or_null(tested.l2));
    measured_.epochs = appended(std::move(measured_.epochs), Json(std::move(row)).text());
}

void Loop::warm_up(Feed& feed) {
    for (std::int64_t index = 0; index < course_.warmup; ++index) {
        progress_(numbered("warm-up", index, course_.warmup));
        const auto start = Clock::now();
        step(feed);
        engine_.synchronize();
        measured_.warmup_ns.push_back(std::chrono::nanoseconds(Clock::now() - start).count());
    }
}

void Loop::note_conditions() {
    measured_.conditions = engine_.conditions(engine_.to_device(batches_.make(0).inputs.slice(0, 0, 1)));
}

Loop::Step Loop::take(Feed& feed, std::int64_t epoch) {
    const auto index = measured_.step_ns.size();
    const auto name = "ProfilerStep#" + std::to_string(index);
    Step taken;
    const auto start = Clock::now();
    {
        const Scope scope(name);
        taken = step(feed);
        engine_.synchronize();
    }
    measured_.step_ns.push_back(std::chrono::nanoseconds(Clock::now() - start).count());
    measured_.samples.push_back(taken.labels.size(0));
    if (clocked_) {
        const auto times = clock_.take();
        for (std::size_t phase = 0; phase < phases.size(); ++phase) {
            measured_.phase_ns[phase].push_back(times[phase]);
        }
    }
    if (!course_.infer) {
        taken.loss =
            clocked_ ? finite(losses_.back().item<double>(), index, epoch) : std::numeric_limits<double>::quiet_NaN();
    }
    return taken;
}

Loop::Step Loop::step(Feed& feed) {
    Batch batch;
    {
        const Scope scope("phase/data");
        batch = feed.take();
    }
    Batch given = batch;
    if (!engine_.device().is_cpu()) {
        const Scope scope("phase/host_to_device");
        given = {engine_.to_device(batch.inputs), engine_.to_device(batch.labels)};
    }
    if (course_.infer) {
        return {engine_.infer_step(given.inputs), std::move(batch.labels), 0};
    }
    auto outcome = engine_.train_step(given.inputs, bundle_.has_labels() ? given.labels : given.inputs);
    losses_.push_back(std::move(outcome.loss));
    return {std::move(outcome.outputs), std::move(batch.labels), 0};
}

void Loop::settle_losses() {
    for (auto index = measured_.losses.size(); index < losses_.size(); ++index) {
        measured_.losses.push_back(finite(losses_[index].item<double>(), index, 0));
    }
}

Checkpoint Loop::checkpoint(std::int64_t epoch, std::int64_t step) const {
    return {.epoch = epoch,
            .step = step,
            .weights = engine_.weights(),
            .optimizer = engine_.optimizer_state(),
            .history = measured_.epochs};
}

}  // namespace profkit

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "arguments.h"
#include "profkit/bundle.h"
#include "profkit/checkpoint.h"
#include "profkit/datasets.h"
#include "profkit/engine.h"
#include "profkit/evidence.h"
#include "profkit/failure.h"
#include "profkit/files.h"
#include "profkit/layers.h"
#include "profkit/loop.h"
#include "profkit/metrics.h"
#include "profkit/report.h"
#include "profkit/results.h"

namespace {

using namespace profkit;

constexpr int exit_usage = 2;

/// Appends a line at each step, whole at once, so that whoever watches the file sees no half lines.
Progress progress_to(const std::filesystem::path& path) {
    if (path.empty()) {
        return [](const std::string&) {};
    }
    const auto file = std::make_shared<std::ofstream>(path, std::ios::app);
    if (!*file) {
        throw std::runtime_error("cannot write " + path.string());
    }
    return [file](const std::string& line) { *file << line + '\n' << std::flush; };
}

/// The first of the samples that were read, as many as the bundle has, if they are the same.
Samples matching(const Samples& read, const Samples& bundled, const char* split, const std::filesystem::path& data) {
    const auto count = bundled.images.size(0);
    const Samples first{read.images.slice(0, 0, count), read.labels.slice(0, 0, count)};
    if (!at::equal(first.images, bundled.images) || !at::equal(first.labels, bundled.labels)) {
        throw std::runtime_error(std::string("the ") + split + " images in " + data.string() +
                                 " are not those of the bundle");
    }
    return first;
}

/// Reads the images from their files in place of the bundle's; the time it took [ns].
std::optional<std::int64_t> load(Bundle& bundle, const std::filesystem::path& data) {
    if (data.empty()) {
        return std::nullopt;
    }
    const auto start = std::chrono::steady_clock::now();
    const auto dataset = read_dataset(bundle.dataset, data);
    const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
    bundle.train = matching(dataset.train, bundle.train, "train", data);
    bundle.test = matching(dataset.test, bundle.test, "test", data);
    return elapsed.count();
}

/// Where the run starts: from the bundle, or from where an earlier one stood.
Checkpoint resume(Engine& engine, const Course& course, const std::filesystem::path& path) {
    if (path.empty()) {
        return {};
    }
    auto checkpoint = read_checkpoint(path);
    if (course.epochs && checkpoint.epoch >= *course.epochs) {
        throw std::runtime_error(path.string() + " has " + std::to_string(checkpoint.epoch) + " epochs done, and " +
                                 std::to_string(*course.epochs) + " are asked for");
    }
    engine.restore({checkpoint.weights.begin(), checkpoint.weights.end()},
                   {checkpoint.optimizer.begin(), checkpoint.optimizer.end()});
    return checkpoint;
}

at::Tensor first_output(Engine& engine, const Bundle& bundle) {
    return engine.infer_step(engine.to_device(Batches::training(bundle).make(0).inputs)).cpu().clone();
}

at::Tensor first_reconstruction(Engine& engine, const Bundle& bundle) {
    if (bundle.has_labels()) {
        return {};
    }
    const auto& samples = bundle.test.images.size(0) > 0 ? bundle.test : bundle.train;
    return reconstruct(engine, Batches::in_order(bundle, samples));
}

void run(const Arguments& arguments) {
    at::set_num_threads(arguments.threads);
    auto bundle = read_bundle(arguments.bundle);
    const auto load_ns = load(bundle, arguments.data);
    Engine engine(bundle, arguments.choices);
    const auto start = resume(engine, arguments.course, arguments.resume);
    const auto output = arguments.results.empty() ? at::Tensor() : first_output(engine, bundle);
    Loop loop(engine, bundle, arguments.course, progress_to(arguments.progress));
    const auto measured = loop.run(start, [&arguments](const auto& checkpoint) {
        if (!arguments.checkpoint.empty()) {
            write_checkpoint(arguments.checkpoint, checkpoint());
        }
    });
    const auto said = report(engine, arguments.choices, arguments.course, measured, load_ns);
    if (!arguments.results.empty()) {
        write_results(arguments.results, {.output = output,
                                          .losses = measured.losses,
                                          .weights = engine.weights(),
                                          .reconstruction = first_reconstruction(engine, bundle)});
    }
    if (!arguments.evidence.empty()) {
        write_evidence(arguments.evidence, engine, loop.batches().make(0), bundle, arguments.choices,
                       arguments.course.infer);
    }
    write_file(arguments.report, said.text());
}

void print_kinds() {
    const auto print_all = [](const char* what, const auto& builders) {
        for (const auto& [name, builder] : builders) {
            std::cout << what << ' ' << name << '\n';
        }
    };
    print_all("layer", layer_builders);
    print_all("loss", loss_builders);
    print_all("optimizer", optimizer_builders);
}

std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

int fail(const std::string& message, int code) {
    std::cerr << "profkit_run: " << message << '\n';
    return code;
}

/// What went wrong, in words and as the exit code and the report tell it apart.
struct Failure {
    const char* kind;
    int code;
    std::string message;
};

/// Of the error that is being caught.
Failure current_failure() {
    constexpr int exit_nan = 10, exit_memory = 11, exit_unsupported = 12;
    try {
        throw;
    } catch (const NotFinite& error) {
        return {"nan", exit_nan, error.what()};
    } catch (const Unsupported& error) {
        return {"unsupported", exit_unsupported, error.what()};
    } catch (const std::bad_alloc&) {
        return {"memory", exit_memory, "out of memory"};
    } catch (const c10::Error& error) {
        const std::string message = error.what_without_backtrace();
        // torch's allocator on the host throws a plain error.
        const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                            message.find("can't allocate memory") != std::string::npos;
        return {memory ? "memory" : "other", memory ? exit_memory : EXIT_FAILURE, first_line(message)};
    } catch (const std::exception& error) {
        return {"other", EXIT_FAILURE, first_line(error.what())};
    }
}

/// Runs, and says on standard error and in the report what went wrong.
int run_or_fail(const Arguments& arguments) {
    try {
        run(arguments);
        return EXIT_SUCCESS;
    } catch (const std::exception&) {
        const auto failure = current_failure();
        try {
            write_file(arguments.report, failure_report(failure.message, failure.kind).text());
        } catch (const std::runtime_error& error) {
            std::cerr << "profkit_run: " << error.what() << '\n';
        }
        return fail(failure.message, failure.code);
    }
}

}  // namespace

/// Goes through a bundle step by step: twin of `python -m profkit.runner`, same flags, same report.
int main(int count, char** words) {
    c10::initLogging();  // heeds TORCH_CPP_LOG_LEVEL, as importing torch does in Python
    try {
        const Arguments arguments = parse(count, words);
        switch (arguments.action) {
            case Arguments::Action::help:
                std::cout << help();
                break;
            case Arguments::Action::kinds:
                print_kinds();
                break;
            case Arguments::Action::run:
                return run_or_fail(arguments);
        }
        return EXIT_SUCCESS;
    } catch (const UsageError& error) {
        return fail(error.what(), exit_usage);
    }
}

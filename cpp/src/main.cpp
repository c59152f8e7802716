#include <ATen/Parallel.h>
#include <c10/util/Logging.h>

#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <string_view>

#include "arguments.h"
#include "profkit/bundle.h"
#include "profkit/files.h"
#include "profkit/layers.h"
#include "profkit/report.h"
#include "profkit/trainer.h"

namespace {

using namespace profkit;

constexpr int exit_usage = 2;

/// Appends a line at each step, whole at once, so that whoever watches the file sees no half lines.
Progress progress_to(const std::filesystem::path& path) {
    if (path.empty()) {
        return [](const char*, std::int64_t, std::int64_t) {};
    }
    const auto file = std::make_shared<std::ofstream>(path, std::ios::app);
    if (!*file) {
        throw std::runtime_error("cannot write " + path.string());
    }
    return [file](const char* what, std::int64_t number, std::int64_t count) {
        *file << what;
        if (count > 0) {
            *file << ' ' << number << '/' << count;
        }
        *file << std::endl;
    };
}

void run(const Arguments& arguments) {
    at::set_num_threads(arguments.threads);
    Trainer trainer(read_bundle(arguments.bundle));
    Results results;
    if (!arguments.results.empty()) {
        results.output = trainer.output();
    }
    const auto progress = progress_to(arguments.progress);
    const auto training = train(trainer, arguments.warmup, arguments.steps, arguments.tool, progress);
    if (!arguments.results.empty()) {
        results.losses = training.losses;
        results.weights = trainer.weights();
        write_results(arguments.results, results);
    }
    write_file(arguments.report, report(trainer, training).text());
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

/// The one place that catches: a line on stderr and an exit code.
int fail(std::string_view message, int code) {
    std::cerr << "profkit_run: " << message.substr(0, message.find('\n')) << '\n';
    return code;
}

}  // namespace

/// Trains the network of a bundle step by step: twin of `python -m profkit.runner`, same flags, same report.
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
            case Arguments::Action::train:
                run(arguments);
                break;
        }
        return EXIT_SUCCESS;
    } catch (const UsageError& error) {
        return fail(error.what(), exit_usage);
    } catch (const c10::Error& error) {
        return fail(error.what_without_backtrace(), EXIT_FAILURE);
    } catch (const std::exception& error) {
        return fail(error.what(), EXIT_FAILURE);
    }
}

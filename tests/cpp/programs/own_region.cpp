/// Ways to use profkit.h beyond naming steps and layers: `own_region WAY`.

#include <profkit/profkit.h>
#include <torch/torch.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace {

void work() { torch::ones({4, 6}).sum(); }

/// One region and no steps.
void record() {
    work();
    const profkit::Recorded recorded;
    const profkit::Layer layer("all");
    work();
}

/// The region ends in the middle of a scope.
void enclose() {
    const profkit::Layer layer("outer");
    for (int index = 0; index < 5; ++index) {
        const profkit::Step step;
        profkit::in_layer("inner", work);
    }
}

/// The program ends in the middle of a step.
void leave() {
    for (int index = 0;; ++index) {
        const profkit::Step step;
        const profkit::Layer layer("inner");
        work();
        if (index == 3) {
            std::exit(3);
        }
    }
}

const std::map<std::string, std::function<void()>> ways{
    {"enclose", enclose},
    {"leave", leave},
    {"record", record},
    {"thread", [] { std::thread(enclose).join(); }},
};

}  // namespace

int main(int, char** words) { ways.at(words[1])(); }

/// Ways in which a LibTorch program that knows nothing of profkit goes on and ends: `ways WAY`, five iterations each.

#include <torch/torch.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

constexpr int iterations = 5;

torch::Tensor inputs() { return torch::ones({4, 6}); }

/// Calls `after` with the index of each iteration that it has trained.
void train(const std::function<void(int)>& after) {
    torch::nn::Linear layer(6, 3);
    torch::optim::Adam optimizer(layer->parameters());
    for (int index = 0; index < iterations; ++index) {
        optimizer.zero_grad();
        layer(inputs()).sum().backward();
        optimizer.step();
        after(index);
    }
}

void train_quietly() {
    train([](int) {});
}

/// Ends in the middle.
void leave() {
    train([](int index) {
        if (index == 3) {
            std::exit(3);
        }
    });
}

void fail() {
    train_quietly();
    throw std::runtime_error("on purpose");
}

void run_child() {
    train_quietly();
    std::exit(std::system("env") == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/// Two backward passes to a step of the first optimizer, and one of a second optimizer.
void train_two() {
    torch::nn::Linear one(6, 3), other(6, 3);
    torch::optim::SGD first(one->parameters(), 0.1);
    torch::optim::SGD second(other->parameters(), 0.1);
    for (int index = 0; index < iterations; ++index) {
        one(inputs()).sum().backward();
        one(inputs()).sum().backward();
        first.step();
        other(inputs()).sum().backward();
        second.step();
    }
}

/// Descends by hand.
void train_without_optimizer() {
    auto weight = torch::ones({6, 3}, torch::requires_grad());
    for (int index = 0; index < iterations; ++index) {
        inputs().mm(weight).sum().backward();
        const torch::NoGradGuard no_grad;
        weight -= 0.1 * weight.grad();
        weight.mutable_grad().reset();
    }
}

void infer() {
    const torch::NoGradGuard no_grad;
    torch::nn::Linear layer(6, 3);
    for (int index = 0; index < iterations; ++index) {
        layer(inputs());
    }
}

const std::map<std::string, std::function<void()>> ways{
    {"child", run_child},
    {"exit", leave},
    {"idle", [] {}},
    {"infer", infer},
    {"throw", fail},
    {"thread", [] { std::thread(train_quietly).join(); }},
    {"two_optimizers", train_two},
    {"without_optimizer", train_without_optimizer},
};

}  // namespace

int main(int, char** words) {
    torch::set_num_threads(1);
    ways.at(words[1])();
    return 5;
}

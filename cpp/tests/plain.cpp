/// The network of the workload mnist_cnn, trained as one would write it by hand: what the runner's overhead is measured
/// against. Takes batch size, steps, warm-up and threads; prints the time of each step as a line of JSON.

#include <torch/torch.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

struct NetImpl : torch::nn::Module {
    torch::nn::Conv2d conv1{torch::nn::Conv2dOptions(1, 8, 3)};
    torch::nn::Conv2d conv2{torch::nn::Conv2dOptions(8, 16, 3)};
    torch::nn::Linear linear1{400, 128};
    torch::nn::Linear linear2{128, 10};

    NetImpl() {
        register_module("conv1", conv1);
        register_module("conv2", conv2);
        register_module("linear1", linear1);
        register_module("linear2", linear2);
    }

    torch::Tensor forward(torch::Tensor x) {
        x = torch::max_pool2d(torch::relu(conv1(x)), 2);
        x = torch::max_pool2d(torch::relu(conv2(x)), 2);
        x = torch::relu(linear1(x.flatten(1)));
        return linear2(x);
    }
};
TORCH_MODULE(Net);

}  // namespace

int main(int count, char** words) {
    if (count != 5) {
        std::cerr << "usage: profkit_plain BATCH_SIZE STEPS WARMUP THREADS\n";
        return 2;
    }
    const auto batch_size = std::stoll(words[1]), steps = std::stoll(words[2]), warmup = std::stoll(words[3]);
    torch::set_num_threads(std::stoi(words[4]));
    torch::manual_seed(0);

    constexpr std::int64_t batches = 4;
    const auto samples = batches * batch_size;
    const auto images = torch::randint(0, 256, {samples, 1, 28, 28}, torch::kByte);
    const auto labels = torch::randint(0, 10, {samples}, torch::kLong);
    const auto order = torch::randperm(samples, torch::kLong);

    Net net;
    torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
    std::vector<std::int64_t> step_ns;
    for (std::int64_t step = 0; step < warmup + steps; ++step) {
        const auto start = std::chrono::steady_clock::now();
        const auto batch = step % batches;
        const auto rows = order.slice(0, batch * batch_size, (batch + 1) * batch_size);
        const auto x = images.index_select(0, rows).to(torch::kFloat).div_(255).sub_(0.1307).div_(0.3081);
        const auto y = labels.index_select(0, rows);
        optimizer.zero_grad();
        auto loss = torch::cross_entropy_loss(net(x), y);
        loss.backward();
        optimizer.step();
        loss.reset();
        const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
        if (step >= warmup) {
            step_ns.push_back(elapsed.count());
        }
    }
    std::cout << "{\"step_ns\": [";
    for (std::size_t step = 0; step < step_ns.size(); ++step) {
        std::cout << (step > 0 ? ", " : "") << step_ns[step];
    }
    std::cout << "]}\n";
    return EXIT_SUCCESS;
}

/// Trains a small network on random images and prints the loss of every step: train.cpp with named steps and layers.
///
///     train_with_layers [--steps N] [--batch-size N] [--threads N]

#include <profkit/profkit.h>
#include <torch/torch.h>

#include <cstdint>
#include <iostream>
#include <map>
#include <string>

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
        x = torch::max_pool2d(torch::relu(profkit::in_layer("conv1", conv1, x)), 2);
        x = torch::max_pool2d(torch::relu(profkit::in_layer("conv2", conv2, x)), 2);
        x = torch::relu(profkit::in_layer("linear1", linear1, x.flatten(1)));
        return profkit::in_layer("linear2", linear2, x);
    }
};
TORCH_MODULE(Net);

}  // namespace

int main(int count, char** words) {
    std::map<std::string, std::int64_t> options{{"--steps", 20}, {"--batch-size", 16}, {"--threads", 1}};
    for (int index = 1; index < count; index += 2) {
        const auto option = options.find(words[index]);
        if (option == options.end() || index + 1 == count) {
            std::cerr << "usage: train_with_layers [--steps N] [--batch-size N] [--threads N]\n";
            return 2;
        }
        option->second = std::stoll(words[index + 1]);
    }
    torch::set_num_threads(static_cast<int>(options["--threads"]));
    torch::manual_seed(0);

    const auto images = torch::rand({options["--batch-size"], 1, 28, 28});
    const auto labels = torch::randint(0, 10, {options["--batch-size"]}, torch::kLong);
    Net net;
    torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
    for (std::int64_t step = 0; step < options["--steps"]; ++step) {
        const profkit::Step profkit_step;
        profkit::in_phase("optimizer", [&] { optimizer.zero_grad(); });
        auto loss = torch::cross_entropy_loss(net(images), labels);
        profkit::in_phase("backward", [&] { loss.backward(); });
        profkit::in_phase("optimizer", [&] { optimizer.step(); });
        std::cout << "step " << step << " loss " << loss.item<float>() << std::endl;
    }
}

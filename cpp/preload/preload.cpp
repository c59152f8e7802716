/// libprofkit_preload.so: records a LibTorch program that knows nothing of profkit, loaded into it by LD_PRELOAD.
///
/// What is recorded begins before `main` and ends after it, or with `exit`. Steps are found from outside: an iteration
/// ends where the program's first optimizer has stepped, or, where it uses none of torch's, at the end of each backward
/// pass. The first one begins where that optimizer was made; without one the first is not counted, since nothing tells
/// where it began.
///
/// Environment: what `Wishes` reads, and PROFKIT_PROGRAM, the only executable to be recorded where a shell or Valgrind
/// starts it and is loaded with this library too.

#include <dlfcn.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/optim.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "profkit/program.h"
#include "profkit/scope.h"

namespace {

using profkit::Program;
using profkit::Scope;

/// For a step under way to end, before a signal ends the program in the middle of it.
constexpr unsigned patience_s = 2;

/// The signal that asked the program to end, 0 where none did.
volatile std::sig_atomic_t asked_to_end = 0;

void end_by(int signal) {
    std::signal(signal, SIG_DFL);
    raise(signal);
}

/// Lets the step come to its end, so that what was recorded can be written; asked twice it lets nothing.
void ask_to_end(int signal) {
    if (asked_to_end != 0) {
        end_by(signal);
        return;
    }
    asked_to_end = signal;
    std::signal(SIGALRM, [](int) { end_by(asked_to_end); });
    alarm(patience_s);
}

/// Takes over the signals that would end the program; what the program does with them later is its own.
void listen_to_signals() {
    for (const int number : {SIGINT, SIGTERM}) {
        struct sigaction action {};
        if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
            action.sa_handler = ask_to_end;
            action.sa_flags = SA_RESTART;
            sigaction(number, &action, nullptr);
        }
    }
}

/// Finds where the steps of the program end. Steps are those of the thread that ends the first.
class Iterations {
public:
    explicit Iterations(Program& program) : program_(program) {}

    void optimizer_made() {
        if (!by_optimizer_ && program_.steps_seen() == 0) {
            by_optimizer_ = true;
            begin();
        }
    }

    void optimizer_stepped(const torch::optim::Optimizer* optimizer) {
        leader_ = leader_ == nullptr ? optimizer : leader_;
        if (optimizer == leader_) {
            end();
        }
    }

    void backward_ended() {
        if (!by_optimizer_) {
            end();
        }
    }

private:
    void begin() {
        program_.begin_step();
        thread_ = std::this_thread::get_id();
    }

    void end() {
        if (thread_ && *thread_ != std::this_thread::get_id() && program_.steps_seen() > 0) {
            return;
        }
        program_.end_step();
        if (asked_to_end != 0) {
            program_.finish(std::string("the program was ended by ") + (asked_to_end == SIGINT ? "SIGINT" : "SIGTERM"));
            end_by(asked_to_end);
        }
        begin();
    }

    Program& program_;
    const torch::optim::Optimizer* leader_ = nullptr;  ///< whose steps are those of the program
    std::optional<std::thread::id> thread_;
    bool by_optimizer_ = false;
};

/// Null in a process that is not recorded.
Iterations* iterations = nullptr;

/// Backward passes and optimizer steps can lie in one another; only the outermost ends an iteration.
thread_local int depth = 0;

class Depth {
public:
    Depth() { ++depth; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ~Depth() { --depth; }
};

/// torch's engine, which tells when a backward pass has ended.
class Engine : public torch::autograd::Engine {
public:
    using torch::autograd::Engine::Engine;

    torch::autograd::variable_list execute(const torch::autograd::edge_list& roots,
                                           const torch::autograd::variable_list& inputs, bool keep_graph,
                                           bool create_graph, bool accumulate_grad,
                                           const torch::autograd::edge_list& outputs) override {
        torch::autograd::variable_list gradients;
        {
            const Depth inner;
            const Scope scope("phase/backward");
            gradients = torch::autograd::Engine::execute(roots, inputs, keep_graph, create_graph, accumulate_grad,
                                                         outputs);
        }
        if (depth == 0) {
            iterations->backward_ended();
        }
        return gradients;
    }
};

torch::autograd::Engine& engine() {
    static Engine engine;
    return engine;
}

/// The function of this name that the library's own one stands before.
template <typename Function>
Function* hidden_behind(const char* name) {
    void* const found = dlsym(RTLD_NEXT, name);
    if (found == nullptr) {
        std::cerr << "profkit: this libtorch has no " << name << '\n';
        std::abort();
    }
    return reinterpret_cast<Function*>(found);
}

template <typename Optimizer>
at::Tensor step(Optimizer* optimizer, torch::optim::Optimizer::LossClosure closure, const char* name) {
    using Step = at::Tensor(Optimizer*, torch::optim::Optimizer::LossClosure);
    static Step* const torchs = hidden_behind<Step>(name);
    at::Tensor loss;
    {
        const Depth inner;
        const Scope scope("phase/optimizer");
        loss = torchs(optimizer, std::move(closure));
    }
    if (depth == 0 && iterations != nullptr) {
        iterations->optimizer_stepped(optimizer);
    }
    return loss;
}

/// Takes this library out of LD_PRELOAD, so that programs which this one starts are themselves.
void leave_preload() {
    constexpr const char* variable = "LD_PRELOAD";
    const char* value = std::getenv(variable);
    Dl_info own{};
    if (value == nullptr || dladdr(reinterpret_cast<void*>(&leave_preload), &own) == 0) {
        return;
    }
    std::string others;
    for (std::string_view rest(value); !rest.empty();) {
        const auto end = std::min(rest.find_first_of(": "), rest.size());
        const std::filesystem::path library(rest.substr(0, end));
        std::error_code ignored;
        if (!library.empty() && library != own.dli_fname &&
            !std::filesystem::equivalent(library, own.dli_fname, ignored)) {
            others.append(others.empty() ? "" : ":").append(library);
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (others.empty()) {
        unsetenv(variable);
    } else {
        setenv(variable, others.c_str(), 1);
    }
}

/// Whether it is this executable that is to be recorded.
bool is_meant() {
    const char* program = std::getenv("PROFKIT_PROGRAM");
    std::error_code ignored;
    // Valgrind answers for the program where the link is read, and only there.
    return program == nullptr || std::filesystem::equivalent(
                                     program, std::filesystem::read_symlink("/proc/self/exe", ignored), ignored);
}

using Main = int(int, char**, char**);

Main* programs_main = nullptr;

int recorded_main(int count, char** words, char** environment) {
    Program* program = nullptr;
    if (is_meant()) {
        leave_preload();
        unsetenv("PROFKIT_PROGRAM");
        program = Program::running();
    }
    if (program == nullptr) {
        return programs_main(count, words, environment);
    }
    static Iterations found(*program);
    iterations = &found;
    torch::autograd::set_default_engine_stub(engine);
    listen_to_signals();
    program->record_all_threads();
    program->open_for_now();
    const int status = programs_main(count, words, environment);
    program->finish();
    return status;
}

}  // namespace

// What stands before torch's own functions of the same name. The compiler holds each to torch's declaration.
namespace torch::optim {

Tensor SGD::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim3SGD4stepESt8functionIFN2at6TensorEvEE");
}

Tensor Adam::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim4Adam4stepESt8functionIFN2at6TensorEvEE");
}

Tensor AdamW::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim5AdamW4stepESt8functionIFN2at6TensorEvEE");
}

Tensor Adagrad::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim7Adagrad4stepESt8functionIFN2at6TensorEvEE");
}

Tensor RMSprop::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim7RMSprop4stepESt8functionIFN2at6TensorEvEE");
}

Tensor LBFGS::step(LossClosure closure) {
    return ::step(this, std::move(closure), "_ZN5torch5optim5LBFGS4stepESt8functionIFN2at6TensorEvEE");
}

void Optimizer::zero_grad(bool set_to_none) {
    using ZeroGrad = void(Optimizer*, bool);
    static ZeroGrad* const torchs = hidden_behind<ZeroGrad>("_ZN5torch5optim9Optimizer9zero_gradEb");
    const Scope scope("phase/optimizer");
    torchs(this, set_to_none);
}

void Optimizer::add_param_group(const OptimizerParamGroup& group) {
    using Add = void(Optimizer*, const OptimizerParamGroup&);
    static Add* const torchs =
        hidden_behind<Add>("_ZN5torch5optim9Optimizer15add_param_groupERKNS0_19OptimizerParamGroupE");
    torchs(this, group);
    if (iterations != nullptr) {
        iterations->optimizer_made();
    }
}

}  // namespace torch::optim

/// What the C library starts a program by: hands it our `main` in place of the program's.
extern "C" [[gnu::visibility("default")]] int __libc_start_main(Main* main, int count, char** words, void (*init)(),
                                                                void (*fini)(), void (*loader_fini)(),
                                                                void* stack_end) {
    using Start = int(Main*, int, char**, void (*)(), void (*)(), void (*)(), void*);
    programs_main = main;
    return hidden_behind<Start>("__libc_start_main")(recorded_main, count, words, init, fini, loader_fini, stack_end);
}

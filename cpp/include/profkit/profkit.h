#pragma once

/// What a LibTorch program includes to have its own steps, phases and layers in what profkit records of it:
///
///     #include <profkit/profkit.h>
///
///     for (auto& batch : *loader) {
///         const profkit::Step step;
///         auto x = profkit::in_layer("conv1", conv1, batch.data);
///         ...
///     }
///
/// `profkit record` starts the program and says from outside which tool is to record, how many steps are warm-up and
/// how many are recorded. Started in any other way, the program does what it did: each of these costs a comparison.

#include <string_view>
#include <utility>

#include "profkit/program.h"
#include "profkit/scope.h"

namespace profkit {

/// One iteration of the program's loop, from here to the end of the block. The region begins with the first step after
/// the warm-up and ends with the last that is asked for, or with the program. All steps are taken by one thread.
class [[nodiscard]] Step {
public:
    Step() : program_(Program::running()) {
        if (program_ != nullptr) {
            program_->begin_step();
        }
    }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() {
        if (program_ != nullptr) {
            program_->end_step();
        }
    }

private:
    Program* program_;
};

/// For a program without steps: everything from here to the end of the block is recorded.
class [[nodiscard]] Recorded {
public:
    Recorded() : program_(Program::running()) {
        if (program_ != nullptr) {
            program_->open();
        }
    }
    Recorded(const Recorded&) = delete;
    Recorded& operator=(const Recorded&) = delete;
    ~Recorded() {
        if (program_ != nullptr) {
            program_->close();
        }
    }

private:
    Program* program_;
};

/// The work of one layer, from here to the end of the block: `layer1.0.conv1`, as `named_modules` names it. What
/// autograd does later for this work counts as the layer's too.
class [[nodiscard]] Layer {
public:
    explicit Layer(std::string_view path) : scope_("layer/", path) {}

private:
    Scope scope_;
};

/// A phase of the step, from here to the end of the block: `data`, `forward`, `backward` or `optimizer`.
class [[nodiscard]] Phase {
public:
    explicit Phase(std::string_view name) : scope_("phase/", name) {}

private:
    Scope scope_;
};

/// What a module, or anything that can be called so, makes of these inputs, as the work of a layer.
template <typename Module, typename... Inputs>
decltype(auto) in_layer(std::string_view path, Module&& module, Inputs&&... inputs) {
    const Layer layer(path);
    return std::forward<Module>(module)(std::forward<Inputs>(inputs)...);
}

/// What `work()` returns, done as a phase: `profkit::in_phase("optimizer", [&] { optimizer.step(); })`.
template <typename Work>
decltype(auto) in_phase(std::string_view name, Work&& work) {
    const Phase phase(name);
    return std::forward<Work>(work)();
}

}  // namespace profkit

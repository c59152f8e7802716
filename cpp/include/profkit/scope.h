#pragma once

#include <ATen/record_function.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace profkit {

/// A tool that records for as long as this lives, and is told of every scope that the program enters and leaves.
///
/// With `region.h` the only place that knows how each tool learns of steps, phases and layers; twin of
/// `profkit/runner/scope.py`. Names are `ProfilerStep#0`, `phase/forward`, `layer/conv1`.
class ScopeListener {
public:
    ScopeListener() = default;
    ScopeListener(const ScopeListener&) = delete;
    ScopeListener& operator=(const ScopeListener&) = delete;
    virtual ~ScopeListener() = default;

    virtual void enter(std::string_view name) = 0;
    virtual void leave() = 0;

    /// Whether it is told of layers; where not, a network opens no scopes for them.
    virtual bool hears_layers() const { return true; }

    /// Stops recording and writes the artefact, where it is this process that does so.
    ///
    /// @throws std::runtime_error the artefact cannot be written.
    virtual void finish(const std::filesystem::path& /*artefact*/) {}
};

/// Who listens to the scopes of this thread: set by `Region` and `Listening`, nobody outside of them.
inline thread_local constinit ScopeListener* scope_listener = nullptr;

/// Has another listener, or nobody, listen to the scopes from here to the end of the block.
class [[nodiscard]] Listening {
public:
    explicit Listening(ScopeListener* listener) : before_(scope_listener) { scope_listener = listener; }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    ~Listening() { scope_listener = before_; }

private:
    ScopeListener* before_;
};

/// A step, phase or layer, from here to the end of the block. Where nobody listens it costs a comparison; where the
/// region ended inside it, its end is told to nobody.
class [[nodiscard]] Scope {
public:
    explicit Scope(std::string_view name) : listener_(scope_listener) {
        if (listener_ != nullptr) {
            listener_->enter(name);
        }
    }

    /// The two together are the name.
    Scope(std::string_view kind, std::string_view name) : listener_(scope_listener) {
        if (listener_ != nullptr) {
            listener_->enter(std::string(kind).append(name));
        }
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
        if (listener_ != nullptr && listener_ == scope_listener) {
            listener_->leave();
        }
    }

private:
    ScopeListener* listener_;
};

/// PyTorch Profiler with shapes and memory; scopes are its `user_annotation` rows.
class TorchScopes : public ScopeListener {
public:
    /// @param all_threads whether threads are recorded that this one did not set to work.
    explicit TorchScopes(bool all_threads);
    ~TorchScopes() override;

    void enter(std::string_view name) override;
    void leave() override;
    void finish(const std::filesystem::path& artefact) override;

private:
    bool recording_ = true;
    std::deque<at::RecordFunction> records_;
};

/// Scopes as rows of (name, depth, start, duration) on the monotonic clock.
class WallclockScopes : public ScopeListener {
public:
    using Clock = std::chrono::steady_clock;

    void enter(std::string_view name) override;
    void leave() override;
    void finish(const std::filesystem::path& artefact) override;

private:
    struct Row {
        std::string name;
        std::int64_t depth;
        Clock::time_point start;
        Clock::duration duration;
    };

    std::vector<Row> rows_;
    std::vector<std::size_t> open_;  ///< rows of the scopes not yet left
};

}  // namespace profkit

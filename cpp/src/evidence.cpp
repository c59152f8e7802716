#include "profkit/evidence.h"

#include <utility>

#include "profkit/archive.h"
#include "profkit/files.h"

namespace profkit {
namespace {

void write(const std::filesystem::path& path, const NamedTensors& tensors) {
    write_file(path, archive(to_dict(tensors)));
}

}  // namespace

void write_evidence(const std::filesystem::path& folder, const Engine& engine, const Batch& batch, const Bundle& bundle,
                    Choices choices, bool infer) {
    write(folder / "inputs.pt", {{"inputs", batch.inputs}});
    write(folder / "weights.pt", engine.weights());
    write(folder / "state.pt", engine.optimizer_state());
    if (infer) {
        return;
    }
    choices.masks = true;
    Engine fresh(bundle, choices);
    fresh.start_epoch(0);
    const auto inputs = fresh.to_device(batch.inputs);
    fresh.train_step(inputs, bundle.has_labels() ? fresh.to_device(batch.labels) : inputs);
    fresh.synchronize();
    write(folder / "stepped.pt", fresh.weights());
}

}  // namespace profkit

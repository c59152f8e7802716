#pragma once

#include <filesystem>
#include <string>

#include "profkit/bundle.h"

namespace profkit {

/// The training and the test images of a dataset, in the order of its files.
struct Dataset {
    Samples train;
    Samples test;
};

/// Reads MNIST from its IDX files (`mnist`) or CIFAR-10 from its binary files (`cifar10`), unpacked.
///
/// @throws Unsupported there is no reader for this dataset.
/// @throws std::runtime_error a file is missing, of another format, too short, or has a label that is out of range.
Dataset read_dataset(const std::string& name, const std::filesystem::path& directory);

}  // namespace profkit

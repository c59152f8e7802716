#pragma once

#include <string>

namespace profkit {

/// Name of the CUDA device in use, as its driver has it; empty where that cannot be asked.
std::string cuda_device_name();

/// Version of CUDA that torch runs on (`13.0`).
std::string cuda_version();

/// Version of cuDNN that torch runs on (`91000`).
std::string cudnn_version();

}  // namespace profkit

#include "profkit/cuda_device.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <array>
#include <memory>

namespace profkit {

std::string cuda_device_name() {
    // The driver's own C interface: with CUDA's headers this program could only be built where CUDA's compiler is.
    const std::unique_ptr<void, int (*)(void*)> driver(
        dlopen("libcuda.so.1", RTLD_LAZY), [](void* library) { return library != nullptr ? dlclose(library) : 0; });
    if (!driver) {
        return {};
    }
    using GetDevice = int (*)(int* device, int ordinal);
    using GetName = int (*)(char* name, int length, int device);
    const auto get_device = reinterpret_cast<GetDevice>(dlsym(driver.get(), "cuDeviceGet"));
    const auto get_name = reinterpret_cast<GetName>(dlsym(driver.get(), "cuDeviceGetName"));
    std::array<char, 256> name{};
    int device = 0;
    if (get_device == nullptr || get_name == nullptr || get_device(&device, 0) != 0 ||
        get_name(name.data(), static_cast<int>(name.size()) - 1, device) != 0) {
        return {};
    }
    return name.data();
}

std::string cuda_version() {
    const auto version = at::detail::getCUDAHooks().versionCUDART();
    return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10);
}

std::string cudnn_version() { return std::to_string(at::detail::getCUDAHooks().versionRuntimeCuDNN()); }

}  // namespace profkit

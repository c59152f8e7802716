# Finds LibTorch: its headers, its shared libraries and the header of Valgrind's client requests that it ships.
#
# PyTorch brings a package file of its own, but where torch was built with CUDA that one demands the CUDA compiler. A
# program that only calls LibTorch needs headers and shared libraries, so it builds without.
#
# Looks beside each entry of CMAKE_PREFIX_PATH, which may be `torch.utils.cmake_prefix_path` or a LibTorch folder.
#
# Defines:
#   Torch::Torch         target to link with
#   Torch_VERSION        version of the headers
#   Torch_LIBRARY_DIR    folder of the shared libraries
#   Callgrind_INCLUDE_DIR  folder of callgrind.h, where there is one

set(roots ${CMAKE_PREFIX_PATH})
list(TRANSFORM roots APPEND /../.. OUTPUT_VARIABLE above)
list(APPEND roots ${above})

find_path(Torch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h PATHS ${roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
foreach(name IN ITEMS torch torch_cpu c10)
    find_library(Torch_${name}_LIBRARY ${name} PATHS ${roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
endforeach()
find_path(
    Callgrind_INCLUDE_DIR callgrind.h
    PATHS ${roots} /usr/include/valgrind /usr/local/include/valgrind
    PATH_SUFFIXES utils/benchmark/utils/valgrind_wrapper include/valgrind
    NO_DEFAULT_PATH
)

if(Torch_INCLUDE_DIR)
    foreach(header IN ITEMS torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
        if(EXISTS ${Torch_INCLUDE_DIR}/${header})
            file(STRINGS ${Torch_INCLUDE_DIR}/${header} line REGEX "^ *\"[0-9]+\\.[0-9]+\\.[0-9]+")
            string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" Torch_VERSION "${line}")
            break()
        endif()
    endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    Torch
    REQUIRED_VARS Torch_INCLUDE_DIR Torch_torch_LIBRARY Torch_torch_cpu_LIBRARY Torch_c10_LIBRARY
    VERSION_VAR Torch_VERSION
    REASON_FAILURE_MESSAGE
        "pass torch.utils.cmake_prefix_path (of Python's torch) or a LibTorch folder as -DCMAKE_PREFIX_PATH"
)

if(Torch_FOUND AND NOT TARGET Torch::Torch)
    get_filename_component(Torch_LIBRARY_DIR ${Torch_torch_LIBRARY} DIRECTORY)
    find_package(Threads REQUIRED)
    add_library(Torch::Torch INTERFACE IMPORTED)
    target_include_directories(
        Torch::Torch INTERFACE ${Torch_INCLUDE_DIR} ${Torch_INCLUDE_DIR}/torch/csrc/api/include
    )
    # libtorch refers to no symbol of its own: it is there to pull in the libraries of the devices it was built for.
    # Those in turn name libraries of the driver and of other packages, which the loader finds and the linker need not.
    target_link_libraries(
        Torch::Torch
        INTERFACE
            -Wl,--no-as-needed ${Torch_torch_LIBRARY} -Wl,--as-needed ${Torch_torch_cpu_LIBRARY} ${Torch_c10_LIBRARY}
            -Wl,--allow-shlib-undefined Threads::Threads
    )
endif()

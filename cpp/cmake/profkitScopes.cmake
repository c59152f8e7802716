# Defines profkit_scopes: steps, phases and layers for whoever records a LibTorch program. The runner, the preload
# library and the programs of users compile it, each against its own torch.
#
# Needs one of
#   Torch::Torch      made by FindTorch.cmake
#   TORCH_LIBRARIES   set by PyTorch's own package file

get_filename_component(profkit_root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

add_library(
    profkit_scopes STATIC
    ${profkit_root}/src/files.cpp
    ${profkit_root}/src/json.cpp
    ${profkit_root}/src/memory.cpp
    ${profkit_root}/src/program.cpp
    ${profkit_root}/src/region.cpp
    ${profkit_root}/src/scope.cpp
    ${profkit_root}/src/surroundings.cpp
)
target_compile_features(profkit_scopes PUBLIC cxx_std_20)
target_include_directories(profkit_scopes PUBLIC ${profkit_root}/include)
set_target_properties(profkit_scopes PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD ON)
if(TARGET Torch::Torch)
    target_link_libraries(profkit_scopes PUBLIC Torch::Torch)
else()
    separate_arguments(profkit_torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
    target_compile_options(profkit_scopes PUBLIC ${profkit_torch_flags})
    target_include_directories(profkit_scopes SYSTEM PUBLIC ${TORCH_INCLUDE_DIRS})
    target_link_libraries(profkit_scopes PUBLIC ${TORCH_LIBRARIES})
endif()

# Python's torch brings the header of Valgrind's client requests; a LibTorch folder leaves it to Valgrind's package.
find_path(
    Callgrind_INCLUDE_DIR callgrind.h
    PATHS ${TORCH_INSTALL_PREFIX}/utils/benchmark/utils/valgrind_wrapper /usr/include/valgrind
          /usr/local/include/valgrind
    NO_DEFAULT_PATH
)
if(Callgrind_INCLUDE_DIR)
    target_sources(profkit_scopes PRIVATE ${profkit_root}/src/callgrind.cpp)
    target_include_directories(profkit_scopes SYSTEM PRIVATE ${Callgrind_INCLUDE_DIR})
else()
    message(STATUS "profkit: no callgrind.h, so that Callgrind cannot record this program (apt-get install valgrind)")
    target_compile_definitions(profkit_scopes PRIVATE PROFKIT_WITHOUT_CALLGRIND)
endif()

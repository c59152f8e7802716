# Lets a CMake project name the steps, phases and layers of its LibTorch program:
#
#   find_package(Torch REQUIRED)
#   find_package(profkit REQUIRED)
#   target_link_libraries(train PRIVATE ${TORCH_LIBRARIES} profkit::profkit)
#
# CMAKE_PREFIX_PATH needs what `python -c "import profkit; print(profkit.cmake_prefix_path)"` prints.
#
# A few small sources are compiled in the project, with its compiler and the torch that it found, so that both fit.

if(TARGET profkit::profkit)
    return()
endif()
if(NOT TARGET Torch::Torch AND NOT TORCH_LIBRARIES)
    list(PREPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
    find_package(Torch MODULE)
    list(POP_FRONT CMAKE_MODULE_PATH)
    if(NOT Torch_FOUND)
        set(profkit_FOUND FALSE)
        set(profkit_NOT_FOUND_MESSAGE "profkit needs torch: call find_package(Torch REQUIRED) before")
        return()
    endif()
endif()
include(${CMAKE_CURRENT_LIST_DIR}/profkitScopes.cmake)
add_library(profkit::profkit ALIAS profkit_scopes)

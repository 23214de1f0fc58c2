# dvd::cuda: what dvd::Cuda does on a GPU (dvd/device/cuda.cuh), compiled once within the project that uses it. Defined
# alike where dvd is a subdirectory and by the installed package, from the headers in `dvd_include_folder`, and compiled
# only if something links it, for CMAKE_CUDA_ARCHITECTURES.
#
# A kernel of one's own (dvd/device/cuda/map.cuh, loss.cuh) stands in a .cu file of the project, whose target links
# dvd::cuda and is given `dvd_cuda_flags`:
#
#     target_compile_options(program PRIVATE ${dvd_cuda_flags})

# Ampere, Hopper, and code that newer ones translate for themselves.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90")
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "dvd::cuda needs CUDA 12 or newer, not ${CMAKE_CUDA_COMPILER_VERSION}")
endif()
# The standard as a flag: CMake before 3.25.2 knows of no C++20 in CUDA. constexpr functions of the library, such as
# Philox, run on the GPU as they are.
set(dvd_cuda_flags $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20> $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)

if(NOT TARGET dvd_cuda)
  # A unit for every header that cuda.cuh includes: they compile side by side, and again only where one has changed.
  file(STRINGS "${dvd_include_folder}/dvd/device/cuda.cuh" dvd_cuda_lines REGEX "^#include \"dvd/.*\\.cuh\"")
  set(dvd_cuda_units "")
  foreach(line IN LISTS dvd_cuda_lines)
    string(REGEX REPLACE ".*\"dvd/device/(.*)\\.cuh\"" "\\1" name "${line}")
    set(unit "${CMAKE_CURRENT_BINARY_DIR}/dvd_units/${name}.cu")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "${line}\n")
    list(APPEND dvd_cuda_units "${unit}")
  endforeach()
  add_library(dvd_cuda STATIC EXCLUDE_FROM_ALL ${dvd_cuda_units})
  add_library(dvd::cuda ALIAS dvd_cuda)
  set_target_properties(dvd_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD OFF)
  target_compile_options(dvd_cuda PRIVATE ${dvd_cuda_flags})
  # A library that is compiled apart does not know what its users compile for: names without an instruction set.
  target_compile_definitions(dvd_cuda INTERFACE DVD_WITH_CUDA PUBLIC DVD_INSTRUCTION_SET=compiled_apart)
  target_link_libraries(dvd_cuda PUBLIC dvd::dvd CUDA::cudart PRIVATE CUDA::cublasLt cuDNN::cudnn)
  unset(dvd_cuda_lines)
  unset(dvd_cuda_units)
  unset(line)
  unset(name)
  unset(unit)
endif()

# dvd::cuda: the GPU's kernels, compiled once. Built where CUDA's compiler, its libraries and cuDNN are.
set(missing "")
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  list(APPEND missing "nvcc: the compiler of the GPU's kernels (CUDA 12 or newer)")
endif()
dvd_find_cuda_dependencies(missing)
if(missing)
  dvd_leave_out(cuda ${DVD_WITH_CUDA} "${missing}")
  return()
endif()

# Ampere, Hopper, and code that newer ones translate for themselves.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90")
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "dvd::cuda needs CUDA 12 or newer, not ${CMAKE_CUDA_COMPILER_VERSION}; or set DVD_WITH_CUDA=OFF")
endif()

file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/cuda/*.cu" "${PROJECT_SOURCE_DIR}/src/cuda/*.cpp")
set(built_with_all "")
if(NOT PROJECT_IS_TOP_LEVEL)
  set(built_with_all EXCLUDE_FROM_ALL) # a project that has this one as a subdirectory may not want it
endif()
add_library(dvd_cuda STATIC ${built_with_all} ${sources})
add_library(dvd::cuda ALIAS dvd_cuda)
set_target_properties(dvd_cuda PROPERTIES EXPORT_NAME cuda POSITION_INDEPENDENT_CODE ON)
target_include_directories(dvd_cuda PRIVATE "${PROJECT_SOURCE_DIR}/src")
# The standard as a flag: CMake before 3.25.2 knows of no C++20 in CUDA. constexpr functions of the library, such as
# Philox, run on the GPU as they are.
target_compile_options(dvd_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr>)
# A library that is compiled apart does not know what its users compile for: names without an instruction set.
target_compile_definitions(dvd_cuda INTERFACE DVD_WITH_CUDA PUBLIC DVD_INSTRUCTION_SET=compiled_apart)
target_link_libraries(dvd_cuda PUBLIC dvd PRIVATE CUDA::cudart CUDA::cublasLt cuDNN::cudnn)
if(PROJECT_IS_TOP_LEVEL)
  include(cmake/warnings.cmake)
  target_compile_options(
    dvd_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:$<TARGET_PROPERTY:dvd_warnings,INTERFACE_COMPILE_OPTIONS>>
                     $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
                     $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DVD_WARNINGS_AS_ERRORS}>>:-Werror=all-warnings>)
endif()

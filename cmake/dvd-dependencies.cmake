# What the library needs from elsewhere, found alike by the build and by the installed package.
#
# The functions look for packages without a word and append what is missing to the list variable `missing`, a line each
# for a person: the package, what it is for, where Debian and Ubuntu have it.

# (The list's own name must not be that of a parameter, which would hide it.)
function(dvd_find dvd_list package purpose debian)
  list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    list(APPEND ${dvd_list} "${package}: ${purpose} (Debian, Ubuntu: apt-get install ${debian})")
    set(${dvd_list} "${${dvd_list}}" PARENT_SCOPE)
  endif()
endfunction()

# The needs of dvd::dvd.
macro(dvd_find_library_dependencies missing)
  dvd_find(${missing} Eigen3 "array expressions of the kernels, initialisation, dvd/eigen.hpp" libeigen3-dev 3.4 CONFIG)
  dvd_find(${missing} TBB "threads" libtbb-dev CONFIG)
  dvd_find(${missing} Stb "PNG files" libstb-dev MODULE)
endmacro()

# What the components need beyond that.
set(dvd_components checkpoint video convert mpi cuda nccl compiled shapes_weights)

macro(dvd_find_checkpoint_dependencies missing)
  dvd_find(${missing} nlohmann_json "headers of checkpoints and safetensors files" nlohmann-json3-dev 3.9 CONFIG)
endmacro()

macro(dvd_find_video_dependencies missing)
  dvd_find(${missing} FFmpeg "video files"
           "libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libavfilter-dev" MODULE)
endmacro()

macro(dvd_find_convert_dependencies missing)
  dvd_find_checkpoint_dependencies(${missing})
  dvd_find(${missing} LibZip "weights in zip archives" libzip-dev MODULE)
  dvd_find(${missing} Snappy "weights in TensorFlow's checkpoints" libsnappy-dev CONFIG)
endmacro()

# Any of its kind; CMake prefers the one whose compiler is named by MPI_CXX_COMPILER.
macro(dvd_find_mpi_dependencies missing)
  dvd_find(${missing} MPI "several processes that train one model" "libopenmpi-dev openmpi-bin" 3 MODULE COMPONENTS CXX)
endmacro()

macro(dvd_find_compiled_dependencies missing)
endmacro()

macro(dvd_find_shapes_weights_dependencies missing)
endmacro()

# NVIDIA's own packages are newer than those of Debian and Ubuntu.
macro(dvd_find_cuda_dependencies missing)
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    list(APPEND ${missing} "nvcc: the compiler of the GPU's kernels (NVIDIA's repository: cuda-toolkit, 12 or newer)")
  endif()
  dvd_find(${missing} CUDAToolkit "the GPU" "cuda-toolkit, from NVIDIA's repository" 12)
  dvd_find(${missing} cuDNN "the GPU's convolutions" "cudnn9-cuda-13, from NVIDIA's repository" 9 MODULE)
endmacro()

macro(dvd_find_nccl_dependencies missing)
  dvd_find_cuda_dependencies(${missing})
  dvd_find(${missing} NCCL "several GPUs that train one model" "libnccl-dev, from NVIDIA's repository" 2.18 MODULE)
endmacro()

# The tests of dvd::Cuda: those in this folder, and those elsewhere that are written for any device, which include
# support/devices.hpp. They run on the GPU, if there is one, and always on an emulation: the same kernels and host code,
# compiled for the host, with loops in place of CUDA's launches and of what cuDNN and cuBLASLt compute.
include("${CMAKE_CURRENT_LIST_DIR}/emulated.cmake")

# The benchmark that counts by it, at a tiny size: in the long form, which builds the benchmarks.
if(TARGET gpu_cost)
  add_test(NAME cuda.gpu_cost COMMAND gpu_cost --resolution 16 --frames 4 --channels 2 --batch 2 --json)
  set_tests_properties(cuda.gpu_cost PROPERTIES PASS_REGULAR_EXPRESSION "\"step\":{\"launches\":[1-9][0-9]+")
  set_tests_properties(cuda.gpu_cost PROPERTIES LABELS long)
  # And at a size that a GPU trains, where a step is to be at most 4500 launches.
  add_test(NAME cuda.gpu_cost.launches
           COMMAND gpu_cost --resolution 64 --frames 48 --channels 16 --batch 8 --no-plans --json)
  set_tests_properties(cuda.gpu_cost.launches
                       PROPERTIES PASS_REGULAR_EXPRESSION "\"step\":{\"launches\":(4500|4[0-4][0-9][0-9]|[1-3][0-9][0-9][0-9]),")
  set_tests_properties(cuda.gpu_cost.launches PROPERTIES LABELS long)
endif()

# The real cuDNN is asked for plans for GPUs that are only described.
if(TARGET dvd::cuda)
  dvd_add_test(cuda.cudnn_plans cuda/cudnn_plans_test.cpp dvd::cuda cuDNN::cudnn CUDA::cudart)
  set_tests_properties(cuda.cudnn_plans PROPERTIES LABELS long) # half a minute
endif()

file(GLOB own RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}" CONFIGURE_DEPENDS "cuda/*_test.cpp")
# What the emulation leaves out, the launches themselves, runs on threads of the host.
list(REMOVE_ITEM own cuda/threads_launches_test.cpp cuda/cudnn_plans_test.cpp)
dvd_add_test(cuda.launches.emulated cuda/threads_launches_test.cpp)
target_include_directories(cuda_launches_emulated_test BEFORE PRIVATE cuda/threads)
set(for_cuda ${own})
foreach(source IN LISTS sources)
  file(STRINGS "${source}" any_device REGEX "#include \"support/devices.hpp\"")
  if(any_device)
    list(APPEND for_cuda "${source}")
  endif()
endforeach()

# Values of layers and whole networks take minutes to compile, and show little that those of kernels and of training in
# this folder do not: for a GPU, and for the long form.
if(NOT DVD_CUDA_PROGRAMS)
  list(FILTER for_cuda EXCLUDE REGEX "^((layers|models|training)/parity_|device/eigen_forms_|metrics/i3d_)")
endif()

# The kernels of an example, as its author's nvcc compiles them and for the emulation.
set(own_kernels "${PROJECT_SOURCE_DIR}/examples/own_kernels/kernels.cu")
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/emulated_units/own_kernels.cpp"
     CONTENT "#include \"${own_kernels}\"\n")
add_library(own_kernels_emulated STATIC "${CMAKE_CURRENT_BINARY_DIR}/emulated_units/own_kernels.cpp")
target_include_directories(own_kernels_emulated BEFORE PRIVATE cuda/emulation)
target_compile_definitions(own_kernels_emulated PRIVATE DVD_INSTRUCTION_SET=compiled_apart)
dvd_link_test(own_kernels_emulated emulated_units/own_kernels.cpp)

# What the programs' ranks with a GPU each tell each other, on the emulated ones.
if(TARGET ranks)
  find_package(CLI11 CONFIG QUIET REQUIRED)
  find_package(fmt CONFIG QUIET REQUIRED)
  add_library(program_ranks_emulated STATIC "${PROJECT_SOURCE_DIR}/examples/common/gpu_ranks.cpp")
  target_compile_definitions(program_ranks_emulated PUBLIC DVD_WITH_CUDA DVD_WITH_NCCL
                                                           DVD_INSTRUCTION_SET=compiled_apart)
  target_link_libraries(program_ranks_emulated PUBLIC CLI11::CLI11 fmt::fmt PRIVATE dvd::dvd dvd_warnings dvd_native)
else()
  list(FILTER for_cuda EXCLUDE REGEX "/emulated_program_")
endif()

foreach(source IN LISTS for_cuda)
  set(kernels "")
  set(emulated_kernels "")
  if(source MATCHES "/own_kernels_")
    set(kernels own_kernels_kernels)
    set(emulated_kernels own_kernels_emulated)
  endif()
  string(REGEX REPLACE "_test\\.cpp$" "" name "${source}")
  string(REPLACE "/" "." name "${name}")
  if(NOT name MATCHES "^cuda\\.")
    set(name "cuda.${name}")
  endif()
  string(REPLACE "." "_" objects "${name}_objects")
  add_library(${objects} OBJECT "${source}")
  target_compile_definitions(${objects} PRIVATE DVD_TEST_CUDA DVD_INSTRUCTION_SET=compiled_apart)
  dvd_link_test(${objects} "${source}")
  if(source MATCHES "/emulated_program_")
    set(emulated_kernels program_ranks_emulated)
    target_link_libraries(${objects} PRIVATE program_ranks_emulated)
  endif()
  if(source MATCHES "/emulated_")
    target_include_directories(${objects} BEFORE PRIVATE cuda/emulation) # it looks behind the emulated GPU
  elseif(TARGET dvd::cuda AND (NOT kernels OR TARGET ${kernels}))
    dvd_add_test(${name} $<TARGET_OBJECTS:${objects}> ${kernels} dvd::cuda)
  endif()
  dvd_add_test(${name}.emulated $<TARGET_OBJECTS:${objects}> ${emulated_kernels} dvd_cuda_emulated)
endforeach()

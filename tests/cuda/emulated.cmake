# dvd_cuda_emulated: dvd::Cuda for the host, with loops in place of CUDA's launches, cuDNN and cuBLASLt, and its ranks,
# with threads in place of NCCL's processes; for tests, and for the benchmark that counts what a GPU would be given to do.
# Who looks behind the emulated GPU adds DVD_CUDA_EMULATION to the folders of headers, in front.
set(DVD_CUDA_EMULATION "${PROJECT_SOURCE_DIR}/tests/cuda/emulation")
if(TARGET dvd_cuda_emulated)
  return()
endif()

# In one unit, as by who compiles dvd::Cuda without CMake: apart, most of the time would go to reading headers.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/emulated_units/cuda.cpp"
     CONTENT "#include <dvd/device/cuda.cuh>\n#include <dvd/device/cuda/libraries/nccl.cuh>\n")
add_library(dvd_cuda_emulated STATIC EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/emulated_units/cuda.cpp")
target_include_directories(dvd_cuda_emulated BEFORE PRIVATE "${DVD_CUDA_EMULATION}")
target_compile_options(dvd_cuda_emulated PRIVATE $<$<CONFIG:Release>:-O1> -UNDEBUG)
target_link_libraries(dvd_cuda_emulated PRIVATE dvd::dvd dvd_warnings dvd_native)
# What uses it is linked with this one or with dvd::cuda, whose names have no instruction set.
target_compile_definitions(dvd_cuda_emulated PRIVATE DVD_INSTRUCTION_SET=compiled_apart)

# dvd::nccl: what ranks with a GPU each tell each other (dvd/device/cuda/libraries/nccl.cuh), compiled once within the
# project that uses it, as dvd::cuda is, which it brings along.
include("${CMAKE_CURRENT_LIST_DIR}/dvd-cuda-targets.cmake")

if(NOT TARGET dvd_nccl)
  set(dvd_nccl_unit "${CMAKE_CURRENT_BINARY_DIR}/dvd_units/nccl.cu")
  file(CONFIGURE OUTPUT "${dvd_nccl_unit}" CONTENT "#include \"dvd/device/cuda/libraries/nccl.cuh\"\n")
  add_library(dvd_nccl STATIC EXCLUDE_FROM_ALL "${dvd_nccl_unit}")
  add_library(dvd::nccl ALIAS dvd_nccl)
  set_target_properties(dvd_nccl PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_options(dvd_nccl PRIVATE ${dvd_cuda_flags})
  target_compile_definitions(dvd_nccl INTERFACE DVD_WITH_NCCL)
  target_link_libraries(dvd_nccl PUBLIC dvd_cuda PRIVATE NCCL::nccl)
  unset(dvd_nccl_unit)
endif()

# dvd::nccl: where dvd::cuda and NCCL are.
set(missing "")
if(NOT TARGET dvd::cuda)
  list(APPEND missing "dvd::cuda")
else()
  dvd_find_nccl_dependencies(missing)
endif()
if(missing)
  dvd_leave_out(nccl ${DVD_WITH_NCCL} "${missing}")
  return()
endif()

include(cmake/dvd-nccl-targets.cmake)
dvd_warn_of_kernels(dvd_nccl)

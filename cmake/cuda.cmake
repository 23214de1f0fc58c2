# dvd::cuda: where CUDA's compiler, its libraries and cuDNN are.
set(missing "")
dvd_find_cuda_dependencies(missing)
if(missing)
  dvd_leave_out(cuda ${DVD_WITH_CUDA} "${missing}")
  return()
endif()

include(cmake/dvd-cuda-targets.cmake)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(
    dvd_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
                     $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DVD_WARNINGS_AS_ERRORS}>>:-Werror=all-warnings>)
endif()

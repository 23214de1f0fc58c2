# dvd::cuda: where CUDA's compiler, its libraries and cuDNN are.
set(missing "")
dvd_find_cuda_dependencies(missing)
if(missing)
  dvd_leave_out(cuda ${DVD_WITH_CUDA} "${missing}")
  return()
endif()

# Has nvcc warn while this project itself is built.
function(dvd_warn_of_kernels target)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(
      ${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
                        $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DVD_WARNINGS_AS_ERRORS}>>:-Werror=all-warnings>)
  endif()
endfunction()

include(cmake/dvd-cuda-targets.cmake)
dvd_warn_of_kernels(dvd_cuda)

# Finds cuDNN of a version or newer: where CUDA is, in the system's folders, or below cuDNN_ROOT, which may be the folder
# of a Python package (nvidia/cudnn). Defines cuDNN::cudnn.
find_package(CUDAToolkit QUIET)
find_path(cuDNN_INCLUDE_DIR cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(cuDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDAToolkit_LIBRARY_DIR})
mark_as_advanced(cuDNN_INCLUDE_DIR cuDNN_LIBRARY)

if(cuDNN_INCLUDE_DIR)
  foreach(part MAJOR MINOR PATCHLEVEL)
    file(STRINGS "${cuDNN_INCLUDE_DIR}/cudnn_version.h" line REGEX "define CUDNN_${part} +[0-9]+")
    string(REGEX REPLACE ".*${part} +([0-9]+).*" "\\1" cuDNN_${part} "${line}")
  endforeach()
  set(cuDNN_VERSION "${cuDNN_MAJOR}.${cuDNN_MINOR}.${cuDNN_PATCHLEVEL}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cuDNN REQUIRED_VARS cuDNN_LIBRARY cuDNN_INCLUDE_DIR VERSION_VAR cuDNN_VERSION)

if(cuDNN_FOUND AND NOT TARGET cuDNN::cudnn)
  add_library(cuDNN::cudnn UNKNOWN IMPORTED)
  set_target_properties(cuDNN::cudnn PROPERTIES IMPORTED_LOCATION "${cuDNN_LIBRARY}"
                                                INTERFACE_INCLUDE_DIRECTORIES "${cuDNN_INCLUDE_DIR}")
endif()

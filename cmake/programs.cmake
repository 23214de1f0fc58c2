# How this project's own programs, tests and benchmarks are built. Users of the library inherit nothing of it.
include(cmake/warnings.cmake)

option(DVD_TESTS "Build the tests" ON)
option(DVD_EXAMPLES "Build the programs in examples" ON)
option(DVD_CUDA_PROGRAMS "Build these programs for a GPU as well, where dvd::cuda is" ON)
option(DVD_BENCHMARKS "Build the benchmarks" ON)
option(DVD_FUZZERS "Build the fuzz targets in tests/fuzz, which needs clang" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

# For the processor at hand: twice as fast or more, but such a program may not run on another machine.
option(DVD_NATIVE "Compile this project's programs for this machine's processor" ON)
add_library(dvd_native INTERFACE)
if(DVD_NATIVE)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-march=native DVD_HAS_MARCH_NATIVE)
  if(DVD_HAS_MARCH_NATIVE)
    target_compile_options(dvd_native INTERFACE -march=native)
  endif()
endif()

find_program(DVD_CCACHE ccache)
mark_as_advanced(DVD_CCACHE)
if(DVD_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${DVD_CCACHE}")
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

# Sets the variable `complete` to whether nothing is missing; says that `what` is left out if something is. It is one
# quiet line: whoever builds one part need not hear of the others.
function(dvd_check_missing complete what missing)
  set(${complete} TRUE PARENT_SCOPE)
  if(missing)
    list(JOIN missing "; " missing)
    message(STATUS "${what} left out; missing: ${missing}")
    set(${complete} FALSE PARENT_SCOPE)
  endif()
endfunction()

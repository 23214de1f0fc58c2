include_guard()
# The warnings every program of this project is compiled with. Users of the library do not inherit them.
add_library(dvd_warnings INTERFACE)
target_compile_options(dvd_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
# For those who work on dvd: a newer compiler's new warnings are no reason why somebody's build should stop.
option(DVD_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
if(DVD_WARNINGS_AS_ERRORS)
  target_compile_options(dvd_warnings INTERFACE -Werror)
endif()
# g++ 12's own AVX-512 intrinsics start from `__m512 x = x`, and it warns of that wherever Eigen uses them.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12
   AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(dvd_warnings INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

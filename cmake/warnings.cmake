# The warnings every program of this project is compiled with. Users of the library do not inherit them.
add_library(dvd_warnings INTERFACE)
target_compile_options(dvd_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
option(DVD_WARNINGS_AS_ERRORS "Treat warnings as errors" ON)
if(DVD_WARNINGS_AS_ERRORS)
  target_compile_options(dvd_warnings INTERFACE -Werror)
endif()

# dvd::compiled: the library's code for float, compiled once within the project that uses it, for those who build often.
# Defined alike where dvd is a subdirectory and by the installed package, from the sources in `dvd_include_folder`.
#
# It is compiled with the project's own compiler and CMAKE_CXX_FLAGS, and only if something links it. Names tell the
# instruction set they are compiled for (dvd/core/instruction_set.hpp), so that programs must be compiled for the same
# processor as dvd::compiled. Either all are:
#
#     set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -march=native")                # before dvd is added or found
#
# or both are told:
#
#     target_compile_options(program PRIVATE -march=native)
#     target_compile_options(dvd_compiled PRIVATE -march=native)
#
# Otherwise the linker finds no `compile_dvd_compiled_for_the_same_processor`. The same goes for -ffast-math. For a
# shared library of one's own, set POSITION_INDEPENDENT_CODE of dvd_compiled.
if(NOT TARGET dvd_compiled)
  file(GLOB dvd_compiled_sources CONFIGURE_DEPENDS "${dvd_include_folder}/dvd/compiled/*.cpp")
  add_library(dvd_compiled STATIC EXCLUDE_FROM_ALL ${dvd_compiled_sources})
  add_library(dvd::compiled ALIAS dvd_compiled)
  # The sources say by macros which of them compiles what.
  set_target_properties(dvd_compiled PROPERTIES UNITY_BUILD OFF)
  # dvd::cuda gives names without an instruction set to whoever links it, who may link both.
  target_compile_definitions(
    dvd_compiled PUBLIC DVD_COMPILED $<$<TARGET_EXISTS:dvd::cuda>:DVD_INSTRUCTION_SET=compiled_apart>)
  target_link_libraries(dvd_compiled PUBLIC dvd::dvd)
  unset(dvd_compiled_sources)
endif()

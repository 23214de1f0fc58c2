# dvd::shapes_weights: the weights of the classifier of moving shapes (dvd/metrics/shapes_weights.hpp), for programs to carry
# within themselves. Defined alike where dvd is a subdirectory and by the installed package, from
# shapes_classifier.safetensors in `dvd_weights_folder`, and compiled only if something links it. It is data: any flags do.
if(NOT TARGET dvd_shapes_weights)
  set(dvd_shapes_file "${dvd_weights_folder}/shapes_classifier.safetensors")
  set(dvd_shapes_source "${CMAKE_CURRENT_BINARY_DIR}/dvd_units/shapes_weights.cpp")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${dvd_shapes_file}")
  file(READ "${dvd_shapes_file}" dvd_shapes_bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" dvd_shapes_bytes "${dvd_shapes_bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," dvd_shapes_bytes "${dvd_shapes_bytes}")
  file(CONFIGURE OUTPUT "${dvd_shapes_source}" @ONLY CONTENT [[
// Made by CMake from shapes_classifier.safetensors.
#include <cstddef>
extern "C" {
extern const unsigned char dvd_shapes_classifier_bytes[];
extern const std::size_t dvd_shapes_classifier_size;
alignas(64) const unsigned char dvd_shapes_classifier_bytes[] = {
@dvd_shapes_bytes@
};
const std::size_t dvd_shapes_classifier_size = sizeof dvd_shapes_classifier_bytes;
}
]])
  add_library(dvd_shapes_weights STATIC EXCLUDE_FROM_ALL "${dvd_shapes_source}")
  add_library(dvd::shapes_weights ALIAS dvd_shapes_weights)
  set_target_properties(dvd_shapes_weights PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD OFF)
  target_link_libraries(dvd_shapes_weights INTERFACE dvd::dvd)
  unset(dvd_shapes_bytes)
  unset(dvd_shapes_file)
  unset(dvd_shapes_source)
endif()

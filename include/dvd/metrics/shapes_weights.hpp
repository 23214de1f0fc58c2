// The weights of the classifier of moving shapes, which come with the library: weights/shapes_classifier.safetensors.
//
// A header cannot hold them in a form that anybody would want to read, so that they are the target dvd::shapes_weights,
// which a project compiles once, from the file, and only if something links it. Without CMake, or for other weights, a
// SafetensorsFile of the file's path does the same.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <span>

#include "dvd/io/safetensors.hpp"

// As they are in the library, whose names say nothing of an instruction set: bytes are the same for all.
extern "C" const unsigned char dvd_shapes_classifier_bytes[];
extern "C" const std::size_t dvd_shapes_classifier_size;

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The bytes of weights/shapes_classifier.safetensors as they were when the program was built. Needs the target
/// dvd::shapes_weights.
inline std::span<const std::byte> shapes_classifier_weights() {
  return std::as_bytes(std::span(dvd_shapes_classifier_bytes, dvd_shapes_classifier_size));
}

/// The same as a file: `ShapesFeatures<float>(shapes_classifier())`.
inline SafetensorsFile shapes_classifier() { return {shapes_classifier_weights(), "shapes_classifier.safetensors"}; }

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

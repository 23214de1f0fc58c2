// A clip to train on, with all that may belong to it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A clip of bytes or of numbers, its class where there are classes, and numbers that it is conditioned on where there
/// are any. Made from any of the clips by itself.
struct TrainingClip {
  std::variant<Clip, FloatClip> clip;
  std::int64_t label = 0;
  std::vector<float> condition = {};  ///< as long for every clip of a source

  TrainingClip() = default;
  TrainingClip(Clip pixels, std::int64_t of_class = 0, std::vector<float> numbers = {})
      : clip(std::move(pixels)), label(of_class), condition(std::move(numbers)) {}
  TrainingClip(FloatClip values, std::int64_t of_class = 0, std::vector<float> numbers = {})
      : clip(std::move(values)), label(of_class), condition(std::move(numbers)) {}
  TrainingClip(LabelledClip labelled) : clip(std::move(labelled.clip)), label(labelled.label) {}

  ClipSize size() const {
    return std::visit([](const auto& either) { return either.size(); }, clip);
  }
};

/// Throws ArgumentError unless a clip holds what its sizes promise and numbers are finite.
inline void check_pixels(const TrainingClip& training) {
  std::visit([](const auto& either) { check_pixels(either); }, training.clip);
  const auto& condition = training.condition;
  const auto found = std::find_if_not(condition.begin(), condition.end(), is_finite<float>);
  require(found == condition.end(), "number ", found - condition.begin(),
          " of a clip's condition is not finite (expected ", condition.size(), " numbers)");
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

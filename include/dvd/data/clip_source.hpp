// Where training clips come from, one by one.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <numeric>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/data/training_clip.hpp"
#include "dvd/device/cpu/parallel.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A set of clips of equal size. `draw(random)` returns one, a Clip, FloatClip, LabelledClip or TrainingClip: a
/// function of `random` alone, which may be called by several threads at once.
///
/// A set with labels says how many classes there are, `classes()`, and may name them, `class_names()`; one that does
/// not has no labels. See `classes_of`.
template <class S>
concept ClipSource = requires(S& source, const Random& random) {
  { source.draw(random) } -> std::convertible_to<TrainingClip>;
};

/// The classes of a source of clips or of batches; 0 where it has no labels.
template <class S>
Index classes_of(S& source) {
  if constexpr (requires { static_cast<Index>(source.classes()); })
    return static_cast<Index>(source.classes());
  else
    return 0;
}

/// Their names, by index: numbers where the source does not name them.
template <class S>
std::vector<std::string> class_names_of(S& source) {
  if constexpr (requires { std::vector<std::string>(source.class_names()); }) {
    return source.class_names();
  } else {
    std::vector<std::string> names;
    for (Index label = 0; label < classes_of(source); ++label) names.push_back(concat(label));
    return names;
  }
}

/// The clips with these numbers, drawn on all cores; clip number n comes from `random.stream(n)`. The source draws in
/// the caller's floating-point mode, as it would if it were called here.
template <ClipSource Source>
std::vector<TrainingClip> draw_clips(Source& source, const Random& random, const std::vector<Index>& numbers) {
  std::vector<TrainingClip> clips(numbers.size());
  cpu::parallel_calls(static_cast<Index>(numbers.size()), [&](Index i) {
    const auto at = static_cast<std::size_t>(i);
    clips[at] = source.draw(random.stream(static_cast<std::uint64_t>(numbers[at])));
  });
  return clips;
}

/// The same of clips 0 .. count - 1.
template <ClipSource Source>
std::vector<TrainingClip> draw_clips(Source& source, const Random& random, Index count) {
  std::vector<Index> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), Index{0});
  return draw_clips(source, random, numbers);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Where training clips come from, whole batches at a time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/data/training_clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The random numbers of batch number 0, 1, ... of a run.
using BatchSchedule = std::function<Random(Index)>;

namespace detail {
template <class Batch>
inline constexpr bool is_training_batch = false;
template <std::convertible_to<TrainingClip> AnyClip>
inline constexpr bool is_training_batch<std::vector<AnyClip>> = true;

template <class Batch>
concept TrainingBatch = is_training_batch<Batch>;
}  // namespace detail

/// Whole batches by their number, made ready ahead of need: see ClipLoader. A batch is a std::vector of TrainingClip or
/// of anything that becomes one, such as LabelledClip.
template <class S>
concept BatchSource = requires(S& source, Index number) {
  { source.batch(number) } -> detail::TrainingBatch;
};

/// Batch `number` of a source, as training clips.
template <BatchSource Source>
std::vector<TrainingClip> training_batch(Source& source, Index number) {
  auto clips = source.batch(number);
  if constexpr (std::same_as<decltype(clips), std::vector<TrainingClip>>) {
    return clips;
  } else {
    return std::vector<TrainingClip>(std::make_move_iterator(clips.begin()), std::make_move_iterator(clips.end()));
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

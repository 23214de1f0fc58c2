// Training clips that are in memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/data/training_clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Draws from clips of the user's, each as likely as any other.
///
///     dvd::MemoryClips fields(std::move(clips));                         // a std::vector of Clip or FloatClip
///     dvd::MemoryClips videos(std::move(clips), labels, {"walk", "run"});
class MemoryClips {
 public:
  /// Labels count from 0: up to the last name or, without names, up to the largest of them; if none is above 0, there
  /// are no classes. Throws ArgumentError where there is no clip, a clip is malformed or not finite, differs from the
  /// first one in sizes or in the length of its condition, or has a label that has no name.
  explicit MemoryClips(std::vector<TrainingClip> clips, std::vector<std::string> class_names = {})
      : clips_(std::move(clips)), class_names_(std::move(class_names)) {
    std::int64_t largest = 0;
    for (const TrainingClip& clip : clips_) largest = std::max(largest, clip.label);
    if (class_names_.empty() && largest > 0) name_by_numbers(largest);
    check();
  }

  explicit MemoryClips(std::vector<LabelledClip> clips, std::vector<std::string> class_names = {})
      : MemoryClips(training_clips(std::move(clips)), std::move(class_names)) {}

  /// The same of clips without labels, a std::vector of Clip or FloatClip.
  template <detail::AnyOf<Clip, FloatClip> AnyClip>
  explicit MemoryClips(std::vector<AnyClip> clips) : MemoryClips(training_clips(std::move(clips))) {}

  /// Such clips and the label of each. Throws ArgumentError as well where they differ in number.
  template <detail::AnyOf<Clip, FloatClip> AnyClip>
  MemoryClips(std::vector<AnyClip> clips, const std::vector<std::int64_t>& labels,
              std::vector<std::string> class_names = {})
      : MemoryClips(labelled(training_clips(std::move(clips)), labels), std::move(class_names)) {
    if (class_names_.empty()) name_by_numbers(0);  // all of class 0, but they were said to have labels
  }

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names_.size()); }
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// Clips to draw from.
  std::int64_t size() const { return static_cast<std::int64_t>(clips_.size()); }

  const TrainingClip& draw(const Random& random) const {
    return clips_[static_cast<std::size_t>(random.below(0, size()))];
  }

 private:
  static constexpr std::int64_t most_classes = 1'000'000;  // that a model can have

  template <class AnyClip>
  static std::vector<TrainingClip> training_clips(std::vector<AnyClip> clips) {
    return {std::make_move_iterator(clips.begin()), std::make_move_iterator(clips.end())};
  }

  static std::vector<TrainingClip> labelled(std::vector<TrainingClip> clips, const std::vector<std::int64_t>& labels) {
    require(clips.size() == labels.size(), "a set of ", clips.size(), " clips has ", labels.size(),
            " labels (expected one of each clip)");
    for (std::size_t i = 0; i < clips.size(); ++i) clips[i].label = labels[i];
    return clips;
  }

  void name_by_numbers(std::int64_t largest) {
    require(largest < most_classes, "label ", largest, " of a set of clips is too large (expected less than ",
            most_classes, "; labels count from 0)");
    for (std::int64_t label = 0; label <= largest; ++label) class_names_.push_back(concat(label));
  }

  void check() const {
    require(!clips_.empty(), "a set of clips needs at least one");
    const ClipSize size = clips_.front().size();
    const std::size_t numbers = clips_.front().condition.size();
    for (std::size_t i = 0; i < clips_.size(); ++i) {
      const TrainingClip& clip = clips_[i];
      check_pixels(clip);
      require(clip.size() == size, "clip ", i, " of a set has ", clip.size(), " (expected ", size,
              " as the first one)");
      require(clip.condition.size() == numbers, "clip ", i, " of a set is conditioned on ", clip.condition.size(),
              " numbers (expected ", numbers, " as the first one)");
      require(clip.label >= 0 && clip.label < std::max<std::int64_t>(classes(), 1), "clip ", i, " of a set has label ",
              clip.label, " (expected 0 .. ", std::max<std::int64_t>(classes(), 1) - 1, ")");
    }
  }

  std::vector<TrainingClip> clips_;
  std::vector<std::string> class_names_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

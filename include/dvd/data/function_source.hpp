// Training clips that a function makes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/data/training_clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Draws what a function of the user's makes: of random numbers alone, on several threads at once.
///
///     dvd::FunctionSource noise([](const dvd::Random& random) {
///       dvd::FloatClip clip(8, 32, 48, 1);
///       for (std::size_t i = 0; i < clip.values.size(); ++i) clip.values[i] = random.uniform(i, -1, 1);
///       return clip;
///     });
class FunctionSource {
 public:
  using Function = std::function<TrainingClip(const Random&)>;

  /// Without names, clips have no labels. Throws ArgumentError for an empty function.
  explicit FunctionSource(Function draw, std::vector<std::string> class_names = {})
      : draw_(std::move(draw)), class_names_(std::move(class_names)) {
    require(draw_ != nullptr, "a source of clips needs a function that makes them, not an empty one");
  }

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names_.size()); }
  const std::vector<std::string>& class_names() const { return class_names_; }
  TrainingClip draw(const Random& random) const { return draw_(random); }

 private:
  Function draw_;
  std::vector<std::string> class_names_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// What a training step has to tell.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// One discriminator's part in an update.
struct DiscriminatorReport {
  std::string name{};
  double loss = 0;        ///< of its scores, without what a regularizer adds
  double real_score = 0;  ///< mean score of the real videos
  double fake_score = 0;  ///< mean score of the generated videos
  double gradient_norm = 0;
  double regularization = 0;  ///< what its regularizer adds to its loss; 0 without one

  bool is_finite() const {
    const double sum = loss + real_score + fake_score + gradient_norm + regularization;
    return dvd::is_finite(sum);
  }
};

/// What a training step has to tell. The discriminators' numbers are those of the step's last update of them.
struct StepReport {
  Index step = 0;                                     ///< steps so far, this one included
  std::vector<DiscriminatorReport> discriminators{};  ///< in the order of the GAN
  double generator_loss = 0;  ///< of the discriminators' scores, without what a regularizer adds
  double generator_gradient_norm = 0;
  double generator_regularization = 0;  ///< what the generator's regularizer adds to its loss; 0 without one
  double data_seconds = 0;  ///< spent asking for clips; what is asked for ahead, beside the device's work, included

  /// Whether a loss, score or gradient was not finite. That update, and what would have come after it in the step, was
  /// then left out: no weight, moment or statistic has changed by it.
  bool skipped = false;
  std::string
      fault{};  ///< where the first value that is not finite arose, such as "spatial.blocks.0.conv1: its result"

  /// What there is to tell of a discriminator, for a DVD-GAN "spatial" or "temporal". Throws ArgumentError if the
  /// report tells of none of that name.
  const DiscriminatorReport& discriminator(const std::string& name) const {
    for (const DiscriminatorReport& each : discriminators)
      if (each.name == name) return each;
    throw ArgumentError("a report tells of no discriminator \"" + name + "\"");
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

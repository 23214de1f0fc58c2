// Noticing that a discriminator has won: its loss is near 0, and the generator has little left to learn from.
#pragma once

#include <fmt/core.h>

#include <dvd/training/report.hpp>
#include <optional>
#include <string>

namespace examples {

/// Follows one discriminator's hinge loss. It wins a step where its loss is below 0.1: nearly all real videos score
/// above 1 and nearly all generated ones below -1, where the hinge has no gradient. Untrained, the loss is 2.
class WinWatch {
 public:
  static constexpr double won = 0.1;
  static constexpr dvd::Index many = 200;  ///< steps in a row

  explicit WinWatch(std::string name) : name_(std::move(name)) {}

  /// A warning where it has won `many` steps in a row, and again each time that this number has doubled.
  std::optional<std::string> see(const dvd::DiscriminatorReport& report) {
    if (report.loss >= won) {
      in_a_row_ = 0;
      next_ = many;
      return std::nullopt;
    }
    if (++in_a_row_ < next_) return std::nullopt;
    next_ *= 2;
    return fmt::format(
        "{} has won for {} steps in a row (loss {:.3f}, mean scores {:+.2f} real, {:+.2f} fake): the "
        "generator learns little; try a lower --lr-d or --d-steps, or a larger --lr-g",
        name_, in_a_row_, report.loss, report.real_score, report.fake_score);
  }

 private:
  std::string name_;
  dvd::Index in_a_row_ = 0, next_ = many;
};

}  // namespace examples

// The data: fields of rain as a radar sees them, made by a formula. Seeded and endless.
#pragma once

#include <algorithm>
#include <cmath>
#include <dvd/core/random.hpp>
#include <dvd/data/training_clip.hpp>
#include <dvd/models/video_gan.hpp>
#include <numbers>
#include <vector>

namespace nowcasting {

inline constexpr dvd::Index past_frames = 4, future_frames = 18, height = 64, width = 96;

/// Rain rates, mm/h, beyond which pixels tell nothing apart.
inline constexpr double most_rain = 32;

/// Pixels in [-1, 1] of rain rates in mm/h, and back.
inline float pixel_of(double rate) { return static_cast<float>(std::min(rate / most_rain, 1.0) * 2 - 1); }
inline float rate_of(float pixel) { return static_cast<float>((static_cast<double>(pixel) + 1) / 2 * most_rain); }

/// A shower: an ellipse of rain that drifts with the wind and a little on its own, grows and decays.
struct Cell {
  double x, y;              // where it is in the middle of the clip, pixels
  double wind_x, wind_y;    // pixels a frame
  double length, breadth;   // standard deviations, pixels
  double along_x, along_y;  // the direction of its length
  double peak;              // at its best, mm/h
  double middle, lifetime;  // when that is, and a standard deviation of its strength over time, frames

  Cell(const dvd::Random& random, double wind_east, double wind_south)
      : x(random.uniform(0, -0.3 * width, 1.3 * width)),
        y(random.uniform(1, -0.3 * height, 1.3 * height)),
        wind_x(wind_east + 0.2 * random.normal(2)),
        wind_y(wind_south + 0.2 * random.normal(3)),
        length(random.uniform(8, 5, 13)),
        breadth(random.uniform(9, 0.4, 1) * length),
        along_x(std::cos(random.uniform(10, 0, std::numbers::pi))),
        along_y(std::sin(random.uniform(10, 0, std::numbers::pi))),
        peak(std::exp(random.uniform(11, std::log(3.0), std::log(50.0)))),
        middle(random.uniform(12, -8, 30)),
        lifetime(random.uniform(13, 9, 22)) {}

  /// Adds its rain in frame `t` to rates `[height, width]`, out to three and a half standard deviations.
  void rain(double t, std::vector<double>& rates) const {
    const double age = (t - middle) / lifetime, strength = peak * std::exp(-age * age / 2);
    const double center_x = x + wind_x * (t - 11), center_y = y + wind_y * (t - 11), reach = 3.5 * length;
    const auto within = [](double at, dvd::Index side) {
      return static_cast<dvd::Index>(std::clamp(at, 0.0, static_cast<double>(side)));
    };
    for (dvd::Index row = within(center_y - reach, height); row < within(center_y + reach, height); ++row)
      for (dvd::Index column = within(center_x - reach, width); column < within(center_x + reach, width); ++column) {
        const double dx = static_cast<double>(column) - center_x, dy = static_cast<double>(row) - center_y;
        const double along = (dx * along_x + dy * along_y) / length, across = (dy * along_x - dx * along_y) / breadth;
        rates[static_cast<std::size_t>(row * width + column)] +=
            strength * std::exp(-(along * along + across * across) / 2);
      }
  }
};

/// A clip of 22 frames, of which a forecast is given the first four.
inline dvd::TrainingClip draw_rain(const dvd::Random& random) {
  const double speed = random.uniform(0, 0.5, 2.5), heading = random.uniform(1, 0, 2 * std::numbers::pi);
  std::vector<Cell> cells;
  const auto count = static_cast<std::uint64_t>(random.below(2, 8) + 8);
  for (std::uint64_t cell = 0; cell < count; ++cell)
    cells.emplace_back(random.stream(cell), speed * std::cos(heading), speed * std::sin(heading));
  dvd::FloatClip clip(past_frames + future_frames, height, width, 1);
  for (dvd::Index t = 0; t < clip.frames; ++t) {
    std::vector<double> rates(static_cast<std::size_t>(height * width));
    for (const Cell& cell : cells) cell.rain(static_cast<double>(t), rates);
    // What is below 0.1 mm/h a radar sees as dry.
    std::ranges::transform(rates, clip.frame(t), [](double rate) { return pixel_of(rate < 0.1 ? 0 : rate); });
  }
  return clip;
}

}  // namespace nowcasting

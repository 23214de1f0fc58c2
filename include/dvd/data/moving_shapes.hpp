// The embedded data set: coloured shapes that move.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes of the clips.
struct MovingShapesOptions {
  std::int64_t frames = 8;
  std::int64_t resolution = 32;     ///< pixels: height and width, where these are not given
  std::int64_t height = 0;          ///< 0: as `resolution` says
  std::int64_t width = 0;           ///< 0: as `resolution` says
  std::int64_t image_channels = 3;  ///< 3: RGB; 1: grey, as bright as the strongest of the three
};

/// An endless procedural data set of 12 classes, {disc, square, triangle} x {left, right, up, down}, class index
/// 4 * shape + direction. One anti-aliased shape, 25 to 40 % of the frame's shorter side, in a random saturated hue
/// (its strongest channel at least 0.6) before a smooth two-colour gradient (every channel in [-1, -0.4]), moves at
/// constant speed in its class's direction, by 25 to 50 % of that side over the clip, and stays inside the frame. The
/// triangle is isosceles, as high as wide, point up.
class MovingShapes {
 public:
  /// Throws ArgumentError for less than one frame, fewer than 8 pixels, and for channels other than 1 and 3.
  explicit MovingShapes(const MovingShapesOptions& options = {}) : options_(options) {
    require(options.frames >= 1 && options.frames <= 4096, "moving shapes need 1 to 4096 frames, not ", options.frames);
    for (const std::int64_t side : {height(), width()})
      require(side >= 8 && side <= 4096, "moving shapes need 8 to 4096 pixels, not ", side);
    require(options.image_channels == 1 || options.image_channels == 3,
            "moving shapes have 1 channel (grey) or 3 (RGB), not ", options.image_channels);
  }

  std::int64_t classes() const { return 12; }

  std::vector<std::string> class_names() const {
    std::vector<std::string> names;
    for (const char* shape : {"disc", "square", "triangle"})
      for (const char* direction : {"left", "right", "up", "down"})
        names.push_back(std::string(shape) + "-" + direction);
    return names;
  }

  /// A clip of a random class.
  LabelledClip draw(const Random& random) const {
    return draw(random.stream("clip"), random.stream("class").below(0, 12));
  }

  /// A clip of the given class. Throws ArgumentError for a label outside 0 .. 11.
  LabelledClip draw(const Random& random, std::int64_t label) const {
    require(label >= 0 && label < 12, "moving shapes have classes 0 .. 11, not ", label);
    const Canvas canvas(height(), width());
    const Scene scene(random, label, canvas);
    const std::int64_t channels = options_.image_channels;
    LabelledClip result{Clip(options_.frames, height(), width(), channels), label};
    const auto paint = [&](const Color& color, std::uint8_t* pixel) {
      const auto level = [](double value) {
        return static_cast<std::uint8_t>(std::lround((std::clamp(value, -1.0, 1.0) + 1) * 127.5));
      };
      if (channels == 1)
        pixel[0] = level(std::ranges::max(color));
      else
        for (std::size_t c = 0; c < 3; ++c) pixel[c] = level(color[c]);
    };
    Clip ground(1, height(), width(), channels);  // the same in all frames
    const auto at = [&](std::int64_t row, std::int64_t column) { return (row * width() + column) * channels; };
    for (std::int64_t row = 0; row < height(); ++row)
      for (std::int64_t column = 0; column < width(); ++column)
        paint(scene.ground(row, column, canvas), ground.pixels.data() + at(row, column));
    for (std::int64_t t = 0; t < options_.frames; ++t) {
      // A clip of one frame shows the middle of the path.
      const double time = options_.frames > 1 ? static_cast<double>(t) / static_cast<double>(options_.frames - 1) : 0.5;
      std::uint8_t* const frame = result.clip.frame(t);
      std::ranges::copy(ground.pixels, frame);
      for (std::int64_t row = 0; row < height(); ++row)
        for (std::int64_t column = 0; column < width(); ++column)
          if (const double covered = scene.covered(row, column, canvas, time); covered > 0) {
            Color color = scene.ground(row, column, canvas);
            for (std::size_t c = 0; c < 3; ++c) color[c] = covered * scene.hue[c] + (1 - covered) * color[c];
            paint(color, frame + at(row, column));
          }
    }
    return result;
  }

 private:
  using Color = std::array<double, 3>;

  std::int64_t height() const { return options_.height != 0 ? options_.height : options_.resolution; }
  std::int64_t width() const { return options_.width != 0 ? options_.width : options_.resolution; }

  /// What scenes are painted on. Lengths are fractions of the shorter side.
  struct Canvas {
    double pixel, height, width;

    Canvas(std::int64_t rows, std::int64_t columns)
        : pixel(1 / static_cast<double>(std::min(rows, columns))),
          height(static_cast<double>(rows) / static_cast<double>(std::min(rows, columns))),
          width(static_cast<double>(columns) / static_cast<double>(std::min(rows, columns))) {}
  };

  /// All that is random about a clip. y grows downwards.
  struct Scene {
    std::int64_t shape;
    double size, start_x, start_y, move_x, move_y;
    Color hue, ground_from, ground_to;
    double ground_x, ground_y;

    Scene(const Random& random, std::int64_t label, const Canvas& canvas) : shape(label / 4) {
      std::uint64_t next = 0;
      size = random.uniform(next++, 0.25, 0.40);
      const double travel = random.uniform(next++, 0.25, 0.50);
      constexpr int directions[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
      const auto& direction = directions[label % 4];
      move_x = direction[0] * travel;
      move_y = direction[1] * travel;
      start_x =
          random.uniform(next++, size / 2 + std::max(0.0, -move_x), canvas.width - size / 2 - std::max(0.0, move_x));
      start_y =
          random.uniform(next++, size / 2 + std::max(0.0, -move_y), canvas.height - size / 2 - std::max(0.0, move_y));
      for (double& channel : hue) channel = random.uniform(next++, -1, 0.6);
      // Saturated: one channel strong, another one weak.
      const std::int64_t strong = random.below(next++, 3), weak = (strong + 1 + random.below(next++, 2)) % 3;
      hue[static_cast<std::size_t>(strong)] = random.uniform(next++, 0.6, 1);
      hue[static_cast<std::size_t>(weak)] = random.uniform(next++, -1, -0.4);
      for (double& channel : ground_from) channel = random.uniform(next++, -1, -0.4);
      for (double& channel : ground_to) channel = random.uniform(next++, -1, -0.4);
      const double angle = random.uniform(next++, 0, 2 * std::numbers::pi);
      ground_x = std::cos(angle);
      ground_y = std::sin(angle);
    }

    bool inside(double x, double y) const {
      const double half = size / 2;
      switch (shape) {
        case 0:
          return x * x + y * y <= half * half;
        case 1:
          return std::abs(x) <= half && std::abs(y) <= half;
        default:
          return std::abs(y) <= half && std::abs(x) <= (y + half) / 2;
      }
    }

    /// How much of a pixel the shape covers at `time` in [0, 1].
    double covered(std::int64_t row, std::int64_t column, const Canvas& canvas, double time) const {
      constexpr int samples = 4;  // in each direction
      const double pixel = canvas.pixel;
      const double left = static_cast<double>(column) * pixel, top = static_cast<double>(row) * pixel;
      const double center_x = start_x + time * move_x, center_y = start_y + time * move_y;
      const double reach = size / 2 + pixel;  // a pixel that begins further away is not touched
      if (std::abs(left - center_x) > reach || std::abs(top - center_y) > reach) return 0;
      int hits = 0;
      for (int i = 0; i < samples; ++i)
        for (int j = 0; j < samples; ++j)
          hits += inside(left + (j + 0.5) / samples * pixel - center_x, top + (i + 0.5) / samples * pixel - center_y);
      return static_cast<double>(hits) / (samples * samples);
    }

    /// The gradient's colour at a pixel, in [-1, 1].
    Color ground(std::int64_t row, std::int64_t column, const Canvas& canvas) const {
      const double pixel = canvas.pixel;
      const double left = static_cast<double>(column) * pixel, top = static_cast<double>(row) * pixel;
      // Along the gradient's direction a frame of height and width 1 spans at most [-sqrt(1/2), sqrt(1/2)].
      const double x = (left + pixel / 2) / canvas.width - 0.5, y = (top + pixel / 2) / canvas.height - 0.5;
      const double along = ground_x * x + ground_y * y;
      const double mix = 0.5 + along / std::numbers::sqrt2;
      Color result;
      for (std::size_t c = 0; c < 3; ++c) result[c] = (1 - mix) * ground_from[c] + mix * ground_to[c];
      return result;
    }
  };

  MovingShapesOptions options_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// How good clips of moving shapes are, by geometry alone.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "regions.hpp"

namespace benchmarks {

using Color = std::array<double, 3>;

/// Mean difference between the ground near the regions and far from them.
inline double ringing(const dvd::Clip& clip, const std::vector<Region>& regions) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t t = 0; t < clip.frames; ++t) {
    const Region& region = regions[static_cast<std::size_t>(t)];
    std::vector<std::int64_t> near;
    std::array<std::vector<double>, 3> far;
    for (std::int64_t i = 0; i < clip.height * clip.width; ++i) {
      std::int64_t distance = 6;  // in steps to a neighbour, as far as it matters
      for (std::int64_t dy = -5; dy <= 5; ++dy)
        for (std::int64_t dx = -5 + std::abs(dy); dx <= 5 - std::abs(dy); ++dx) {
          const std::int64_t x = i % clip.width + dx, y = i / clip.width + dy;
          if (x >= 0 && x < clip.width && y >= 0 && y < clip.height &&
              region.inside[static_cast<std::size_t>(y * clip.width + x)])
            distance = std::min(distance, std::abs(dx) + std::abs(dy));
        }
      if (distance >= 2 && distance <= 4) near.push_back(i);
      if (distance == 6)
        for (std::size_t c = 0; c < 3; ++c)
          far[c].push_back(value(clip.frame(t)[i * 3 + static_cast<std::int64_t>(c)]));
    }
    if (near.empty() || far[0].empty()) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      const double ground = quantile(far[c], 0.5);
      for (const std::int64_t i : near)
        sum += std::abs(value(clip.frame(t)[i * 3 + static_cast<std::int64_t>(c)]) - ground), ++count;
    }
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

/// The shape whose area over its bounding box comes nearest: 0, the disc's pi/4; 1, the square's 1; 2, the triangle's
/// 1/2.
inline std::int64_t shape_of_fill(double fill) { return fill < 0.645 ? 2 : fill < 0.89 ? 0 : 1; }

/// Judges clips of the classes of moving shapes:
///
///     blob       share of clips that show one bright region in every frame
///     direction  ... whose region moves in the direction of its class, by at least a tenth of the width
///     straight   way along that direction over the whole way of the region's centre, both axes added: 1 is a line
///     shape      ... whose region is the shape of its class, told by its area over its bounding box (disc pi/4,
///                square 1, triangle 1/2; median of the frames)
///     ringing    mean difference between the ground 2 to 4 pixels from the region and the ground further away
///     hues       standard deviation of the region's colour within a class, mean of the channels
class ShapesJudge {
 public:
  void see(const dvd::Clip& clip, std::int64_t label) {
    ++clips_;
    const auto regions = find_regions(clip);
    if (!regions) return;
    ++blobs_;
    constexpr double directions[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
    const Region &first = regions->front(), &last = regions->back();
    const double dx = last.x - first.x, dy = last.y - first.y;
    const auto along = [&](std::int64_t direction) {
      return directions[direction][0] * dx + directions[direction][1] * dy;
    };
    const double most = std::max(std::abs(dx), std::abs(dy));
    if (std::hypot(dx, dy) >= 0.1 * static_cast<double>(clip.width) && along(label % 4) == most) {
      ++right_;
      double way = 0;
      for (std::size_t t = 1; t < regions->size(); ++t)
        way += std::abs((*regions)[t].x - (*regions)[t - 1].x) + std::abs((*regions)[t].y - (*regions)[t - 1].y);
      straight_ += along(label % 4) / std::max(way, 1e-9);
    }
    std::vector<double> fills;
    for (const Region& region : *regions) fills.push_back(region.fill);
    const double fill = quantile(fills, 0.5);
    shapes_ += shape_of_fill(fill) == label / 4;
    ringing_ += ringing(clip, *regions);
    Color sum{};
    std::int64_t area = 0;
    for (std::int64_t t = 0; t < clip.frames; ++t)
      for (std::int64_t i = 0; i < clip.height * clip.width; ++i)
        if ((*regions)[static_cast<std::size_t>(t)].inside[static_cast<std::size_t>(i)]) {
          ++area;
          for (std::size_t c = 0; c < 3; ++c) sum[c] += value(clip.frame(t)[i * 3 + static_cast<std::int64_t>(c)]);
        }
    for (double& channel : sum) channel /= static_cast<double>(area);
    hues_[static_cast<std::size_t>(label)].push_back(sum);
  }

  static constexpr const char* titles = "blob | direction | straight | shape | ringing | hues |";
  static constexpr const char* rule = "---|---|---|---|---|---|";

  struct Scores {
    double blob, direction, straight, shape, ringing, hues;
  };

  Scores scores() const {
    const auto share = [](double part, std::int64_t whole) {
      return part / static_cast<double>(std::max<std::int64_t>(whole, 1));
    };
    return {share(static_cast<double>(blobs_), clips_),
            share(static_cast<double>(right_), clips_),
            share(straight_, right_),
            share(static_cast<double>(shapes_), clips_),
            share(ringing_, blobs_),
            hue_spread()};
  }

 private:
  double hue_spread() const {
    double total = 0;
    int parts = 0;
    for (const auto& colors : hues_)
      for (std::size_t c = 0; c < 3 && !colors.empty(); ++c, ++parts) {
        double mean = 0, square = 0;
        for (const Color& color : colors) mean += color[c], square += color[c] * color[c];
        mean /= static_cast<double>(colors.size());
        total += std::sqrt(std::max(square / static_cast<double>(colors.size()) - mean * mean, 0.0));
      }
    return parts > 0 ? total / parts : 0;
  }

  std::int64_t clips_ = 0, blobs_ = 0, right_ = 0, shapes_ = 0;
  double straight_ = 0, ringing_ = 0;
  std::array<std::vector<Color>, 12> hues_;
};

}  // namespace benchmarks

// Where the bright shape is in clips of moving shapes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <dvd/io/clip.hpp>
#include <optional>
#include <vector>

namespace benchmarks {

/// A byte of a picture in [-1, 1].
inline double value(std::uint8_t byte) { return byte / 127.5 - 1; }

inline double quantile(std::vector<double> values, double share) {
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<std::size_t>(place)];
}

/// A frame's bright region.
struct Region {
  std::vector<bool> inside;  ///< [H, W]
  std::int64_t area = 0;
  double x = 0, y = 0;  ///< its centre, weighted by brightness
  double fill = 0;      ///< area over bounding box
};

/// The bright region of every frame; nothing if a frame has none.
inline std::optional<std::vector<Region>> find_regions(const dvd::Clip& clip) {
  const std::int64_t pixels = clip.height * clip.width;
  std::vector<double> bright;
  for (std::int64_t i = 0; i < clip.frames * pixels; ++i) {
    const std::uint8_t* rgb = clip.pixels.data() + i * 3;
    bright.push_back(value(std::max({rgb[0], rgb[1], rgb[2]})));
  }
  const double low = quantile(bright, 0.5), high = quantile(bright, 0.995);
  if (high - low < 0.35) return std::nullopt;
  std::vector<Region> regions;
  for (std::int64_t t = 0; t < clip.frames; ++t) {
    Region region{std::vector<bool>(static_cast<std::size_t>(pixels))};
    double weight = 0;
    std::int64_t left = clip.width, right = -1, top = clip.height, bottom = -1;
    for (std::int64_t i = 0; i < pixels; ++i) {
      const double above = bright[static_cast<std::size_t>(t * pixels + i)] - low;
      if (above <= (high - low) / 2) continue;
      const std::int64_t x = i % clip.width, y = i / clip.width;
      region.inside[static_cast<std::size_t>(i)] = true;
      ++region.area;
      region.x += above * static_cast<double>(x);
      region.y += above * static_cast<double>(y);
      weight += above;
      left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    }
    if (region.area < 4) return std::nullopt;
    region.x /= weight;
    region.y /= weight;
    region.fill = static_cast<double>(region.area) / static_cast<double>((right - left + 1) * (bottom - top + 1));
    regions.push_back(std::move(region));
  }
  return regions;
}

}  // namespace benchmarks

// How near one frame comes to another.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace examples {

/// Peak signal to noise ratio of two frames of `size` bytes, in dB; at most 99.
inline double psnr(const std::uint8_t* a, const std::uint8_t* b, std::int64_t size) {
  double squares = 0;
  for (std::int64_t i = 0; i < size; ++i) squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return squares == 0 ? 99 : std::min(99.0, 10 * std::log10(255.0 * 255.0 * static_cast<double>(size) / squares));
}

}  // namespace examples

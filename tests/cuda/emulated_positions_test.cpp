// Kernels that count positions in 32 bits: the same as in 64, and right where 32 do not suffice.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "dvd/device/cuda/kernels/convolution_passes.cuh"

namespace {

using namespace dvd;
namespace passes = dvd::cuda::detail;
using cuda::counts_small;
using cuda::largest_small_index;
using passes::FrameOrder;

std::vector<float> numbers(Index size) {
  std::vector<float> result(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<float>(i * 7919 % 1009) - 500;
  return result;
}

/// What a body makes of all its rows, counted as I, in `output`.
template <class I, class Body>
std::vector<float> made(Index rows, Index columns, const Body& body, std::vector<float>& output) {
  for (float& value : output) value = 1;
  for (Index row = 0; row < rows; ++row)
    for (Index column = 0; column < columns; ++column)
      body.template operator()<1>(static_cast<I>(row), static_cast<I>(column));
  return output;
}

template <class Body>
bool same_in_both(Index rows, Index columns, const Body& body, std::vector<float>& output) {
  CHECK(counts_small(rows, columns, body));
  const std::vector<float> small = made<std::int32_t>(rows, columns, body, output);
  CHECK(small != std::vector<float>(output.size(), 1));
  return small == made<Index>(rows, columns, body, output);
}

TEST_CASE("passes around a convolution are the same in 32 and in 64 bits") {
  constexpr Index frames = 5, batch = 3, height = 6, width = 10, channels = 3, padded = 8;
  constexpr Index pixels = frames * batch * height * width;
  const std::vector<float> x = numbers(pixels * padded), scale = numbers(frames * batch * channels);
  for (const bool reordered : {false, true}) {
    const FrameOrder order{frames, batch, reordered};
    std::vector<float> y(static_cast<std::size_t>(pixels * padded));
    for (const int upsampling : {0, 1, 2}) {
      CHECK(same_in_both(pixels, padded,
                         passes::PrepareInput<float>{{x.data(), scale.data(), scale.data(), true},
                                                     order,
                                                     height,
                                                     width,
                                                     channels,
                                                     padded,
                                                     upsampling,
                                                     y.data()},
                         y));
      const Index halved = upsampling ? 2 : 1;
      CHECK(same_in_both(pixels / halved / halved, channels,
                         passes::FinishGradient<float>{x.data(), x.data(), order, height / halved, width / halved,
                                                       channels, padded, upsampling, true, y.data()},
                         y));
    }
    for (const bool pool_frames : {false, true}) {
      CHECK(same_in_both(pixels, padded,
                         passes::SpreadGradient<float>{x.data(), channels, order, height * width, channels, padded,
                                                       pool_frames, y.data()},
                         y));
      CHECK(same_in_both((frames >> pool_frames) * batch * height * width, channels,
                         passes::FinishOutput<float>{x.data(), scale.data(), order, height * width, padded, pool_frames,
                                                     true, false, y.data(), channels},
                         y));
    }
  }
}

TEST_CASE("a pixel behind the 2^31st") {
  constexpr Index images = 3, height = 1 << 15, width = 1 << 15, pixels = images * height * width;
  static_assert(pixels > largest_small_index);
  EmulatedCounting& memory = EmulatedCounting::instance();  // addresses that no machine has memory for
  constexpr std::size_t x_bytes = pixels * sizeof(float), y_bytes = 8 * x_bytes;
  auto* const x = static_cast<float*>(memory.reserve(x_bytes));
  auto* const y = static_cast<float*>(memory.reserve(y_bytes));
  REQUIRE(x);
  REQUIRE(y);
  const passes::PrepareInput<float> prepare{{x}, {images, 1, false}, height, width, 1, 8, 0, y};
  const passes::FinishOutput<float> finish{y, nullptr, {images, 1, false}, height * width, 8, false, false, false,
                                           x, 1};
  CHECK_FALSE(counts_small(pixels, 8, prepare));
  CHECK_FALSE(counts_small(pixels, 1, finish));
  const Index last = pixels - 1;
  x[last] = 7;
  for (Index channel = 0; channel < 8; ++channel) prepare.operator()<1>(last, channel);
  CHECK(y[8 * last] == 7);
  CHECK(y[8 * last + 1] == 0);
  y[8 * last] = 9;
  finish.operator()<1>(last, Index{0});
  CHECK(x[last] == 9);
  memory.release(x, x_bytes);
  memory.release(y, y_bytes);
}

}  // namespace

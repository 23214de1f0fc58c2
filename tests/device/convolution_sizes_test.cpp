// The convolutions of the device contract at every kind of size, through every method that sizes lead to.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include "support/convolution_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_convolution;

constexpr Index channel_counts[] = {1, 3, 4, 5, 7, 8, 16, 17, 32, 33, 48, 64, 65, 100};

struct Image {
  Index height, width;
};
constexpr Image images[] = {{1, 1}, {2, 2}, {3, 5}, {4, 4}, {5, 3}, {7, 9}, {8, 8}, {13, 11}, {17, 6}, {16, 16}};

// A GPU's library makes a plan for every size, which takes as long as hundreds of convolutions, and its channels come
// in eights: there, fewer sizes do.
#ifdef DVD_TEST_CUDA
constexpr bool few = true;
#else
constexpr bool few = false;
#endif

constexpr std::pair<Index, Index> kernels[] = {{1, 1}, {1, 3}, {3, 3}};

// Calls `f(size)` for many sizes, none of which takes the plain loops long.
template <class F>
void for_sizes(const F& f) {
  constexpr Index most_products = 2'000'000;
  constexpr std::size_t counts = std::size(channel_counts), shapes = std::size(images);
  std::size_t number = 0;
  constexpr std::size_t shifts[] = {0, 3, 8, 11};
  for (const std::size_t shift : shifts) {
    if (few && shift != 8) continue;
    for (std::size_t i = 0; i < counts; ++i)
      for (const auto& [kernel_frames, kernel] : kernels) {
        ++number;
        ConvolutionSize size{static_cast<Index>(1 + number % 4),
                             static_cast<Index>(1 + number % 5),
                             0,
                             0,
                             channel_counts[i],
                             channel_counts[(i + shift) % counts],
                             kernel_frames,
                             kernel};
        // The next smaller image until it is small enough.
        for (std::size_t shape = number % shapes + 1; shape-- > 0;) {
          size.height = images[shape].height;
          size.width = images[shape].width;
          if (size.positions() * size.taps() * size.inputs * size.outputs <= most_products) break;
        }
        f(size);
      }
  }
}

TEST_CASE_TEMPLATE("many sizes", O, DVD_DEVICES) {
  for_sizes([](const ConvolutionSize& size) { check_convolution<O>(size, false, false); });
}

TEST_CASE_TEMPLATE("every image with every kernel", O, DVD_DEVICES) {
  for (const auto& [height, width] : images)
    for (const auto& [kernel_frames, kernel] : kernels) {
      check_convolution<O>({3, 2, height, width, 5, 7, kernel_frames, kernel}, false, false);
      if (!few) check_convolution<O>({3, 5, height, width, 9, 8, kernel_frames, kernel}, false, false);
    }
}

}  // namespace

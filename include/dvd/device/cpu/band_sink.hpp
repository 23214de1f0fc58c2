// Where the outputs of a convolution go: as they are, averaged, or back through an upsampling; masked by a ReLU, added
// to what is there. The counterpart of cpu/band.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/resampling.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Images that a convolution writes, and what is done to its outputs before.
template <class T>
struct BandSink {
  /// What outputs of height x width become.
  enum class Reduction {
    none,
    sum,       ///< the sum over 2x2 pixels: an average but for the factor, or back through a nearest upsampling
    bilinear,  ///< back through a bilinear upsampling
  };

  T* y;
  Index pixel;          ///< distance between pixels in memory
  Index height, width;  ///< before the reduction
  Reduction reduction = Reduction::none;
  T factor = 1;             ///< of every output
  const T* bias = nullptr;  ///< added after the reduction
  bool accumulate = false;
  bool rectify = false;     ///< then max(., 0)
  const T* mask = nullptr;  ///< as y, pixels `mask_pixel` apart: only where it is above 0 anything is written or added
  Index mask_pixel = 0;

  bool reduces() const { return reduction != Reduction::none; }
  /// Whether `store` wants all rows of an image at once.
  bool whole_images() const { return reduction == Reduction::bilinear; }
  Index out_height() const { return reduces() ? height / 2 : height; }
  Index out_width() const { return reduces() ? width / 2 : width; }

  /// Takes rows `first` .. `first + rows - 1` (`first` even) of an image, for `channels` channels from `channel` on.
  void store(Index image, Index first, Index rows, const T* values, Index row, Index channel, Index channels) const {
    const Index scale = reduces() ? 2 : 1;
    const Index end = std::min((first + rows) / scale, out_height());
    for (Index h = first / scale; h < end; ++h) {
      const Index line = (image * out_height() + h) * out_width();
      if (reduction == Reduction::bilinear) {
        detail::bilinear_backward_row(h, height / 2, width / 2, channels, values, row, channels,
                                      [&](Index w, Index c, const auto& value) { put(line + w, channel + c, value); });
        continue;
      }
      const T* from = values + (h * scale - first) * row;
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        for (Index w = 0; w < out_width(); ++w) {
          const T* upper = from + w * scale * channels + c;
          V value = load<V>(upper);
          if (reduction == Reduction::sum)
            value = (value + load<V>(upper + channels)) + (load<V>(upper + row) + load<V>(upper + row + channels));
          put(line + w, channel + c, value);
        }
      });
    }
  }

  /// Whether the pixels of rows of `channels` channels lie side by side.
  bool dense(Index channels) const { return pixel == channels && (!mask || mask_pixel == channels); }

  /// Some outputs, as they are after the reduction, to where they belong; with the bias and the mask for these, if any.
  template <class V>
  [[gnu::always_inline]] void put(T* to, V value, const T* bias_here, const T* mask_here) const {
    value *= factor;
    if (bias_here) value += load<V>(bias_here);
    if (mask_here) value = load<V>(mask_here) > 0 ? value : V{};
    if (accumulate) value += load<V>(to);
    if (rectify) value = rectified(value);
    dvd::cpu::store(to, value);
  }

 private:
  template <class V>
  [[gnu::always_inline]] void put(Index position, Index channel, const V& value) const {
    put(y + position * pixel + channel, value, bias ? bias + channel : nullptr,
        mask ? mask + position * mask_pixel + channel : nullptr);
  }
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

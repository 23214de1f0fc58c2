// The rows of an image as a convolution wants to see them: with a border of zeros, enlarged, scaled, rectified.
//
// A convolution copies the few rows that it works on at a time into a band of its own, which stays in the cache. What
// other programs do in passes over memory of their own (padding, batch norm's affine map, ReLU, upsampling) happens on
// the way, and no kernel has to care for edges. (Winograd's method does the same in a way of its own, where images need
// not be enlarged first: cpu/winograd_tiles.hpp.)
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "dvd/core/convolution.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Images as they lie in memory, and what is to be done to them.
template <class T>
struct BandSource {
  const T* x;
  Index pixel;                   ///< distance between pixels in memory
  Index frames, batch;           ///< as stored
  Index height, width;           ///< as stored
  Index channels;                ///< how many of a pixel are wanted
  std::optional<Upsampling> up;  ///< enlarge
  Index repeat_frames;           ///< 1, or 2 where every frame stands for two
  const T* scale;                ///< of every image, `scale_row` apart, for every channel; or null
  const T* shift;
  bool rectify;
  Index scale_row;

  /// The same, of `count` channels from `first` on.
  BandSource part(Index first, Index count) const {
    BandSource result = *this;
    result.x += first;
    result.channels = count;
    if (scale) result.scale += first, result.shift += first;
    return result;
  }

  Index rows() const { return up ? 2 * height : height; }
  Index columns() const { return up ? 2 * width : width; }
};

namespace detail {

/// scale * x + shift and ReLU for some channels of one image.
template <class V>
struct Affine {
  V scale, shift;
  bool affine, rectify;

  template <class T>
  Affine(const BandSource<T>& source, Index image, Index channel)
      : affine(source.scale != nullptr), rectify(source.rectify) {
    if (!affine) return;
    scale = load<V>(source.scale + image * source.scale_row + channel);
    shift = load<V>(source.shift + image * source.scale_row + channel);
  }

  [[gnu::always_inline]] V operator()(V x) const {
    if (affine) x = scale * x + shift;
    return rectify ? rectified(x) : x;
  }
};

/// One row, `from` being where it begins in memory; `to` receives `width` pixels.
template <class T>
void copy_row(const BandSource<T>& source, Index image, const T* from, T* to) {
  const Index channels = source.channels, width = source.width, pixel = source.pixel;
  if (!source.scale && !source.rectify && pixel == channels) {
    std::memcpy(to, from, static_cast<std::size_t>(width * channels) * sizeof(T));
    return;
  }
  for_lanes<T>(channels, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const Affine<V> affine(source, image, c);
    for (Index w = 0; w < width; ++w) store(to + w * channels + c, affine(load<V>(from + w * pixel + c)));
  });
}

template <class T>
void repeat_row(const BandSource<T>& source, Index image, const T* from, T* to) {
  const Index channels = source.channels;
  for_lanes<T>(channels, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const Affine<V> affine(source, image, c);
    for (Index w = 0; w < source.width; ++w) {
      const V value = affine(load<V>(from + w * source.pixel + c));
      store(to + 2 * w * channels + c, value);
      store(to + (2 * w + 1) * channels + c, value);
    }
  });
}

/// Bilinear by two: 3/4 of the nearest row and column and 1/4 of the next ones.
template <class T>
void interpolate_row(const BandSource<T>& source, Index image, const T* near, const T* far, T* to) {
  const Index channels = source.channels, width = source.width, pixel = source.pixel;
  for_lanes<T>(channels, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const Affine<V> affine(source, image, c);
    const auto column = [&](Index w) {
      return T(0.75) * affine(load<V>(near + w * pixel + c)) + T(0.25) * affine(load<V>(far + w * pixel + c));
    };
    V here = column(0), before = here;
    for (Index w = 0; w < width; ++w) {
      const V after = w + 1 < width ? column(w + 1) : here;
      const V most = T(0.75) * here;
      store(to + 2 * w * channels + c, most + T(0.25) * before);
      store(to + (2 * w + 1) * channels + c, most + T(0.25) * after);
      before = here;
      here = after;
    }
  });
}

}  // namespace detail

/// Fills `band` with rows `first` .. `first + rows - 1` of an image, `band_columns` pixels each: columns -1, 0, 1, ...
/// Whatever lies outside the image is zero.
template <class T>
void load_band(const BandSource<T>& source, Index image, Index first, Index rows, Index band_columns, T* band) {
  const Index channels = source.channels, row_size = band_columns * channels;
  const T* x = source.x + image * source.height * source.width * source.pixel;
  const Index x_row = source.width * source.pixel, columns = source.columns();
  for (Index r = 0; r < rows; ++r) {
    T* to = band + r * row_size;
    const Index h = first + r;
    if (h < 0 || h >= source.rows()) {
      std::fill(to, to + row_size, T{0});
      continue;
    }
    std::fill(to, to + channels, T{0});
    std::fill(to + (columns + 1) * channels, to + row_size, T{0});
    to += channels;
    if (!source.up) {
      detail::copy_row(source, image, x + h * x_row, to);
    } else if (*source.up == Upsampling::nearest) {
      detail::repeat_row(source, image, x + h / 2 * x_row, to);
    } else {
      const Index beside = std::clamp<Index>(h % 2 ? h / 2 + 1 : h / 2 - 1, 0, source.height - 1);
      detail::interpolate_row(source, image, x + h / 2 * x_row, x + beside * x_row, to);
    }
  }
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

// From images to the transformed tiles of Winograd's method: V = B^T d B of a convolution's inputs, and A dy A^T of its
// outputs' gradients.
//
// A row of tiles is transformed in two steps. Down the columns first: the rows of the image that it sees become the
// rows of a band, one a value, every column once although tiles overlap; scale, shift and ReLU happen on the way, and
// where pixels lie side by side a row is one long run of numbers, so that vectors are full whatever the number of
// channels. Then along the rows of the band, tile by tile. Bound by loads and stores of the first-level cache.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <type_traits>

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Transforms rows of tiles of a source's images; Tiles says how, InputTiles or OutputTiles of a form.
template <class Tiles, class T>
class TileTransform {
 public:
  /// Of images with `across` tiles in a row and `down` rows of them.
  TileTransform(const BandSource<T>& source, Index across, Index down)
      : source_(source), across_(across), down_(down), columns_(Tiles::pitch * across + shared) {
    row_ = columns_ * source.channels;
    dense_ = source.pixel == source.channels;
    // Scale and shift of a run of pixels repeat after whole vectors.
    constexpr Index lanes = native_lanes<T>;
    period_ = source.scale && dense_ ? std::lcm(source.channels, lanes) : source.channels;
  }

  /// Elements that `run` needs for its own use.
  Index band_size() const { return (Tiles::values + loaded_rows()) * row_ + 2 * period_ + few_lanes; }

  /// The values of rows `begin` .. `end - 1` of tiles, counted over all images from `first_image` on; they lie
  /// `v_point` apart in `v`, and of each the channels of a tile side by side.
  void run(Index first_image, Index begin, Index end, T* band, T* v, Index v_point) const {
    const Index channels = source_.channels;
    T* const loaded = band + Tiles::values * row_;
    T *const scale = loaded + loaded_rows() * row_, *const shift = scale + period_;
    // Columns left and right of the image.
    const Index behind = Tiles::before + seen_columns();
    for (Index r = 0; r < Tiles::values; ++r) {
      std::fill_n(band + r * row_, Tiles::before * channels, T{0});
      std::fill_n(band + r * row_ + behind * channels, (columns_ - behind) * channels, T{0});
    }
    for (Index line = begin; line < end; ++line) {
      const Index image = first_image + line / down_;
      if (source_.scale && (line == begin || line % down_ == 0)) repeat_affine(image, scale, shift);
      down_columns(image, line % down_ * Tiles::pitch - Tiles::before, scale, shift, loaded, band);
      along_rows(band, v + (line - begin) * across_ * channels, v_point);
    }
  }

 private:
  static constexpr int shared = Tiles::pixels - Tiles::pitch;  ///< pixels of a row that a tile and the next both have

  /// Whether rows have to be made before they can be transformed.
  bool enlarges() const { return source_.up && !(Tiles::repeats && source_.up == Upsampling::nearest); }
  Index loaded_rows() const { return enlarges() ? Tiles::pixels : 0; }
  Index stored_rows() const { return enlarges() ? source_.rows() : source_.height; }
  /// Of a row of the image, as many pixels as tiles see.
  Index seen_columns() const {
    return std::min(enlarges() ? source_.columns() : source_.width, columns_ - Tiles::before);
  }

  /// Scale and shift of an image for `period_` neighbouring elements.
  void repeat_affine(Index image, T* scale, T* shift) const {
    for (Index i = 0; i < period_; i += source_.channels) {
      std::copy_n(source_.scale + image * source_.scale_row, source_.channels, scale + i);
      std::copy_n(source_.shift + image * source_.scale_row, source_.channels, shift + i);
    }
  }

  void down_columns(Index image, Index first, const T* scale, const T* shift, T* loaded, T* band) const {
    const Index x_row = source_.width * source_.pixel;
    const T* const x = source_.x + image * source_.height * x_row;
    std::array<const T*, Tiles::pixels> rows;  // null: a row outside of the image
    if (enlarges()) load_band(source_, image, first, Tiles::pixels, columns_, loaded);
    for (Index r = 0; r < Tiles::pixels; ++r) {
      const Index row = first + r;
      const bool outside = row < 0 || row >= stored_rows();
      rows[static_cast<std::size_t>(r)] = outside      ? nullptr
                                          : enlarges() ? loaded + r * row_ + source_.channels
                                                       : x + row * x_row;
    }
    T* const to = band + Tiles::before * source_.channels;
    if constexpr (Tiles::activates) {
      if (!enlarges() && source_.scale) return transform_columns<Activation::affine>(rows, scale, shift, to);
      if (!enlarges() && source_.rectify) return transform_columns<Activation::rectify>(rows, scale, shift, to);
    }
    transform_columns<Activation::none>(rows, scale, shift, to);
  }

  enum class Activation { none, rectify, affine };

  template <Activation activation>
  void transform_columns(const std::array<const T*, Tiles::pixels>& rows, const T* scale, const T* shift, T* to) const {
    const Index width = seen_columns(), channels = source_.channels;
    const bool dense = dense_ || enlarges(), rectify = source_.rectify;
    const Index runs = dense ? 1 : width, length = dense ? width * channels : channels;
    const Index period = activation == Activation::affine ? period_ : length, pixel = source_.pixel, to_row = row_;
    for (Index run = 0; run < runs; ++run)
      for (Index start = 0; start < length; start += period) {
        const Index begin = run * pixel + start;
        T* const to_run = to + run * channels + start;
        for_lanes<T>(std::min(period, length - start), [&](Index i, auto lanes) {
          using V = Vector<T, lanes>;
          V in[std::size_t{Tiles::pixels}], out[std::size_t{Tiles::values}];
          unroll<Tiles::pixels>([&](int r) __attribute__((always_inline)) {
            const T* const row = rows[static_cast<std::size_t>(r)];
            in[r] = V{};
            if (!row) return;
            in[r] = load<V>(row + begin + i);
            if constexpr (activation == Activation::affine) {
              in[r] = load<V>(scale + i) * in[r] + load<V>(shift + i);
              if (rectify) in[r] = rectified(in[r]);
            }
            if constexpr (activation == Activation::rectify) in[r] = rectified(in[r]);
          });
          Tiles::template transform<T>(in, out);
          unroll<Tiles::values>([&](int r) __attribute__((always_inline)) { store(to_run + r * to_row + i, out[r]); });
        });
      }
  }

  void along_rows(const T* band, T* v, Index v_point) const {
    const Index channels = source_.channels, across = across_, row = row_;
    constexpr int values = Tiles::values;
    // A vector's idle lanes end where the next tile's values will begin.
    for (Index r = 0; r < values; ++r)
      for_lanes<T>(full_lanes<T>(channels), [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const T* from = band + r * row + c;
        T* to = v + r * values * v_point + c;
        V in[std::size_t{Tiles::pixels}], out[std::size_t{values}];
        unroll<shared>([&](int k) __attribute__((always_inline)) { in[k] = load<V>(from + k * channels); });
        from += shared * channels;
        for (Index tile = 0; tile < across; ++tile, from += Tiles::pitch * channels, to += channels) {
          unroll<Tiles::pitch>([&](int k)
                                   __attribute__((always_inline)) { in[shared + k] = load<V>(from + k * channels); });
          Tiles::template transform<T>(in, out);
          unroll<values>([&](int k) __attribute__((always_inline)) { store(to + k * v_point, out[k]); });
          unroll<shared>([&](int k) __attribute__((always_inline)) { in[k] = in[Tiles::pitch + k]; });
        }
      });
  }

  const BandSource<T>& source_;
  Index across_, down_;
  Index columns_, row_;  ///< of a band: pixels in a row, and elements
  Index period_;
  bool dense_;  ///< pixels lie side by side
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

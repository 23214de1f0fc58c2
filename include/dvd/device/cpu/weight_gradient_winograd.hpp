// The gradient of a convolution's weight by a form of Winograd's method, see cpu/winograd_forms.hpp:
// dw = G^T [sum over tiles of (B^T d B) . (A dy A^T)] G.
//
// At each of the points the sum over tiles is a matrix product of the transformed inputs V and the transformed
// gradients M. The sums are up to four times as large as the weight, so channels are cut into squares of 128 inputs by
// 128 outputs, a task each; of smaller ones tiles would be transformed more often. (Of few tiles squares of 64 are as
// good, and more tasks.) As many tiles are taken at a time as fill 2 MB, so that the sums, which no second-level cache
// holds, are read and written seldom. Where there are few squares the batch is cut into pieces too, which are added in
// order afterwards.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <type_traits>
#include <utility>

#include "dvd/device/cpu/weight_gradient.hpp"
#include "dvd/device/cpu/winograd_tiles.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// dweight = factor * the gradient, from sources of the input and of the outputs' gradient, as they are stored where
/// the form knows of pairs.
template <class Form, class T>
class WinogradWeightGradient {
 public:
  WinogradWeightGradient(const ConvolutionSize& size, const BandSource<T>& x, const BandSource<T>& dy, T factor,
                         T* dweight)
      : size_(size), x_(x), dy_(dy), factor_(factor), dweight_(dweight), window_(size, 1) {
    taps_ = window_.taps;
    const bool pooled = std::is_same_v<Form, winograd::Pooled>;
    across_ = ((pooled ? size.width / 2 : size.width) + edge - 1) / edge;
    down_ = ((pooled ? size.height / 2 : size.height) + edge - 1) / edge;
    lines_ = window_.images * down_;
    const Index tiles = lines_ * across_, side = window_.outputs * tiles < 512 ? 64 : 128;
    input_parts_ = std::max<Index>(1, size.inputs / side);
    output_parts_ = std::max<Index>(1, size.outputs / std::max(side, panel_columns<T>));
    most_inputs_ = (size.inputs + input_parts_ - 1) / input_parts_;
    most_outputs_ = (size.outputs + output_parts_ - 1) / output_parts_ + panel_columns<T>;
    part_size_ = taps_ * points * most_inputs_ * most_outputs_;

    // A piece has 256 tiles or more, so that adding to its sums costs little beside what is added; fewer only where
    // there would be less than four tasks.
    const Index squares = input_parts_ * output_parts_;
    const Index worthwhile =
        std::max(window_.outputs * tiles / 256, std::min<Index>((3 + squares) / squares, tiles / 16));
    pieces_ = std::min({lines_, (64 + squares - 1) / squares, detail::sum_pieces<T>(worthwhile, part_size_ * squares)});

    const Index tile_bytes =
        (input_values * most_inputs_ * taps_ + output_values * most_outputs_) * static_cast<Index>(sizeof(T));
    block_ = std::max<Index>(1, std::clamp<Index>(4 * block_bytes / tile_bytes, 16, 128) / across_);
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));  // keeps points off each other's places in the cache
    v_point_ = block_ * across_ * most_inputs_ + line;
    m_point_ = block_ * across_ * most_outputs_ + line;
  }

  void run() const {
    const Index squares = input_parts_ * output_parts_;
    if (pieces_ == 1) {
      parallel_for(squares, [&](Index square) {
        const Part part = part_of(square, 0);
        const Arrays arrays = arrays_for_task();
        sum_tiles(part, arrays, arrays.sum);
        for (Index row = 0; row < taps_ * part.inputs; ++row) finish(part, row, arrays.sum, 1);
      });
      return;
    }
    // Pieces of a square lie side by side.
    const Scratch<T> sums(squares * pieces_ * part_size_);
    parallel_for(squares * pieces_, [&](Index i) {
      sum_tiles(part_of(i / pieces_, i % pieces_), arrays_for_task(), sums.data() + i * part_size_);
    });
    parallel_for(squares * taps_ * most_inputs_, [&](Index i) {
      const Index square = i / (taps_ * most_inputs_), row = i % (taps_ * most_inputs_);
      const Part part = part_of(square, 0);
      if (row < taps_ * part.inputs) finish(part, row, sums.data() + square * pieces_ * part_size_, pieces_);
    });
  }

 private:
  static constexpr Index edge = Form::outputs, points = winograd::points<Form>,
                         input_values = Form::input_values * Form::input_values,
                         output_values = Form::output_values * Form::output_values;

  /// Of a point's row and column: the number of the value there.
  static Index value_of(const int* value, int values, Index point) {
    return value[point / Form::points] * values + value[point % Form::points];
  }

  /// What a task sums: some channels of some rows of tiles.
  struct Part {
    Index first_input, inputs, first_output, outputs, begin, end;
  };

  struct Arrays {
    T *band, *v, *m, *sum;
  };

  Part part_of(Index square, Index piece) const {
    const Index i = square / output_parts_, o = square % output_parts_;
    const Index first_input = size_.inputs * i / input_parts_;
    const Index first_output = part_begin<T>(o, output_parts_, size_.outputs);
    return {first_input,
            size_.inputs * (i + 1) / input_parts_ - first_input,
            first_output,
            part_begin<T>(o + 1, output_parts_, size_.outputs) - first_output,
            lines_ * piece / pieces_,
            lines_ * (piece + 1) / pieces_};
  }

  Arrays arrays_for_task() const {
    const auto [band, v, m, sum] = Workspace::arrays<T, 4>(
        {std::max(band_size<winograd::InputTiles<Form>>(x_.part(0, most_inputs_)),
                  band_size<winograd::OutputTiles<Form>>(dy_.part(0, most_outputs_))),
         taps_ * input_values * v_point_, output_values * m_point_, pieces_ == 1 ? part_size_ : 0});
    return {band, v, m, sum};
  }

  template <class Tiles>
  Index band_size(const BandSource<T>& source) const {
    return TileTransform<Tiles, T>(source, across_, down_).band_size();
  }

  /// sum [taps, points, inputs, outputs] of the part.
  void sum_tiles(const Part& part, const Arrays& arrays, T* sum) const {
    const BandSource<T> x = x_.part(part.first_input, part.inputs), dy = dy_.part(part.first_output, part.outputs);
    const TileTransform<winograd::InputTiles<Form>, T> input_tiles(x, across_, down_);
    const TileTransform<winograd::OutputTiles<Form>, T> output_tiles(dy, across_, down_);
    std::array<bool, 8> begun{};
    for (Index begin = part.begin; begin < part.end; begin += block_) {
      const Index end = std::min(part.end, begin + block_), depth = (end - begin) * across_;
      std::array<Index, 8> held;  // the frame of x in each place of v
      held.fill(-1);
      for (Index t = 0; t < window_.outputs; ++t) {
        if (t / dy.repeat_frames >= dy.frames) continue;  // frames that no pair covers
        output_tiles.run(t / dy.repeat_frames * window_.images, begin, end, arrays.band, arrays.m, m_point_);
        for (Index k = 0; k < taps_; ++k) {
          const Index frame = window_.source(t, k, x);
          if (frame < 0) continue;
          T* const place = arrays.v + frame % taps_ * input_values * v_point_;
          if (std::exchange(held[static_cast<std::size_t>(frame % taps_)], frame) != frame)
            input_tiles.run(frame * window_.images, begin, end, arrays.band, place, v_point_);
          bool& accumulate = begun[static_cast<std::size_t>(k)];
          const ProductStrides<T> strides{1, depth, 1, 0, part.inputs, 0, part.outputs, accumulate};
          for (Index point = 0; point < points; ++point)
            detail::multiply_transposed(strides, part.inputs, part.outputs,
                                        place + value_of(Form::input_value, Form::input_values, point) * v_point_,
                                        arrays.m + value_of(Form::output_value, Form::output_values, point) * m_point_,
                                        sum + (k * points + point) * part.inputs * part.outputs, part.outputs);
          accumulate = true;
        }
      }
    }
    // Taps that never met a frame, of a video of one.
    const Index tap_size = points * part.inputs * part.outputs;
    for (Index k = 0; k < taps_; ++k)
      if (!begun[static_cast<std::size_t>(k)]) std::fill_n(sum + k * tap_size, tap_size, T{0});
  }

  /// dweight of one tap and input of a part, number `row`, from the sums of its pieces.
  void finish(const Part& part, Index row, const T* sums, Index pieces) const {
    const Index tap = row / part.inputs, input = row % part.inputs, matrix = part.inputs * part.outputs;
    const T* from = sums + (tap * points * part.inputs + input) * part.outputs;
    const auto get = [&](Index point, Index c, auto lanes) {
      using V = Vector<T, lanes>;
      V total = load<V>(from + point * matrix + c);
      for (Index piece = 1; piece < pieces; ++piece) total += load<V>(from + piece * part_size_ + point * matrix + c);
      return total;
    };
    const Index place = (tap * 9 * size_.inputs + part.first_input + input) * size_.outputs + part.first_output;
    winograd::transform_weight_gradient<Form>(part.outputs, get, factor_, dweight_ + place,
                                              size_.inputs * size_.outputs);
  }

  const ConvolutionSize& size_;
  const BandSource<T>&x_, &dy_;
  T factor_;
  T* dweight_;
  FrameWindow window_;
  Index taps_;
  Index across_, down_, lines_;                                             ///< tiles; rows of tiles in all images
  Index input_parts_, output_parts_, most_inputs_, most_outputs_, pieces_;  ///< how work is cut
  Index part_size_;                                                         ///< elements of a task's sums
  Index block_;                                                             ///< rows of tiles at a time
  Index v_point_, m_point_;
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

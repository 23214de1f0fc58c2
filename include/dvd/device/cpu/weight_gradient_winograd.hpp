// The gradient of a convolution's weight by Winograd's F(4x4, 3x3): dw = G^T [sum over tiles of (B^T d B) . (A dy A^T)]
// G.
//
// At each of the 36 points the sum over tiles is a matrix product of the transformed inputs V and the transformed
// gradients M. The sums are four times as large as the weight, so channels are cut into squares of 64 inputs by 64
// outputs, a task each, whose sums stay in the second-level cache while tiles come and go; where there are few squares
// the batch is cut into pieces too, which are added in order afterwards.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <utility>

#include "dvd/device/cpu/weight_gradient.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// dweight = factor * the gradient, from sources of the input and of the outputs' gradient.
template <class T>
class WinogradWeightGradient {
 public:
  WinogradWeightGradient(const ConvolutionSize& size, const BandSource<T>& x, const BandSource<T>& dy, T factor,
                         T* dweight)
      : size_(size), x_(x), dy_(dy), factor_(factor), dweight_(dweight), window_(size, 1) {
    taps_ = window_.taps;
    across_ = (size.width + 3) / 4;
    down_ = (size.height + 3) / 4;
    lines_ = window_.images * down_;
    input_parts_ = std::max<Index>(1, size.inputs / 64);
    output_parts_ = std::max<Index>(1, size.outputs / std::max<Index>(64, panel_columns<T>));
    most_inputs_ = (size.inputs + input_parts_ - 1) / input_parts_;
    most_outputs_ = (size.outputs + output_parts_ - 1) / output_parts_ + panel_columns<T>;
    part_size_ = taps_ * winograd::points * most_inputs_ * most_outputs_;

    // A piece has 128 tiles, so that adding to its sums costs little beside what is added; fewer only where there would
    // be less than four tasks.
    const Index squares = input_parts_ * output_parts_, tiles = lines_ * across_;
    const Index worthwhile = std::max(window_.outputs * tiles / 128, std::min<Index>(4, tiles / 16));
    pieces_ = std::min({lines_, (16 + squares - 1) / squares, detail::sum_pieces<T>(worthwhile, part_size_ * squares)});

    const Index tile_bytes = winograd::points * (most_inputs_ * taps_ + most_outputs_) * static_cast<Index>(sizeof(T));
    block_ = std::max<Index>(1, std::clamp<Index>(2 * block_bytes / tile_bytes, 16, 128) / across_);
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));  // keeps points off each other's places in the cache
    band_columns_ = 4 * across_ + 2;
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
        {6 * band_columns_ * std::max(most_inputs_, most_outputs_), taps_ * winograd::points * v_point_,
         winograd::points * m_point_, pieces_ == 1 ? part_size_ : 0});
    return {band, v, m, sum};
  }

  /// sum [taps, points, inputs, outputs] of the part.
  void sum_tiles(const Part& part, const Arrays& arrays, T* sum) const {
    const BandSource<T> x = x_.part(part.first_input, part.inputs), dy = dy_.part(part.first_output, part.outputs);
    std::array<bool, 8> begun{};
    for (Index begin = part.begin; begin < part.end; begin += block_) {
      const Index end = std::min(part.end, begin + block_), depth = (end - begin) * across_;
      std::array<Index, 8> held;  // the frame of x in each place of v
      held.fill(-1);
      for (Index t = 0; t < window_.outputs; ++t) {
        if (t / dy.repeat_frames >= dy.frames) continue;  // frames that no pair covers
        load_gradient(dy, t, begin, end, arrays);
        for (Index k = 0; k < taps_; ++k) {
          const Index frame = window_.source(t, k, x);
          if (frame < 0) continue;
          T* const place = arrays.v + frame % taps_ * winograd::points * v_point_;
          if (std::exchange(held[static_cast<std::size_t>(frame % taps_)], frame) != frame)
            transform_tiles(x, frame * window_.images, begin, end, across_, down_, arrays.band, place, v_point_);
          bool& accumulate = begun[static_cast<std::size_t>(k)];
          const ProductStrides<T> strides{1, depth, 1, 0, part.inputs, 0, part.outputs, accumulate};
          for (Index point = 0; point < winograd::points; ++point)
            detail::multiply_transposed(
                strides, part.inputs, part.outputs, place + point * v_point_, arrays.m + point * m_point_,
                sum + (k * winograd::points + point) * part.inputs * part.outputs, part.outputs);
          accumulate = true;
        }
      }
    }
    // Taps that never met a frame, of a video of one.
    const Index tap_size = winograd::points * part.inputs * part.outputs;
    for (Index k = 0; k < taps_; ++k)
      if (!begun[static_cast<std::size_t>(k)]) std::fill_n(sum + k * tap_size, tap_size, T{0});
  }

  void load_gradient(const BandSource<T>& dy, Index t, Index begin, Index end, const Arrays& arrays) const {
    const Index outputs = dy.channels;
    for (Index line = begin; line < end; ++line) {
      load_band(dy, t / dy.repeat_frames * window_.images + line / down_, line % down_ * 4, 4, band_columns_,
                arrays.band);
      for (Index tile = 0; tile < across_; ++tile)
        winograd::transform_output_gradient(outputs, arrays.band + (4 * tile + 1) * outputs,
                                            arrays.m + ((line - begin) * across_ + tile) * outputs,
                                            {band_columns_ * outputs, outputs, m_point_});
    }
  }

  /// dweight of one tap and input of a part, number `row`, from the sums of its pieces.
  void finish(const Part& part, Index row, const T* sums, Index pieces) const {
    const Index tap = row / part.inputs, input = row % part.inputs, matrix = part.inputs * part.outputs;
    const T* from = sums + (tap * winograd::points * part.inputs + input) * part.outputs;
    const auto get = [&](Index point, Index c, auto lanes) {
      using V = Vector<T, lanes>;
      V total = load<V>(from + point * matrix + c);
      for (Index piece = 1; piece < pieces; ++piece) total += load<V>(from + piece * part_size_ + point * matrix + c);
      return total;
    };
    const Index place = (tap * 9 * size_.inputs + part.first_input + input) * size_.outputs + part.first_output;
    winograd::transform_weight_gradient(part.outputs, get, factor_, dweight_ + place, size_.inputs * size_.outputs);
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
  Index band_columns_, v_point_, m_point_;
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

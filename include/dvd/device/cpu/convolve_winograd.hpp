// A 3x3 convolution by a form of Winograd's method; see cpu/winograd_forms.hpp.
//
// A task takes some rows of tiles through all steps: transform rows of the image, multiply at each of the points,
// transform back, store. The transformed inputs V stay in the second-level cache: as many tiles are taken at a time as
// fit beside the products with 64 outputs, and the outputs are taken 64 at a time, so that the transformed weights, the
// largest array of all, are read once for every such set of tiles. Products M live only until their row of points is
// transformed; what goes down the columns then is one run of numbers, as in cpu/winograd_tiles.hpp.
//
// From 64 channels on the products take three quarters of the time and more, at nine tenths of what arithmetic allows.
// At sixteen they take two fifths: the rest is loads and stores, of the image at the speed of memory, of bands and
// products from the caches.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <type_traits>

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/band_sink.hpp"
#include "dvd/device/cpu/filter.hpp"
#include "dvd/device/cpu/frame_window.hpp"
#include "dvd/device/cpu/winograd_tiles.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// sink = convolution of source with a filter of the form's method.
template <class Form, class T>
class WinogradConvolution {
 public:
  WinogradConvolution(const ConvolutionSize& size, const FrameWindow& window, const BandSource<T>& source,
                      const Filter<T>& filter, const BandSink<T>& sink)
      : size_(size),
        window_(window),
        filter_(filter),
        sink_(of_tiles(sink)),
        across_((sink_.width + edge - 1) / edge),
        down_((sink_.height + edge - 1) / edge),
        source_(source),
        tiles_(source_, across_, down_) {
    lines_ = window.images * down_;
    chunk_ = std::min(size.outputs, std::max<Index>(64, panel_columns<T>));

    const Index tile_bytes = (values * size.inputs * window.taps + points * chunk_) * static_cast<Index>(sizeof(T));
    const Index most_tiles = std::clamp<Index>(block_bytes / tile_bytes, 24, 48);
    block_ = std::max<Index>(1, most_tiles / across_);
    block_ = std::min(block_, std::max<Index>((12 + across_ - 1) / across_, (lines_ + 3) / 4));
    // A task is a block unless the sink wants whole images: then it is an image in several blocks, or some images.
    task_lines_ = sink_.whole_images() ? std::max<Index>(1, block_ / down_) * down_ : block_;
    block_ = std::min(block_, task_lines_);

    constexpr Index line = 64 / static_cast<Index>(sizeof(T));  // keeps points off each other's places in the cache
    v_point_ = (block_ * across_ + group_rows - 1) / group_rows * group_rows * size.inputs + line;
    m_point_ = block_ * across_ * full_lanes<T>(chunk_) + line;
    half_point_ = edge * block_ * across_ * chunk_ + line;
  }

  void run() const {
    const Index tasks = (lines_ + task_lines_ - 1) / task_lines_, parts = column_parts<T>(tasks, size_.outputs);
    parallel_for(tasks * parts, [&](Index i) {
      const Index begin = i / parts * task_lines_, part = i % parts;
      const Index first = part_begin<T>(part, parts, size_.outputs);
      run_task({begin, std::min(lines_, begin + task_lines_), first, part_begin<T>(part + 1, parts, size_.outputs)});
    });
  }

 private:
  static constexpr Index edge = Form::outputs, points = winograd::points<Form>,
                         values = Form::input_values * Form::input_values;

  /// Where a form's outputs go: what it sums is summed already, and only to be multiplied.
  static BandSink<T> of_tiles(BandSink<T> sink) {
    if constexpr (std::is_same_v<Form, winograd::Pooled>) {
      sink.height /= 2, sink.width /= 2;
      sink.reduction = BandSink<T>::Reduction::none;
    }
    return sink;
  }

  /// Rows of tiles and outputs.
  struct Task {
    Index begin, end, first, last;
  };

  struct Arrays {
    T *band, *v, *m, *half, *out, *bias;
  };

  void run_task(const Task& task) const {
    const Index columns = task.last - task.first;
    const Index out_size = sink_.whole_images() ? task_lines_ * columns * edge * sink_.width : 0;
    const auto [band, v, m, half, out, bias] =
        Workspace::arrays<T, 6>({tiles_.band_size(), window_.taps * values * v_point_, Form::points * m_point_,
                                 Form::points * half_point_, out_size, native_lanes<T> * chunk_});
    const Arrays arrays{band, v, m, half, out, bias};
    std::array<Index, 8> held;  // the source frame in each place of v
    held.fill(-1);
    for (Index t = 0; t < window_.outputs; ++t) {
      for (Index begin = task.begin; begin < task.end; begin += block_) {
        if (block_ < task_lines_) held.fill(-1);
        const Task block{begin, std::min(task.end, begin + block_), 0, 0};
        load(t, block, arrays, held);
        for (Index first = task.first; first < task.last; first += chunk_) {
          const Task piece{block.begin, block.end, first, std::min(task.last, first + chunk_)};
          multiply(t, piece, arrays);
          store(t, piece, task, arrays);
        }
      }
      for (Index line = task.begin; sink_.whole_images() && line < task.end; line += down_)
        sink_.store(t * window_.images + line / down_, 0, size_.height,
                    out + (line - task.begin) / down_ * sink_.height * sink_.width * columns, sink_.width * columns,
                    task.first, columns);
    }
  }

  /// V, for the frames that output t sees and that are not there yet.
  void load(Index t, const Task& block, const Arrays& arrays, std::array<Index, 8>& held) const {
    for (Index k = 0; k < window_.taps; ++k) {
      const Index frame = window_.source(t, k, source_);
      if (frame < 0) continue;
      Index& there = held[static_cast<std::size_t>(frame % window_.taps)];
      if (there == frame) continue;
      there = frame;
      tiles_.run(frame * window_.images, block.begin, block.end, arrays.band,
                 arrays.v + frame % window_.taps * values * v_point_, v_point_);
    }
  }

  /// The outputs of some channels. A row of points after the other is multiplied, M = V * U, and transformed along the
  /// rows into `half`, [points of a column, rows of tiles, pixels, columns]; those then down the columns.
  void multiply(Index t, const Task& piece, const Arrays& arrays) const {
    const Index inputs = size_.inputs, columns = piece.last - piece.first, used = full_lanes<T>(columns);
    const Index tiles = (piece.end - piece.begin) * across_, count = (tiles + group_rows - 1) / group_rows;
    RowGroup groups[1024 / (4 * group_rows) + 1];
    for (Index g = 0; g < count; ++g)
      groups[g] = {g * group_rows * inputs, g * group_rows * used,
                   std::min(group_rows + Index{0}, tiles - g * group_rows)};
    ProductStrides<T> strides{1, inputs, inputs, 0, 1, 0, filter_.panel_width(), false, filter_.panel()};
    for (Index r = 0; r < Form::points; ++r) {
      for (Index k = 0; k < Form::points; ++k) {
        const Index value = Form::input_value[r] * Form::input_values + Form::input_value[k];
        strides.accumulate = false;
        for (Index tap = 0; tap < window_.taps; ++tap) {
          const Index frame = window_.source(t, tap, source_);
          if (frame < 0) continue;
          product(strides, arrays.v + (frame % window_.taps * values + value) * v_point_,
                  filter_.frame(tap, piece.first) + (r * Form::points + k) * filter_.matrix(), arrays.m + k * m_point_,
                  used, groups, count, used, nullptr);
          strides.accumulate = true;
        }
      }
      along_rows(tiles, columns, arrays.m, arrays.half + r * half_point_);
    }
  }

  void along_rows(Index tiles, Index columns, const T* m, T* half) const {
    const Index m_point = m_point_;
    constexpr int outputs = Form::outputs;
    // A vector's idle lanes end where the next pixel's outputs will begin.
    const Index used = full_lanes<T>(columns);
    for_lanes<T>(used, [=](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      const T* from = m + c;
      T* to = half + c;
      for (Index tile = 0; tile < tiles; ++tile, from += used, to += outputs * columns) {
        V in[std::size_t{Form::points}], out[std::size_t{Form::outputs}];
        unroll<Form::points>([&](int k) __attribute__((always_inline)) { in[k] = cpu::load<V>(from + k * m_point); });
        Form::template points_to_outputs<T>(in, out);
        unroll<Form::outputs>([&](int k) __attribute__((always_inline)) { cpu::store(to + k * columns, out[k]); });
      }
    });
  }

  /// The outputs from `half`, straight to where they belong or, if the sink wants whole images, to `out`.
  void store(Index t, const Task& piece, const Task& task, const Arrays& arrays) const {
    const Index columns = piece.last - piece.first, width = sink_.width;
    BandSink<T> to = sink_;
    to.bias = to.bias ? to.bias + piece.first : nullptr;
    if (sink_.whole_images()) to = {arrays.out, task.last - task.first, sink_.height, width};
    const Index period = std::lcm(columns, native_lanes<T> + Index{0});
    if (to.bias && to.dense(columns) && period > columns) {
      for (Index i = 0; i < period; i += columns) std::copy_n(to.bias, columns, arrays.bias + i);
      to.bias = arrays.bias;
    }
    for (Index line = piece.begin; line < piece.end; ++line) {
      const Index image = t * window_.images + line / down_, row = line % down_ * edge;
      const Index above =
          sink_.whole_images() ? (line - task.begin) / down_ * sink_.height + row : image * sink_.height + row;
      const Index first = piece.first - (sink_.whole_images() ? task.first : 0);
      down_columns(to, arrays.half + (line - piece.begin) * across_ * edge * columns, columns, period, above * width,
                   first, std::min(edge, sink_.height - row));
    }
  }

  /// The first `rows` rows of a row of tiles' outputs, from pixel `first_pixel` and channel `first` on.
  void down_columns(const BandSink<T>& to, const T* half, Index columns, Index period, Index first_pixel, Index first,
                    Index rows) const {
    const Index half_point = half_point_, width = to.width;
    const bool dense = to.dense(columns);
    const Index runs = dense ? 1 : width, length = dense ? width * columns : columns;
    if (!dense || !to.bias) period = length;
    const BandSink<T> sink = to;
    T* const y = sink.y + first_pixel * sink.pixel + first;
    const T* const mask = sink.mask ? sink.mask + first_pixel * sink.mask_pixel + first : nullptr;
    for (Index run = 0; run < runs; ++run)
      for (Index start = 0; start < length; start += period)
        for_lanes<T>(std::min(period, length - start), [=](Index i, auto lanes) {
          using V = Vector<T, lanes>;
          V in[std::size_t{Form::points}], out[std::size_t{Form::outputs}];
          const T* const from = half + run * columns + start + i;
          unroll<Form::points>([&](int r)
                                   __attribute__((always_inline)) { in[r] = cpu::load<V>(from + r * half_point); });
          Form::template points_to_outputs<T>(in, out);
          T* const to_run = y + run * sink.pixel + start + i;
          const T* const mask_run = mask ? mask + run * sink.mask_pixel + start + i : nullptr;
          unroll<Form::outputs>([&](int r) __attribute__((always_inline)) {
            if (r < rows)
              sink.put(to_run + r * width * sink.pixel, out[r], sink.bias ? sink.bias + i : nullptr,
                       mask_run ? mask_run + r * width * sink.mask_pixel : nullptr);
          });
        });
  }

  const ConvolutionSize& size_;
  const FrameWindow& window_;
  const Filter<T>& filter_;
  const BandSink<T> sink_;
  Index across_, down_;  ///< tiles in an image
  const BandSource<T>& source_;
  const TileTransform<winograd::InputTiles<Form>, T> tiles_;
  Index lines_;                           ///< rows of tiles in a frame of all images
  Index block_, task_lines_;              ///< rows of tiles that are multiplied at a time, and in a task
  Index chunk_;                           ///< outputs at a time
  Index v_point_, m_point_, half_point_;  ///< elements of a point
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

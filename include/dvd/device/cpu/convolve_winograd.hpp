// A 3x3 convolution by Winograd's F(4x4, 3x3); see cpu/winograd.hpp for the transforms.
//
// A task takes some rows of tiles through all steps: load a band of the image, transform it, multiply at each of the 36
// points, transform back, store. Its transformed inputs V and the products M stay in the second-level cache: as many
// tiles are taken at a time as fit beside the products with 64 outputs, and the outputs are taken 64 at a time, so that
// the transformed weights, the largest array of all, are read once for every such set of tiles.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/band_sink.hpp"
#include "dvd/device/cpu/filter.hpp"
#include "dvd/device/cpu/frame_window.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// sink = convolution of source with a filter of the method `winograd`.
template <class T>
class WinogradConvolution {
 public:
  WinogradConvolution(const ConvolutionSize& size, const FrameWindow& window, const BandSource<T>& source,
                      const Filter<T>& filter, const BandSink<T>& sink)
      : size_(size), window_(window), source_(source), filter_(filter), sink_(sink) {
    across_ = (size.width + 3) / 4;
    down_ = (size.height + 3) / 4;
    lines_ = window.images * down_;
    chunk_ = std::min(size.outputs, std::max<Index>(64, panel_columns<T>));

    const Index tile_bytes = winograd::points * (size.inputs * window.taps + chunk_) * static_cast<Index>(sizeof(T));
    const Index most_tiles = std::clamp<Index>(block_bytes / tile_bytes, 24, 48);
    block_ = std::max<Index>(1, most_tiles / across_);
    block_ = std::min(block_, std::max<Index>((12 + across_ - 1) / across_, (lines_ + 3) / 4));
    // A task is a block unless the sink wants whole images: then it is an image in several blocks, or some images.
    task_lines_ = sink.whole_images() ? std::max<Index>(1, block_ / down_) * down_ : block_;
    block_ = std::min(block_, task_lines_);

    constexpr Index line = 64 / static_cast<Index>(sizeof(T));  // keeps points off each other's places in the cache
    band_columns_ = 4 * across_ + 2;
    v_point_ = (block_ * across_ + group_rows - 1) / group_rows * group_rows * size.inputs + line;
    m_point_ = block_ * across_ * chunk_ + line;
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
  /// Rows of tiles and outputs.
  struct Task {
    Index begin, end, first, last;
  };

  struct Arrays {
    T *band, *v, *m, *out;
  };

  void run_task(const Task& task) const {
    const Index columns = task.last - task.first;
    const Index out_size = (sink_.whole_images() ? task_lines_ * columns : chunk_) * 16 * across_;
    const auto [band, v, m, out] =
        Workspace::arrays<T, 4>({6 * band_columns_ * size_.inputs, window_.taps * winograd::points * v_point_,
                                 winograd::points * m_point_, out_size});
    const Arrays arrays{band, v, m, out};
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
                    out + (line - task.begin) * 16 * across_ * columns, 4 * across_ * columns, task.first, columns);
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
      T* const place = arrays.v + frame % window_.taps * winograd::points * v_point_;
      transform_tiles(source_, frame * window_.images, block.begin, block.end, across_, down_, arrays.band, place,
                      v_point_);
    }
  }

  /// M = V * U at every point.
  void multiply(Index t, const Task& piece, const Arrays& arrays) const {
    const Index inputs = size_.inputs, columns = piece.last - piece.first;
    const Index tiles = (piece.end - piece.begin) * across_, count = (tiles + group_rows - 1) / group_rows;
    RowGroup groups[1024 / (4 * group_rows) + 1];
    for (Index g = 0; g < count; ++g)
      groups[g] = {g * group_rows * inputs, g * group_rows * columns,
                   std::min(group_rows + Index{0}, tiles - g * group_rows)};
    ProductStrides<T> strides{1, inputs, inputs, 0, 1, 0, filter_.panel_width(), false, filter_.panel()};
    for (Index point = 0; point < winograd::points; ++point) {
      strides.accumulate = false;
      for (Index k = 0; k < window_.taps; ++k) {
        const Index frame = window_.source(t, k, source_);
        if (frame < 0) continue;
        product(strides, arrays.v + (frame % window_.taps * winograd::points + point) * v_point_,
                filter_.frame(k, piece.first) + point * filter_.matrix(), arrays.m + point * m_point_, columns, groups,
                count, columns, nullptr);
        strides.accumulate = true;
      }
    }
  }

  /// The outputs, straight to where they belong or through `out` and the sink.
  void store(Index t, const Task& piece, const Task& task, const Arrays& arrays) const {
    const Index columns = piece.last - piece.first;
    for (Index line = piece.begin; line < piece.end; ++line) {
      const Index image = t * window_.images + line / down_, row = line % down_ * 4;
      const bool plain = sink_.plain() && row + 4 <= size_.height && size_.width % 4 == 0;
      const T* const bias = plain && sink_.bias ? sink_.bias + piece.first : nullptr;
      T* to = arrays.out;
      Index pixel = columns, y_row = 4 * across_ * columns;
      if (plain) {
        pixel = sink_.pixel, y_row = size_.width * pixel;
        to = sink_.y + (image * size_.height + row) * y_row + piece.first;
      } else if (sink_.whole_images()) {
        pixel = task.last - task.first, y_row = 4 * across_ * pixel;
        to += (line - task.begin) * 4 * y_row + piece.first - task.first;
      }
      const T* const from = arrays.m + (line - piece.begin) * across_ * columns;
      for (Index tile = 0; tile < across_; ++tile)
        winograd::transform_output(columns, from + tile * columns, bias, plain && sink_.rectify, to + tile * 4 * pixel,
                                   {y_row, pixel, m_point_});
      if (!plain && !sink_.whole_images())
        sink_.store(image, row, std::min<Index>(4, size_.height - row), to, y_row, piece.first, columns);
    }
  }

  const ConvolutionSize& size_;
  const FrameWindow& window_;
  const BandSource<T>& source_;
  const Filter<T>& filter_;
  const BandSink<T>& sink_;
  Index across_, down_;       ///< tiles in an image
  Index lines_;               ///< rows of tiles in a frame of all images
  Index block_, task_lines_;  ///< rows of tiles that are multiplied at a time, and in a task
  Index chunk_;               ///< outputs at a time
  Index band_columns_;        ///< pixels in a row of a band
  Index v_point_, m_point_;   ///< elements of a point
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

// A convolution with stride 2 in height and width by a large kernel over few channels, the first layer of many
// networks, by Winograd's minimal filtering; see cpu/winograd.hpp.
//
// Even and odd rows and columns make four images of half the size, of which every second tap of the kernel sees one: a
// convolution with stride 1 of four times the channels by a kernel of 4x4, the taps that there are not being 0. F(3x3,
// 4x4) computes 3x3 of its outputs from 6x6 inputs with 36 multiplications instead of 144, by the same points as F(4x4,
// 3x3). A kernel of 7x7 takes 16 multiplications an output instead of 49.
//
// A task computes some tiles of a row for some frames. The transformed inputs of all frames that these see lie next to
// each other, so that a kernel over frames is one sum.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/core/windows.hpp"
#include "dvd/device/cpu/frame_window.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/product.hpp"
#include "dvd/device/cpu/winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// The weight of windows made ready: matrices [panels, depth, panel_columns], one a point, the depth being those of a
/// frame's four images [row, column, channels] for every frame of the kernel.
template <class T>
struct WindowFilter {
  Index outputs, depth;
  Scratch<T> values;

  WindowFilter(Index columns, Index rows)
      : outputs(columns), depth(rows), values(winograd::points<winograd::Wide> * matrix()) {}

  Index width() const { return std::min(outputs, panel_columns<T>); }
  Index panel() const { return depth * width(); }
  Index matrix() const { return (outputs + width() - 1) / width() * panel(); }
  T* place(Index row, Index column) const { return values.data() + column / width() * panel() + row * width(); }
};

/// y = W x + bias of windows, then max(., 0) if `rectify`. x is dense.
template <class T>
class StridedWinograd {
 public:
  /// Whether these are windows that it computes.
  static bool serves(const WindowSize& size) {
    const auto fits = [](const WindowAxis& axis) {
      return axis.stride == 2 && axis.dilation == 1 && axis.kernel >= 5 && axis.kernel + axis.padding % 2 <= 2 * taps;
    };
    return size.channels <= 4 && size.time.dilation == 1 && size.time.kernel <= 16 && size.time.stride <= 4 &&
           fits(size.height) && fits(size.width);
  }

  /// Makes the weight [taps, channels, outputs] ready.
  static WindowFilter<T> filter(const WindowSize& size, Index outputs, const T* weight) {
    const Index channels = size.channels;
    WindowFilter<T> result(outputs, size.time.kernel * 4 * channels);
    // Where a kernel's first tap sees an odd row, the even one before it is a tap that is not there.
    const Index top = size.height.padding % 2, left = size.width.padding % 2;
    parallel_for(result.depth, [&](Index row) {
      const Index frame = row / (4 * channels), image = row / channels % 4, channel = row % channels;
      const Scratch<T> of_image(taps * taps * outputs);
      std::fill_n(of_image.data(), taps * taps * outputs, T{0});
      for (Index i = 0; i < taps * taps; ++i) {
        const Index h = 2 * (i / taps) + image / 2 - top, w = 2 * (i % taps) + image % 2 - left;
        if (h < 0 || h >= size.height.kernel || w < 0 || w >= size.width.kernel) continue;
        const Index tap = (frame * size.height.kernel + h) * size.width.kernel + w;
        std::copy_n(weight + (tap * channels + channel) * outputs, outputs, of_image.data() + i * outputs);
      }
      for (Index column = 0; column < outputs; column += result.width())
        winograd::transform_weight<winograd::Wide, taps>(std::min(result.width(), outputs - column),
                                                         of_image.data() + column, outputs, result.place(row, column),
                                                         result.matrix());
    });
    return result;
  }

  StridedWinograd(const WindowSize& size, const T* x, const WindowFilter<T>& filter, const T* bias, bool rectify, T* y)
      : size_(size), x_(x), filter_(filter), bias_(bias), rectify_(rectify), y_(y) {
    channels_ = 4 * size.channels;
    across_ = (size.width.outputs + edge - 1) / edge;
    down_ = (size.height.outputs + edge - 1) / edge;
    times_ = std::min(most_times, (size.time.outputs + group_rows - 1) / group_rows * group_rows);
    slots_ = (times_ - 1) * size.time.stride + size.time.kernel;
    const Index tile_bytes = points * (slots_ * channels_ + times_ * filter.width()) * static_cast<Index>(sizeof(T));
    block_ = std::clamp<Index>(block_bytes / tile_bytes, 1, most_tiles);
    block_ = (across_ + blocks() - 1) / blocks();               // shared out evenly
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));  // keeps points off each other's places in the cache
    v_point_ = block_ * slots_ * channels_ + line;
    m_point_ = block_ * times_ * filter.width() + line;
  }

  void run() const {
    const Index lines = size_.batch * down_;
    parallel_for((size_.time.outputs + times_ - 1) / times_ * lines * blocks(), [&](Index i) {
      Task task;
      task.line = i / blocks() % lines;
      task.first_tile = i % blocks() * block_;
      task.tiles = std::min(block_, across_ - task.first_tile);
      task.first_time = i / blocks() / lines * times_;
      task.times = std::min(times_, size_.time.outputs - task.first_time);
      run_task(task);
    });
  }

 private:
  static constexpr Index taps = 4, edge = 3;  ///< of an image's kernel, and outputs of a tile, in each dimension
  static constexpr Index points = winograd::points<winograd::Wide>;
  static constexpr Index most_times = 8, most_tiles = 32;  // of a task

  /// A row of tiles, counted over all images of a frame; some of its tiles; some frames of outputs.
  struct Task {
    Index line, first_tile, tiles, first_time, times;
  };

  /// In a row of tiles.
  Index blocks() const { return (across_ + block_ - 1) / block_; }

  void run_task(const Task& task) const {
    const Index columns = edge * task.tiles + taps - 1;  // of a band
    const auto [band, v, m, whole] =
        Workspace::arrays<T, 4>({winograd::Wide::inputs * (edge * block_ + taps - 1) * channels_, points * v_point_,
                                 points * m_point_, edge * edge * filter_.width()});
    const Index used = (task.times - 1) * size_.time.stride + size_.time.kernel;
    for (Index slot = 0; slot < used; ++slot) {
      const Index frame = task.first_time * size_.time.stride - size_.time.padding + slot;
      const bool inside = frame >= 0 && frame < size_.time.inputs;
      if (inside) load(task, frame, columns, band);
      for (Index tile = 0; tile < task.tiles; ++tile) {
        T* const to = v + (tile * slots_ + slot) * channels_;
        if (inside)
          winograd::transform_input(channels_, band + edge * tile * channels_, to,
                                    {columns * channels_, channels_, v_point_});
        else
          for (Index point = 0; point < points; ++point) std::fill_n(to + point * v_point_, channels_, T{0});
      }
    }

    const Index groups_of_tile = (task.times + group_rows - 1) / group_rows, count = task.tiles * groups_of_tile;
    RowGroup groups[most_tiles * most_times / group_rows];
    const ProductStrides<T> strides{1,     filter_.depth,  size_.time.stride * channels_, 0, 1, 0, filter_.width(),
                                    false, filter_.panel()};
    for (Index first = 0; first < filter_.outputs; first += filter_.width()) {
      const Index outputs = std::min(filter_.width(), filter_.outputs - first);
      for (Index g = 0; g < count; ++g) {
        const Index tile = g / groups_of_tile, time = g % groups_of_tile * group_rows;
        groups[g] = {(tile * slots_ + time * size_.time.stride) * channels_, (tile * times_ + time) * outputs,
                     std::min(group_rows + Index{0}, task.times - time)};
      }
      for (Index point = 0; point < points; ++point)
        product(strides, v + point * v_point_, filter_.place(0, first) + point * filter_.matrix(), m + point * m_point_,
                outputs, groups, count, outputs, nullptr);
      for (Index tile = 0; tile < task.tiles; ++tile)
        for (Index t = 0; t < task.times; ++t)
          store(task, tile, t, first, outputs, m + (tile * times_ + t) * outputs, whole);
    }
  }

  /// The rows of the four images that the tiles see, `columns` pixels each. What lies outside is zero.
  void load(const Task& task, Index frame, Index columns, T* band) const {
    const Index channels = size_.channels, pair = 2 * channels, height = size_.height.inputs,
                width = size_.width.inputs;
    const Index top = task.line % down_ * edge - (size_.height.padding + 1) / 2,
                left = task.first_tile * edge - (size_.width.padding + 1) / 2;
    const T* const image = x_ + (frame * size_.batch + task.line / down_) * height * width * channels;
    for (Index r = 0; r < 2 * winograd::Wide::inputs; ++r) {
      const Index row = 2 * top + r;
      T* to = band + r / 2 * columns * channels_ + r % 2 * pair;
      for (Index c = 0; c < columns; ++c, to += channels_) {
        const Index column = 2 * (left + c);
        const T* const from = image + (row * width + column) * channels;
        if (row < 0 || row >= height || column < 0 || column >= width) {
          std::fill_n(to, pair, T{0});
        } else if (column + 1 < width) {
          for_lanes<T>(
              pair, [&](Index i, auto lanes) { dvd::cpu::store(to + i, dvd::cpu::load<Vector<T, lanes>>(from + i)); });
        } else {
          std::copy_n(from, channels, to);
          std::fill_n(to + channels, channels, T{0});
        }
      }
    }
  }

  /// A tile's outputs, through `whole` where not all of them are wanted.
  void store(const Task& task, Index tile, Index t, Index first, Index outputs, const T* m, T* whole) const {
    const Index row = task.line % down_ * edge, column = (task.first_tile + tile) * edge;
    const Index rows = std::min(edge, size_.height.outputs - row),
                columns = std::min(edge, size_.width.outputs - column);
    const Index image = (task.first_time + t) * size_.batch + task.line / down_;
    T* const to = y_ + ((image * size_.height.outputs + row) * size_.width.outputs + column) * filter_.outputs + first;
    const bool all = rows == edge && columns == edge;
    const Index pixel = all ? filter_.outputs : outputs, row_stride = (all ? size_.width.outputs : edge) * pixel;
    T* const into = all ? to : whole;
    winograd::transform_output<winograd::Wide>(
        outputs, m, m_point_, [&](Index r, Index k, Index c, const auto& x) __attribute__((always_inline)) {
          using V = std::remove_cvref_t<decltype(x)>;
          const V value = bias_ ? x + dvd::cpu::load<V>(bias_ + first + c) : x;
          dvd::cpu::store(into + r * row_stride + k * pixel + c, rectify_ ? rectified(value) : value);
        });
    for (Index r = 0; r < rows && !all; ++r)
      for (Index c = 0; c < columns; ++c)
        std::copy_n(whole + (r * edge + c) * outputs, outputs, to + (r * size_.width.outputs + c) * filter_.outputs);
  }

  const WindowSize& size_;
  const T* x_;
  const WindowFilter<T>& filter_;
  const T* bias_;
  bool rectify_;
  T* y_;
  Index channels_;           ///< of the four images
  Index across_, down_;      ///< tiles in an image
  Index times_, slots_;      ///< frames of outputs in a task, and of inputs that they see
  Index block_;              ///< tiles in a task
  Index v_point_, m_point_;  ///< elements of a point
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

// What the temporal discriminator sees of a video: the maps phi that section 4.3 of the paper compares.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/avg_pool.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A map phi from videos `[T, N, H, W, C]` to smaller ones, a layer that says by what it divides the resolution.
template <class L>
concept TemporalDownsampling = Layer<L> && std::constructible_from<L> && requires {
  { L::factor } -> std::convertible_to<Index>;
};

/// DVD-GAN's phi: 2x2 average pooling of every frame (section 3.2).
template <Scalar T, Device D = Cpu>
class TemporalDownsampler : public AvgPool<T, D> {
 public:
  static constexpr Index factor = 2;
};

/// 4x4 average pooling of every frame, `[T, N, H, W, C]` to `[T, N, H/4, W/4, C]`. Throws ArgumentError for videos of
/// less than 4x4 pixels.
template <Scalar T, Device D = Cpu>
class QuarterDownsampler {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  static constexpr Index factor = 4;

  struct Cache {
    typename AvgPool<T, D>::Cache first, second;
  };

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) const {
    return AvgPool<T, D>().forward(AvgPool<T, D>().forward(x, pass, part(cache, &Cache::first)), pass,
                                   part(cache, &Cache::second));
  }

  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    const Tensor<T, D> between = AvgPool<T, D>().backward(dy, cache.second, gradients);
    return wants_inputs(gradients) ? AvgPool<T, D>().backward(between, cache.first, gradients) : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

/// The whole video.
template <Scalar T, Device D = Cpu>
class NoDownsampler {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  static constexpr Index factor = 1;

  struct Cache {
    Shape shape;  ///< of the videos
  };

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    require(x.shape().rank() == 5 && x.size() > 0, "expected videos [T, N, H, W, C] with no extent of 0, not ",
            x.shape());
    if (cache) cache->shape = x.shape();
    return x.clone();
  }

  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() == 5, "the backward pass of a downsampler got a cache that no forward pass has filled");
    check_gradient("a downsampler", dy, cache.shape);
    return wants_inputs(gradients) ? dy.clone() : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

/// A window of half the height and width, `[T, N, H, W, C]` to `[T, N, H/2, W/2, C]`, at a random place of each video
/// but the same in all of its frames. In a pass without random numbers (see Pass::random) it is the middle.
template <Scalar T, Device D = Cpu>
class RandomHalfCrop {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  static constexpr Index factor = 2;
  static constexpr bool draws_at_random = true;  ///< its work differs from pass to pass

  struct Cache {
    Shape shape;                     ///< of the videos
    std::vector<Index> tops, lefts;  ///< of the windows, a video each
  };

  /// Throws ArgumentError for videos of less than 2x2 pixels.
  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[2] >= 2 && shape[3] >= 2,
            "a random crop expects videos [T, N, H, W, C] of at least 2x2 pixels, not ", shape);
    Cache own;
    Cache& c = cache ? *cache : own;
    c = {shape, {}, {}};
    for (Index n = 0; n < shape[1]; ++n) {
      const auto number = static_cast<std::uint64_t>(pass.place.number(n));
      const auto place = [&](const char* side, Index room) {
        return pass.random ? pass.random->stream(side).below(number, room + 1) : room / 2;
      };
      c.tops.push_back(place("crop top", shape[2] - shape[2] / 2));
      c.lefts.push_back(place("crop left", shape[3] - shape[3] / 2));
    }
    Tensor<T, D> y(Shape{shape[0], shape[1], shape[2] / 2, shape[3] / 2, shape[4]});
    for_windows(c, [&](Index at, Index from, Index rows, Index width, Index x_frame, Index x_row, Index y_frame) {
      D::copy_rows(shape[0], rows, width, x.data() + from, x_frame, x_row, y.data() + at, y_frame, width);
    });
    return y;
  }

  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() == 5, "the backward pass of a random crop got a cache that no forward pass has filled");
    check_gradient("a random crop", dy,
                   {cache.shape[0], cache.shape[1], cache.shape[2] / 2, cache.shape[3] / 2, cache.shape[4]});
    if (!wants_inputs(gradients)) return {};
    auto dx = Tensor<T, D>::zeros(cache.shape);
    for_windows(cache, [&](Index at, Index to, Index rows, Index width, Index x_frame, Index x_row, Index y_frame) {
      D::copy_rows(cache.shape[0], rows, width, dy.data() + at, y_frame, width, dx.data() + to, x_frame, x_row);
    });
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  /// Calls `copy(offset in the window's video, offset in the whole video, rows, width of a row, ...)` for every video.
  template <class F>
  static void for_windows(const Cache& cache, const F& copy) {
    const Shape& shape = cache.shape;
    const Index row = shape[3] * shape[4], video = shape[2] * row, rows = shape[2] / 2, width = shape[3] / 2 * shape[4];
    for (Index n = 0; n < shape[1]; ++n) {
      const auto i = static_cast<std::size_t>(n);
      copy(n * rows * width, n * video + cache.tops[i] * row + cache.lefts[i] * shape[4], rows, width, shape[1] * video,
           row, shape[1] * rows * width);
    }
  }
};

static_assert(TemporalDownsampling<TemporalDownsampler<float>> && TemporalDownsampling<QuarterDownsampler<float>> &&
              TemporalDownsampling<NoDownsampler<float>> && TemporalDownsampling<RandomHalfCrop<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

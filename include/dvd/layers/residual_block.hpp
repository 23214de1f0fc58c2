// The residual blocks of DVD-GAN's discriminators (BigGAN, figure 15c), over images and over videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>
#include <utility>

#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// ReLU, 3x3 convolution to `outputs`, ReLU, 3x3 convolution, average pool, added to a shortcut: 1x1 convolution and
/// average pool, or the identity where resolution and width stay. The shortcut takes the input as it is, before any
/// ReLU; the very first block of a network has no leading ReLU. See the aliases ResBlock2D and ResBlock3D.
///
/// In three dimensions the convolutions are 3x3x3 (1x1x1 on the shortcut) and the pool halves time too while there is
/// more than one frame.
///
/// The shortcut's 1x1 convolution commutes with the average and is done after it, at a quarter of the cost. ReLUs and
/// the average after the second convolution happen inside the convolutions, so that neither a rectified copy nor the
/// outputs at full size are ever stored. (A device may have the result of the first convolution stored rectified, and
/// nothing else.)
template <int Dimensions, Scalar T, Device D = Cpu>
class ResBlock {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Conv = SpectralNorm<Convolution<Dimensions, T, D>>;

  struct Cache {
    typename Conv::Cache conv1, conv2, skip;
    typename AvgPool<T, D>::Cache pool;
  };

  Conv conv1, conv2;
  std::optional<Conv> skip;

  /// Throws ArgumentError for sizes below 1.
  ResBlock(Index inputs, Index outputs, bool first, bool down, const Random& random)
      : conv1(random.stream("conv1 u"), inputs, outputs, 3, random.stream("conv1"), true,
              ConvolutionFusion{.rectify = !first, .rectify_result = D::stores_rectified}),
        conv2(random.stream("conv2 u"), outputs, outputs, 3, random.stream("conv2"), true,
              ConvolutionFusion{.rectify = true, .pool = down, .rectified = D::stores_rectified}),
        pool_(Dimensions == 3),
        down_(down) {
    if (down || inputs != outputs) skip.emplace(random.stream("skip u"), inputs, outputs, 1, random.stream("skip"));
  }

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) {
    conv1.layer.check(x);  // before anything changes
    const View small = down_ ? View(pool_.forward(x, pass, part(cache, &Cache::pool))) : x;
    Tensor<T, D> y = skip ? skip->forward(small, pass, part(cache, &Cache::skip)) : small.clone();
    const Tensor<T, D> h = conv1.forward(x, pass, part(cache, &Cache::conv1));
    return conv2.forward(h, pass, part(cache, &Cache::conv2), std::move(y));
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    const Gradients inner = with_inputs(gradients);
    const Tensor<T, D> dh = conv2.backward(dy, cache.conv2, inner);
    Tensor<T, D> dx;
    if (skip)
      dx = skip->backward(dy, cache.skip, gradients);
    else if (wants_inputs(gradients))
      dx = dy.clone();
    if (down_ && wants_inputs(gradients)) dx = pool_.backward(dx, cache.pool, gradients);
    return conv1.backward(dh, cache.conv1, gradients, std::move(dx));
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    conv1.visit(prefix + "conv1.", f);
    conv2.visit(prefix + "conv2.", f);
    if (skip) skip->visit(prefix + "skip.", f);
  }

 private:
  AvgPool<T, D> pool_;
  bool down_;
};

/// A residual block over images `[..., H, W, C]`.
template <Scalar T, Device D = Cpu>
using ResBlock2D = ResBlock<2, T, D>;

/// A residual block over videos `[T, N, H, W, C]`.
template <Scalar T, Device D = Cpu>
using ResBlock3D = ResBlock<3, T, D>;

static_assert(Layer<ResBlock2D<float>> && Layer<ResBlock3D<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The residual blocks of DVD-GAN's discriminators (BigGAN, figure 15c), over images and over videos.
#pragma once

#include <optional>

#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd {

/// ReLU, 3x3 convolution to `outputs`, ReLU, 3x3 convolution, average pool, added to a shortcut: 1x1 convolution and
/// average pool, or the identity where resolution and width stay. The shortcut takes the input as it is, before any
/// ReLU; the very first block of a network has no leading ReLU. See the aliases ResBlock2D and ResBlock3D.
///
/// In three dimensions the convolutions are 3x3x3 (1x1x1 on the shortcut) and the pool halves time too while there is
/// more than one frame.
///
/// The shortcut's 1x1 convolution commutes with the average and is done after it, at a quarter of the cost.
template <int Dimensions, Scalar T, Device D = Cpu>
class ResBlock {
 public:
  using scalar_type = T;
  using device_type = D;
  using Conv = SpectralNorm<Convolution<Dimensions, T, D>>;

  struct Cache {
    typename Conv::Cache conv1, conv2, skip;
    typename AvgPool<T, D>::Cache pool, shortcut_pool;
  };

  Conv conv1, conv2;
  std::optional<Conv> skip;

  /// Throws ArgumentError for sizes below 1.
  ResBlock(Index inputs, Index outputs, bool first, bool down, const Random& random)
      : conv1(random.stream("conv1 u"), inputs, outputs, 3, random.stream("conv1")),
        conv2(random.stream("conv2 u"), outputs, outputs, 3, random.stream("conv2")),
        pool_(Dimensions == 3),
        first_(first),
        down_(down) {
    if (down || inputs != outputs) skip.emplace(random.stream("skip u"), inputs, outputs, 1, random.stream("skip"));
  }

  Tensor<T, D> forward(const Tensor<T, D>& x, Pass pass, Cache* cache = nullptr) {
    Tensor<T, D> h = x;
    if (!first_) {
      h = Tensor<T, D>(x.shape());
      D::relu(x.size(), x.data(), h.data());
    }
    h = conv1.forward(h, pass, part(cache, &Cache::conv1));
    D::relu(h.size(), h.data(), h.data());
    h = conv2.forward(h, pass, part(cache, &Cache::conv2));
    Tensor<T, D> shortcut = x;
    if (down_) {
      h = pool_.forward(h, pass, part(cache, &Cache::pool));
      shortcut = pool_.forward(x, pass, part(cache, &Cache::shortcut_pool));
    }
    if (skip) shortcut = skip->forward(shortcut, pass, part(cache, &Cache::skip));
    D::add(h.size(), shortcut.data(), h.data());
    return h;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients gradients) {
    const Gradients inner = wants_parameters(gradients) ? Gradients::all : Gradients::inputs;
    Tensor<T, D> dh = down_ ? pool_.backward(dy, cache.pool, inner) : dy;
    dh = conv2.backward(dh, cache.conv2, inner);
    D::relu_backward(dh.size(), cache.conv2.x.data(), dh.data(), dh.data());
    Tensor<T, D> dx = conv1.backward(dh, cache.conv1, gradients);
    if (wants_inputs(gradients) && !first_) D::relu_backward(dx.size(), cache.conv1.x.data(), dx.data(), dx.data());

    Tensor<T, D> dshortcut = skip ? skip->backward(dy, cache.skip, gradients) : dy;
    if (!wants_inputs(gradients)) return {};
    if (down_) dshortcut = pool_.backward(dshortcut, cache.shortcut_pool, inner);
    D::add(dx.size(), dshortcut.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    conv1.visit(prefix + "conv1.", f);
    conv2.visit(prefix + "conv2.", f);
    if (skip) skip->visit(prefix + "skip.", f);
  }

 private:
  AvgPool<T, D> pool_;
  bool first_, down_;
};

/// A residual block over images `[..., H, W, C]`.
template <Scalar T, Device D = Cpu>
using ResBlock2D = ResBlock<2, T, D>;

/// A residual block over videos `[T, N, H, W, C]`.
template <Scalar T, Device D = Cpu>
using ResBlock3D = ResBlock<3, T, D>;

static_assert(Layer<ResBlock2D<float>> && Layer<ResBlock3D<float>>);

}  // namespace dvd

// The residual block of DVD-GAN's generator (BigGAN, figure 15b).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>
#include <utility>

#include "dvd/layers/class_conditional_batch_norm.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/upsample.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Batch norm, ReLU, (upsample), 3x3 convolution, batch norm, ReLU, 3x3 convolution, added to a shortcut: (upsample)
/// and 1x1 convolution, or the identity where nothing is resampled and the width stays. Maps videos `[T, N, H, W, in]`
/// and a condition `[N, D]` to `[T, N, H, W, out]`, or to `[T, N, 2H, 2W, out]` with an upsampling.
///
/// The shortcut's 1x1 convolution commutes with the upsampling, whose weights sum to 1, and is done before it, at a
/// quarter of the cost. Norms, ReLUs and the upsampling before the first convolution happen inside the convolutions.
template <Scalar T, Device D = Cpu>
class GeneratorBlock {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Norm = ClassConditionalBatchNorm<T, D>;
  using Conv = SpectralNorm<Conv2D<T, D>>;

  struct Cache {
    typename Norm::Cache norm1, norm2;
    typename Conv::Cache conv1, conv2, skip;
    typename Upsample<T, D>::Cache upsample;
  };

  /// Gradients of both inputs.
  using InputGradients = typename Norm::InputGradients;

  Norm norm1;
  Conv conv1;
  Norm norm2;
  Conv conv2;
  std::optional<Conv> skip;
  std::optional<Upsample<T, D>> upsample;

  /// Throws ArgumentError for sizes below 1.
  GeneratorBlock(Index inputs, Index outputs, Index frames, Index condition, std::optional<Upsampling> upsampling,
                 const Random& random)
      : norm1(frames, inputs, condition, random.stream("norm1")),
        conv1(random.stream("conv1 u"), inputs, outputs, 3, random.stream("conv1"), true,
              ConvolutionFusion{.rectify = true, .upsample = upsampling}),
        norm2(frames, outputs, condition, random.stream("norm2")),
        conv2(random.stream("conv2 u"), outputs, outputs, 3, random.stream("conv2"), true,
              ConvolutionFusion{.rectify = true}) {
    if (upsampling) upsample.emplace(*upsampling);
    if (upsampling || inputs != outputs)
      skip.emplace(random.stream("skip u"), inputs, outputs, 1, random.stream("skip"));
  }

  Tensor<T, D> forward(const View& x, const View& condition, Pass pass, Cache* cache = nullptr) {
    norm1.check(x, condition, pass);  // before anything changes
    Tensor<T, D> y = skip ? skip->forward(x, pass, part(cache, &Cache::skip)) : x.clone();
    if (upsample) y = upsample->forward(y, pass, part(cache, &Cache::upsample));
    const Tensor<T, D> h = conv1.forward(norm1.scaled(x, condition, pass, part(cache, &Cache::norm1), true), pass,
                                         part(cache, &Cache::conv1));
    return conv2.forward(norm2.scaled(h, condition, pass, part(cache, &Cache::norm2), true), pass,
                         part(cache, &Cache::conv2), std::move(y));
  }

  InputGradients backward(const View& dy, const Cache& cache, Gradients gradients) {
    // Every part's input gradient is needed by the part before it.
    const Gradients inner = with_inputs(gradients);
    Tensor<T, D> dh = conv2.backward(dy, cache.conv2, inner);
    auto from_norm2 = norm2.backward(std::move(dh), cache.norm2, inner);
    dh = conv1.backward(std::exchange(from_norm2.x, {}), cache.conv1, inner);
    InputGradients result = norm1.backward(std::move(dh), cache.norm1, inner);
    D::add(result.condition.size(), from_norm2.condition.data(), result.condition.data());

    const View dshortcut = upsample ? View(upsample->backward(dy, cache.upsample, inner)) : dy;
    if (skip)
      result.x = skip->backward(dshortcut, cache.skip, inner, std::move(result.x));
    else
      D::add(result.x.size(), dshortcut.data(), result.x.data());
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    norm1.visit(prefix + "norm1.", f);
    conv1.visit(prefix + "conv1.", f);
    norm2.visit(prefix + "norm2.", f);
    conv2.visit(prefix + "conv2.", f);
    if (skip) skip->visit(prefix + "skip.", f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

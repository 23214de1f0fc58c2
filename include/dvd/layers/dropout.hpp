// Dropout (Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <optional>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// In training every element becomes 0 with a probability, and what is left is divided by 1 - probability, so that the
/// mean stays; for any shape. In a pass without the batch's statistics (Pass::evaluate) or without random numbers
/// (Pass::random) y = x.
///
/// What is dropped depends on the pass's random numbers, the layer's `stream` and the element's place alone, in the
/// whole batch where the pass sees a part of it: a pass that is run again drops the same, and so do the parts of a
/// batch together. Videos `[T, N, H, W, C]` have their batch in the second axis, anything else in the first. Layers of
/// one network must not have the same stream, or they drop the same places:
///
///     Sequential net(Linear<float>(8, 8, random), Dropout<float>(0.5, 1), Linear<float>(8, 8, random),
///                    Dropout<float>(0.5, 2));
///
/// A recording (see Recording in core/device.hpp) repeats what it dropped when it was made: a pass that drops is not to
/// be recorded.
template <Scalar T, Device D = Cpu>
class Dropout {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  static constexpr bool draws_at_random = true;  ///< its work differs from pass to pass

  struct Cache {
    Shape shape;                 ///< of x
    std::optional<Random> from;  ///< what is drawn again; nothing where y = x
    BatchPlace place{};          ///< that of the pass
    bool filled = false;
  };

  /// Throws ArgumentError unless 0 <= probability < 1.
  Dropout(double probability, std::uint64_t stream) : probability_(probability), stream_(stream) {
    require(is_finite(probability) && probability >= 0 && probability < 1,
            "dropout's probability is at least 0 and below 1, not ", probability);
  }

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) const {
    require(bool{x}, "dropout expects a tensor, not an empty one");
    std::optional<Random> from;
    if (pass.random && pass.batch_statistics) from = pass.random->stream("dropout").stream(stream_);
    Tensor<T, D> y = apply(x, from, pass.place);
    if (cache) *cache = {x.shape(), from, pass.place, true};
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.filled, "the backward pass of dropout got a cache that no forward pass has filled");
    check_gradient("dropout", dy, cache.shape);
    return wants_inputs(gradients) ? apply(dy, cache.from, cache.place) : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  Tensor<T, D> apply(const View& x, const std::optional<Random>& from, const BatchPlace& place) const {
    if (!from) return x.clone();
    Tensor<T, D> y(x.shape());
    const auto drop = [&](Index size, Index at, Index first) {
      D::dropout(size, *from, static_cast<std::uint64_t>(first), probability_, x.data() + at, y.data() + at);
    };
    if (place.count == 0) {
      drop(x.size(), 0, 0);
      return y;
    }
    // Runs of what lies side by side here and in the whole batch.
    const Shape& shape = x.shape();
    const Index frames = shape.rank() == 5 ? shape[0] : 1,
                videos = x.size() == 0 ? 0 : shape[shape.rank() == 5 ? 1 : 0];
    require(videos % place.count == 0, "dropout got ", videos, " videos, which are no batches of ", place.count);
    const Index batches = videos / place.count, video = videos == 0 ? 0 : x.size() / (frames * videos);
    for (Index t = 0; t < frames; ++t)
      for (Index b = 0; b < batches; ++b)
        drop(place.count * video, (t * videos + b * place.count) * video,
             (t * batches * place.total + place.number(b * place.count)) * video);
    return y;
  }

  double probability_;
  std::uint64_t stream_;
};

static_assert(Layer<Dropout<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// A stage of DVD-GAN's generator: what happens at one resolution (section 3.1, figure 4 of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>
#include <utility>

#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/recurrent_unit.hpp"
#include "dvd/models/config.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// One resolution of the generator: a recurrent unit, a residual block, and a residual block that doubles the
/// resolution.
template <Scalar T, Device D, RecurrentUnit Recurrent>
class GeneratorStage {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    typename Recurrent::Cache gru;
    typename GeneratorBlock<T, D>::Cache block0, block1;
    Shape x;
    bool with_state = false;
  };

  /// Gradients of the three inputs.
  struct InputGradients {
    Tensor<T, D> x, condition, state;
  };

  Recurrent gru;
  GeneratorBlock<T, D> block0, block1;

  GeneratorStage(Index inputs, Index outputs, const DvdGanConfig& config, const Random& random)
      : gru(inputs, random.stream("gru")),
        block0(inputs, inputs, config.frames, config.condition_dim(), std::nullopt, random.stream("block 0")),
        block1(inputs, outputs, config.frames, config.condition_dim(), config.upsample, random.stream("block 1")) {}

  /// `frames` frames from x `[frames or 1, N, H, W, C]` and an initial state `[N, H, W, C]`, which may be empty.
  Tensor<T, D> forward(const View& x, const View& condition, Index frames, const View& state, Pass pass, Cache* cache) {
    Tensor<T, D> h = gru.forward(x, frames, state, pass, part(cache, &Cache::gru));
    const Shape expected = x.shape().with_first(frames);
    require(h.shape() == expected, "the recurrent unit gives states of shape ", h.shape(), " instead of ", expected);
    if (cache) {
      cache->x = x.shape();
      cache->with_state = bool{state};
    }
    h = block0.forward(h, condition, pass, part(cache, &Cache::block0));
    return block1.forward(h, condition, pass, part(cache, &Cache::block1));
  }

  /// Lets go of a cache that is moved in, part by part as it is used.
  InputGradients backward(const View& dy, Cache cache, Gradients gradients) {
    auto [dh, dcondition] = block1.backward(dy, cache.block1, gradients);
    cache.block1 = {};
    auto from_block0 = block0.backward(std::exchange(dh, {}), cache.block0, gradients);
    cache.block0 = {};
    D::add(dcondition.size(), from_block0.condition.data(), dcondition.data());
    auto from_unit = gru.backward(from_block0.x, cache.gru, gradients);
    require(from_unit.x.shape() == cache.x, "the recurrent unit gives a gradient of x of shape ", from_unit.x.shape(),
            " instead of ", cache.x);
    require(!cache.with_state || from_unit.state.shape() == cache.x.tail(),
            "the recurrent unit gives a gradient of the initial state of shape ", from_unit.state.shape(),
            " instead of ", cache.x.tail());
    return {std::move(from_unit.x), std::move(dcondition),
            cache.with_state ? Tensor<T, D>(std::move(from_unit.state)) : Tensor<T, D>()};
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    gru.visit(prefix + "gru.", f);
    block0.visit(prefix + "blocks.0.", f);
    block1.visit(prefix + "blocks.1.", f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

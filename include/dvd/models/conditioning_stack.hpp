// The part of DVD-GAN-FP that reads the frames to be continued (section 3.3 and appendix of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/models/config.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Maps conditioning frames `[condition_frames, N, H, W, C]` to the initial states of a generator's recurrent units,
/// from the coarsest: of 64x64 pixels `[N, 4, 4, ...]`, `[N, 8, 8, ...]`, ...
///
/// Each frame goes on its own through residual blocks like those of the spatial discriminator. For every stage of the
/// generator, the features of all frames at its size are joined along channels, frame after frame, and a 3x3
/// convolution and ReLU bring them to the stage's width. Of the two blocks at the smallest size the last one is used.
template <Scalar T, Device D = Cpu>
class ConditioningStack {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using States = std::vector<View>;
  using Projection = SpectralNorm<Conv2D<T, D>>;

  struct Cache {
    std::vector<typename ResBlock2D<T, D>::Cache> blocks;
    std::vector<typename Projection::Cache> projections;
    States states;
  };

  std::vector<ResBlock2D<T, D>> blocks;
  std::vector<Projection> projections;

  /// Throws ArgumentError if the configuration makes no sense or has no conditioning frames.
  ConditioningStack(const DvdGanConfig& config, const Random& random)
      : condition_frames_(config.condition_frames),
        height_(config.image_height()),
        width_(config.image_width()),
        image_channels_(config.image_channels) {
    require(config.condition_frames >= 1, "a conditioning stack needs at least one conditioning frame");
    const auto features = config.discriminator_widths(), widths = config.generator_widths();
    Index inputs = image_channels_;
    for (std::size_t i = 0; i < features.size(); ++i) {
      blocks.push_back({inputs, features[i], i == 0, i + 1 < features.size(), random.stream("block").stream(i)});
      inputs = features[i];
    }
    stages_ = widths.size() - 1;
    for (std::size_t stage = 0; stage < stages_; ++stage) {
      const Random own = random.stream("projection").stream(stage);
      projections.emplace_back(own.stream("u"), config.condition_frames * features[source(stage)], widths[stage], 3,
                               own);
    }
  }

  States forward(const View& condition, Pass pass, Cache* cache = nullptr) {
    check(condition);
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    if (cache) {
      cache->blocks = std::vector<typename ResBlock2D<T, D>::Cache>(blocks.size());
      cache->projections = std::vector<typename Projection::Cache>(stages_);
    }
    States features, states;
    View x = condition;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      x = blocks[i].forward(x, pass, cache ? &cache->blocks[i] : nullptr);
      features.push_back(x);
    }
    for (std::size_t stage = 0; stage < stages_; ++stage) {
      Tensor<T, D> state = projections[stage].forward(join_frames(features[source(stage)]), pass,
                                                      cache ? &cache->projections[stage] : nullptr);
      D::relu(state.size(), state.data(), state.data());
      states.push_back(state);
    }
    if (cache) cache->states = states;
    return states;
  }

  /// The gradient of the conditioning frames, empty unless wanted.
  Tensor<T, D> backward(const States& dstates, const Cache& cache, Gradients gradients) {
    require(cache.states.size() == stages_, "the backward pass of a conditioning stack got a cache that no forward ",
            "pass has filled");
    require(dstates.size() == stages_, "the conditioning stack expects gradients of ", stages_, " states, not ",
            dstates.size());
    for (std::size_t stage = 0; stage < stages_; ++stage)
      check_gradient("a conditioning stack", dstates[stage], cache.states[stage].shape());
    const Gradients inner = with_inputs(gradients);
    std::vector<Tensor<T, D>> dfeatures(blocks.size());
    for (std::size_t stage = 0; stage < stages_; ++stage) {
      Tensor<T, D> dstate(dstates[stage].shape());
      D::relu_backward(dstate.size(), cache.states[stage].data(), dstates[stage].data(), dstate.data());
      dfeatures[source(stage)] = split_frames(projections[stage].backward(dstate, cache.projections[stage], inner));
    }
    Tensor<T, D> dx = std::move(dfeatures.back());
    for (std::size_t i = blocks.size(); i-- > 0;) {
      dx = blocks[i].backward(dx, cache.blocks[i], i > 0 ? inner : gradients);
      if (i > 0 && dfeatures[i - 1]) D::add(dx.size(), dfeatures[i - 1].data(), dx.data());
    }
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].visit(concat(prefix, "blocks.", i, "."), f);
    for (std::size_t i = 0; i < stages_; ++i) projections[i].visit(concat(prefix, "projections.", i, "."), f);
  }

  /// Throws ArgumentError unless these frames can be read.
  void check(const View& condition) const {
    const Shape& shape = condition.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[0] == condition_frames_ && shape[2] == height_ &&
                shape[3] == width_ && shape[4] == image_channels_,
            "the conditioning stack expects frames [", condition_frames_, ", N, ", height_, ", ", width_, ", ",
            image_channels_, "] of at least one video, not ", shape);
  }

 private:
  /// The block whose output has the size of a stage of the generator.
  std::size_t source(std::size_t stage) const { return stage == 0 ? stages_ : stages_ - 1 - stage; }

  /// `[frames, N, H, W, F]` to `[N, H, W, frames F]`.
  Tensor<T, D> join_frames(const View& x) const {
    const Index frames = x.extent(0), width = x.extent(4), pixels = x.size() / (frames * width);
    Tensor<T, D> y(Shape{x.extent(1), x.extent(2), x.extent(3), frames * width});
    D::copy_rows(frames, pixels, width, x.data(), pixels * width, width, y.data(), width, frames * width);
    return y;
  }

  Tensor<T, D> split_frames(const View& y) const {
    const Index frames = condition_frames_, width = y.extent(3) / frames, pixels = y.size() / (frames * width);
    Tensor<T, D> x(Shape{frames, y.extent(0), y.extent(1), y.extent(2), width});
    D::copy_rows(frames, pixels, width, y.data(), width, frames * width, x.data(), pixels * width, width);
    return x;
  }

  Index condition_frames_, height_, width_, image_channels_;
  std::size_t stages_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

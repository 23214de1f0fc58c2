// Layers given what fits and what does not: a call works or is refused with a line, and has then changed nothing.
#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/augmentation.hpp"
#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/dropout.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/flatten.hpp"
#include "dvd/layers/frame_sampler.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/global_average_pool.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/layers/pointwise_layer.hpp"
#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/layers/tensor_losses.hpp"
#include "dvd/layers/tsru.hpp"
#include "support/layer_fuzz.hpp"

namespace {

using namespace dvd;
using dvd::testing::attempt;
using dvd::testing::Caches;
using dvd::testing::check_gradient_of;
using dvd::testing::check_result;
using dvd::testing::Fit;
using dvd::testing::Fuzz;
using dvd::testing::fuzz_layer;
using dvd::testing::Kept;
using dvd::testing::tries;

using View = ConstTensorView<float>;

const Random random_weights(1);

Shape with_last(const Shape& shape, Index extent) {
  Shape result;
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) result.append(shape[axis]);
  result.append(extent);
  return result;
}

// [..., H, W, C] with other height, width and channels.
Shape resized(const Shape& shape, Index height, Index width, Index channels) {
  Shape result;
  for (int axis = 0; axis + 3 < shape.rank(); ++axis) result.append(shape[axis]);
  result.append(height);
  result.append(width);
  result.append(channels);
  return result;
}

auto images(Index inputs, Index outputs) {
  return [=](const Shape& x) {
    return x.rank() >= 3 && x.size() > 0 && x[-1] == inputs ? Fit(with_last(x, outputs)) : Fit();
  };
}
auto videos(Index inputs, Index outputs) {
  return [=](const Shape& x) {
    return x.rank() == 5 && x.size() > 0 && x[-1] == inputs ? Fit(with_last(x, outputs)) : Fit();
  };
}
auto vectors(Index inputs, Index outputs) {
  return [=](const Shape& x) {
    return x.rank() == 2 && x[0] > 0 && x[1] == inputs ? Fit(Shape{x[0], outputs}) : Fit();
  };
}
Fit same(const Shape& x) { return x; }
Fit any_images(const Shape& x) { return x.rank() >= 3 && x.size() > 0 ? Fit(x) : Fit(); }
Fit any_videos(const Shape& x) { return x.rank() == 5 && x.size() > 0 ? Fit(x) : Fit(); }

// Of the result of `fit`: averages of 2x2 pixels and, over time, of 2x2x2.
template <class F>
auto pooled(const F& fit, bool over_time) {
  return [=](const Shape& x) {
    const Fit whole = fit(x);
    if (!whole || (*whole)[-3] < 2 || (*whole)[-2] < 2) return Fit();
    Shape result = resized(*whole, (*whole)[-3] / 2, (*whole)[-2] / 2, (*whole)[-1]);
    return Fit(over_time ? result.with_first(std::max<Index>(result[0] / 2, 1)) : result);
  };
}
template <class F>
auto doubled(const F& fit) {
  return [=](const Shape& x) {
    const Fit whole = fit(x);
    return whole ? Fit(resized(*whole, 2 * (*whole)[-3], 2 * (*whole)[-2], (*whole)[-1])) : Fit();
  };
}

TEST_CASE("linear maps and convolutions") {
  fuzz_layer("linear", Linear<float>(5, 3, random_weights), {4, 5}, vectors(5, 3));
  fuzz_layer("linear without bias", Linear<float>(1, 17, random_weights, false), {3, 1}, vectors(1, 17));
  fuzz_layer("1x1", Conv2D<float>(5, 3, 1, random_weights), {2, 3, 4, 5}, images(5, 3));
  fuzz_layer("3x3", Conv2D<float>(3, 5, 3, random_weights), {2, 4, 5, 3}, images(3, 5));
  fuzz_layer("3x3, many", Conv2D<float>(8, 16, 3, random_weights), {5, 4, 4, 8}, images(8, 16));
  fuzz_layer("1x1x1", Conv3D<float>(3, 4, 1, random_weights), {3, 2, 2, 3, 3}, videos(3, 4));
  fuzz_layer("3x3x3", Conv3D<float>(3, 4, 3, random_weights), {3, 2, 4, 3, 3}, videos(3, 4));
}

TEST_CASE("convolutions with other layers fused into them") {
  for (const bool rectify : {false, true})
    for (const bool pool : {false, true}) {
      for (const auto& upsample :
           {std::optional<Upsampling>(), std::optional(Upsampling::nearest), std::optional(Upsampling::bilinear)}) {
        const ConvolutionFusion fusion{.rectify = rectify, .upsample = upsample, .pool = pool};
        const auto fit = [=](const Shape& x) {
          const auto plain = images(3, 4);
          const Fit up = upsample ? doubled(plain)(x) : plain(x);
          return pool && up ? pooled(same, false)(*up) : up;
        };
        fuzz_layer("fused 3x3", Conv2D<float>(3, 4, 3, random_weights, true, fusion), {2, 4, 5, 3}, fit, 20);
      }
      const Conv3D<float> layer(2, 3, 3, random_weights, true, {.rectify = rectify, .pool = pool});
      if (pool)
        fuzz_layer("fused 3x3x3", layer, {3, 2, 4, 3, 2}, pooled(videos(2, 3), true));
      else
        fuzz_layer("fused 3x3x3", layer, {3, 2, 4, 3, 2}, videos(2, 3));
    }
}

TEST_CASE("spectral normalisation") {
  const Random u(4);
  fuzz_layer("spectral linear", SpectralNorm<Linear<float>>(u, 5, 3, random_weights), {4, 5}, vectors(5, 3));
  fuzz_layer("spectral 3x3", SpectralNorm<Conv2D<float>>(u, 3, 5, 3, random_weights), {2, 4, 5, 3}, images(3, 5));
  fuzz_layer("spectral 3x3x3", SpectralNorm<Conv3D<float>>(u, 3, 4, 3, random_weights), {3, 1, 3, 3, 3}, videos(3, 4));
  const ConvolutionFusion pool{.pool = true};
  fuzz_layer("spectral, pooled", SpectralNorm<Conv2D<float>>(u, 3, 4, 3, random_weights, true, pool), {2, 2, 3, 3},
             pooled(images(3, 4), false));
}

TEST_CASE("activations and resampling") {
  fuzz_layer("relu", ReLU<float>(), {3, 4, 7}, same);
  fuzz_layer("sigmoid", Sigmoid<float>(), {3, 4, 7}, same);
  fuzz_layer("tanh", Tanh<float>(), {3, 4, 7}, same);
  for (const Upsampling kind : {Upsampling::bilinear, Upsampling::nearest})
    fuzz_layer("upsample", Upsample<float>(kind), {2, 3, 4, 3}, doubled(any_images));
  fuzz_layer("pool", AvgPool<float>(), {2, 3, 2, 3}, pooled(any_images, false));
  fuzz_layer("pool over time", AvgPool<float>(true), {3, 2, 3, 2, 3}, pooled(any_videos, true));
  fuzz_layer("2x2", TemporalDownsampler<float>(), {3, 2, 2, 3, 3}, pooled(any_images, false));
  fuzz_layer("4x4", QuarterDownsampler<float>(), {2, 2, 4, 5, 3}, pooled(pooled(any_images, false), false));
  fuzz_layer("half", RandomHalfCrop<float>(), {2, 2, 3, 2, 3}, pooled(any_videos, false));
  fuzz_layer("whole", NoDownsampler<float>(), {2, 2, 3, 2, 3}, any_videos);
}

TEST_CASE("attention") {
  const auto frames = [](const Shape& x) {
    return x.rank() >= 3 && x.size() > 0 && x[-1] == 8 && x[-2] >= 2 && x[-3] >= 2 ? Fit(x) : Fit();
  };
  fuzz_layer("attention over a frame", SelfAttention<float>(8, random_weights), {2, 2, 3, 2, 8}, frames);
  fuzz_layer("separable attention", SeparableAttention<float>(4, random_weights), {3, 2, 2, 3, 4}, videos(4, 4));
  fuzz_layer("no attention", NoAttention<float>(4, random_weights), {3, 2, 2, 3, 4}, any_videos);
}

TEST_CASE("sequential") {
  const auto fit = [](const Shape& x) {
    const Fit convolved = images(3, 2)(x);
    return convolved ? pooled(same, false)(*convolved) : Fit();
  };
  fuzz_layer("sequential",
             Sequential(SpectralNorm<Conv2D<float>>(random_weights, 3, 4, 3, random_weights), ReLU<float>(),
                        AvgPool<float>(), Conv2D<float>(4, 2, 3, random_weights), Tanh<float>()),
             {2, 3, 2, 3}, fit, 80);
  // A part that does not fit what comes before it.
  Sequential impossible(SpectralNorm<Linear<float>>(random_weights, 3, 4, random_weights),
                        Linear<float>(3, 2, random_weights));
  Fuzz fuzz("impossible");
  for (const Pass& pass : {Pass::train(), Pass::evaluate()}) {
    decltype(impossible)::Cache cache;
    const View x = fuzz.exact_view<float>({2, 3}), dy = fuzz.exact_view<float>({2, 2});
    attempt("sequential that cannot work", impossible, false, [&] { return impossible.forward(x, pass, &cache); });
    attempt("its backward pass", impossible, false, [&] { return impossible.backward(dy, cache, Gradients::all); });
  }
}

TEST_CASE("the discriminators' residual blocks") {
  for (const bool down : {false, true})
    for (const Index outputs : {3, 4}) {
      const auto name = concat("block of ", outputs, " channels", down ? ", halved" : "");
      const ResBlock2D<float> of_images(3, outputs, false, down, random_weights);
      const ResBlock3D<float> of_videos(3, outputs, true, down, random_weights);
      if (down) {
        fuzz_layer("2-D " + name, of_images, {2, 3, 2, 3}, pooled(images(3, outputs), false));
        fuzz_layer("3-D " + name, of_videos, {3, 2, 2, 3, 3}, pooled(videos(3, outputs), true));
      } else {
        fuzz_layer("2-D " + name, of_images, {2, 3, 2, 3}, images(3, outputs));
        fuzz_layer("3-D " + name, of_videos, {3, 2, 2, 3, 3}, videos(3, outputs));
      }
    }
}

// A layer of a video and a condition, whose backward pass gives the gradients of both.
template <class L, class F>
void fuzz_conditioned(const std::string& name, L layer, const Shape& right, Index condition, const F& fit) {
  Fuzz fuzz(name);
  Caches<L> caches;
  for (int i = 0; i < tries(80); ++i) {
    const View x = fuzz.view<float>(right), c = fuzz.view<float>({right[1], condition});
    const Pass pass = fuzz.pass();
    Fit fits;
    if (x && c && c.shape().rank() == 2 && c.extent(1) == condition && x.shape().rank() == 5 &&
        c.extent(0) == x.extent(1))
      fits = fit(x.shape(), pass);
    Kept<L> kept{{}, {x.shape(), c.shape()}, fits};
    const auto y = attempt(concat(name, " of ", x.shape(), " and ", c.shape()), layer, fits.has_value(),
                           [&] { return layer.forward(x, c, pass, &kept.cache); });
    if (y) {
      check_result(name, *y, *fits);
      caches.add(std::move(kept), fuzz);
    }
    const Kept<L>& used = caches.draw(fuzz);
    const View dy = fuzz.view<float>(used.result.value_or(fit(right, Pass::train()).value()));
    const Gradients gradients = fuzz.gradients();
    const auto result =
        attempt(concat(name, "'s backward pass of ", dy.shape()), layer, dy && used.result == dy.shape(),
                [&] { return layer.backward(dy.clone(), used.cache, gradients); });
    if (!result) continue;
    check_gradient_of(name + "'s gradient of x", result->x, used.inputs[0], wants_inputs(gradients));
    check_gradient_of(name + "'s gradient of the condition", result->condition, used.inputs[1],
                      wants_inputs(gradients));
  }
}

TEST_CASE("class-conditional batch norm and the generator's residual block") {
  // By running statistics a video may have any number of frames.
  const auto fits = [](const Shape& x, Pass pass, Index frames, Index channels) {
    return x.size() > 0 && (x[0] == frames || !pass.batch_statistics) && x[4] == channels;
  };
  const auto norm = [=](const Shape& x, Pass pass) { return fits(x, pass, 3, 5) ? Fit(x) : Fit(); };
  fuzz_conditioned("batch norm", ClassConditionalBatchNorm<float>(3, 5, 4, random_weights), {3, 2, 2, 3, 5}, 4, norm);
  for (const Index outputs : {3, 4})
    for (const auto& up : {std::optional<Upsampling>(), std::optional(Upsampling::bilinear)}) {
      const auto fit = [=](const Shape& x, Pass pass) {
        if (!fits(x, pass, 2, 3)) return Fit();
        const Index scale = up ? 2 : 1;
        return Fit(resized(x, scale * x[2], scale * x[3], outputs));
      };
      fuzz_conditioned(concat("generator block of ", outputs, up ? ", doubled" : ""),
                       GeneratorBlock<float>(3, outputs, 2, 4, up, random_weights), {2, 2, 3, 2, 3}, 4, fit);
    }
}

// Units that carry a state over `frames` frames.
template <class Unit>
void fuzz_unit(const std::string& name) {
  constexpr Index width = 3, right_frames = 3;
  const Shape right{right_frames, 2, 3, 2, width};
  Unit unit(width, random_weights);
  Fuzz fuzz(name);
  Caches<Unit> caches;
  for (int i = 0; i < tries(100); ++i) {
    const View x = fuzz.view<float>(fuzz.chance(30) ? right.with_first(1) : right);
    const View state = fuzz.chance(40) ? View() : fuzz.view<float>(right.tail());
    const Index frames = fuzz.chance(85) ? right_frames : fuzz.one_of<Index>({-1, 0, 1, 2, 4, INT64_MAX, INT64_MIN});
    Fit fits;
    if (x && x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == width && frames >= 1 && frames < 100 &&
        (x.extent(0) == frames || x.extent(0) == 1) && (!state || state.shape() == x.shape().tail()))
      fits = x.shape().with_first(frames);
    Kept<Unit> kept{{}, {x.shape(), state.shape()}, fits};
    const Pass pass = fuzz.pass();
    const auto y = attempt(concat(name, " of ", x.shape(), " and ", state.shape(), " over ", frames), unit,
                           fits.has_value(), [&] { return unit.forward(x, frames, state, pass, &kept.cache); });
    if (y) {
      check_result(name, *y, *fits);
      if (!state) kept.inputs.pop_back();
      caches.add(std::move(kept), fuzz);
    }
    const Kept<Unit>& used = caches.draw(fuzz);
    const View dy = fuzz.view<float>(used.result.value_or(right));
    const Gradients gradients = fuzz.gradients();
    const auto result = attempt(concat(name, "'s backward pass of ", dy.shape()), unit, dy && used.result == dy.shape(),
                                [&] { return unit.backward(dy, used.cache, gradients); });
    if (!result) continue;
    check_gradient_of(name + "'s gradient of x", result->x, used.inputs[0], wants_inputs(gradients));
    if (used.inputs.size() > 1)
      check_gradient_of(name + "'s gradient of the state", result->state, used.inputs[1], wants_inputs(gradients));
  }
}

TEST_CASE("recurrent units") {
  fuzz_unit<ConvGRU<float>>("ConvGRU");
  fuzz_unit<TSRU<float>>("TSRU");
  fuzz_unit<TSRUs<float>>("TSRU_s");
  fuzz_unit<PlainConvGRU<float>>("plain ConvGRU");
  fuzz_unit<ConvLSTM<float>>("ConvLSTM");
  fuzz_unit<PlainConvLSTM<float>>("plain ConvLSTM");
}

TEST_CASE("layers for other networks") {
  fuzz_layer("leaky relu", LeakyReLU<float>(0.2), {3, 4, 7}, same);
  fuzz_layer("elu", ELU<float>(), {3, 4, 7}, same);
  fuzz_layer("gelu", GELU<float>(), {3, 4, 7}, same);
  fuzz_layer("softplus", Softplus<float>(), {3, 4, 7}, same);
  fuzz_layer("dropout", Dropout<float>(0.5, 1), {3, 4, 7}, same);
  fuzz_layer("augmentation", Augmentation<float>(AugmentationOptions::all()), {2, 2, 4, 5, 3}, any_videos);
  const auto flat = [](const Shape& x) {
    if (x.rank() < 2 || x.rank() > 5 || x.size() == 0) return Fit();
    const Index batch = x[x.rank() == 5 ? 1 : 0];
    return Fit(Shape{batch, x.size() / batch});
  };
  fuzz_layer("flatten", Flatten<float>(), {2, 3, 2, 3}, flat);
  fuzz_layer("flatten videos", Flatten<float>(), {2, 2, 3, 2, 3}, flat);
  const auto averaged = [](const Shape& x) {
    return x.rank() >= 4 && x.rank() <= 5 && x.size() > 0 ? Fit(Shape{x[-4], x[-1]}) : Fit();
  };
  fuzz_layer("global average pool", GlobalAveragePool<float>(), {2, 3, 2, 3}, averaged);
  fuzz_layer("global average pool of videos", GlobalAveragePool<float>(), {2, 2, 3, 2, 3}, averaged);
  const auto channels = [](int least) {
    return [=](const Shape& x) { return x.rank() >= least && x.size() > 0 && x[-1] == 6 ? Fit(x) : Fit(); };
  };
  fuzz_layer("batch norm", BatchNorm<float>(6), {2, 3, 2, 6}, channels(1));
  fuzz_layer("group norm", GroupNorm<float>(3, 6), {2, 3, 2, 6}, channels(2));
  fuzz_layer("layer norm", LayerNorm<float>(6), {2, 3, 6}, channels(1));
}

TEST_CASE("distances of tensors") {
  Fuzz fuzz("distances");
  ReLU<float> nothing;
  const Shape right{3, 2, 4};
  for (int i = 0; i < tries(100); ++i) {
    const View x = fuzz.view<float>(right), target = fuzz.view<float>(right);
    const bool fits = x.size() > 0 && x.shape() == target.shape();
    const auto check = [&](const char* name, const auto& distance) {
      const auto loss = attempt(name, nothing, fits, [&] { return distance(x, target); });
      if (!loss) return;
      check_result(name, loss->loss, Shape{});
      check_result(name, loss->dx, x.shape());
    };
    check("squared error", [](const View& a, const View& b) { return mean_squared_error(a, b); });
    check("absolute error", [](const View& a, const View& b) { return mean_absolute_error(a, b); });
  }
}

TEST_CASE("embedding") {
  Fuzz fuzz("embedding");
  Embedding<float> layer(4, 3, random_weights);
  Caches<Embedding<float>> caches;
  for (int i = 0; i < tries(100); ++i) {
    const Labels labels = fuzz.labels(3, 4);
    bool fits = !labels.empty();
    for (const Index label : labels) fits = fits && label >= 0 && label < 4;
    Kept<Embedding<float>> kept;
    const auto y = attempt("an embedding", layer, fits, [&] { return layer.forward(labels, &kept.cache); });
    if (y) {
      kept.result = Shape{static_cast<Index>(labels.size()), 3};
      check_result("an embedding", *y, *kept.result);
      caches.add(std::move(kept), fuzz);
    }
    const auto& used = caches.draw(fuzz);
    const View dy = fuzz.view<float>(used.result.value_or(Shape{3, 3}));
    attempt("an embedding's backward pass", layer, dy && used.result == dy.shape(), [&] {
      layer.backward(dy, used.cache);
      return 0;
    });
  }
}

TEST_CASE("frames of videos") {
  Fuzz fuzz("frames");
  ReLU<float> nothing;
  const Shape right{4, 2, 2, 3, 3};
  for (int i = 0; i < tries(400); ++i) {
    const View video = fuzz.view<float>(right);
    FrameIndices frames{2, 3, {}};
    if (fuzz.chance(20)) frames.videos = fuzz.one_of<Index>({-1, 0, 1, 3, Index{1} << 62, INT64_MAX, INT64_MIN});
    if (fuzz.chance(20)) frames.count = fuzz.one_of<Index>({-1, 0, 1, 2, Index{1} << 62, INT64_MAX, INT64_MIN});
    for (Index k = fuzz.chance(80) ? 6 : fuzz.below(9); k > 0; --k) frames.values.push_back(fuzz.below(4));
    if (!frames.values.empty() && fuzz.chance(20))
      frames.values[0] = fuzz.one_of<Index>({-1, -2, 4, 5, Index{1} << 62, INT64_MAX, INT64_MIN});
    const Index size = static_cast<Index>(frames.values.size());
    const bool consistent = frames.videos >= 1 && frames.videos <= 9 && frames.count >= 1 && frames.count <= 9 &&
                            frames.videos * frames.count == size;
    const auto fit = [&](Index total) {
      bool inside = consistent;
      for (const Index frame : frames.values) inside = inside && frame >= 0 && frame < total;
      return inside;
    };
    const Shape& shape = video.shape();
    const bool is_video = video && shape.rank() == 5 && video.size() > 0;
    const auto y = attempt("select_frames", nothing, is_video && shape[1] == frames.videos && fit(shape[0]),
                           [&] { return select_frames(video, frames); });
    if (y) check_result("select_frames", *y, shape.with_first(frames.count));
    const View dy = fuzz.view<float>(consistent ? Shape{frames.count, frames.videos, 2, 3, 3} : right);
    const Index total = fuzz.chance(80) ? 4 : fuzz.one_of<Index>({-1, 0, 1, 3, INT64_MIN});
    const bool dy_fits =
        dy && dy.shape().rank() == 5 && dy.size() > 0 && dy.extent(0) == frames.count && dy.extent(1) == frames.videos;
    const auto dx = attempt("select_frames_backward", nothing, dy_fits && fit(total),
                            [&] { return select_frames_backward(dy, frames, total); });
    if (dx) check_result("select_frames_backward", *dx, dy.shape().with_first(total));
  }
}

TEST_CASE("frame samplers") {
  Fuzz fuzz("samplers");
  ReLU<float> nothing;
  for (int i = 0; i < tries(300); ++i) {
    const auto draw = [&](Index right) {
      return fuzz.chance(70) ? right : fuzz.one_of<Index>({-1, 0, 1, 5, INT64_MIN});
    };
    const Index of_videos = draw(2), frames = draw(4), count = draw(3);
    const bool fits = of_videos >= 0 && count >= 1 && count <= frames;
    const auto check = [&](auto sampler) {
      const auto drawn = attempt(concat("a sampler of ", count, " of ", frames, " frames of ", of_videos, " videos"),
                                 nothing, fits, [&] { return sampler.draw(Random(1), of_videos, frames, count); });
      if (!drawn) return;
      CHECK(static_cast<Index>(drawn->values.size()) == of_videos * count);
      for (const Index frame : drawn->values) CHECK((frame >= 0 && frame < frames));
    };
    check(FrameSampler());
    check(ConsecutiveFrames());
    check(StridedFrames());
  }
}

}  // namespace

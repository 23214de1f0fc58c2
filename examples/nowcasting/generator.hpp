// The generator, in the manner of DGMR (Ravuri et al., "Skilful precipitation nowcasting using deep generative models
// of radar", Nature 2021): a context stack reads the frames that were seen, a latent stack spreads noise over the
// field, and a sampler of ConvGRUs at two resolutions rolls the states of the context on into the future.
#pragma once

#include <dvd/layers/activation.hpp>
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/linear.hpp>
#include <dvd/layers/plain_conv_gru.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <dvd/layers/sequential.hpp>
#include <dvd/layers/upsample.hpp>
#include <dvd/models/video_gan.hpp>
#include <utility>

namespace nowcasting {

/// Widths that make a model of ten minutes on two cores. Height and width of a field are multiples of 8.
struct GeneratorOptions {
  dvd::VideoSizes sizes;              // of the videos, see VideoSizes
  dvd::Index fine = 32, coarse = 48;  // channels at a quarter and at an eighth of the resolution
};

// The stacks of layers, as functions: their types are long, and the compiler knows them.

template <class T, class D>
auto context_stack(const GeneratorOptions& options, const dvd::Random& random) {  // to a quarter of the resolution
  using Conv = dvd::Conv2D<T, D>;
  return dvd::Sequential(Conv(options.sizes.condition_frames * options.sizes.channels, options.fine,
                              {.kernel = 5, .stride = 2, .padding = 2}, random.stream(0)),
                         dvd::LeakyReLU<T, D>(0.2),
                         Conv(options.fine, options.fine, {.kernel = 4, .stride = 2, .padding = 1}, random.stream(1)),
                         dvd::LeakyReLU<T, D>(0.2));
}

template <class T, class D>
auto halving_stack(const GeneratorOptions& options, const dvd::Random& random) {  // and to an eighth
  using Conv = dvd::Conv2D<T, D>;
  return dvd::Sequential(Conv(options.fine, options.coarse, {.kernel = 4, .stride = 2, .padding = 1}, random.stream(0)),
                         dvd::LeakyReLU<T, D>(0.2));
}

template <class T, class D>
auto state_stack(dvd::Index channels, const dvd::Random& random) {
  using Conv = dvd::Conv2D<T, D>;
  return dvd::Sequential(Conv(channels, channels, 3, random.stream(0)), dvd::LeakyReLU<T, D>(0.2),
                         Conv(channels, channels, 3, random.stream(1)), dvd::Tanh<T, D>());
}

template <class T, class D>
auto doubling_stack(dvd::Index inputs, dvd::Index outputs, const dvd::Random& random) {
  return dvd::Sequential(dvd::Upsample<T, D>(), dvd::Conv2D<T, D>(inputs, outputs, 3, random),
                         dvd::LeakyReLU<T, D>(0.2));
}

template <class T, class D>
auto output_stack(const GeneratorOptions& options, const dvd::Random& random) {  // to pixels in [-1, 1]
  dvd::Conv2D<T, D> last(options.fine / 4, options.sizes.channels, 3, random.stream(1));
  last.bias.value.fill(-2);  // at first: next to no rain
  return dvd::Sequential(doubling_stack<T, D>(options.fine, options.fine / 2, random.stream(0)), dvd::Upsample<T, D>(),
                         dvd::Conv2D<T, D>(options.fine / 2, options.fine / 4, 3, random.stream(2)),
                         dvd::LeakyReLU<T, D>(0.2), last, dvd::Tanh<T, D>());
}

/// A VideoGenerator: continues `condition_frames` frames `[condition_frames, N, H, W, C]` by `frames` others.
template <dvd::Scalar T, dvd::Device D = dvd::Cpu>
class Generator {
 public:
  using scalar_type = T;
  using device_type = D;
  using Tensor = dvd::Tensor<T, D>;
  using View = dvd::ConstTensorView<T, D>;
  using Unit = dvd::PlainConvGRU<T, D>;

  using Context = decltype(context_stack<T, D>({}, dvd::Random(0)));
  using Halving = decltype(halving_stack<T, D>({}, dvd::Random(0)));
  using State = decltype(state_stack<T, D>(1, dvd::Random(0)));
  using Doubling = decltype(doubling_stack<T, D>(1, 1, dvd::Random(0)));
  using Output = decltype(output_stack<T, D>({}, dvd::Random(0)));

  struct Cache {
    typename Context::Cache context;
    typename Halving::Cache halving;
    typename State::Cache fine_state, coarse_state;
    typename dvd::Linear<T, D>::Cache latent;
    typename Unit::Cache coarse_unit, fine_unit;
    typename Doubling::Cache doubling;
    typename Output::Cache output;
  };

  Context context;
  Halving halving;
  State fine_state, coarse_state;
  dvd::Linear<T, D> latent;
  Unit coarse_unit, fine_unit;
  Doubling doubling;
  Output output;

  /// Throws ArgumentError unless height and width are multiples of 8.
  Generator(const GeneratorOptions& options, const dvd::Random& random)
      : context(context_stack<T, D>(checked(options), random.stream("context"))),
        halving(halving_stack<T, D>(options, random.stream("halving"))),
        fine_state(state_stack<T, D>(options.fine, random.stream("fine state"))),
        coarse_state(state_stack<T, D>(options.coarse, random.stream("coarse state"))),
        latent(options.sizes.latent_dim, options.sizes.height / 8 * options.sizes.width / 8 * options.coarse,
               random.stream("latent")),
        coarse_unit(options.coarse, random.stream("coarse unit")),
        fine_unit(options.fine, random.stream("fine unit")),
        doubling(doubling_stack<T, D>(options.coarse, options.fine, random.stream("doubling"))),
        output(output_stack<T, D>(options, random.stream("output"))),
        options_(options) {}

  dvd::VideoSizes sizes() const { return options_.sizes; }

  Tensor generate(const View& z, const dvd::Conditions<T, D>& conditions, dvd::Pass pass, Cache* cache = nullptr) {
    const dvd::VideoSizes& video = options_.sizes;
    const dvd::Index count = z.extent(0), frame = count * video.height * video.width;
    const dvd::Shape seen{video.condition_frames, count, video.height, video.width, video.channels};
    dvd::require(conditions.frames.shape() == seen, "the generator continues frames ", seen, ", not ",
                 conditions.frames.shape());
    // The context: all frames as channels of one image, then a state for either unit.
    Tensor past(dvd::Shape{count, video.height, video.width, video.condition_frames * video.channels});
    D::copy_rows(video.condition_frames, frame, video.channels, conditions.frames.data(), frame * video.channels,
                 video.channels, past.data(), video.channels, video.condition_frames * video.channels);
    const Tensor fine = context.forward(past, pass, dvd::part(cache, &Cache::context)),
                 coarse = halving.forward(fine, pass, dvd::part(cache, &Cache::halving)),
                 fine_start = fine_state.forward(fine, pass, dvd::part(cache, &Cache::fine_state)),
                 coarse_start = coarse_state.forward(coarse, pass, dvd::part(cache, &Cache::coarse_state));
    // The latents, one image that stands for every frame to come.
    const Tensor noise = latent.forward(z, pass, dvd::part(cache, &Cache::latent));
    const View image = View(noise).reshaped(dvd::Shape{1, count, video.height / 8, video.width / 8, options_.coarse});
    // The sampler.
    Tensor x = coarse_unit.forward(image, video.frames, coarse_start, pass, dvd::part(cache, &Cache::coarse_unit));
    x = doubling.forward(x, pass, dvd::part(cache, &Cache::doubling));
    x = fine_unit.forward(x, video.frames, fine_start, pass, dvd::part(cache, &Cache::fine_unit));
    return output.forward(x, pass, dvd::part(cache, &Cache::output));
  }

  /// Backwards through the same, adding to the gradients of all weights.
  void backward(const View& dvideos, Cache cache, dvd::Gradients gradients) {
    const dvd::Gradients inner = dvd::with_inputs(gradients);
    Tensor dx = output.backward(dvideos, std::exchange(cache.output, {}), inner);
    auto [dfine, dfine_start] = fine_unit.backward(dx, std::exchange(cache.fine_unit, {}), inner);
    dx = doubling.backward(dfine, std::exchange(cache.doubling, {}), inner);
    auto [dimage, dcoarse_start] = coarse_unit.backward(dx, std::exchange(cache.coarse_unit, {}), inner);
    const dvd::Index count = dimage.extent(1);
    latent.backward(View(dimage).reshaped(dvd::Shape{count, dimage.size() / count}), cache.latent, gradients);
    const Tensor dcoarse = coarse_state.backward(dcoarse_start, cache.coarse_state, inner);
    dx = halving.backward(dcoarse, cache.halving, inner);
    const Tensor from_state = fine_state.backward(dfine_start, cache.fine_state, inner);
    D::add(dx.size(), from_state.data(), dx.data());
    context.backward(dx, cache.context, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    context.visit(prefix + "context.", f);
    halving.visit(prefix + "halving.", f);
    fine_state.visit(prefix + "fine_state.", f);
    coarse_state.visit(prefix + "coarse_state.", f);
    latent.visit(prefix + "latent.", f);
    coarse_unit.visit(prefix + "coarse_unit.", f);
    fine_unit.visit(prefix + "fine_unit.", f);
    doubling.visit(prefix + "doubling.", f);
    output.visit(prefix + "output.", f);
  }

 private:
  static const GeneratorOptions& checked(const GeneratorOptions& options) {
    const dvd::VideoSizes& video = options.sizes;
    dvd::require(video.height > 0 && video.height % 8 == 0 && video.width > 0 && video.width % 8 == 0,
                 "the nowcasting generator makes fields whose height and width are multiples of 8, not ", video.height,
                 " x ", video.width);
    return options;
  }

  GeneratorOptions options_;
};

}  // namespace nowcasting

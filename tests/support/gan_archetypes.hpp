// A generator, a discriminator and a GAN that have what the concepts of models/video_gan.hpp ask for, and nothing more.
#pragma once

#include <string>

#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

/// Videos that are one learned value everywhere, plus z's first number and that of the vector they come with.
struct ArchetypeGenerator {
  using scalar_type = float;
  using device_type = Cpu;
  struct Cache {
    Shape made{};
  };

  Parameter<float, Cpu> level{Shape{1}};

  VideoSizes sizes() const {
    return {.frames = 2, .height = 3, .width = 5, .channels = 2, .latent_dim = 1, .condition_dim = 1};
  }

  Tensor<float> generate(const ConstTensorView<float>& z, const Conditions<float>& conditions, Pass,
                         Cache* cache = nullptr) {
    const Index count = z.extent(0);
    Tensor<float> videos(Shape{2, count, 3, 5, 2});
    for (Index t = 0; t < 2; ++t)
      for (Index n = 0; n < count; ++n)
        videos[t][n].fill(level.value.item() + z[n].reshaped(Shape{1}).item() +
                          conditions.vectors[n].reshaped(Shape{1}).item());
    if (cache) cache->made = videos.shape();
    return videos;
  }

  void backward(const ConstTensorView<float>& dvideos, Cache, Gradients) {
    float sum = 0;
    for (const float value : dvideos.to_vector()) sum += value;
    level.accumulator().data()[0] += sum;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "level", level);
  }
};

/// Scores that are a learned value times the sum of a video.
struct ArchetypeDiscriminator {
  using scalar_type = float;
  using device_type = Cpu;
  struct Cache {
    Shape videos{};
    std::vector<float> sums{};
  };

  Parameter<float, Cpu> slope{Shape{1}};

  Tensor<float> forward(const VideoBatch<float>& batch, Pass, Cache* cache = nullptr) {
    const Shape& shape = batch.videos.shape();
    std::vector<float> sums(static_cast<std::size_t>(shape[1])), scores;
    for (Index t = 0; t < shape[0]; ++t)
      for (Index n = 0; n < shape[1]; ++n)
        for (const float value : batch.videos[t][n].to_vector()) sums[static_cast<std::size_t>(n)] += value;
    for (const float sum : sums) scores.push_back(slope.value.item() * sum);
    if (cache) *cache = {shape, sums};
    return Tensor<float>(Shape{shape[1]}, scores);
  }

  Tensor<float> backward(const ConstTensorView<float>& dscores, const Cache& cache, Gradients gradients) {
    const std::vector<float> slopes = dscores.to_vector();
    for (std::size_t n = 0; n < slopes.size() && wants_parameters(gradients); ++n)
      slope.accumulator().data()[0] += slopes[n] * cache.sums[n];
    if (!wants_inputs(gradients)) return {};
    Tensor<float> dvideos(cache.videos);
    for (Index t = 0; t < dvideos.extent(0); ++t)
      for (Index n = 0; n < dvideos.extent(1); ++n)
        dvideos[t][n].fill(slopes[static_cast<std::size_t>(n)] * slope.value.item());
    return dvideos;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "slope", slope);
  }
};

struct ArchetypeGan {
  using scalar_type = float;
  using device_type = Cpu;

  ArchetypeGenerator generator, average;
  ArchetypeDiscriminator discriminator;

  ArchetypeGenerator& networks() { return generator; }
  const ArchetypeGenerator& networks() const { return generator; }

  template <class F>
  void for_each_discriminator(F&& f) {
    f("only", discriminator);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    generator.visit(prefix, f);
    discriminator.visit(prefix + "only.", f);
    average.visit(prefix + "ema.", f);
  }
};

static_assert(VideoGenerator<ArchetypeGenerator> && VideoDiscriminator<ArchetypeDiscriminator> &&
              VideoGan<ArchetypeGan>);

}  // namespace dvd::testing

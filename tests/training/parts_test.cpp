// A DVD-GAN of other parts trains, checkpoints and goes on as the usual one does, without a line changed elsewhere.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/training/checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;

struct Attentive : DvdGanParts<float> {
  using Recurrent = TSRU<float>;
  using Sampler = ConsecutiveFrames;
  using Downsampler = RandomHalfCrop<float>;
  using GeneratorAttention = SelfAttention<float>;
  using SpatialAttention = SelfAttention<float>;
  using TemporalAttention = SelfAttention<float>;
};

struct Separable : DvdGanParts<float> {
  using Recurrent = TSRUs<float>;
  using Sampler = StridedFrames;
  using Downsampler = QuarterDownsampler<float>;
  using GeneratorAttention = SeparableAttention<float>;
  using SpatialAttention = SeparableAttention<float>;
  using TemporalAttention = SeparableAttention<float>;
};

struct Whole : DvdGanParts<float> {
  using Downsampler = NoDownsampler<float>;
};

const DvdGanConfig small = {
    .frames = 4, .resolution = 16, .channels = 1, .classes = 12, .latent_dim = 6, .embed_dim = 5, .spatial_frames = 2};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class Parts, class Loss = HingeLoss>
void check_training(DvdGanConfig config, Index micro_batch = 0) {
  using Gan = DvdGan<float, Cpu, Parts>;
  const TemporaryFolder folder;
  const TrainerOptions options = {
      .batch = 3, .seed = 3, .micro_batch = micro_batch, .average = {.decay = 0.9, .start = 1}};
  MovingShapes data({.frames = config.video_frames(), .resolution = config.resolution});
  {
    const ThreadLimit threads(1);
    Gan gan(config, 7);
    const auto before = contents(gan.networks());
    std::vector<std::vector<float>> values;
    for (const auto& [name, parameter] : before.parameters) values.push_back(parameter->value.to_vector());
    Trainer<Gan, Loss> trainer(gan, options);
    for (int step = 0; step < 3; ++step) {
      const StepReport report = trainer.step(data);
      CHECK_FALSE(report.skipped);
      CHECK(std::isfinite(report.generator_loss));
      if (step == 0) save_checkpoint(folder.path() / "one", trainer);
    }
    save_checkpoint(folder.path() / "three", trainer);
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK_MESSAGE(before.parameters[i].parameter->value.to_vector() != values[i], before.parameters[i].name);
  }
  const ThreadLimit threads(2);
  Gan gan(config, 8);
  gan.generator.recompute = true;  // changes no bit
  Trainer<Gan, Loss> trainer(gan, options);
  load_checkpoint(folder.path() / "one", trainer);
  for (int step = 0; step < 2; ++step) trainer.step(data);
  save_checkpoint(folder.path() / "resumed", trainer);
  CHECK(bytes_of(folder.path() / "three") == bytes_of(folder.path() / "resumed"));
}

DvdGanConfig predicting(DvdGanConfig config) {
  config.condition_frames = 3;
  return config;
}

TEST_CASE("TSRU, attention over frames, random crops, consecutive frames") { check_training<Attentive>(small); }

TEST_CASE("TSRU_s, separable attention, 4x4 averages, strided frames, predicting, in parts") {
  check_training<Separable, LeastSquaresLoss>(predicting(small), 2);
}

TEST_CASE("the whole video, one frame for D_S") {
  DvdGanConfig config = small;
  config.spatial_frames = 1;
  check_training<Whole, NonSaturatingLoss>(config);
}

// Moving shapes, whose class nobody tells.
struct Unlabelled {
  MovingShapes shapes;

  LabelledClip draw(const Random& random) const { return {shapes.draw(random).clip, 0}; }
  Index classes() const { return 1; }
  std::vector<std::string> class_names() const { return {"shape"}; }
};

TEST_CASE("predicting without classes") {
  DvdGanConfig config = predicting(small);
  config.classes = 1;
  DvdGan<float> gan(config, 1);
  Trainer trainer(gan, {.batch = 2});
  Unlabelled data{MovingShapes({.frames = config.video_frames(), .resolution = config.resolution})};
  CHECK_FALSE(trainer.step(data).skipped);
  Unlabelled too_short{MovingShapes({.frames = config.frames, .resolution = config.resolution})};
  CHECK_THROWS_WITH_AS(
      trainer.step(too_short),
      "the model expects clips of 7 frames of 16x16 pixels, but the data set gives 4 frames of 16x16 pixels",
      ArgumentError);
  CHECK_THROWS_WITH_AS(trainer.step(data.shapes),
                       "the data set has 12 classes and the model 1: give the model's configuration .classes = 12",
                       ArgumentError);
}

// Half of every pixel, or what it learns instead.
struct LearnedGain {
  using scalar_type = float;
  using device_type = Cpu;
  static constexpr Index factor = 1;

  struct Cache {
    ConstTensorView<float> x;
  };

  Parameter<float> gain{Shape{1}};

  LearnedGain() { gain.value.assign(std::vector{0.5f}); }

  Tensor<float> forward(const ConstTensorView<float>& x, Pass, Cache* cache = nullptr) {
    Tensor<float> y(x.shape());
    Cpu::scale(x.size(), gain.value.item(), x.data(), y.data());
    if (cache) cache->x = x;
    return y;
  }

  Tensor<float> backward(const ConstTensorView<float>& dy, const Cache& cache, Gradients gradients) {
    if (wants_parameters(gradients)) {
      Tensor<float> dgain(Shape{1});
      Cpu::dot(dy.size(), dy.data(), cache.x.data(), dgain.data());
      Cpu::add(1, dgain.data(), gain.accumulator().data());
    }
    if (!wants_inputs(gradients)) return {};
    Tensor<float> dx(dy.shape());
    Cpu::scale(dy.size(), gain.value.item(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "gain", gain);
  }
};

struct LearnedParts : DvdGanParts<float> {
  using Downsampler = LearnedGain;
};

TEST_CASE("a phi of one's own learns and is saved") {
  const TemporaryFolder folder;
  DvdGan<float, Cpu, LearnedParts> gan(small, 1);
  Trainer trainer(gan, {.batch = 2});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  trainer.step(data);
  CHECK(gan.temporal.downsampler.gain.value.item() != 0.5f);
  save_checkpoint(folder.path() / "run", trainer);
  CHECK(SafetensorsFile(folder.path() / "run").contains("temporal.downsampler.gain"));
}

struct TooFew : FrameSampler {
  static FrameIndices draw(const Random&, Index videos, Index, Index count) {
    return {videos, count, std::vector<Index>(static_cast<std::size_t>(videos))};
  }
};
struct Negative : FrameSampler {
  static FrameIndices draw(const Random&, Index videos, Index, Index count) {
    return {videos, count, std::vector<Index>(static_cast<std::size_t>(videos * count), -1)};
  }
};
template <class S>
struct Sampled : DvdGanParts<float> {
  using Sampler = S;
};

// A unit whose copies are one and the same.
struct SharedUnit {
  using scalar_type = float;
  using device_type = Cpu;
  using Cache = ConvGRU<float>::Cache;

  std::shared_ptr<ConvGRU<float>> unit;

  SharedUnit(Index width, const Random& random) : unit(std::make_shared<ConvGRU<float>>(width, random)) {}
  auto forward(const ConstTensorView<float>& x, Index frames, const ConstTensorView<float>& state, Pass pass,
               Cache* cache) {
    return unit->forward(x, frames, state, pass, cache);
  }
  auto backward(const ConstTensorView<float>& dy, const Cache& cache, Gradients gradients) {
    return unit->backward(dy, cache, gradients);
  }
  template <class F>
  void visit(const std::string& prefix, F& f) {
    unit->visit(prefix, f);
  }
};
struct SharedParts : DvdGanParts<float> {
  using Recurrent = SharedUnit;
};

struct CoarseParts : DvdGanParts<float> {
  struct Downsampler : QuarterDownsampler<float> {
    static constexpr Index factor = 8;
  };
};

TEST_CASE("parts that break their word are told so") {
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const auto message = [&](auto parts) -> std::string {
    try {
      DvdGan<float, Cpu, decltype(parts)> gan(small, 1);
      Trainer<DvdGan<float, Cpu, decltype(parts)>> trainer(gan, {.batch = 3});
      trainer.step(data);
    } catch (const ArgumentError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message(Sampled<TooFew>{}).find("must draw 2 frames of each of 3 videos, but gives 3") != std::string::npos);
  CHECK(message(Sampled<Negative>{}).find("draws frame -1") != std::string::npos);
  CHECK(message(SharedParts{}).find("generator.stages.0.gru.reset.weight is one parameter") != std::string::npos);
  CHECK(message(CoarseParts{}).find("leaves 2x2 of 16x16 pixels") != std::string::npos);
}

TEST_CASE("predictions") {
  DvdGanConfig config = predicting(small);
  DvdGan<float> gan(config, 1);
  CHECK_THROWS_WITH_AS(gan.sample(), "this model continues videos: it needs conditioning frames", ArgumentError);
  MovingShapes data({.frames = config.video_frames(), .resolution = 16});
  const auto batch = draw_batch<float>(data, Random(1), 2);
  const auto frames = gan.predict(batch.videos.slice(0, 3), {.label = 4, .seed = 1});
  CHECK((frames.shape() == Shape{4, 2, 16, 16, 3}));
  CHECK_THROWS_AS(gan.predict(batch.videos.slice(0, 2)), ArgumentError);
  CHECK_THROWS_AS(collect_standing_statistics(gan.generator, 1, 2, 3), ArgumentError);
  Trainer trainer(gan, {.batch = 2});
  StepReport report;
  DiscriminatorInputs<float> inputs{
      batch.videos.slice(0, 5), batch.labels, Tensor<float>::zeros({2, 6}), {1, 2}, {}, {}};
  CHECK_THROWS_WITH_AS(trainer.discriminator_update(inputs, report),
                       "an update expects real videos [7, N, 16, 16, 3], at least one, not [5, 2, 16, 16, 3]",
                       ArgumentError);
  CHECK_THROWS_AS(DvdGan<float>(small).predict(batch.videos.slice(0, 3)), ArgumentError);
}

TEST_CASE("what the discriminators see of a predicted video") {
  const DvdGanConfig config = predicting(small);
  const Index given = config.condition_frames;
  DiscriminatorInputs<float> inputs;
  Tensor<float> real(Shape{given + config.frames, 2, 16, 16, 3});
  Cpu::random_normal(real.size(), Random(1), 1.0f, real.data());
  inputs.real = real;
  Tensor<float> fake(Shape{config.frames, 2, 16, 16, 3});
  Cpu::random_normal(fake.size(), Random(2), 1.0f, fake.data());
  inputs.real_labels = {1, 2};
  inputs.labels = {3, 4};
  inputs.real_frames = FrameIndices{2, 1, {0, 3}};
  inputs.frames = FrameIndices{2, 1, {1, 2}};
  inputs.z = Tensor<float>::zeros({2, config.latent_dim});
  UpdateBatch<float> batch;
  batch.assign(inputs, given);
  const VideoBatch<float> seen = batch.videos(fake.clone());
  for (Index t = 0; t < given + config.frames; ++t)
    for (Index n = 0; n < 4; ++n) {
      const ConstTensorView<float> expected = n < 2 || t < given ? real[t][n % 2] : fake[t - given][n - 2];
      CHECK(seen.videos[t][n].to_vector() == expected.to_vector());
    }
  // Rows are frame * 4 + video, of one frame each of four videos; frames count from behind the conditioning ones.
  CHECK((batch.frames(0).rows.values() == std::vector<Index>{3 * 4, 6 * 4 + 1, 4 * 4 + 2, 5 * 4 + 3}));
  CHECK((seen.labels.values() == Labels{1, 2, 3, 4}));
  CHECK((batch.conditions.labels.values() == Labels{3, 4}));
  CHECK(batch.conditions.frames.to_vector() == inputs.real.slice(0, given).to_vector());
  GeneratorInputs<float> of_generator;
  of_generator.z = inputs.z;
  of_generator.labels = {1, 2};
  of_generator.frames = inputs.frames;
  of_generator.condition = inputs.real.slice(0, given);
  UpdateBatch<float> generator_batch;
  generator_batch.assign(of_generator, given);
  const ConstTensorView<float> alone = generator_batch.videos(fake.clone()).videos;
  for (Index t = 0; t < given + config.frames; ++t)
    CHECK(alone[t].to_vector() == (t < given ? real[t] : fake[t - given]).to_vector());
  CHECK((generator_batch.frames(0).rows.values() == std::vector<Index>{4 * 2, 5 * 2 + 1}));
}

}  // namespace

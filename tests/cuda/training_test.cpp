// Training on the GPU: the same as on the CPU but for rounding, recorded or not, in float and in bfloat16; and
// checkpoints that do not know which device made them.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/layers/grid_cell_regularizer.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/models/recorded_generator.hpp"
#include "dvd/models/served_generator.hpp"
#include "dvd/training/checkpoint.hpp"
#include "dvd/training/r1.hpp"
#include "dvd/training/trainer.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;

using State = std::map<std::string, std::vector<float>>;

constexpr DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};

template <class Gan>
State state_of(Gan& gan) {
  State state;
  const auto all = contents(gan);
  for (const auto& [name, parameter] : all.parameters) state[name] = parameter->value.to_vector();
  for (const auto& [name, buffer] : all.buffers) state[name] = buffer->value.to_vector();
  return state;
}

MovingShapes shapes(Index frames = small.frames) { return MovingShapes({.frames = frames, .resolution = 16}); }

// What `steps` steps make of a fresh model, and the last report.
template <class Gan>
struct Trained {
  State state;
  StepReport report;

  Trained(const DvdGanConfig& config, const TrainerOptions& options, int steps, bool recompute = false) {
    Gan gan(config, 1);
    gan.generator.recompute = recompute;
    Trainer trainer(gan, options);
    MovingShapes data = shapes(config.video_frames());
    for (int step = 0; step < steps; ++step) report = trainer.step(data);
    state = state_of(gan);
  }
};

TEST_CASE("a step in float is the CPU's") {
  const TrainerOptions options{.batch = 3, .seed = 2, .mismatched = 0.4};
  const Trained<DvdGan<float, Cpu>> expected(small, options, 1);
  const Trained<DvdGan<float, Cuda>> actual(small, options, 1);
  const auto close = [](double a, double b) { return std::abs(a - b) <= 1e-3 * std::max(1.0, std::abs(b)); };
  CHECK(close(actual.report.discriminator("spatial").loss, expected.report.discriminator("spatial").loss));
  CHECK(close(actual.report.discriminator("spatial").real_score, expected.report.discriminator("spatial").real_score));
  CHECK(close(actual.report.discriminator("spatial").fake_score, expected.report.discriminator("spatial").fake_score));
  CHECK(close(actual.report.discriminator("temporal").loss, expected.report.discriminator("temporal").loss));
  CHECK(close(actual.report.generator_loss, expected.report.generator_loss));
  CHECK(close(actual.report.generator_gradient_norm, expected.report.generator_gradient_norm));
  REQUIRE(actual.state.size() == expected.state.size());
  // Adam's first steps are as long for tiny gradients as for large ones, so a weight may differ by whole steps where
  // the gradient is rounding noise; nearly all must not.
  Index values = 0, off = 0;
  for (const auto& entry : expected.state) {
    const std::vector<float>& other = actual.state.at(entry.first);
    REQUIRE(other.size() == entry.second.size());
    for (std::size_t i = 0; i < other.size(); ++i, ++values)
      off += !(std::abs(other[i] - entry.second[i]) <= 1e-4f * std::max(1.0f, std::abs(entry.second[i])));
  }
  CHECK(off < values / 500);
}

TEST_CASE_TEMPLATE("a recorded step computes the bits of one that is not", T, float, bfloat16) {
  using Gan = DvdGan<T, Cuda>;
  const auto same = [](const DvdGanConfig& config, TrainerOptions options, bool recompute = false) {
    options.record = false;
    const Trained<Gan> plain(config, options, 5, recompute);
    options.record = true;
    const Trained<Gan> recorded(config, options, 5, recompute);
    CHECK(recorded.state == plain.state);
    CHECK(recorded.report.generator_loss == plain.report.generator_loss);
    CHECK(recorded.report.discriminator("temporal").gradient_norm ==
          plain.report.discriminator("temporal").gradient_norm);
    CHECK(std::isfinite(recorded.report.generator_loss));
    CHECK(!recorded.report.skipped);
  };
  same(small, {.batch = 3, .seed = 2, .schedule = LinearFall{2, 9}, .average = {.decay = 0.5, .start = 2}});
  same(small, {.batch = 3, .seed = 2, .micro_batch = 2});
  same(small, {.batch = 2, .seed = 2}, true);
  same(small, {.batch = 2, .seed = 2, .augment = AugmentationOptions::all()});  // which is not recorded
  DvdGanConfig predicting = small;
  predicting.condition_frames = 2;
  same(predicting, {.batch = 2, .seed = 2, .mismatched = 0.5});
}

// A model that continues videos, with terms beside its losses.
template <class D>
std::pair<State, StepReport> regularized(int steps, bool record) {
  DvdGanConfig config = small;
  config.condition_frames = 2;
  Gan gan(
      Regularized(DvdGenerator<float, D>(config, Random(1)),
                  GridCellRegularizer<>{.weight = 2, .samples_per_video = 3, .cell_weight = {.slope = 0.5}}),
      NamedDiscriminator("spatial", Regularized(SpatialDiscriminator<float, D>(config, Random(2)), R1{.weight = 1})));
  Trainer trainer(gan, {.batch = 2, .seed = 2, .record = record});
  MovingShapes data = shapes(config.video_frames());
  StepReport report;
  for (int step = 0; step < steps; ++step) report = trainer.step(data);
  return {state_of(gan), report};
}

TEST_CASE("regularizers are the CPU's, and are recorded") {
  const StepReport expected = regularized<Cpu>(1, false).second, actual = regularized<Cuda>(1, false).second;
  CHECK(actual.generator_regularization == doctest::Approx(expected.generator_regularization).epsilon(1e-3));
  CHECK(actual.discriminator("spatial").regularization ==
        doctest::Approx(expected.discriminator("spatial").regularization).epsilon(1e-2));
  CHECK(actual.discriminator("spatial").gradient_norm ==
        doctest::Approx(expected.discriminator("spatial").gradient_norm).epsilon(1e-2));
  CHECK(regularized<Cuda>(5, true).first == regularized<Cuda>(5, false).first);
}

template <class T>
struct OtherParts : DvdGanParts<T, Cuda> {
  using Recurrent = TSRU<T, Cuda>;
  using Downsampler = RandomHalfCrop<T, Cuda>;
  using GeneratorAttention = SeparableAttention<T, Cuda>;
  using SpatialAttention = SelfAttention<T, Cuda>;
};

TEST_CASE("other parts train, those included whose work differs from pass to pass") {
  const Trained<DvdGan<bfloat16, Cuda, OtherParts<bfloat16>>> trained(small, {.batch = 2, .seed = 2}, 3);
  CHECK(std::isfinite(trained.report.generator_loss));
  CHECK(!trained.report.skipped);
}

TEST_CASE("bfloat16 learns in steps that bfloat16 could not hold") {
  // Weights are of the order of 0.1, where neighbouring bfloat16 numbers are 5e-4 apart.
  TrainerOptions options{.batch = 3, .seed = 2};
  options.generator_optimizer.learning_rate = options.discriminator_optimizer.learning_rate = 1e-6;
  DvdGan<bfloat16, Cuda> gan(small, 1);
  Trainer trainer(gan, options);
  MovingShapes data = shapes();
  const State before = state_of(gan);
  for (int step = 0; step < 2; ++step) CHECK(!trainer.step(data).skipped);
  const State after = state_of(gan);
  Index moved = 0, values = 0;
  for (const auto& entry : before) {
    if (!entry.first.ends_with(".weight") || entry.first.starts_with("ema.")) continue;
    for (std::size_t i = 0; i < entry.second.size(); ++i, ++values) {
      const float change = std::abs(after.at(entry.first)[i] - entry.second[i]);
      moved += change > 0;
      CHECK(change < 2e-5f);
    }
  }
  CHECK(moved > values / 2);
}

TEST_CASE("bfloat16 sees nearly what float sees") {
  const TrainerOptions options{.batch = 3, .seed = 2};
  const Trained<DvdGan<float, Cuda>> expected(small, options, 1);
  const Trained<DvdGan<bfloat16, Cuda>> actual(small, options, 1);
  CHECK(actual.report.discriminator("spatial").loss ==
        doctest::Approx(expected.report.discriminator("spatial").loss).epsilon(0.05));
  CHECK(actual.report.discriminator("temporal").loss ==
        doctest::Approx(expected.report.discriminator("temporal").loss).epsilon(0.05));
  CHECK(actual.report.discriminator("spatial").gradient_norm ==
        doctest::Approx(expected.report.discriminator("spatial").gradient_norm).epsilon(0.1));
}

// Sets the first value of a parameter.
template <class Gan>
void set(Gan& gan, const std::string& wanted, float value) {
  for (auto& [name, parameter] : contents(gan).parameters)
    if (name == wanted) {
      std::vector<float> values = parameter->value.to_vector();
      values[0] = value;
      parameter->value.assign(values);
    }
}

TEST_CASE_TEMPLATE("what is not finite reaches nothing, recorded or not", record, std::true_type, std::false_type) {
  DvdGan<bfloat16, Cuda> gan(small, 1);
  Trainer trainer(gan, {.batch = 2, .seed = 2, .record = record::value});
  MovingShapes data = shapes();
  for (int step = 0; step < 3; ++step) CHECK(!trainer.step(data).skipped);
  const std::string name = "spatial.blocks.0.conv1.weight";
  const float whole = state_of(gan).at(name)[0];
  set(gan, name, std::numeric_limits<float>::infinity());
  const State before = state_of(gan);
  const StepReport report = trainer.step(data);
  CHECK(report.skipped);
  CHECK(report.fault == name + ": its values");
  CHECK(trainer.skipped_steps() == 1);
  CHECK(trainer.steps() == 4);
  CHECK(trainer.generator_optimizer().steps() == 3);
  CHECK(trainer.discriminator_optimizer().steps() == 6);
  CHECK(state_of(gan) == before);
  set(gan, name, whole);
  const StepReport next = trainer.step(data);
  CHECK(!next.skipped);
  CHECK(next.step == 5);
  CHECK(trainer.generator_optimizer().steps() == 4);
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE_TEMPLATE("checkpoints move between devices unchanged", T, float, bfloat16) {
  const TemporaryFolder folder;
  const TrainerOptions options{.batch = 2, .seed = 2};
  MovingShapes data = shapes();

  DvdGan<float, Cpu> on_cpu(small, 1);
  Trainer cpu_trainer(on_cpu, options);
  for (int step = 0; step < 2; ++step) cpu_trainer.step(data);
  save_checkpoint(folder.path() / "cpu.safetensors", cpu_trainer);

  DvdGan<T, Cuda> on_gpu(small, 7);
  Trainer gpu_trainer(on_gpu, options);
  gpu_trainer.step(data);
  load_checkpoint(folder.path() / "cpu.safetensors", gpu_trainer);
  save_checkpoint(folder.path() / "gpu.safetensors", gpu_trainer);
  CHECK(bytes_of(folder.path() / "gpu.safetensors") == bytes_of(folder.path() / "cpu.safetensors"));

  // And training goes on as if it had never stopped: recordings made before the checkpoint was loaded still hold.
  for (int step = 0; step < 2; ++step) gpu_trainer.step(data);
  DvdGan<T, Cuda> other(small, 8);
  Trainer other_trainer(other, options);
  load_checkpoint(folder.path() / "gpu.safetensors", other_trainer);
  for (int step = 0; step < 2; ++step) other_trainer.step(data);
  CHECK(state_of(other) == state_of(on_gpu));
  CHECK(other_trainer.steps() == 4);

  save_checkpoint(folder.path() / "gpu.safetensors", gpu_trainer);
  load_checkpoint(folder.path() / "gpu.safetensors", cpu_trainer);
  CHECK(state_of(on_cpu) == state_of(on_gpu));
}

TEST_CASE_TEMPLATE("recorded sampling gives the bits of sampling that is not", T, float, bfloat16) {
  DvdGanConfig predicting = small, unconditional = small;
  predicting.condition_frames = 1;
  unconditional.height = 10, unconditional.width = 12, unconditional.image_channels = 1, unconditional.classes = 0;
  for (const DvdGanConfig& config : {small, predicting, unconditional}) {
    DvdGan<T, Cuda> gan(config, 3);
    RecordedGenerator recorded(gan.average);
    std::uint64_t draw = 0;
    const auto videos_of = [&](Index frames, Index count) {
      return Shape{frames, count, config.image_height(), config.image_width(), config.image_channels};
    };
    const auto check = [&](Index count, Index frames = 0) {
      const Tensor<T, Cuda> z = draw_latents<T, Cuda>(config.latent_dim, {.count = count, .seed = ++draw});
      Tensor<T, Cuda> condition;
      if (config.condition_frames > 0) {
        condition = Tensor<T, Cuda>(videos_of(config.condition_frames, count));
        Cuda::random_uniform(condition.size(), Random(draw), T(-1), T(1), condition.data());
      }
      Labels labels;
      for (Index n = 0; config.classes > 0 && n < count; ++n)
        labels.push_back((n + static_cast<Index>(draw)) % config.classes);
      const Tensor<T, Cuda>& videos = recorded.generate(z, labels, condition, frames);
      CHECK(videos.shape() == videos_of(frames == 0 ? config.frames : frames, count));
      CHECK(videos.to_vector() ==
            gan.average.generate(z, labels, condition, Pass::evaluate(), nullptr, frames).to_vector());
    };
    for (int batch = 0; batch < 4; ++batch) check(2);
    for (int batch = 0; batch < 4; ++batch) check(2, config.frames + 2);
    // With other weights in the same places.
    for (auto& [name, parameter] : contents(gan.average).parameters)
      Cuda::scale(parameter->value.size(), 1.5f, parameter->value.data(), parameter->value.data());
    check(2);
    for (int batch = 0; batch < 3; ++batch) check(1);
    check(2);
    const Tensor<T, Cuda> z = draw_latents<T, Cuda>(config.latent_dim, {.count = 2});
    Tensor<T, Cuda> condition;
    if (config.condition_frames > 0) condition = Tensor<T, Cuda>::zeros(videos_of(config.condition_frames, 2));
    CHECK_THROWS_AS(recorded.generate(z, {0, 12}, condition), ArgumentError);
    CHECK_THROWS_AS(recorded.generate(z, {0, 1, 2}, condition), ArgumentError);
    check(2);
  }
}

TEST_CASE("samples are the CPU's") {
  DvdGan<float, Cpu> on_cpu(small, 1);
  DvdGan<float, Cuda> in_float(small, 1);
  DvdGan<bfloat16, Cuda> in_bfloat16(small, 1);
  const SampleOptions options{.label = 3, .count = 2, .seed = 5};
  const std::vector<float> expected = on_cpu.sample(options).to_vector();
  const std::vector<float> precise = in_float.sample(options).to_vector();
  const std::vector<float> coarse = cast<float>(in_bfloat16.sample(options)).to_vector();
  CHECK(ServedGenerator(in_float.average).sample(options).to_vector() == precise);
  CHECK(cast<float>(ServedGenerator(in_bfloat16.average).sample(options)).to_vector() == coarse);
  double squares = 0, error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(std::abs(precise[i] - expected[i]) < 1e-4f);
    squares += expected[i] * expected[i];
    error += (coarse[i] - expected[i]) * (coarse[i] - expected[i]);
  }
  CHECK(std::sqrt(error / squares) < 0.05);
}

}  // namespace

// Recorded work does not run the host's code again, so what that code checks and reads must be checked and noticed
// without it: bad labels and frames, settings, arrays that have moved.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/models/layer_discriminator.hpp"
#include "dvd/models/recorded_generator.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

constexpr DvdGanConfig tiny{
    .frames = 3, .resolution = 16, .channels = 1, .classes = 12, .latent_dim = 6, .embed_dim = 5, .spatial_frames = 2};

int captures() { return EmulatedGpu::instance().calls.count("cudaStreamBeginCapture"); }

// What `work` refuses, in words.
template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "";
}

template <class Gan>
std::vector<float> state_of(Gan& gan) {
  std::vector<float> state;
  const auto all = contents(gan);
  const auto add = [&](const std::vector<float>& values) { state.insert(state.end(), values.begin(), values.end()); };
  for (const auto& [name, parameter] : all.parameters) add(parameter->value.to_vector());
  for (const auto& [name, buffer] : all.buffers) add(buffer->value.to_vector());
  return state;
}

DiscriminatorInputs<float, Cuda> inputs_for_discriminators(Labels labels = {1, 2}) {
  const auto real = Tensor<float, Cuda>::full(Shape{3, 2, 16, 16, 3}, 0.5f);
  const auto z = Tensor<float, Cuda>::full(Shape{2, 6}, 0.25f);
  return {real, std::move(labels), z, {3, 4}, FrameIndices{2, 2, {0, 1, 1, 2}}, FrameIndices{2, 2, {0, 2, 0, 1}}};
}

TEST_CASE("labels and frames are checked at every update, replayed ones included") {
  DvdGan<float, Cuda> gan(tiny, 1);
  Trainer trainer(gan, {.batch = 2});
  StepReport report;
  for (int update = 0; update < 5; ++update) {
    trainer.discriminator_update(inputs_for_discriminators(), report);
    trainer.generator_update({inputs_for_discriminators().z, {3, 4}, FrameIndices{2, 2, {0, 1, 1, 2}}}, report);
  }
  const std::vector<float> before = state_of(gan);
  const auto refuses = [&](const char* words, const auto& spoil) {
    auto inputs = inputs_for_discriminators();
    spoil(inputs);
    CHECK(refusal([&] { trainer.discriminator_update(inputs, report); }).find(words) != std::string::npos);
  };
  refuses("label 12 is not a class", [](auto& inputs) { inputs.real_labels[1] = 12; });
  refuses("label -1 is not a class", [](auto& inputs) { inputs.labels[0] = -1; });
  refuses("frame index 3 is outside 0 .. 2", [](auto& inputs) { inputs.frames[0].values[1] = 3; });
  refuses("frame index -1 is outside 0 .. 2", [](auto& inputs) { inputs.real_frames[0].values[3] = -1; });
  const GeneratorInputs<float, Cuda> good{inputs_for_discriminators().z, {3, 4}, FrameIndices{2, 2, {0, 1, 1, 2}}};
  auto bad = good;
  bad.labels[0] = 12;
  CHECK(refusal([&] { trainer.generator_update(bad, report); }).find("label 12") != std::string::npos);
  bad = good;
  bad.frames[0].values[0] = 3;
  CHECK(refusal([&] { trainer.generator_update(bad, report); }).find("frame index 3") != std::string::npos);
  CHECK(state_of(gan) == before);
  const int recorded = captures();
  trainer.discriminator_update(inputs_for_discriminators(), report);
  trainer.generator_update(good, report);
  CHECK(!report.skipped);
  CHECK(captures() == recorded);
}

TEST_CASE("what only a layer knows is checked at every update, too: a discriminator of fewer classes") {
  DvdGanConfig fewer = tiny;
  fewer.classes = 5;
  using Judge = SpatialDiscriminator<float, Cuda>;
  Gan gan(DvdGenerator<float, Cuda>(tiny, Random(1)), NamedDiscriminator{"spatial", Judge(fewer, Random(2))});
  Trainer trainer(gan, {.batch = 2});
  StepReport report;
  const std::string words = "label 7 is outside 0 .. 4";
  CHECK(refusal([&] { trainer.discriminator_update(inputs_for_discriminators({7, 1}), report); }) == words);
  for (int update = 0; update < 5; ++update) trainer.discriminator_update(inputs_for_discriminators(), report);
  const std::vector<float> before = state_of(gan);
  CHECK(refusal([&] { trainer.discriminator_update(inputs_for_discriminators({7, 1}), report); }) == words);
  CHECK(refusal([&] { trainer.discriminator_update(inputs_for_discriminators({1, 7}), report); }) == words);
  CHECK(state_of(gan) == before);
  trainer.discriminator_update(inputs_for_discriminators(), report);
  CHECK(!report.skipped);
  CHECK(state_of(gan) != before);
}

TEST_CASE("rows in place of others must pass the checks that those have passed") {
  Rows<Cuda> rows{0, 1, 2};
  rows.assign({5, 6, 7});
  rows.check_below(8, "label");
  rows.check_below(100, "row");
  CHECK_THROWS_WITH_AS(rows.assign({1, 8, 2}), "label 8 is outside 0 .. 7", ArgumentError);
  CHECK(rows.values() == std::vector<Index>{5, 6, 7});
  rows.assign({7, 0, 1});
  CHECK(rows.values() == std::vector<Index>{7, 0, 1});
  // Frames are rows, of which as many as there are videos make a frame.
  ChosenFrames<Cuda> frames(FrameIndices{2, 1, {0, 2}});
  const auto video = Tensor<float, Cuda>::zeros(Shape{3, 2, 1, 1, 1});
  select_frames(video, frames);
  CHECK_THROWS_WITH_AS(frames.assign(FrameIndices{2, 1, {0, 3}}), "frame index 3 is outside 0 .. 2", ArgumentError);
}

// Trains five steps, `change` being made after the third, recorded or not.
template <class Change>
std::vector<float> trained(bool record, int* recordings, const Change& change) {
  Cuda::allow_tf32(false);
  DvdGan<float, Cuda> gan(tiny, 1);
  Trainer trainer(gan, {.batch = 2, .seed = 3, .record = record});
  MovingShapes data({.frames = 3, .resolution = 16});
  for (int step = 0; step < 3; ++step) trainer.step(data);
  const int before = captures();
  change(gan, trainer);
  for (int step = 0; step < 3; ++step) CHECK(!trainer.step(data).skipped);
  *recordings = captures() - before;
  return state_of(gan);
}

template <class Change>
void check_noticed(const Change& change, int expected) {
  int recordings = 0;
  const std::vector<float> plain = trained(false, &recordings, change);
  CHECK(recordings == 0);
  CHECK(trained(true, &recordings, change) == plain);
  CHECK(recordings == expected);
}

TEST_CASE("what recorded updates depend on may change: they are recorded anew") {
  SUBCASE("nothing") {
    check_noticed([](auto&, auto&) {}, 0);
  }
  SUBCASE("TF32") {
    check_noticed([](auto&, auto&) { Cuda::allow_tf32(true); }, 2);
    Cuda::allow_tf32(false);
  }
  SUBCASE("recomputing") {
    check_noticed([](auto& gan, auto&) { gan.generator.recompute = true; }, 2);
  }
  SUBCASE("a weight in another place") {
    check_noticed(
        [](auto& gan, auto&) {
          auto& weight = gan.spatial.blocks.front().conv1.layer.weight.value;
          Tensor<float, Cuda> other = weight.clone();
          Cuda::scale(other.size(), 0.5f, other.data(), other.data());
          weight = std::move(other);
        },
        2);
  }
  SUBCASE("a gradient's array given back") {
    check_noticed([](auto& gan, auto&) { gan.generator.conv.layer.weight.gradient = {}; }, 1);
  }
  SUBCASE("statistics in another place") {
    check_noticed(
        [](auto& gan, auto&) {
          for (auto& [name, buffer] : contents(gan.average).buffers) buffer->value = buffer->value.clone();
        },
        2);
  }
  SUBCASE("an optimizer's moments in another place") {
    check_noticed(
        [](auto&, auto& trainer) {
          for (auto& moments : trainer.discriminator_optimizer().moments())
            moments.average_square = moments.average_square.clone();
        },
        1);
  }
}

TEST_CASE("a discriminator's share may change") {
  struct Judge : SpatialDiscriminator<float, Cuda> {
    using SpatialDiscriminator<float, Cuda>::SpatialDiscriminator;
    double weight = 1;
    double share() const { return weight; }
  };
  std::vector<std::vector<float>> states;
  for (const bool record : {false, true}) {
    Gan gan(DvdGenerator<float, Cuda>(tiny, Random(1)), NamedDiscriminator{"spatial", Judge(tiny, Random(2))});
    Trainer trainer(gan, {.batch = 2, .record = record});
    MovingShapes data({.frames = 3, .resolution = 16});
    for (int step = 0; step < 3; ++step) trainer.step(data);
    gan.discriminator<0>().weight = 0.25;
    for (int step = 0; step < 3; ++step) trainer.step(data);
    states.push_back(state_of(gan));
  }
  CHECK(states[0] == states[1]);
}

// A layer with a setting of its own.
struct Scaled {
  using scalar_type = float;
  using device_type = Cuda;
  struct Cache {};
  double factor = 1;

  std::vector<double> settings() const { return {factor}; }
  Tensor<float, Cuda> forward(const ConstTensorView<float, Cuda>& x, Pass, Cache* = nullptr) {
    Tensor<float, Cuda> y(x.shape());
    Cuda::scale(x.size(), static_cast<float>(factor), x.data(), y.data());
    return y;
  }
  Tensor<float, Cuda> backward(const ConstTensorView<float, Cuda>& dy, const Cache&, Gradients) {
    return forward(dy, Pass::train());
  }
  template <class F>
  void visit(const std::string&, F&) {}
};

TEST_CASE("settings of layers, wherever they are, are noticed") {
  std::vector<std::vector<float>> states;
  for (const bool record : {false, true}) {
    auto layers = Sequential(AvgPool<float, Cuda>(), Scaled(), Conv2D<float, Cuda>(3, 2, 3, Random(3)));
    Gan gan(DvdGenerator<float, Cuda>(tiny, Random(1)), NamedDiscriminator{"layers", LayerDiscriminator(layers)});
    Trainer trainer(gan, {.batch = 2, .record = record});
    MovingShapes data({.frames = 3, .resolution = 16});
    for (int step = 0; step < 3; ++step) trainer.step(data);
    gan.discriminator<0>().layer.get<1>().factor = 0.25;
    for (int step = 0; step < 3; ++step) trainer.step(data);
    states.push_back(state_of(gan));
  }
  CHECK(states[0] == states[1]);
}

TEST_CASE("recorded sampling notices weights in other places and bad labels") {
  DvdGan<float, Cuda> gan(tiny, 3);
  RecordedGenerator recorded(gan.average);
  const auto z = draw_latents<float, Cuda>(tiny.latent_dim, {.count = 2, .seed = 4});
  for (int batch = 0; batch < 4; ++batch) recorded.generate(z, {1, 2});
  for (auto& [name, parameter] : contents(gan.average).parameters) {
    Tensor<float, Cuda> other = parameter->value.clone();
    Cuda::scale(other.size(), 1.5f, other.data(), other.data());
    parameter->value = std::move(other);
  }
  for (int batch = 0; batch < 3; ++batch)
    CHECK(recorded.generate(z, {1, 2}).to_vector() ==
          gan.average.generate(z, {1, 2}, ConstTensorView<float, Cuda>(), Pass::evaluate()).to_vector());
  CHECK_THROWS_AS(recorded.generate(z, {1, 12}), ArgumentError);
  CHECK_THROWS_AS(recorded.generate(z, {-1, 2}), ArgumentError);
}

}  // namespace

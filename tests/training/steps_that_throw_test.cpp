// What a step is made from is checked before it begins, and a step that throws leaves everything as it was.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using Gan = dvd::DvdGan<float>;

const dvd::DvdGanConfig tiny = {
    .frames = 3, .resolution = 16, .channels = 1, .classes = 12, .latent_dim = 6, .embed_dim = 5, .spatial_frames = 2};
const dvd::TrainerOptions options = {.batch = 2, .seed = 3};

/// Everything that training changes, as numbers.
template <class TrainerType>
std::vector<float> state_of(TrainerType& trainer) {
  std::vector<float> state;
  const auto add = [&](const dvd::Tensor<float>& tensor) {
    const auto values = tensor.to_vector();
    state.insert(state.end(), values.begin(), values.end());
  };
  const auto all = dvd::contents(trainer.gan());
  for (const auto& [name, parameter] : all.parameters) add(parameter->value);
  for (const auto& [name, buffer] : all.buffers) add(buffer->value);
  for (auto* optimizer : {&trainer.generator_optimizer(), &trainer.discriminator_optimizer()}) {
    state.push_back(static_cast<float>(optimizer->steps()));
    for (auto& [average, square] : optimizer->moments()) add(average), add(square);
  }
  state.push_back(static_cast<float>(trainer.steps()));
  return state;
}

/// Moving shapes whose clip number `when`, counted over the run, is what `spoil` makes of it.
struct Spoiled {
  dvd::MovingShapes shapes{{.frames = 3, .resolution = 16}};
  int when = 0;
  std::function<void(dvd::LabelledClip&)> spoil;
  int drawn = 0;

  std::vector<dvd::LabelledClip> batch(dvd::Index number) {
    std::vector<dvd::LabelledClip> clips;
    for (int i = 0; i < 2; ++i) {
      clips.push_back(shapes.draw(dvd::Random(static_cast<std::uint64_t>(2 * number + i))));
      if (drawn++ == when) spoil(clips.back());
    }
    return clips;
  }
};

/// Throws, if it is armed, in the middle of a pass, when statistics and power iterations have moved, as lack of memory
/// would.
struct FailingDownsampler : dvd::TemporalDownsampler<float> {
  static inline bool armed = false;

  dvd::Tensor<float> forward(const dvd::ConstTensorView<float>& x, dvd::Pass pass, Cache* cache = nullptr) const {
    if (armed) throw dvd::Error("out of memory");
    return dvd::TemporalDownsampler<float>::forward(x, pass, cache);
  }
};

struct FailingParts : dvd::DvdGanParts<float> {
  using Downsampler = FailingDownsampler;
};

/// The message of the error that `act` throws.
template <class Act>
std::string message_of(const Act& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

dvd::DiscriminatorInputs<float> inputs_for_discriminators() {
  dvd::Tensor<float> z(dvd::Shape{2, 6});
  dvd::Cpu::random_normal(z.size(), dvd::Random(1), 1.0f, z.data());
  return {dvd::Tensor<float>::zeros({3, 2, 16, 16, 3}), {1, 2}, z, {3, 4}, dvd::FrameIndices{2, 2, {0, 1, 1, 2}},
          dvd::FrameIndices{2, 2, {0, 1, 0, 2}}};
}

}  // namespace

TEST_CASE("clips that do not fit, wherever in a step they come, change nothing") {
  Gan gan(tiny, 7);
  dvd::Trainer trainer(gan, options);
  Spoiled data;
  data.when = -1;
  trainer.step(data);
  const auto before = state_of(trainer);

  struct Case {
    const char* says;
    std::function<void(dvd::LabelledClip&)> spoil;
  };
  const Case cases[] = {
      {"class 12, but the model has 12", [](auto& clip) { clip.label = 12; }},
      {"class -1, but the model has 12", [](auto& clip) { clip.label = -1; }},
      {"holds 2300 bytes", [](auto& clip) { clip.clip.pixels.resize(2300); }},
      {"but the data set gives 2 frames of 16x16", [](auto& clip) { clip.clip = dvd::Clip(2, 16, 16); }},
      {"gone", [](auto&) { throw std::runtime_error("gone"); }},
  };
  for (const int when : {0, 3})  // in the first update's batch, and in the second one's
    for (const auto& [says, spoil] : cases) {
      data.when = when;
      data.spoil = spoil;
      data.drawn = 0;
      const std::string message = message_of([&] { trainer.step(data); });
      CHECK_MESSAGE(contains(message, says), message);
      CHECK(state_of(trainer) == before);
    }
}

TEST_CASE("a data set of more classes than the model is named with the remedy") {
  dvd::DvdGanConfig config = tiny;
  config.classes = 1;
  Gan gan(config, 7);
  dvd::Trainer trainer(gan, options);
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  const std::string message = message_of([&] { trainer.step(data); });
  CHECK_MESSAGE(contains(message, "the data set has 12 classes and the model 1"), message);
  CHECK_MESSAGE(contains(message, ".classes = 12"), message);
}

TEST_CASE("updates by hand from what does not fit change nothing, and say what is wrong") {
  Gan gan(tiny, 7);
  dvd::Trainer trainer(gan, options);
  dvd::StepReport report;
  trainer.discriminator_update(inputs_for_discriminators(), report);
  const auto before = state_of(trainer);
  const auto refuses = [&](const char* says, const auto& spoil) {
    auto inputs = inputs_for_discriminators();
    spoil(inputs);
    const std::string message = message_of([&] { trainer.discriminator_update(inputs, report); });
    CHECK_MESSAGE(contains(message, says), message);
    CHECK(state_of(trainer) == before);
  };
  refuses("label 12 is not a class", [](auto& inputs) { inputs.labels = {3, 12}; });
  refuses("label -1 is not a class", [](auto& inputs) { inputs.real_labels = {-1, 2}; });
  refuses("2 real videos and 1 labels", [](auto& inputs) { inputs.real_labels = {1}; });
  refuses("latents [N, 6]", [](auto& inputs) { inputs.z = dvd::Tensor<float>::zeros({2, 5}); });
  refuses("latents [N, 6]", [](auto& inputs) { inputs.z = {}; });
  refuses("real videos [3, N, 16, 16, 3]", [](auto& inputs) { inputs.real = inputs.real.slice(0, 2); });
  refuses("real videos [3, N, 16, 16, 3]", [](auto& inputs) { inputs.real = {}; });
  refuses("frame index 3 is outside 0 .. 2", [](auto& inputs) { inputs.frames[0].values[1] = 3; });
  refuses("frame index -1 is outside", [](auto& inputs) { inputs.real_frames[0].values[0] = -1; });
  refuses("an update expects 2 frames", [](auto& inputs) { inputs.frames[0].values.pop_back(); });
  refuses("an update expects 2 frames", [](auto& inputs) { inputs.frames = dvd::FrameIndices{2, 1, {0, 0}}; });

  const std::string message = message_of([&] {
    trainer.generator_update({inputs_for_discriminators().z, {3, 4}, dvd::FrameIndices{1, 2, {0, 1}}}, report);
  });
  CHECK_MESSAGE(contains(message, "of each of 2 generated videos"), message);
  CHECK(contains(message_of([&] { trainer.generator_update(std::vector<dvd::GeneratorInputs<float>>{}, report); }),
                 "at least one part"));
  CHECK(state_of(trainer) == before);
}

TEST_CASE("an update that throws on its way changes nothing, and training goes on as if it had not been") {
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  dvd::DvdGan<float, dvd::Cpu, FailingParts> gan(tiny, 7), other(tiny, 7);
  dvd::Trainer trainer(gan, options), undisturbed(other, options);
  trainer.step(data);
  undisturbed.step(data);
  const auto before = state_of(trainer);
  FailingDownsampler::armed = true;
  CHECK(message_of([&] { trainer.step(data); }) == "out of memory");
  FailingDownsampler::armed = false;
  CHECK(state_of(trainer) == before);
  trainer.step(data);
  undisturbed.step(data);
  CHECK(state_of(trainer) == state_of(undisturbed));
}

TEST_CASE("learning rates fall in updates by hand, too") {
  Gan gan(tiny, 7);
  dvd::TrainerOptions falling = options;
  falling.schedule = dvd::LinearFall{0, 1};
  dvd::Trainer trainer(gan, falling);
  trainer.set_steps(1);  // from here on the factor is 0
  const auto weights = [&] {
    std::vector<float> values;
    const auto all = dvd::contents(gan.networks());
    for (const auto& [name, parameter] : all.parameters) {
      const auto own = parameter->value.to_vector();
      values.insert(values.end(), own.begin(), own.end());
    }
    return values;
  };
  const auto before = weights();
  dvd::StepReport report;
  trainer.generator_update({inputs_for_discriminators().z, {3, 4}, dvd::FrameIndices{2, 2, {0, 1, 1, 2}}}, report);
  CHECK(weights() == before);
  CHECK(trainer.steps() == 2);
}

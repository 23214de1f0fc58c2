// What docs/threads_and_lifetimes.md shows, and what docs/faq.md says of pictures, compiled and run.
#include <doctest/doctest.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <thread>
#include <vector>

#include "dvd/data/clip_loader.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/served_generator.hpp"
#include "dvd/training/trainer.hpp"

namespace {

constexpr dvd::DvdGanConfig tiny{
    .frames = 2, .resolution = 8, .channels = 1, .classes = 12, .latent_dim = 4, .embed_dim = 3};

std::vector<float> weights_of(dvd::DvdGan<float>& gan) {
  std::vector<float> all;
  const auto everything = dvd::contents(gan);
  for (const auto& [name, parameter] : everything.parameters)
    for (const float value : parameter->value.to_vector()) all.push_back(value);
  return all;
}

TEST_CASE("who owns elements, and what a view keeps") {
  dvd::Tensor<float> video = dvd::Tensor<float>::zeros({8, 4, 16, 16, 3});
  dvd::TensorView<float> frame = video[5];            // refers to a part, and keeps all elements of `video`
  const dvd::Tensor<float> copy = video;              // elements of its own
  frame.fill(1);                                      // writes into `video`, not into `copy`
  const dvd::Tensor<float> taken = std::move(video);  // the same elements; `video` is empty, and may be assigned
  std::vector<float> mine(8, 2.0f);
  dvd::TensorView<float> borrowed(mine.data(), {2, 4});  // keeps nothing: `mine` must outlive it
  borrowed[0].fill(3);                                   // writes into `mine`

  CHECK(!video);
  CHECK(taken[5][0][0][0][0].item() == 1);
  CHECK(copy[5][0][0][0][0].item() == 0);
  CHECK(mine == std::vector<float>{3, 3, 3, 3, 2, 2, 2, 2});
}

TEST_CASE("a layer and its caches") {
  const dvd::Random random(1);
  const auto x = dvd::Tensor<float>::full({1, 8, 8, 3}, 0.5f), other = dvd::Tensor<float>::full({1, 8, 8, 3}, 0.25f);
  dvd::Sequential net(dvd::Conv2D<float>(3, 4, 3, random), dvd::ReLU<float>());
  decltype(net)::Cache first, second;                         // yours: as many as you like
  const auto y = net.forward(x, dvd::Pass::train(), &first);  // `first` keeps views of x and y
  const auto z = net.forward(other, dvd::Pass::train(), &second);
  net.backward(z, second, dvd::Gradients::parameters);  // in any order; gradients of parameters add up
  net.backward(y, first, dvd::Gradients::parameters);
  auto apart = dvd::clone(net);  // weights and buffers of its own, no gradients

  auto copy = net;
  const auto gradient_of = [](auto& layer) -> const dvd::Tensor<float>& {
    return dvd::contents(layer).parameters.front().parameter->gradient;
  };
  REQUIRE(gradient_of(net));
  CHECK(gradient_of(copy).to_vector() == gradient_of(net).to_vector());
  CHECK(gradient_of(copy).data() != gradient_of(net).data());
  CHECK(!gradient_of(apart));
}

TEST_CASE("videos from several threads") {
  dvd::DvdGan<float> gan(tiny);
  const dvd::ServedGenerator served(gan.average);
  std::vector<dvd::Tensor<float>> videos(4);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < videos.size(); ++i)
    threads.emplace_back([&, i] { videos[i] = served.sample({.label = 3, .seed = i}); });
  threads.clear();  // waits for all

  for (std::size_t i = 0; i < videos.size(); ++i)
    CHECK(videos[i].to_vector() == gan.sample({.label = 3, .seed = i}).to_vector());
}

TEST_CASE("the number of threads, and the caller's own oneTBB") {
  dvd::MovingShapes data({.frames = 2, .resolution = 8});
  dvd::DvdGan<float> plain(tiny), limited(tiny), arena(tiny);
  dvd::Trainer(plain, {.batch = 2}).step(data);
  {
    dvd::Trainer trainer(limited, {.batch = 2});
    const dvd::ThreadLimit limit(1);  // as long as it lives: at most one thread, the calling one
    trainer.step(data);
  }
  {
    dvd::Trainer trainer(arena, {.batch = 2});
    tbb::task_arena two(2);
    two.execute([&] { trainer.step(data); });  // computes on the threads of this arena
  }
  CHECK(weights_of(plain) == weights_of(limited));
  CHECK(weights_of(plain) == weights_of(arena));
}

TEST_CASE("what is thrown, and what stays as it was") {
  dvd::DvdGan<float> gan(tiny);
  dvd::Trainer trainer(gan, {.batch = 2});
  dvd::MovingShapes data({.frames = 3, .resolution = 8});  // one frame too many
  const auto before = weights_of(gan);
  std::string message;
  try {
    trainer.step(data);
  } catch (const dvd::ArgumentError& error) {  // nothing has changed; error.what() is one line
    message = error.what();
  }

  CHECK(message.find("the model expects clips of 2 frames") == 0);
  CHECK(weights_of(gan) == before);
  CHECK(trainer.steps() == 0);
}

TEST_CASE("clips drawn ahead by threads of the loader's own") {
  dvd::DvdGan<float> gan(tiny);
  dvd::Trainer trainer(gan, {.batch = 2});
  dvd::MovingShapes source({.frames = 2, .resolution = 8});
  dvd::ClipLoader loader(source, trainer.batch_schedule(), {.batch = 2, .ahead = 2, .threads = 2});
  for (int step = 0; step < 2; ++step) trainer.step(loader);

  CHECK(trainer.steps() == 2);
}

TEST_CASE("videos of one frame are pictures") {
  dvd::DvdGan<float> gan({.frames = 1, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2});
  dvd::MovingShapes pictures({.frames = 1, .resolution = 16});
  const dvd::StepReport report = trainer.step(pictures);

  CHECK(!report.skipped);
  CHECK(std::isfinite(report.generator_loss));
  CHECK(gan.sample({.label = 1, .count = 2}).shape() == dvd::Shape{1, 2, 16, 16, 3});
}

}  // namespace

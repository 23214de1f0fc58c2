// The C++ of docs/parts.md, docs/eigen.md, docs/serving.md and docs/video_sets.md; tests/docs/pages_test.cpp compares.
#include <doctest/doctest.h>

// As the pages have it.
// clang-format off

#include <dvd/data/video_set.hpp>                    // dvd::checkpoint; no FFmpeg
#include <dvd/dvdgan.hpp>
#include <dvd/eigen.hpp>
#include <dvd/io/generator_file.hpp>                 // dvd::checkpoint
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/pool.hpp>
#include <dvd/layers/transposed_convolution.hpp>
#include <dvd/layers/tsru.hpp>
#include <dvd/models/gan.hpp>
#include <dvd/training/checkpoint.hpp>

#include "support/made_set.hpp"
#include "support/temporary_folder.hpp"

namespace {

std::vector<float> read_pixels() { return std::vector<float>(std::size_t{4 * 32 * 32 * 3}, 0.5f); }

TEST_CASE("layers") {
  const dvd::Random random(1);
  dvd::Tensor<float> x(dvd::Shape{4, 32, 32, 3}), dy(dvd::Shape{4, 16, 16, 16});
  x.fill(0.5f);
  dy.fill(1);

  dvd::Sequential net(dvd::Conv2D<float>(3, 16, 3, random.stream("a")), dvd::ReLU<float>(), dvd::AvgPool<float>());
  decltype(net)::Cache cache;
  auto y = net.forward(x, dvd::Pass::train(), &cache);               // x is [N, H, W, 3]
  auto dx = net.backward(dy, cache, dvd::Gradients::all);            // adds to each Parameter::gradient

  CHECK(y.shape() == dy.shape());
  CHECK(dx.shape() == x.shape());
}

TEST_CASE("tensors and views") {
  dvd::Conv2D<float> net(3, 16, 3, dvd::Random(1));

  dvd::Tensor<float> video(dvd::Shape{8, 4, 32, 32, 3});             // [T, N, H, W, C]
  dvd::TensorView<float> frame = video[5];                           // [N, H, W, C]; writing to it writes to video
  std::vector<float> mine = read_pixels();
  auto y = net.forward(dvd::TensorView<const float>(mine.data(), {4, 32, 32, 3}), dvd::Pass::evaluate());

  frame.fill(0.5f);
  CHECK(y.to_vector() == net.forward(video[5], dvd::Pass::evaluate()).to_vector());
}

TEST_CASE("convolutions of any kernel") {
  const dvd::Random random(1);
  dvd::Conv2D<float> halving(3, 64, {.kernel = 4, .stride = 2, .padding = 1}, random.stream("down"));
  dvd::TransposedConv3D<float> doubling(64, 3, {.kernel = {3, 4, 4}, .stride = {1, 2, 2}, .padding = 1}, random.stream("up"));
  dvd::MaxPool2D<float> pool({.kernel = 3, .stride = 2, .padding = dvd::same_padding});
  const auto small = halving.forward(dvd::Tensor<float>::zeros({2, 8, 8, 3}), dvd::Pass::evaluate());
  CHECK(small.shape() == dvd::Shape{2, 4, 4, 64});
  CHECK(pool.forward(small, dvd::Pass::evaluate()).shape() == dvd::Shape{2, 2, 2, 64});
  CHECK(doubling.forward(small.reshaped({1, 2, 4, 4, 64}), dvd::Pass::evaluate()).shape() == dvd::Shape{1, 2, 8, 8, 3});
}

using MyUnit = dvd::TSRU<float>;
using MyFrames = dvd::ConsecutiveFrames;
using MyPhi = dvd::QuarterDownsampler<float>;
using MyAttention = dvd::SelfAttention<float>;

TEST_CASE("a DVD-GAN of other parts") {
  struct MyParts : dvd::DvdGanParts<float> {
    using Recurrent = MyUnit;            // a RecurrentUnit, as ConvGRU, ConvLSTM, TSRU
    using Sampler = MyFrames;            // a FrameSampling, as FrameSampler, ConsecutiveFrames, StridedFrames
    using Downsampler = MyPhi;           // a TemporalDownsampling, as TemporalDownsampler, QuarterDownsampler, RandomHalfCrop
    using GeneratorAttention = MyAttention;   // a VideoAttention, as SelfAttention, SeparableAttention; also in D_S and D_T
  };
  dvd::DvdGan<float, dvd::Cpu, MyParts> gan({.frames = 8, .resolution = 32});
  dvd::Trainer<decltype(gan), dvd::WassersteinLoss> trainer(gan, {.batch = 8});   // any GanLoss
  CHECK(trainer.steps() == 0);
}

TEST_CASE("expressions of Eigen's") {
  dvd::Tensor<float> x(dvd::Shape{64, 100}), y(x.shape());
  x.fill(1);
  y.fill(3);
  {
    const auto a = dvd::eigen<2>(x), b = dvd::eigen<2>(y);      // Eigen::TensorMap, the same elements
    dvd::Tensor<float> z = dvd::evaluate(a * b + a.exp());      // a tensor of the expression's shape
    dvd::assign(z, a - 0.5f * b);                               // into elements that are there
    float mean = dvd::evaluate((a - b).square().mean()).item();
    CHECK(mean == 4);
    CHECK(z.to_vector().front() == -0.5f);
  }
  const auto a = dvd::eigen<2>(x), b = dvd::eigen<2>(y);
  dvd::Tensor<float> z = dvd::evaluate((a - b).square() * 0.5f);
  CHECK(z.to_vector().front() == 2);
}

const dvd::DvdGanConfig small{.frames = 4, .resolution = 16, .channels = 2, .classes = 5};

struct MyGenerator : dvd::DvdGenerator<float> {
  explicit MyGenerator(const dvd::Random& random) : dvd::DvdGenerator<float>(small, random) {}
};

struct WarpingParts : dvd::DvdGanParts<float> {
  using Recurrent = dvd::TSRU<float>;
};

// The pages name files as a program in its own folder would.
struct InOwnFolder {
  TemporaryFolder folder;
  std::filesystem::path before = std::filesystem::current_path();
  InOwnFolder() { std::filesystem::current_path(folder.path()); }
  ~InOwnFolder() { std::filesystem::current_path(before); }
};

TEST_CASE("a generator alone") {
  const InOwnFolder here;
  dvd::DvdGan<float> gan(small);
  {
    dvd::save_generator("alone.safetensors", gan.average);                      // or {.half = true}: half the size
    const auto served = dvd::load_served_generator("alone.safetensors");        // or any checkpoint
    auto videos = served.sample({.labels = {3, 1, 4}, .seed = 7});              // [frames, 3, H, W, C] in [-1, 1]
    CHECK(videos.shape() == dvd::Shape{4, 3, 16, 16, 3});
  }
  {
    dvd::DvdGan<float, dvd::Cpu, WarpingParts> warping(small);
    dvd::save_generator("tsru.safetensors", warping.average);
    using Networks = dvd::GeneratorNetworks<dvd::Generator<float, dvd::Cpu, dvd::TSRU<float>>>;
    const auto served = dvd::load_served_generator<Networks>("tsru.safetensors");
    CHECK(served.sample({.labels = {0}}).extent(1) == 1);
  }
  dvd::Gan one(MyGenerator(dvd::Random(1)), dvd::NamedDiscriminator{"spatial", dvd::SpatialDiscriminator<float>(small, dvd::Random(2))});
  dvd::save_generator("mine.safetensors", one.average);
  const auto mine = dvd::load_served_generator("mine.safetensors", MyGenerator(dvd::Random::none()));
  CHECK(mine.sample({.labels = {0}}).extent(1) == 1);
}

TEST_CASE("a prepared set") {
  const InOwnFolder here;
  dvd::testing::make_set("ucf-64", {{"run/a.avi", 0, 40, 1}, {"run/b.avi", 0, 40, 1}, {"walk/c.avi", 1, 40, 1}, {"walk/d.avi", 1, 40, 1}},
                         {.height = 4, .width = 6}, {"run", "walk"}, {"trainlist01.txt"});
  const dvd::Random random(1);
  dvd::VideoSet videos("ucf-64", {.frames = 16, .stride = 2, .split = "trainlist01.txt"});
  dvd::LabelledClip clip = videos.draw(random);        // a ClipSource, as VideoFolder is
  dvd::Clip all = videos.clip(3, 0, videos.frames(3)); // direct access: videos.size(), name(i), label(i), frames(i)
  CHECK(clip.clip.frames == 16);
  CHECK(all.frames == 40);
}

}  // namespace

// What the emulated GPU counts: a dry run submits what a real one does, and finds the bytes that kernels touch.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

EmulatedCounting& counting() { return EmulatedCounting::instance(); }

using Launches = std::map<std::string, int>;

Launches names(const std::vector<EmulatedWork>& all) {
  Launches launches;
  for (const EmulatedWork& work : all) ++launches[work.name];
  return launches;
}

/// The launches of a third training step, which replays what the second one recorded.
template <class T>
Launches third_step() {
  MovingShapes data({.frames = 4, .resolution = 16});
  DvdGan<T, Cuda> gan({.frames = 4, .resolution = 16, .channels = 2, .classes = 12});
  Trainer trainer(gan, {.batch = 2});
  for (int step = 0; step < 3; ++step) {
    counting().on = step > 0;
    counting().take();
    CHECK(!trainer.step(data).skipped);
  }
  counting().on = false;
  return names(counting().take());
}

/// What one call touches, in a dry run.
template <class Call>
EmulatedWork measured(const Call& call) {
  counting().on = counting().dry = true;
  counting().take();
  call();
  const std::vector<EmulatedWork> all = counting().take();
  counting().on = counting().dry = false;
  REQUIRE(!all.empty());
  return all.front();
}

bool about(double value, double expected) { return std::abs(value - expected) <= 0.03 * expected + 256; }

// Dry runs come first: what they reserve serves a real one as memory, but only untouched holds numbers everywhere.
TEST_CASE("a dry run submits what a real run does") {
  counting().dry = true;
  const Launches dry_float = third_step<float>(), dry_bfloat16 = third_step<bfloat16>();
  counting().dry = false;
  CHECK(dry_float.size() > 50);
  CHECK(dry_float == third_step<float>());
  CHECK(dry_bfloat16 == third_step<bfloat16>());
}

TEST_CASE("a dry run allocates what it could never fill") {
  counting().dry = true;
  {
    EmulatedGpu::instance().memory = std::size_t{1} << 42;
    const Tensor<float, Cuda> large(Shape{Index{1} << 36});  // 256 GiB
    Cuda::add(large.size(), large.data(), const_cast<float*>(large.data()));
  }
  counting().dry = false;
}

// What is done to all weights of a network is not done to one after the other.
TEST_CASE("launches for lists of weights") {
  Launches launches = third_step<bfloat16>();
  CHECK(launches["ListFill"] == 1);
  CHECK(launches["Fill<float>"] < 10);
  CHECK(launches["PackWeight<bfloat16>"] + launches["PackWeight<float>"] == 0);
  CHECK(launches["PackWeights<bfloat16>"] < 20);
  CHECK(launches["FilterForLibrary<bfloat16>"] == 0);
  CHECK(launches["FiltersForLibrary<bfloat16>"] < 20);
  // Of the generator's update: that of the discriminators was recorded before counting began.
  CHECK(launches["UnpackFilters<bfloat16>"] == 1);
  CHECK(launches["UnpackWeights<bfloat16>"] == 1);
  CHECK(launches["MapOne<float, bfloat16, Same>"] < 10);
}

TEST_CASE("launches for running statistics") {
  Launches launches = third_step<bfloat16>();
  CHECK(launches["BatchNormStatistics<bfloat16>"] > 0);
  CHECK(launches["FollowStatistics"] + launches["BatchNormCoefficients<bfloat16>"] + launches["Moments<bfloat16>"] ==
        0);
}

TEST_CASE("bytes of kernels") {
  constexpr Index size = 1 << 22;
  Tensor<bfloat16, Cuda> x(Shape{size}), y(Shape{size});
  Tensor<float, Cuda> sums(Shape{size}), scale(Shape{size}), shift(Shape{size});
  const double bytes = 2.0 * size;
  {
    const EmulatedWork add = measured([&] { Cuda::add(size, x.data(), y.data()); });
    CHECK(add.name == "MapTwo<bfloat16, Sum>");
    CHECK(about(add.read, 2 * bytes));
    CHECK(about(add.written, bytes));
  }
  {
    const EmulatedWork fill = measured([&] { Cuda::fill(size, 0.0f, sums.data()); });
    CHECK(fill.read == 0);
    CHECK(about(fill.written, 2 * bytes));
  }
  {
    const EmulatedWork turned = measured([&] { Cuda::transpose(1, 2048, 2048, x.data(), y.data()); });
    CHECK(about(turned.read, bytes));
    CHECK(about(turned.written, bytes));
  }
  {
    const EmulatedWork dot = measured([&] { Cuda::dot(size, x.data(), y.data(), sums.data()); });
    CHECK(about(dot.read, 2 * bytes));
    CHECK(dot.written < 2000);  // what blocks leave for the last of them
  }
  {
    const EmulatedWork sum = measured([&] { Cuda::sum_rows(1, size / 64, 64, x.data(), 64, sums.data(), false); });
    CHECK(about(sum.read, bytes));
  }
  {
    // Images of 64x64 pixels, 16 channels: what an image is scaled by is read once, not for every pixel; without it,
    // not at all.
    const ConvolutionSize convolution{size / (64 * 64 * 16), 1, 64, 64, 16, 8, 1, 3};
    const auto filter = Cuda::filter(convolution, static_cast<const bfloat16*>(y.data()));
    const auto convolved = [&](const ConvolutionInput<bfloat16>& input) {
      return measured([&] { Cuda::convolve(convolution, input, filter, nullptr, y.data(), 8, false); });
    };
    const EmulatedWork plain = convolved({x.data(), nullptr, nullptr, true}),
                       scaled = convolved({x.data(), scale.data(), shift.data(), true});
    CHECK(plain.name == "PrepareInput<bfloat16>");
    CHECK(about(plain.read, bytes));
    CHECK(about(plain.written, bytes));
    CHECK(about(scaled.read, bytes));
    CHECK(convolved({x.data()}).flop == 2.0 * size * 8 * 9);
  }
}

}  // namespace

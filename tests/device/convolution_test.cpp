// The convolutions of the device contract against loops that read as their definitions, for each device and scalar,
// with everything that may be fused into them.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <vector>

#include "support/convolution_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::Array;
using dvd::testing::check_close;
using dvd::testing::check_convolution;
using dvd::testing::Precise;
using dvd::testing::plain::Vector;
namespace plain = dvd::testing::plain;

struct Image {
  Index height, width;
};
TEST_CASE_TEMPLATE("everything that may be fused", O, DVD_DEVICES) {
  std::size_t number = 0;
  for (const auto& [height, width] : {Image{2, 2}, {4, 4}, {6, 10}, {7, 5}, {12, 16}, {20, 18}})
    for (const Index kernel_frames : {1, 3})
      for (const int upsampling : {0, 1, 2})
        for (const int pool : {0, 1, 2}) {
          // Few channels and many, in turn: direct convolutions and Winograd's.
          const bool many = number % 2 == 0;
          ConvolutionSize size{5, 2, height, width, many ? 17 : 3, many ? 9 : 34, kernel_frames, 3};
          if (upsampling > 0) {
            size.upsample = upsampling == 1 ? Upsampling::nearest : Upsampling::bilinear;
            size.height += size.height % 2;
            size.width += size.width % 2;
          }
          size.pool = pool > 0;
          if (pool == 2 && kernel_frames == 3) size.pool_frames = 2;
          check_convolution<O>(size, number % 3 == 0, number % 4 != 0);
          ++number;
        }
}

// The sizes at which work is cut into parts: many columns, several blocks in an image, one frame of a wide recurrence.
TEST_CASE_TEMPLATE("wide and large", O, DVD_DEVICES) {
  check_convolution<O>({1, 3, 8, 8, 40, 200, 1, 3}, false, false);
  check_convolution<O>({1, 1, 4, 4, 64, 192, 1, 3}, false, false);
  check_convolution<O>({1, 1, 64, 64, 8, 9, 1, 3, Upsampling::bilinear}, true, true);
  check_convolution<O>({1, 1, 68, 60, 9, 8, 1, 3, {}, true}, false, true);
  check_convolution<O>({5, 1, 40, 36, 8, 8, 3, 3, {}, true, 2}, false, true);
}

TEST_CASE_TEMPLATE("a 3x3x3 convolution is three 3x3 ones of neighbouring frames", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index inputs : {3, 16}) {
    const ConvolutionSize whole{4, 3, 8, 12, inputs, 7, 3, 3}, frame{1, 3, 8, 12, inputs, 7, 1, 3};
    const Index in = whole.input_size() / 4, out = whole.output_size() / 4;  // elements of a frame
    const auto x = Array<O>::random(4 * in, 1), weight = Array<O>::random(27 * inputs * 7, 2);
    Array<O> y(4 * out, 7), parts(4 * out, 0);
    D::convolve(whole, ConvolutionInput<T>{x.data()}, D::filter(whole, weight.data()), nullptr, y.data(), 7, false);
    for (Index t = 0; t < 4; ++t)
      for (Index tap = 0; tap < 3; ++tap)
        if (const Index from = t + tap - 1; from >= 0 && from < 4)
          D::convolve(frame, ConvolutionInput<T>{x.data() + from * in},
                      D::filter(frame, weight.data() + tap * 9 * inputs * 7), nullptr, parts.data() + t * out, 7, true);
    check_close("3x3x3", y, parts.now(), 30);
  }
}

// What stands in cpu/winograd.hpp of errors: with 512 channels, 36 of the products of a direct sum are 9 of larger
// terms, and the result is still within 5e-6 of the largest one in float.
TEST_CASE_TEMPLATE("accuracy", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index channels : {64, 512}) {
    const ConvolutionSize size{1, 12, 4, 4, channels, 16, 1, 3};
    const auto x = Array<O>::random(size.input_size(), 1), dy = Array<O>::random(size.output_size(), 3);
    const auto weight = Array<O>::random(9 * channels * 16, 2);
    Array<O> y(size.output_size(), 0), dx(size.input_size(), 0), dweight(9 * channels * 16, 0);
    const ConvolutionInput<T> input{x.data()};
    D::convolve(size, input, D::filter(size, weight.data()), nullptr, y.data(), 16, false);
    D::convolve_backward_input(size, input, dy.data(), 16, D::backward_filter(size, weight.data()), dx.data(), false);
    D::convolve_backward_weight(size, input, dy.data(), 16, dweight.data());
    check_close("y", y, plain::convolve(size, x.before(), weight.before(), {}), 80);
    check_close("dx", dx, plain::convolve_backward_input(size, dy.before(), weight.before()), 80);
    check_close("dweight", dweight, plain::convolve_backward_weight(size, x.before(), dy.before()), 80);
  }
}

TEST_CASE_TEMPLATE("a number that is none comes through", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  ConvolutionSize size{1, 12, 4, 4, 16, 16, 1, 3};
  Vector values(static_cast<std::size_t>(size.input_size()), 1.0);
  values[100] = std::numeric_limits<double>::quiet_NaN();
  const Array<O> x(values);
  const auto weight = Array<O>::random(9 * 16 * 16, 2);
  const Precise<O> bias(16, 1);
  for (const bool rectify : {false, true}) {
    size.rectify = rectify;
    Array<O> y(size.output_size(), 0);
    D::convolve(size, ConvolutionInput<T>{x.data(), nullptr, nullptr, true}, D::filter(size, weight.data()),
                bias.data(), y.data(), 16, false);
    bool found = false;
    for (const double value : y.now()) found = found || std::isnan(value);
    CHECK(found);
  }
}

// More weights than one launch takes, some with a bias, with channels that are padded and such that are not: what is
// convolved with them, and its gradients, are as with filters made alone, to the bit.
TEST_CASE_TEMPLATE("filters made together", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  if constexpr (D::filters_fit_all_sizes) {
    std::vector<ConvolutionSize> sizes;
    std::vector<Array<O>> weights;
    std::vector<Precise<O>> biases;
    std::vector<PackedWeight<T>> all;
    for (int i = 0; i < 700; ++i) {
      const Index large = i == 350 ? 40 : 0;
      sizes.push_back({i % 7 == 0 ? Index{2} : Index{1}, 1, 3, 2, 1 + 5 * i % 17 + large, 1 + 3 * i % 19 + large,
                       i % 7 == 0 ? Index{3} : Index{1}, i % 7 == 1 ? Index{1} : Index{3}});
      const ConvolutionSize& size = sizes.back();
      weights.push_back(Array<O>::random(size.taps() * size.inputs * size.outputs, static_cast<std::uint64_t>(i) + 10));
      biases.push_back(Precise<O>::random(size.outputs, static_cast<std::uint64_t>(i) + 20));
      all.push_back(
          {size.outputs, size.inputs, size.taps(), weights.back().data(), i % 3 == 0 ? nullptr : biases.back().data()});
    }
    const auto filters = D::filters(all);
    REQUIRE(filters.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const ConvolutionSize& size = sizes[i];
      const auto x = Array<O>::random(size.input_size(), 1), dy = Array<O>::random(size.output_size(), 2);
      const auto convolved = [&](const auto& filter) {
        Array<O> y(size.output_size(), 7);
        D::convolve(size, ConvolutionInput<T>{x.data()}, filter, all[i].bias, y.data(), size.outputs, false);
        return y.now();
      };
      const auto gradient = [&](const auto& filter) {
        Array<O> dx(size.input_size(), 7);
        D::convolve_backward_input(size, ConvolutionInput<T>{}, dy.data(), size.outputs, filter, dx.data(), false);
        return dx.now();
      };
      CHECK(convolved(filters[i]) == convolved(D::filter(size, weights[i].data())));
      CHECK(gradient(filters[i]) == gradient(D::backward_filter(size, weights[i].data())));
    }
    CHECK(D::filters(std::vector<PackedWeight<T>>()).empty());
  }
}

// One made for a size is, to the bit, the one for every size that it says it fits; its own is one of them.
TEST_CASE_TEMPLATE("filters for other sizes", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  if constexpr (!D::filters_fit_all_sizes) {
    const auto weight = Array<O>::random(27 * 16 * 8, 2);
    std::vector<ConvolutionSize> sizes;
    for (const Index kernel : {1, 3})
      for (const Index images : {1, 20})
        for (const Index side : {4, 7, 16}) sizes.push_back({1, images, side, side, 16, 8, 1, kernel});
    for (const Index frames : {1, 4}) {
      sizes.push_back({frames, 2, 8, 8, 16, 8, 3, 3});
      sizes.push_back({frames, 2, 8, 8, 16, 8, 3, 3, std::nullopt, true, frames > 1 ? Index{2} : Index{1}});
    }
    int fit = 0;
    for (const ConvolutionSize& size : sizes) {
      const auto x = Array<O>::random(size.input_size(), 1);
      const auto convolved = [&](const auto& filter) {
        Array<O> y(size.output_size(), 7);
        D::convolve(size, ConvolutionInput<T>{x.data()}, filter, nullptr, y.data(), size.outputs, false);
        return y.now();
      };
      const auto own = D::filter(size, weight.data());
      CHECK(own.fits(size));
      for (const ConvolutionSize& other : sizes) {
        if (other.taps() != size.taps()) continue;  // of another weight
        const auto filter = D::filter(other, weight.data());
        if (!filter.fits(size)) continue;
        ++fit;
        CHECK(convolved(filter) == convolved(own));
      }
    }
    CHECK(fit > static_cast<int>(sizes.size()));
  }
}

// More than one launch takes, some spectrally normalised, some as filters lie: as each alone.
TEST_CASE_TEMPLATE("gradients of weights unpacked together", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  if constexpr (D::unpacks_together) {
    std::vector<Array<O>> arrays;
    std::vector<Precise<O>> of_sigma, together, alone;
    std::vector<std::shared_ptr<void>> filters;
    std::vector<WeightGradientToUnpack<T>> all;
    constexpr std::size_t count = 800;
    for (auto* each : {&of_sigma, &together, &alone}) each->reserve(3 * count);
    arrays.reserve(4 * count);
    for (std::size_t i = 0; i < count; ++i) {
      const Index large = i == 350 ? 40 : 0, number = static_cast<Index>(i);
      const ConvolutionSize size{1, 2, 3, 2, 1 + 5 * number % 17 + large, 1 + 3 * number % 19 + large, 1, 3};
      const Index elements = size.taps() * size.inputs * size.outputs;
      const auto random = [&](Index length) -> Array<O>& {
        return arrays.emplace_back(Array<O>::random(length, static_cast<std::uint64_t>(arrays.size())));
      };
      const auto precise = [&](Index length) {
        return of_sigma.emplace_back(Precise<O>::random(length, static_cast<std::uint64_t>(of_sigma.size()))).data();
      };
      const T *const packed = random(elements).data(), *const x = random(size.input_size()).data(),
                     *const dy = random(size.output_size()).data();
      Array<O>& dpacked = random(elements);
      D::convolve_backward_weight(size, ConvolutionInput<T>{x}, dy, size.outputs, dpacked.data());
      WeightGradientToUnpack<T> gradient{size.outputs, size.inputs, size.taps(), dpacked.data(), packed,
                                         nullptr,      nullptr,     nullptr,     nullptr};
      if (i % 3 > 0) {
        gradient.sigma = of_sigma.emplace_back(1, 1.5).data();
        gradient.u = precise(size.outputs);
        gradient.v = precise(size.inputs * size.taps());
      }
      const auto before = Precise<O>::random(elements, 3);
      gradient.dweight = alone.emplace_back(before.before()).data();
      D::unpack_weight_gradient(gradient.outputs, gradient.inputs, gradient.taps, gradient.dpacked, gradient.packed,
                                gradient.sigma, gradient.u, gradient.v, gradient.dweight);
      gradient.dweight = together.emplace_back(before.before()).data();
      if (i % 2 > 0) {
        const auto filter = D::filter(size, packed),
                   dfilter = D::weight_gradient(size, ConvolutionInput<T>{x}, dy, size.outputs);
        filters.push_back(filter.memory);
        filters.push_back(dfilter.memory);
        gradient.packed = filter.weight;
        gradient.dpacked = dfilter.weight;
        gradient.filters = true;
      }
      all.push_back(gradient);
    }
    D::unpack_weight_gradients(all);
    for (std::size_t i = 0; i < count; ++i)
      check_close("together", together[i], alone[i].now(), i % 2 > 0 ? dvd::testing::summed : 0);
    D::unpack_weight_gradients(std::vector<WeightGradientToUnpack<T>>());
  }
}

TEST_CASE_TEMPLATE("linear maps in pairs", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  if constexpr (D::pairs_products) {
    for (const auto& [vectors, inputs, outputs] :
         {std::array<Index, 3>{1, 1, 1}, {3, 8, 16}, {8, 17, 5}, {32, 40, 64}}) {
      const ConvolutionSize size{1, vectors, 1, 1, inputs, outputs, 1, 1};
      const auto x = Array<O>::random(vectors * inputs, 1), dy = Array<O>::random(2 * vectors * outputs, 2);
      const auto weights = Array<O>::random(2 * inputs * outputs, 3), apart = Array<O>::random(inputs * outputs, 4);
      const T *const first = weights.data(), *const second = weights.data() + inputs * outputs;
      for (const std::array<const T*, 2>& pair :
           {std::array<const T*, 2>{first, second}, {second, first}, {first, apart.data()}, {apart.data(), first}}) {
        Array<O> y(2 * vectors * outputs, 7), alone(2 * vectors * outputs, 7);
        D::linear_pair(vectors, inputs, outputs, x.data(), pair, y.data());
        for (std::size_t i = 0; i < 2; ++i)
          D::convolve(size, ConvolutionInput<T>{x.data()}, D::filter(size, pair[i]), nullptr,
                      alone.data() + static_cast<Index>(i) * vectors * outputs, outputs, false);
        check_close("y", y, alone.now(), dvd::testing::summed);
      }
      Array<O> dweight(2 * inputs * outputs, 7), alone(2 * inputs * outputs, 7);
      D::linear_pair_backward_weight(vectors, inputs, outputs, x.data(), dy.data(), dweight.data());
      for (const Index i : {0, 1})
        D::convolve_backward_weight(size, ConvolutionInput<T>{x.data()}, dy.data() + i * vectors * outputs, outputs,
                                    alone.data() + i * inputs * outputs);
      check_close("dweight", dweight, alone.now(), dvd::testing::summed);
    }
  }
}

}  // namespace

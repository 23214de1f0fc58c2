// The kernels of batch norms over parts of a batch: what the parts' sums add up to is what loops over the whole batch
// give, for each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/distributed/communicator.hpp"
#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;
namespace plain = dvd::testing::plain;

// Activations [frames, batch, rows, channels] or coefficients, whose rows are 1.
struct Size {
  Index frames, batch, rows, channels;

  Index count() const { return frames * batch * rows * channels; }
};

// The videos of a share of the batch.
Vector part_of(const Size& size, const Share& share, const Vector& x) {
  Vector part;
  const Index video = size.rows * size.channels;
  for (Index t = 0; t < size.frames; ++t)
    for (Index i = 0; i < share.count * video; ++i) part.push_back(at(x, (t * size.batch + share.first) * video + i));
  return part;
}

// Doubles on the device, which no kernel but these has.
template <class D>
class Sums {
 public:
  explicit Sums(Index size) : memory_(D::allocate(bytes_of(size))), host_(zeros(size)) { set(host_); }

  double* data() const { return static_cast<double*>(memory_.get()); }
  void set(const Vector& values) const {
    D::upload(values.data(), memory_.get(), bytes_of(static_cast<Index>(values.size())));
  }
  Vector now() const {
    Vector values = host_;
    D::download(memory_.get(), values.data(), bytes_of(static_cast<Index>(values.size())));
    return values;
  }

 private:
  static std::size_t bytes_of(Index size) { return static_cast<std::size_t>(size) * sizeof(double); }

  std::shared_ptr<void> memory_;
  Vector host_;
};

constexpr Index parts = 3;

TEST_CASE_TEMPLATE("moments of parts add up to those of all", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {Index{1}, Index{5}, Index{8}, Index{33}})
    for (const Index rows : {Index{4}, Index{35}}) {
      const Size size{2, 5, rows, channels};
      CAPTURE(channels);
      CAPTURE(rows);
      Vector values = Array<O>::random(size.count(), 1).before();
      for (double& value : values) value += 3;
      const Array<O> x(values);
      const Index frames_channels = size.frames * channels;
      const auto reference = Precise<O>(Vector(static_cast<std::size_t>(frames_channels), 2.5));
      const Sums<D> sums(2 * frames_channels);
      Vector total = zeros(2 * frames_channels);
      for (Index part = 0; part < parts; ++part) {
        const Share share = Share::of(size.batch, part, parts);
        const plain::Moments own =
            plain::moments(size.frames, share.count * rows, channels, part_of(size, share, x.before()));
        const Precise<O> mean(own.mean), variance(own.variance);
        D::moment_sums(frames_channels, share.count * rows, mean.data(), variance.data(), reference.data(),
                       sums.data());
        total = added(total, sums.now());
      }
      sums.set(total);
      Precise<O> mean(frames_channels, 7), variance(frames_channels, 7);
      D::moments_of_sums(frames_channels, size.batch * rows, sums.data(), reference.data(), mean.data(),
                         variance.data());
      const plain::Moments expected = plain::moments(size.frames, size.batch * rows, channels, x.before());
      check_close("mean", mean, expected.mean, summed);
      check_close("variance", variance, expected.variance, summed);
    }
}

TEST_CASE_TEMPLATE("a variance is never negative, and what is not a number stays so", O, DVD_DEVICES) {
  using D = typename O::D;
  const Sums<D> sums(4);
  sums.set({3, NAN, 0.99, 1});  // 3 values: 3 / 3 = 1, whose square is more than 0.99 / 3
  const Precise<O> reference(Vector{1, 1});
  Precise<O> mean(2, 7), variance(2, 7);
  D::moments_of_sums(2, 3, sums.data(), reference.data(), mean.data(), variance.data());
  CHECK(at(mean.now(), 0) == 2);
  CHECK(at(variance.now(), 0) == 0);
  CHECK(std::isnan(at(mean.now(), 1)));
  CHECK(std::isnan(at(variance.now(), 1)));
}

TEST_CASE_TEMPLATE("gradients of parts are those of all", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  using P = FullPrecision<T>;
  const P epsilon(1e-5);
  for (const Index channels : {Index{1}, Index{5}, Index{8}, Index{33}})
    for (const Index rows : {Index{4}, Index{35}})
      for (const bool rectify : {false, true}) {
        const Size size{3, 5, rows, channels}, affine{1, 5, 1, channels}, coefficients{3, 5, 1, channels};
        CAPTURE(channels);
        CAPTURE(rows);
        CAPTURE(rectify);
        const auto x = Array<O>::random(size.count(), 1), dy = Array<O>::random(size.count(), 2),
                   gain = Array<O>::random(affine.count(), 3, 0.5), bias = Array<O>::random(affine.count(), 4, 0.5);
        const plain::Moments moments = plain::moments(size.frames, size.batch * rows, channels, x.before());
        const Precise<O> mean(moments.mean), variance(moments.variance);
        Precise<O> scale(coefficients.count(), 7), shift(coefficients.count(), 7);
        D::batch_norm_coefficients(size.frames, size.batch, channels, mean.data(), variance.data(), gain.data(),
                                   bias.data(), epsilon, scale.data(), shift.data());
        const auto expected = plain::batch_norm_backward(size.frames, size.batch, rows, channels, x.before(),
                                                         dy.before(), {mean.before(), variance.before()}, gain.before(),
                                                         bias.before(), static_cast<double>(epsilon), rectify, true);
        struct Part {
          Share share;
          Array<O> x, dy;
          Precise<O> scale, shift;
        };
        std::vector<Part> all;
        const Sums<D> sums(2 * size.frames * channels);
        Vector total = zeros(2 * size.frames * channels);
        for (Index i = 0; i < parts; ++i) {
          const Share share = Share::of(size.batch, i, parts);
          const Part& part = all.emplace_back(Part{share, Array<O>(part_of(size, share, x.before())),
                                                   Array<O>(part_of(size, share, dy.before())),
                                                   Precise<O>(part_of(coefficients, share, scale.now())),
                                                   Precise<O>(part_of(coefficients, share, shift.now()))});
          const auto sum = [&](auto& dgain, auto& dbias) {
            D::batch_norm_gradient_sums(size.frames, share.count, rows, channels, part.x.data(), part.dy.data(),
                                        mean.data(), variance.data(), part.scale.data(), part.shift.data(), epsilon,
                                        rectify, dgain.data(), dbias.data(), sums.data());
          };
          Array<O> dgain(share.count * channels, 7), dbias(share.count * channels, 7);
          sum(dgain, dbias);
          const Vector before = sums.now();
          total = added(total, before);
          check_close("dgain", dgain, part_of(affine, share, expected.gain), ratio);
          check_close("dbias", dbias, part_of(affine, share, expected.bias), summed);
          Precise<O> precise_dgain(share.count * channels, 7), precise_dbias(share.count * channels, 7);
          sum(precise_dgain, precise_dbias);
          CHECK(sums.now() == before);
          check_close("dgain, in full precision", precise_dgain, part_of(affine, share, expected.gain), ratio);
          check_close("dbias, in full precision", precise_dbias, part_of(affine, share, expected.bias), summed);
        }
        sums.set(total);
        for (Part& part : all) {
          const Vector own = part_of(size, part.share, expected.x);
          const auto gradient = [&](Array<O>& dx) {
            D::batch_norm_gradient(size.frames, part.share.count, rows, channels, part.x.data(), part.dy.data(),
                                   mean.data(), variance.data(), part.scale.data(), part.shift.data(), epsilon, rectify,
                                   size.batch * rows, sums.data(), dx.data());
          };
          Array<O> dx(static_cast<Index>(own.size()), 7);
          gradient(dx);
          check_close("dx", dx, own, ratio);
          gradient(part.dy);
          check_close("dx in place of dy", part.dy, dx.now(), exact);
        }
      }
}

}  // namespace

// Random orthogonal matrices of the sizes that Cholesky QR makes, and the values of those that Gram-Schmidt makes.
#include "dvd/device/cpu/orthogonal.hpp"

#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"

namespace {

using dvd::Index;

struct Matrix {
  Index rows, columns;
  dvd::cpu::Scratch<float> values;

  Matrix(Index height, Index width, std::uint64_t seed) : rows(height), columns(width), values(height * width) {
    dvd::cpu::random_orthogonal(rows, columns, dvd::Random(seed), values.data());
  }

  /// In double, the shorter side first.
  Eigen::MatrixXd directions() const {
    const Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> map(values.data(), rows,
                                                                                                columns);
    return rows <= columns ? Eigen::MatrixXd(map.cast<double>()) : Eigen::MatrixXd(map.transpose().cast<double>());
  }

  std::vector<float> to_vector() const { return {values.data(), values.data() + rows * columns}; }
};

}  // namespace

TEST_CASE("the shorter side of a large matrix is orthonormal") {
  // Square, hardly long enough for Cholesky QR, wide and tall; sides that fill no panel and no group of rows.
  const std::pair<Index, Index> sizes[] = {{1025, 1031}, {1280, 2560}, {2562, 1279}, {530, 6001}, {8193, 387}};
  for (const auto& [rows, columns] : sizes) {
    CAPTURE(rows);
    CAPTURE(columns);
    const Eigen::MatrixXd q = Matrix(rows, columns, 11).directions();
    Eigen::MatrixXd products = q * q.transpose();
    products.diagonal().array() -= 1;
    CHECK(products.cwiseAbs().maxCoeff() < 1e-5);
  }
}

TEST_CASE("the elements of a large matrix are spread as those of a uniform one") {
  const Eigen::MatrixXd q = Matrix(384, 8192, 12).directions();
  const Eigen::ArrayXXd scaled = q.array() * std::sqrt(static_cast<double>(q.cols()));
  // Nearly normal with variance 1; bounds of five standard deviations of the mean of three million.
  CHECK(std::abs(scaled.mean()) < 5 * std::sqrt(1.0 / (3 << 20)));
  CHECK(std::abs(scaled.cube().mean()) < 5 * std::sqrt(15.0 / (3 << 20)));
  CHECK(std::abs(scaled.square().square().mean() - 3) < 5 * std::sqrt(96.0 / (3 << 20)));
  CHECK(scaled.maxCoeff() > 4.5);
  CHECK(scaled.minCoeff() < -4.5);
  // No direction is preferred, neither among the rows nor among the places in them.
  CHECK(scaled.rowwise().mean().square().mean() < 1.3 / 8192);
  CHECK(scaled.colwise().mean().square().mean() < 1.1 / 384);
}

TEST_CASE("a large matrix depends on the seed, not on the number of threads") {
  std::vector<float> one, three;
  {
    const dvd::ThreadLimit threads(1);
    one = Matrix(387, 8193, 5).to_vector();
  }
  {
    const dvd::ThreadLimit threads(3);
    three = Matrix(387, 8193, 5).to_vector();
  }
  CHECK(one == three);
  CHECK(one != Matrix(387, 8193, 6).to_vector());
}

TEST_CASE("matrices of usual sizes keep the values of version 0.1.0") {
  struct Expected {
    Index rows, columns;
    float first, third, half, last;  // at 0, size / 3, size / 2 and size - 1
  };
  const Expected all[] = {
      {48, 432, 0.025614379f, -0.00710078981f, -0.0955094546f, -0.0350040458f},
      {432, 48, 0.025614379f, 0.0546282344f, -0.0228583086f, -0.0350040458f},
      {100, 1, 0.0535686091f, 0.00570614636f, 0.0525913984f, 0.132546797f},
      {130, 130, 0.045904316f, 0.028987607f, -0.0206950903f, 0.00745707145f},
      {256, 2304, 0.0111422054f, -0.0368176289f, 0.0206031594f, 0.015749393f},
      {512, 4608, 0.00781678036f, 0.00679067988f, 0.00489390269f, -0.0061459695f},
  };
  for (const Expected& expected : all) {
    CAPTURE(expected.rows);
    CAPTURE(expected.columns);
    const auto values = Matrix(expected.rows, expected.columns, 7).to_vector();
    // Instruction sets round differently.
    const auto differs = [&](std::size_t i, float value) { return std::abs(values[i] - value) > 1e-6f; };
    CHECK_FALSE(differs(0, expected.first));
    CHECK_FALSE(differs(values.size() / 3, expected.third));
    CHECK_FALSE(differs(values.size() / 2, expected.half));
    CHECK_FALSE(differs(values.size() - 1, expected.last));
  }
}

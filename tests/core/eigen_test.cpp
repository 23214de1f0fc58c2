// Tensors as Eigen's, and expressions of Eigen's as tensors: values against loops, the same bits on any number of
// threads, and what is refused.
#include "dvd/eigen.hpp"

#include <doctest/doctest.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

namespace {

using namespace dvd;

using Axes1 = Eigen::array<int, 1>;
using Axes2 = Eigen::array<int, 2>;
using Pairs1 = Eigen::array<Eigen::IndexPair<int>, 1>;
const Pairs1 product{Eigen::IndexPair<int>(1, 0)};

template <Scalar T = float>
Tensor<T> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<T> result(shape);
  Cpu::random_normal(result.size(), Random(seed), T(1), result.data());
  return result;
}

template <class T>
double farthest(const Tensor<T>& x, const std::function<double(Index)>& expected) {
  double result = 0;
  for (Index i = 0; i < x.size(); ++i)
    result = std::max(result, std::abs(static_cast<double>(x.data()[i]) - expected(i)));
  return result;
}

TEST_CASE("a tensor, a part of it and memory of one's own become Eigen's in place") {
  auto x = random_tensor({5, 3, 4}, 1);
  const auto& constant = x;
  auto whole = eigen<3>(x);
  CHECK(whole.data() == x.data());
  CHECK(whole.dimension(0) == 5);
  CHECK(whole.dimension(2) == 4);
  CHECK(whole(2, 1, 3) == x.data()[2 * 12 + 1 * 4 + 3]);
  whole(2, 1, 3) = 7;
  CHECK(x.data()[2 * 12 + 1 * 4 + 3] == 7);

  auto entry = eigen<2>(x[1]);  // 12 elements into the tensor: not aligned
  CHECK(entry.data() == x.data() + 12);
  CHECK(eigen<3>(x.slice(2, 2)).data() == x.data() + 24);
  CHECK(eigen<1>(x.reshaped({60})).dimension(0) == 60);
  assign(x[1], entry * 2.0f);
  CHECK(constant[1].to_vector()[0] == entry(0, 0));

  static_assert(std::same_as<decltype(eigen<3>(constant).data()), const float*>);
  static_assert(std::same_as<decltype(eigen<3>(x.view()).data()), float*>);
  static_assert(std::same_as<decltype(eigen<3>(constant.view()).data()), const float*>);
  static_assert(std::same_as<decltype(eigen<3>(x)), Eigen::TensorMap<Eigen::Tensor<float, 3, Eigen::RowMajor>>>);
  CHECK(eigen<3>(constant)(0, 1, 0) == x.data()[4]);

  double own[] = {1, 2, 3, 4, 5, 6};
  const TensorView<double> view(own, Shape{2, 3});
  CHECK(eigen<2>(view).data() == own);
  assign(view, eigen<2>(view) + 1.0);
  CHECK(own[5] == 7);
}

TEST_CASE("values") {
  for (const Index rows : {1, 7, 300})
    for (const Index columns : {1, 5, 16, 333}) {
      CAPTURE(rows);
      CAPTURE(columns);
      const auto x = random_tensor({rows, columns}, 1), y = random_tensor({rows, columns}, 2);
      const float *p = x.data(), *q = y.data();
      const auto a = eigen<2>(x), b = eigen<2>(y);

      const auto sum = evaluate(a * b + 2.0f * a - 1.0f);
      CHECK(sum.shape() == Shape{rows, columns});
      CHECK(farthest(sum, [&](Index i) { return p[i] * q[i] + 2 * p[i] - 1; }) < 1e-5);
      CHECK(farthest(evaluate((a > b).select(a, b)), [&](Index i) { return std::max(p[i], q[i]); }) == 0);

      const auto turned = evaluate(a.shuffle(Axes2{1, 0}));
      CHECK(turned.shape() == Shape{columns, rows});
      CHECK(farthest(turned, [&](Index i) { return p[i % rows * columns + i / rows]; }) == 0);

      const auto row_sums = evaluate(a.sum(Axes1{1})), column_sums = evaluate(a.sum(Axes1{0}));
      CHECK(row_sums.shape() == Shape{rows});
      CHECK(column_sums.shape() == Shape{columns});
      CHECK(farthest(row_sums, [&](Index i) {
              double total = 0;
              for (Index j = 0; j < columns; ++j) total += p[i * columns + j];
              return total;
            }) < 1e-3);
      CHECK(farthest(column_sums, [&](Index j) {
              double total = 0;
              for (Index i = 0; i < rows; ++i) total += p[i * columns + j];
              return total;
            }) < 1e-3);

      const auto spread = evaluate(
          eigen<1>(column_sums).reshape(Eigen::array<Index, 2>{1, columns}).broadcast(Eigen::array<Index, 2>{rows, 1}));
      CHECK(farthest(spread, [&](Index i) { return column_sums.data()[i % columns]; }) == 0);

      const auto z = random_tensor({columns, 37}, 3);
      const auto times = evaluate(a.contract(eigen<2>(z), product));
      CHECK(times.shape() == Shape{rows, 37});
      CHECK(farthest(times, [&](Index i) {
              double total = 0;
              for (Index k = 0; k < columns; ++k)
                total += static_cast<double>(p[i / 37 * columns + k]) * z.data()[k * 37 + i % 37];
              return total;
            }) < 1e-3);
    }
}

TEST_CASE("large contractions, of every arrangement of axes") {
  constexpr Index rows = 401, depth = 530, columns = 215;
  const auto x = random_tensor<double>({rows, depth}, 1), y = random_tensor<double>({depth, columns}, 2);
  std::vector<double> expected(rows * columns);
  for (Index i = 0; i < rows; ++i)
    for (Index k = 0; k < depth; ++k)
      for (Index j = 0; j < columns; ++j)
        expected[static_cast<std::size_t>(i * columns + j)] += x.data()[i * depth + k] * y.data()[k * columns + j];
  const auto want = [&](Index i) { return expected[static_cast<std::size_t>(i)]; };
  const auto a = eigen<2>(x), b = eigen<2>(y);
  CHECK(farthest(evaluate(a.contract(b, product)), want) < 1e-11);
  const auto turned_x = evaluate(a.shuffle(Axes2{1, 0})), turned_y = evaluate(b.shuffle(Axes2{1, 0}));
  const auto at = eigen<2>(turned_x), bt = eigen<2>(turned_y);
  CHECK(farthest(evaluate(at.contract(b, Pairs1{Eigen::IndexPair<int>(0, 0)})), want) < 1e-11);
  CHECK(farthest(evaluate(a.contract(bt, Pairs1{Eigen::IndexPair<int>(1, 1)})), want) < 1e-11);
  CHECK(farthest(evaluate(at.contract(bt, Pairs1{Eigen::IndexPair<int>(0, 1)})), want) < 1e-11);
  // Two axes at once, in the other order in one of them.
  const Shape split{rows, 53, 10};
  const auto shuffled = evaluate(eigen<3>(y.reshaped({53, 10, columns})).shuffle(Eigen::array<int, 3>{1, 0, 2}));
  const Eigen::array<Eigen::IndexPair<int>, 2> both{Eigen::IndexPair<int>(1, 1), Eigen::IndexPair<int>(2, 0)};
  CHECK(farthest(evaluate(eigen<3>(x.reshaped(split)).contract(eigen<3>(shuffled), both)), want) < 1e-11);
  // A vector on either side, and a part of a larger expression.
  const auto left = evaluate(eigen<1>(x[3]).contract(b, Pairs1{Eigen::IndexPair<int>(0, 0)}));
  CHECK(farthest(left, [&](Index j) { return want(3 * columns + j); }) < 1e-11);
  const auto right = evaluate(a.contract(b.chip(4, 1), Pairs1{Eigen::IndexPair<int>(1, 0)}));
  CHECK(farthest(right, [&](Index i) { return want(i * columns + 4); }) < 1e-11);
  CHECK(farthest(evaluate((2.0 * a.contract(b, product)).cwiseMax(0.0)),
                 [&](Index i) { return std::max(2 * want(i), 0.0); }) < 1e-11);
}

TEST_CASE("full reductions") {
  for (const Index size : {1, 15, 1000, 300000}) {
    CAPTURE(size);
    const auto x = random_tensor({size}, 1);
    const auto a = eigen<1>(x);
    double sum = 0, squares = 0, most = -1e9;
    for (Index i = 0; i < size; ++i) {
      sum += x.data()[i];
      squares += static_cast<double>(x.data()[i]) * x.data()[i];
      most = std::max<double>(most, x.data()[i]);
    }
    const auto total = evaluate(a.sum());
    CHECK(total.shape() == Shape{});
    CHECK(total.item() == doctest::Approx(sum).epsilon(1e-3));
    CHECK(evaluate(a.square().mean()).item() == doctest::Approx(squares / static_cast<double>(size)).epsilon(1e-5));
    CHECK(evaluate(a.maximum()).item() == static_cast<float>(most));
    const auto place = static_cast<Index>(evaluate(a.argmax().cast<float>()).item());
    CHECK(x.data()[place] == static_cast<float>(most));
  }
  // As exact as a sum in pairs, which Eigen's own mean is not.
  const auto ones = Tensor<float>::full({20'000'000}, 0.1f);
  CHECK(evaluate(eigen<1>(ones).mean()).item() == doctest::Approx(0.1).epsilon(1e-6));
}

// A Euclidean norm, which cannot be made of norms of parts by adding them.
struct Norm {
  float factor;
  void reduce(float value, float* sum) const { *sum += value * value; }
  float initialize() const { return 0; }
  float finalize(float sum) const { return factor * std::sqrt(sum); }
};

TEST_CASE("reducers of one's own, and those of truth values") {
  const auto x = Tensor<float>::full({40000}, 2.0f);
  const auto a = eigen<1>(x);
  CHECK(evaluate(a.reduce(Axes1{0}, Norm{0.5f})).item() == 200);
  CHECK(evaluate((a > 1.0f).all().cast<float>()).item() == 1);
  CHECK(evaluate((a > 2.0f).any().cast<float>()).item() == 0);
  CHECK(evaluate((a > 1.0f).cast<float>().sum()).item() == 40000);
}

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * 4) == 0;
}

void check_threads(const char* what, const std::function<Tensor<float>()>& compute) {
  Tensor<float> first;
  for (const Index threads : {1, 2, 3, 7})
    for (const int time : {0, 1}) {
      const ThreadLimit limit(threads);
      const Tensor<float> now = compute();
      if (!first) first = now;
      CHECK_MESSAGE(same_bits(first, now), what, " on ", threads, " threads, time ", time);
    }
}

TEST_CASE("the number of threads changes no bit") {
  const auto x = random_tensor({500, 611}, 1), y = random_tensor({611, 410}, 2);
  const auto a = eigen<2>(x), b = eigen<2>(y);
  check_threads("pointwise", [&] { return evaluate(a.tanh() * a + a.exp()); });
  check_threads("contraction", [&] { return evaluate(a.contract(b, product)); });
  check_threads("contraction of expressions", [&] { return evaluate((a * a).contract(b.tanh(), product).sigmoid()); });
  check_threads("vector times matrix",
                [&] { return evaluate(eigen<1>(x[1]).contract(b, Pairs1{Eigen::IndexPair<int>(0, 0)})); });
  check_threads("sum", [&] { return evaluate(a.sum()); });
  check_threads("mean", [&] { return evaluate((a * 3.0f - a.exp()).mean()); });
  check_threads("sum of rows", [&] { return evaluate(a.sum(Axes1{0})); });
  check_threads("mean of columns", [&] { return evaluate(a.exp().mean(Axes1{1})); });
  check_threads("shuffle", [&] { return evaluate(a.shuffle(Axes2{1, 0}).exp()); });
  check_threads("broadcast", [&] {
    return evaluate(a * a.mean(Axes1{0})
                            .eval()
                            .reshape(Eigen::array<Index, 2>{1, 611})
                            .broadcast(Eigen::array<Index, 2>{500, 1})
                            .tanh());
  });
  check_threads("running sums", [&] { return evaluate(a.cumsum(1)); });
}

TEST_CASE("expressions may be evaluated within tasks") {
  const auto x = random_tensor({130, 300}, 1), y = random_tensor({300, 250}, 2);
  const auto a = eigen<2>(x), b = eigen<2>(y);
  const auto expected = evaluate(a.contract(b, product).tanh().eval() * 2.0f);
  std::vector<int> same(40);
  for (const Index threads : {1, 2, 5}) {
    const ThreadLimit limit(threads);
    tbb::parallel_for(0, 40, [&](int i) {
      const auto here = evaluate(a.contract(b, product).tanh().eval() * 2.0f);
      same[static_cast<std::size_t>(i)] = same_bits(here, expected);
    });
    CHECK(std::count(same.begin(), same.end(), 1) == 40);
  }
}

TEST_CASE("denormal numbers are 0, and the caller's arithmetic stays as it is") {
  const auto small = Tensor<float>::full({70000}, 1e-30f);
  const auto squares = evaluate(eigen<1>(small) * 1e-10f);
  CHECK(farthest(squares, [](Index) { return 0.0; }) == 0);
  CHECK(evaluate((eigen<1>(small) * 1e-10f).maximum()).item() == 0);
  volatile float here = 1e-30f;
  here = here * 1e-10f;
  CHECK(here != 0);
}

TEST_CASE("what a function in an expression throws arrives, and nothing is lost") {
  const auto x = random_tensor({100000}, 1);
  const std::function<float(float)> refuse = [](float value) {
    if (value > 3) throw ArgumentError("too large");
    return value;
  };
  for (int time = 0; time < 3; ++time) {
    CHECK_THROWS_WITH_AS(evaluate(eigen<1>(x).unaryExpr(refuse)), "too large", ArgumentError);
    CHECK_THROWS_WITH_AS(evaluate(eigen<1>(x).unaryExpr(refuse).sum()), "too large", ArgumentError);
    CHECK_THROWS_WITH_AS(evaluate(eigen<1>(x).unaryExpr(refuse).eval() * 2.0f), "too large", ArgumentError);
  }
  CHECK(evaluate(eigen<1>(x).cwiseMin(3.0f).unaryExpr(refuse)).size() == 100000);
}

TEST_CASE("shapes that do not fit are refused") {
  auto x = random_tensor({2, 3}, 1), y = random_tensor({3, 2}, 2);
  const auto a = eigen<2>(x), b = eigen<2>(y);
  const auto throws = [](const char* message, const auto& call) {
    CHECK_THROWS_WITH_AS(call(), message, ArgumentError);
  };
  throws("a tensor of 3 axes was asked for, but the shape is [2, 3]", [&] { eigen<3>(x); });
  throws("a tensor of 0 axes was asked for, but the tensor is empty, of shape []", [] {
    const Tensor<float> empty;
    eigen<0>(empty);
  });
  throws("an expression of shape [2, 3] cannot be assigned to shape [3, 2]", [&] { assign(y, a + 1.0f); });
  throws("an expression combines shapes [2, 3] and [3, 2] element by element; broadcast one of them",
         [&] { evaluate((a + b).exp()); });
  throws("an expression selects by shape [2, 3] between shapes [2, 3] and [3, 2], which must be equal",
         [&] { evaluate((a > 0.0f).select(a, b)); });
  throws("an expression contracts axis 1 of shape [2, 3] with axis 1 of shape [3, 2]; their extents must be equal",
         [&] { evaluate(a.contract(b, Pairs1{Eigen::IndexPair<int>(1, 1)}).sum()); });
  throws("an expression reshapes [2, 3] to [7], which has another size",
         [&] { evaluate(a.reshape(Eigen::array<Index, 1>{7}) * 2.0f); });
  throws("an expression slices 2 from 2 along axis 1 of shape [2, 3]", [&] {
    evaluate(a.slice(Axes2{0, 2}, Axes2{2, 2}));
  });
  throws("an expression takes entry 2 along axis 0 of shape [2, 3]", [&] { evaluate(a.chip(2, 0)); });
  CHECK(y.to_vector() == random_tensor({3, 2}, 2).to_vector());
}

TEST_CASE("an Eigen tensor becomes a tensor") {
  Eigen::Tensor<double, 2, Eigen::RowMajor> own(2, 3);
  own.setValues({{1, 2, 3}, {4, 5, 6}});
  const Tensor<double> copy = evaluate(own);
  CHECK(copy.shape() == Shape{2, 3});
  CHECK(copy.to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  Eigen::Tensor<double, 2> columns_first(2, 3);
  columns_first.setValues({{1, 2, 3}, {4, 5, 6}});
  CHECK(evaluate(columns_first.swap_layout().shuffle(Axes2{1, 0})).to_vector() == copy.to_vector());
}

TEST_CASE("bfloat16") {
  const auto x = random_tensor({1000}, 1);
  Tensor<bfloat16> coarse(x.shape());
  for (Index i = 0; i < x.size(); ++i) coarse.data()[i] = bfloat16(x.data()[i]);
  CHECK(static_cast<const void*>(eigen<1>(coarse).data()) == coarse.data());
  const auto back = evaluate(eigen<1>(coarse).cast<float>() * 2.0f);
  CHECK(farthest(back, [&](Index i) { return 2 * static_cast<float>(coarse.data()[i]); }) == 0);
  const Tensor<bfloat16> again = evaluate(eigen<1>(x).cast<Eigen::bfloat16>());
  bool same = true;
  for (Index i = 0; i < 1000; ++i) same = same && again.data()[i].bits() == coarse.data()[i].bits();
  CHECK(same);
}

TEST_CASE("a loss of one's own and its gradient") {
  // The Charbonnier loss, mean of sqrt((x - y)^2 + epsilon^2).
  auto x = random_tensor<double>({4, 50}, 1);
  const auto y = random_tensor<double>({4, 50}, 2);
  const auto loss = [&] { return evaluate(((eigen<2>(x) - eigen<2>(y)).square() + 1e-4).sqrt().mean()).item(); };
  const auto difference = eigen<2>(x) - eigen<2>(y);
  const auto gradient = evaluate(difference / (difference.square() + 1e-4).sqrt() / 200.0);
  for (const Index i : {0, 7, 100, 199}) {
    const double before = x.data()[i];
    x.data()[i] = before + 1e-6;
    const double above = loss();
    x.data()[i] = before - 1e-6;
    const double below = loss();
    x.data()[i] = before;
    CHECK(gradient.data()[i] == doctest::Approx((above - below) / 2e-6).epsilon(1e-5));
  }
}

}  // namespace

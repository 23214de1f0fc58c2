// A tensor owns its elements, a view refers to them. What does not fit is refused with the shapes.
#include "dvd/core/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/device/cpu.hpp"

namespace {

using dvd::ArgumentError;
using dvd::ConstTensorView;
using dvd::Index;
using dvd::Shape;
using dvd::Tensor;
using dvd::TensorView;

using Floats = std::vector<float>;

// 0, 1, 2, ...
Tensor<float> counting(Shape shape) {
  Tensor<float> result(shape);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = static_cast<float>(i);
  return result;
}

// What is const stays so, whichever way its elements are reached.
template <class X>
concept Writable = requires(X x, const Tensor<float>& other, const Floats& values) {
  x.copy_from(other);
  x.assign(values);
  x.fill(1);
};
template <class X, class Element>
constexpr bool gives = std::is_same_v<decltype(std::declval<X>().data()), Element*>&&
    std::is_same_v<decltype(std::declval<X>().view()), TensorView<Element>>&&
        std::is_same_v<decltype(std::declval<X>().reshaped(Shape())), TensorView<Element>>&&
            std::is_same_v<decltype(std::declval<X>().slice(0, 1)), TensorView<Element>>&&
                std::is_same_v<decltype(std::declval<X>()[0]), TensorView<Element>>;
static_assert(gives<Tensor<float>&, float> && gives<const Tensor<float>&, const float>);
static_assert(Writable<Tensor<float>&> && !Writable<const Tensor<float>&>);
static_assert(Writable<TensorView<float>> && Writable<const TensorView<float>&> && !Writable<ConstTensorView<float>>);
static_assert(std::is_convertible_v<Tensor<float>&, TensorView<float>>);
static_assert(!std::is_convertible_v<const Tensor<float>&, TensorView<float>>);
static_assert(std::is_convertible_v<const Tensor<float>&, ConstTensorView<float>>);
static_assert(std::is_convertible_v<TensorView<float>, ConstTensorView<float>>);
static_assert(!std::is_constructible_v<TensorView<float>, ConstTensorView<float>>);
static_assert(!std::is_constructible_v<TensorView<float>, const float*, Shape>);
static_assert(!std::is_convertible_v<ConstTensorView<float>, Tensor<float>>);  // a copy is asked for
static_assert(!std::is_convertible_v<ConstTensorView<float>, ConstTensorView<double>>);
static_assert(std::is_nothrow_move_constructible_v<Tensor<float>> && std::is_nothrow_move_assignable_v<Tensor<float>>);

}  // namespace

TEST_CASE("an empty tensor holds nothing") {
  const Tensor<float> empty;
  CHECK(!empty);
  CHECK(empty.size() == 0);
  CHECK(empty.data() == nullptr);
  CHECK(empty.to_vector().empty());
  CHECK(!empty.clone());
  CHECK(!Tensor<float>(empty));
  CHECK(!empty.view());
  CHECK(!ConstTensorView<float>().clone());
  CHECK(!dvd::cast<double>(empty));
  CHECK_THROWS_AS(empty.slice(0, 0), ArgumentError);
  CHECK_THROWS_AS(empty[0], ArgumentError);
  CHECK_THROWS_AS(empty.reshaped(Shape{}), ArgumentError);
  CHECK_THROWS_AS(empty.item(), ArgumentError);
}

TEST_CASE("tensors are made from a shape, a value or values") {
  const Tensor<double> zeros = Tensor<double>::zeros(Shape{2, 3});
  CHECK(zeros);
  CHECK(zeros.shape() == Shape{2, 3});
  CHECK(zeros.extent(-1) == 3);
  CHECK(zeros.to_vector() == std::vector<double>(6, 0));
  CHECK(Tensor<float>::full(Shape{2}, 7).to_vector() == Floats{7, 7});
  const Floats values{1, 2, 3, 4};
  CHECK(Tensor<float>(Shape{2, 2}, values).to_vector() == values);
  CHECK_THROWS_WITH_AS(Tensor<float>(Shape{2, 3}, values), "4 values do not fit shape [2, 3]", ArgumentError);
}

TEST_CASE("values come from and go to the host") {
  Tensor<float> x(Shape{2, 2});
  x.assign(Floats{4, 3, 2, 1});
  CHECK(x.to_vector() == Floats{4, 3, 2, 1});
  x[1].assign(Floats{7, 8});
  CHECK(x.to_vector() == Floats{4, 3, 7, 8});
  CHECK_THROWS_WITH_AS(x.assign(Floats{1}), "1 values do not fit shape [2, 2]", ArgumentError);
  CHECK_THROWS_WITH_AS(x[0].assign(Floats(4)), "4 values do not fit shape [2]", ArgumentError);
  CHECK(x.to_vector() == Floats{4, 3, 7, 8});
  CHECK(Tensor<float>::full(Shape{}, 5).item() == 5);
  CHECK(Tensor<float>::full(Shape{1, 1}, 5).item() == 5);
  CHECK(x[1][0].item() == 7);
  x.slice(0, 1).fill(9);
  CHECK(x.to_vector() == Floats{9, 9, 7, 8});
}

TEST_CASE("memory is aligned for the widest vectors") {
  for (const Index size : {1, 3, 100, 12345})
    CHECK(reinterpret_cast<std::uintptr_t>(Tensor<float>(Shape{size}).data()) % 64 == 0);
}

TEST_CASE("copies have elements of their own") {
  Tensor<float> x = counting(Shape{2, 2});
  const Tensor<float> copy = x, clone = x.clone(), part(x[1]), part_clone = x[1].clone();
  Tensor<float> assigned(Shape{3});
  assigned = x;
  x.data()[2] = -1;
  for (const Tensor<float>* one : {&copy, &clone, &std::as_const(assigned)}) {
    CHECK(one->shape() == x.shape());
    CHECK(one->to_vector() == Floats{0, 1, 2, 3});
  }
  CHECK(part.to_vector() == Floats{2, 3});
  CHECK(part_clone.to_vector() == Floats{2, 3});
  assigned.fill(7);
  CHECK(x.to_vector() == Floats{0, 1, -1, 3});
  Tensor<float>& same = x;
  x = same;
  CHECK(x.to_vector() == Floats{0, 1, -1, 3});
}

TEST_CASE("a tensor that was moved from is empty") {
  Tensor<float> x = counting(Shape{2, 2});
  const float* const elements = x.data();
  const auto check_empty = [](const Tensor<float>& tensor) {
    CHECK(!tensor);
    CHECK(tensor.data() == nullptr);
    CHECK(tensor.size() == 0);
    CHECK(tensor.shape() == Shape());
    CHECK(tensor.to_vector().empty());
  };
  Tensor<float> y = std::move(x);
  CHECK(y.data() == elements);  // nothing was copied
  CHECK(y.to_vector() == Floats{0, 1, 2, 3});
  check_empty(x);
  x = std::move(y);
  CHECK(x.data() == elements);
  check_empty(y);
  y = counting(Shape{3});  // and can be used again
  CHECK(y.to_vector() == Floats{0, 1, 2});
}

TEST_CASE("views refer to the elements of a tensor") {
  Tensor<float> x = counting(Shape{4, 3});
  const TensorView<float> flat = x.reshaped(Shape{12}), middle = x.slice(1, 2), row = x[3], same = flat;
  const ConstTensorView<float> read = x;
  CHECK(flat.shape() == Shape{12});
  CHECK(middle.shape() == Shape{2, 3});
  CHECK(middle.to_vector() == Floats{3, 4, 5, 6, 7, 8});
  CHECK(row.shape() == Shape{3});
  CHECK(row.to_vector() == Floats{9, 10, 11});
  CHECK(row[1].shape() == Shape());
  CHECK(row[1].item() == 10);
  x.data()[9] = -1;
  CHECK(flat.data()[9] == -1);
  CHECK(same.data()[9] == -1);
  CHECK(row.data()[0] == -1);
  CHECK(read[3].to_vector() == Floats{-1, 10, 11});
  middle.data()[0] = -2;
  CHECK(x.data()[3] == -2);
}

TEST_CASE("views keep their elements when the tensor is gone, has others or was moved") {
  TensorView<float> of_gone;
  {
    Tensor<float> x = counting(Shape{2, 2});
    of_gone = x[1];
  }
  Tensor<float> x = counting(Shape{2, 2});
  const ConstTensorView<float> of_assigned = x, of_temporary = counting(Shape{2, 2}).slice(1, 1);
  x = Tensor<float>::full(Shape{2, 2}, 8);
  Tensor<float> moved_from = counting(Shape{2, 2});
  const ConstTensorView<float> of_moved = moved_from[1];
  const Tensor<float> moved = std::move(moved_from);
  const Tensor<float> other = Tensor<float>::full(Shape{2, 2}, 9);  // would take the memory, were it free
  CHECK(of_gone.to_vector() == Floats{2, 3});
  CHECK(of_assigned.to_vector() == Floats{0, 1, 2, 3});
  CHECK(x.to_vector() == Floats{8, 8, 8, 8});
  CHECK(of_temporary.to_vector() == Floats{2, 3});
  CHECK(of_moved.data() == moved.data() + 2);
}

TEST_CASE("memory of one's own is seen, not copied") {
  Floats own{0, 1, 2, 3, 4, 5};
  const TensorView<float> view(own.data(), Shape{3, 2});
  const ConstTensorView<float> read(std::as_const(own).data(), Shape{6});
  CHECK(view.data() == own.data());
  own[2] = 7;
  CHECK(view[1].to_vector() == Floats{7, 3});
  view[2].fill(-1);
  CHECK(own == Floats{0, 1, 7, 3, -1, -1});
  CHECK(read.to_vector() == own);
  const Tensor<float> copy(view);
  own[0] = 9;
  CHECK(copy.data()[0] == 0);
  CHECK_THROWS_WITH_AS(TensorView<float>(nullptr, Shape{2, 3}),
                       "a view of shape [2, 3] needs memory, not a null pointer", ArgumentError);
  CHECK_THROWS_AS(ConstTensorView<float>(nullptr, Shape{}), ArgumentError);
  CHECK(TensorView<float>(nullptr, Shape{2, 0}).size() == 0);
}

TEST_CASE("slices may be empty or whole") {
  const Tensor<float> x = counting(Shape{3, 2});
  CHECK(x.slice(0, 3).to_vector() == x.to_vector());
  CHECK(x.slice(3, 0).size() == 0);
  CHECK(x.slice(3, 0).shape() == Shape{0, 2});
  CHECK(x.slice(1, 0).clone().size() == 0);
}

TEST_CASE("copy_from copies values between equal sizes") {
  Tensor<float> x = Tensor<float>::zeros(Shape{2, 3});
  x.copy_from(counting(Shape{6}));
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.to_vector() == Floats{0, 1, 2, 3, 4, 5});
  CHECK_THROWS_WITH_AS(x.copy_from(counting(Shape{5})), "cannot copy shape [5] into shape [2, 3]", ArgumentError);
  x[0].copy_from(x[1]);
  CHECK(x.to_vector() == Floats{3, 4, 5, 3, 4, 5});
  x.copy_from(x);
  CHECK(x.to_vector() == Floats{3, 4, 5, 3, 4, 5});
}

TEST_CASE("copies between overlapping parts, forward and backward, are right") {
  constexpr Index count = 3000, most = 2500;
  for (const bool of_user : {false, true})
    for (const Index shift : {1, 7, 500}) {
      for (const bool forward : {true, false}) {
        Tensor<float> x = counting(Shape{count});
        Floats own = x.to_vector();
        const TensorView<float> all = of_user ? TensorView<float>(own.data(), Shape{count}) : x.view();
        const Index from = forward ? 0 : shift, to = forward ? shift : 0;
        all.slice(to, most).copy_from(all.slice(from, most));
        for (Index i = 0; i < count; ++i) {
          const bool written = i >= to && i < to + most;
          REQUIRE(all.data()[i] == static_cast<float>(written ? i - to + from : i));
        }
      }
    }
}

TEST_CASE("what does not fit is refused") {
  const Tensor<float> x = counting(Shape{4, 3});
  CHECK_THROWS_WITH_AS(x.reshaped(Shape{5, 2}), "a tensor of shape [4, 3] cannot be reshaped to [5, 2]", ArgumentError);
  CHECK_THROWS_WITH_AS(x.slice(3, 2), "a slice of 2 from 3 does not fit shape [4, 3]", ArgumentError);
  CHECK_THROWS_AS(x.slice(-1, 1), ArgumentError);
  CHECK_THROWS_AS(x[4], ArgumentError);
  CHECK_THROWS_AS(x[-1], ArgumentError);
  CHECK_THROWS_AS(x[0][0][0], ArgumentError);
  CHECK_THROWS_AS(x.extent(2), ArgumentError);
  CHECK_THROWS_AS(x.extent(-3), ArgumentError);
  CHECK_THROWS_WITH_AS(x.item(), "item() needs one element, but the shape is [4, 3]", ArgumentError);
  constexpr Index huge = std::numeric_limits<Index>::max(), least = std::numeric_limits<Index>::min();
  for (const Index first : {huge, huge - 1, least, Index{-1}, Index{4}})
    for (const Index number : {huge, huge - 1, least, Index{-1}, Index{2}})
      CHECK_THROWS_AS(x.slice(first, number), ArgumentError);
  CHECK_THROWS_AS(x.slice(1, huge), ArgumentError);
  CHECK_THROWS_AS(x.slice(huge, 1), ArgumentError);
  CHECK_THROWS_AS(x[huge], ArgumentError);
}

TEST_CASE("a tensor that no memory is large enough for is refused") {
  CHECK_THROWS_AS(Tensor<double>(Shape{Shape::max_size}), dvd::Error);
  CHECK_THROWS_AS(Tensor<float>(Shape{Index{1} << 31, Index{1} << 31, 2}), ArgumentError);
  // So are those that have no elements, but whose strides would not fit.
  CHECK_THROWS_AS(Tensor<float>(Shape{Index{1} << 31, 0, Index{1} << 31}), ArgumentError);
}

TEST_CASE("freed memory is used again") {
  const float* first = nullptr;
  {
    Tensor<float> x(Shape{1000});
    first = x.data();
  }
  CHECK(Tensor<float>(Shape{1000}).data() == first);
}

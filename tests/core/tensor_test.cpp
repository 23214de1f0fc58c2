// Tensors are handles: copies and views share elements, clones do not. What does not fit is refused with the shapes.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "dvd/core/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "dvd/device/cpu.hpp"

namespace {

using dvd::ArgumentError;
using dvd::Shape;
using dvd::Tensor;

// 0, 1, 2, ...
Tensor<float> counting(Shape shape) {
  Tensor<float> result(shape);
  for (dvd::Index i = 0; i < result.size(); ++i) result.data()[i] = static_cast<float>(i);
  return result;
}

}  // namespace

TEST_CASE("an empty tensor holds nothing") {
  const Tensor<float> empty;
  CHECK(!empty);
  CHECK(empty.size() == 0);
  CHECK(empty.data() == nullptr);
}

TEST_CASE("tensors are made from a shape, a value or values") {
  const Tensor<double> zeros = Tensor<double>::zeros(Shape{2, 3});
  CHECK(zeros);
  CHECK(zeros.shape() == Shape{2, 3});
  CHECK(zeros.extent(-1) == 3);
  CHECK(zeros.to_vector() == std::vector<double>(6, 0));
  CHECK(Tensor<float>::full(Shape{2}, 7).to_vector() == std::vector<float>{7, 7});
  const std::vector<float> values{1, 2, 3, 4};
  CHECK(Tensor<float>(Shape{2, 2}, values).to_vector() == values);
  CHECK_THROWS_WITH_AS(Tensor<float>(Shape{2, 3}, values), "4 values do not fit shape [2, 3]", ArgumentError);
}

TEST_CASE("memory is aligned for the widest vectors") {
  for (const dvd::Index size : {1, 3, 100, 12345})
    CHECK(reinterpret_cast<std::uintptr_t>(Tensor<float>(Shape{size}).data()) % 64 == 0);
}

TEST_CASE("copies and views share elements") {
  Tensor<float> x = counting(Shape{4, 3});
  Tensor<float> copy = x, flat = x.reshaped(Shape{12}), middle = x.slice(1, 2), row = x[3];
  CHECK(flat.shape() == Shape{12});
  CHECK(middle.shape() == Shape{2, 3});
  CHECK(middle.to_vector() == std::vector<float>{3, 4, 5, 6, 7, 8});
  CHECK(row.shape() == Shape{3});
  CHECK(row.to_vector() == std::vector<float>{9, 10, 11});
  CHECK(row[1].shape() == Shape());
  CHECK(row[1].item() == 10);
  x.data()[9] = -1;
  CHECK(copy.data()[9] == -1);
  CHECK(flat.data()[9] == -1);
  CHECK(row.data()[0] == -1);
  middle.data()[0] = -2;
  CHECK(x.data()[3] == -2);
}

TEST_CASE("a view keeps its elements when the tensor is gone") {
  Tensor<float> view;
  {
    const Tensor<float> x = counting(Shape{2, 2});
    view = x[1];
  }
  const Tensor<float> other = Tensor<float>::full(Shape{2, 2}, 9);  // would take the memory, were it free
  CHECK(view.to_vector() == std::vector<float>{2, 3});
}

TEST_CASE("a clone has elements of its own") {
  Tensor<float> x = counting(Shape{2, 2});
  const Tensor<float> clone = x.clone(), part = x[1].clone();
  x.data()[2] = -1;
  CHECK(clone.shape() == x.shape());
  CHECK(clone.to_vector() == std::vector<float>{0, 1, 2, 3});
  CHECK(part.to_vector() == std::vector<float>{2, 3});
}

TEST_CASE("slices may be empty or whole") {
  const Tensor<float> x = counting(Shape{3, 2});
  CHECK(x.slice(0, 3).to_vector() == x.to_vector());
  CHECK(x.slice(3, 0).size() == 0);
}

TEST_CASE("copy_from copies values between equal sizes") {
  Tensor<float> x = Tensor<float>::zeros(Shape{2, 3});
  x.copy_from(counting(Shape{6}));
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.to_vector() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK_THROWS_WITH_AS(x.copy_from(counting(Shape{5})), "cannot copy shape [5] into shape [2, 3]", ArgumentError);
}

TEST_CASE("what does not fit is refused") {
  const Tensor<float> x = counting(Shape{4, 3});
  CHECK_THROWS_WITH_AS(x.reshaped(Shape{5, 2}), "a tensor of shape [4, 3] cannot be reshaped to [5, 2]", ArgumentError);
  CHECK_THROWS_WITH_AS(x.slice(3, 2), "slice of 2 from 3 does not fit shape [4, 3]", ArgumentError);
  CHECK_THROWS_AS(x.slice(-1, 1), ArgumentError);
  CHECK_THROWS_AS(x[4], ArgumentError);
  CHECK_THROWS_AS(x[0][0][0], ArgumentError);
  CHECK_THROWS_WITH_AS(x.item(), "item() needs one element, but the shape is [4, 3]", ArgumentError);
}

TEST_CASE("freed memory is used again") {
  const float* first = nullptr;
  {
    Tensor<float> x(Shape{1000});
    first = x.data();
  }
  CHECK(Tensor<float>(Shape{1000}).data() == first);
}

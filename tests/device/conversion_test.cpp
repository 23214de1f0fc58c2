// Tensors of the CPU as tensors of another type, bfloat16 among them.
#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"

namespace {

using dvd::bfloat16;
using dvd::cast;
using dvd::Cpu;
using dvd::Index;
using dvd::Random;
using dvd::Shape;
using dvd::Tensor;

template <class T>
Tensor<T, Cpu> tensor(const std::vector<T>& values) {
  return Tensor<T, Cpu>(Shape{static_cast<Index>(values.size())}, values);
}

TEST_CASE("every bfloat16 is a float and comes back") {
  std::vector<bfloat16> all;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits)
    all.push_back(bfloat16::from_bits(static_cast<std::uint16_t>(bits)));
  const auto wide = cast<float>(tensor(all));
  const std::vector<float> floats = wide.to_vector();
  const std::vector<bfloat16> back = cast<bfloat16>(wide).to_vector();
  bool same = true;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bool number = floats[bits] == floats[bits];
    same = same && (!number || std::bit_cast<std::uint32_t>(floats[bits]) == bits << 16);
    same = same && (number ? back[bits].bits() == bits : (back[bits].bits() & 0x7FC0) == 0x7FC0);
  }
  CHECK(same);
}

TEST_CASE("floats are rounded to the nearest bfloat16") {
  std::vector<float> values{
      0.0f, -0.0f, 1.00390625f, 1.01171875f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()};
  for (std::uint64_t i = 0; i < 50'000; ++i) values.push_back(static_cast<float>(Random(1).normal(i)));
  const std::vector<bfloat16> rounded = cast<bfloat16>(tensor(values)).to_vector();
  REQUIRE(rounded.size() == values.size());
  CHECK(static_cast<float>(rounded[2]) == 1.0f);       // between 1 and 1 + 2^-7, to even
  CHECK(static_cast<float>(rounded[3]) == 1.015625f);  // between 1 + 2^-7 and 1 + 2^-6, to even
  CHECK(rounded[5].bits() == std::numeric_limits<bfloat16>::infinity().bits());
  bool same = true;
  for (std::size_t i = 0; i < values.size(); ++i) same = same && rounded[i].bits() == bfloat16(values[i]).bits();
  CHECK(same);
}

TEST_CASE("float and double") {
  std::vector<double> values;
  for (std::uint64_t i = 0; i < 50'000; ++i) values.push_back(Random(2).normal(i));
  const std::vector<float> narrow = cast<float>(tensor(values)).to_vector();
  const std::vector<double> wide = cast<double>(tensor(narrow)).to_vector();
  bool same = true;
  for (std::size_t i = 0; i < values.size(); ++i)
    same = same && narrow[i] == static_cast<float>(values[i]) && wide[i] == static_cast<double>(narrow[i]);
  CHECK(same);
}

}  // namespace

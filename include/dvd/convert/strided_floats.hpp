// Elements that lie at strides, in order and as float.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/data_type.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Strides of elements in row-major order. The shape's product must fit 63 bits.
inline std::vector<std::int64_t> row_major_strides(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) strides[axis] = stride;
  return strides;
}

/// How many elements of memory a tensor of these sizes and strides reaches over: one more than the place of its last
/// element, 0 where it has none. None where a size or stride is below 0, or the number exceeds 63 bits.
inline std::optional<std::int64_t> strided_extent(std::span<const std::int64_t> shape,
                                                  std::span<const std::int64_t> strides) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  if (shape.size() != strides.size() || !element_count(shape)) return std::nullopt;
  std::int64_t last = 0;
  bool empty = false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (strides[axis] < 0) return std::nullopt;
    empty = empty || shape[axis] == 0;
    if (shape[axis] <= 1 || strides[axis] == 0) continue;
    if (strides[axis] > (largest - 1 - last) / (shape[axis] - 1)) return std::nullopt;
    last += strides[axis] * (shape[axis] - 1);
  }
  return empty ? 0 : last + 1;
}

/// The elements of type Stored at `bytes`, of this shape at these strides, in row-major order; `convert` makes each a
/// float. All of `strided_extent` must be there.
template <class Stored, class Convert>
std::vector<float> gather_floats(const std::byte* bytes, std::span<const std::int64_t> shape,
                                 std::span<const std::int64_t> strides, Convert convert) {
  std::vector<float> result(element_count(shape).value_or(0));
  if (result.empty()) return result;
  const std::int64_t row = shape.empty() ? 1 : shape.back(), step = shape.empty() ? 0 : strides.back();
  std::vector<std::int64_t> at(shape.size(), 0);
  std::int64_t begin = 0;
  for (float* out = result.data();;) {
    for (std::int64_t i = 0; i < row; ++i) {
      Stored value;  // which may lie at any address
      std::memcpy(&value, bytes + static_cast<std::size_t>(begin + i * step) * sizeof(Stored), sizeof value);
      *out++ = convert(value);
    }
    std::size_t axis = shape.size() < 2 ? 0 : shape.size() - 1;
    for (; axis-- > 0;) {
      begin += strides[axis];
      if (++at[axis] < shape[axis]) break;
      begin -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
    if (out == result.data() + result.size()) return result;
  }
}

/// As above, of elements of any floating type. ArgumentError for another.
inline std::vector<float> strided_floats(const std::byte* bytes, DataType type, std::span<const std::int64_t> shape,
                                         std::span<const std::int64_t> strides) {
  switch (type) {
    case DataType::F32:
      return gather_floats<float>(bytes, shape, strides, [](float value) { return value; });
    case DataType::F64:
      return gather_floats<double>(bytes, shape, strides, [](double value) { return static_cast<float>(value); });
    case DataType::F16:
      return gather_floats<std::uint16_t>(bytes, shape, strides, half_to_float);
    case DataType::BF16:
      return gather_floats<std::uint16_t>(bytes, shape, strides, bfloat16_to_float);
    default:
      throw ArgumentError(concat("elements of type ", name_of(type), " are no floating-point numbers"));
  }
}

inline bool is_floating(DataType type) {
  return type == DataType::F32 || type == DataType::F64 || type == DataType::F16 || type == DataType::BF16;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

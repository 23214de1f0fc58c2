// From the axis order of reference values (PyTorch's) to the library's channels-last order and back.
#pragma once

#include <string_view>
#include <vector>

#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// The axes of a tensor as a file stores it and as the library holds it, a letter an axis. Empty: no difference.
struct Layout {
  std::string_view stored, held;
};

inline constexpr Layout as_stored{};
inline constexpr Layout frames_layout{"NCHW", "NHWC"};
inline constexpr Layout videos_layout{"NTCHW", "TNHWC"};
inline constexpr Layout volumes_layout{"NCTHW", "TNHWC"};

// Elements of a tensor of this shape, whose axes are named by `from`, in the order of axes `to`; `shape` follows.
template <class V>
std::vector<V> reordered(const std::vector<V>& values, Shape& shape, std::string_view from, std::string_view to) {
  if (from == to) return values;
  require(shape.rank() == static_cast<int>(from.size()), "layout ", from, " does not fit shape ", shape);
  Shape result_shape;
  std::vector<Index> strides;  // in `values`, of the result's axes
  for (const char letter : to) {
    const auto axis = static_cast<int>(from.find(letter));
    result_shape.append(shape[axis]);
    Index stride = 1;
    for (int later = axis + 1; later < shape.rank(); ++later) stride *= shape[later];
    strides.push_back(stride);
  }
  std::vector<V> result(values.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    auto rest = static_cast<Index>(i);
    Index source = 0;
    for (int axis = result_shape.rank() - 1; axis >= 0; --axis) {
      source += rest % result_shape[axis] * strides[static_cast<std::size_t>(axis)];
      rest /= result_shape[axis];
    }
    result[i] = values[static_cast<std::size_t>(source)];
  }
  shape = result_shape;
  return result;
}

}  // namespace dvd::testing

// Finding values that are NaN or infinite, and where they came from.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Whether every element is a number. Brings the tensor to the host: for small tensors, or for looking for a fault.
template <Scalar T, DeviceMemory D>
bool all_finite(const Tensor<T, D>& tensor) {
  const std::vector<T> values = tensor.to_vector();
  return std::all_of(values.begin(), values.end(), is_finite<T>);
}

/// The name of the first buffer that holds a NaN or an infinity; empty if all are finite.
template <Scalar T, DeviceMemory D>
std::string first_non_finite_buffer(const Contents<T, D>& contents) {
  for (const auto& [name, buffer] : contents.buffers)
    if (!all_finite(buffer->value)) return name;
  return "";
}

/// The name of the first parameter or buffer that holds a NaN or an infinity; empty if all are finite.
template <Scalar T, DeviceMemory D>
std::string first_non_finite(const Contents<T, D>& contents) {
  for (const auto& [name, parameter] : contents.parameters)
    if (!all_finite(parameter->value)) return name;
  return first_non_finite_buffer(contents);
}

/// The name of the parameter with a gradient that is not finite which a backward pass comes to first; empty if there
/// is none.
template <Scalar T, DeviceMemory D>
std::string first_non_finite_gradient(const Contents<T, D>& contents) {
  for (std::size_t i = contents.parameters.size(); i-- > 0;) {
    const auto& [name, parameter] = contents.parameters[i];
    if (parameter->gradient && !all_finite(parameter->gradient)) return name;
  }
  return "";
}

/// Remembers which layer of a pass was the first with a result that is not finite. Given to the pass as `Pass::watch`;
/// every layer that holds weights shows it what it has computed.
class LayerWatch {
 public:
  template <Scalar T, DeviceMemory D>
  void see(const Parameter<FullPrecision<T>, D>* weight, const Tensor<T, D>& result) {
    if (!first_ && !all_finite(result)) first_ = weight;
  }

  /// The name of that layer's weight; empty if there is no such layer or it is not among `contents`.
  template <Scalar T, DeviceMemory D>
  std::string first(const Contents<T, D>& contents) const {
    for (const auto& [name, parameter] : contents.parameters)
      if (first_ && parameter == first_) return name;
    return "";
  }

 private:
  const void* first_ = nullptr;  // the address of its weight: layers do not know their names
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

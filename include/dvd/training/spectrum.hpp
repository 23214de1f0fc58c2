// How large the singular values of a network's weights are: a rise foretells collapse (BigGAN, section 4).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <map>
#include <string>

#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A weight and the estimate of its largest singular value.
struct LargestSigma {
  std::string name;
  double value = 0;
};

/// The largest sigma among the spectrally normalised weights of a network, from their u as they are. Changes nothing.
template <Scalar T, Device D>
LargestSigma largest_sigma(const Contents<T, D>& contents) {
  std::map<std::string, Parameter<T, D>*> weights;
  for (const auto& [name, parameter] : contents.parameters) weights[name] = parameter;
  LargestSigma result;
  for (const auto& [name, buffer] : contents.buffers) {
    if (!name.ends_with(".u")) continue;
    const auto weight = weights.find(name.substr(0, name.size() - 1) + "weight");
    if (weight == weights.end()) continue;
    const Index rows = buffer->value.size(), columns = weight->second->value.size() / rows;
    Tensor<T, D> u = buffer->value.clone(), v(Shape{columns}), sigma(Shape{1});
    const std::vector<SpectralArrays<T>> matrix{
        {rows, columns, weight->second->value.data(), u.data(), v.data(), sigma.data()}};
    D::power_iterations(matrix, false);
    const double value = static_cast<double>(sigma.item());
    if (!(value <= result.value)) result = {weight->first, value};  // also where it is NaN
  }
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

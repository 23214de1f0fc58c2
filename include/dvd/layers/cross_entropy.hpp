// The loss of classifiers.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "dvd/layers/tensor_losses.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The mean of -log softmax(logits)[label] over the N rows of logits `[N, C]`, and its gradient with respect to them,
/// (softmax(logits) - onehot(label)) / N. As PyTorch's cross_entropy. Computed in double, and on the host, whatever the
/// device: logits are few. Throws ArgumentError unless the logits are `[N, C]` with no extent of 0, there is a label
/// for every row, and all labels are in 0 .. C - 1.
template <AnyTensor X>
auto cross_entropy(const X& logits, std::span<const Index> labels)
    -> TensorLoss<typename X::value_type, typename X::device_type> {
  using T = typename X::value_type;
  using P = FullPrecision<T>;
  const Shape& shape = logits.shape();
  require(shape.rank() == 2 && logits.size() > 0, "cross entropy expects logits [N, C] with no extent of 0, not ",
          shape);
  const Index rows = shape[0], classes = shape[1];
  require(static_cast<Index>(labels.size()) == rows, "cross entropy expects a label for each of ", rows,
          " rows of logits, not ", labels.size());
  for (const Index label : labels)
    require(label >= 0 && label < classes, "cross entropy of ", classes, " classes expects labels from 0 to ",
            classes - 1, ", not ", label);

  const std::vector<T> values = logits.to_vector();
  std::vector<T> gradient(values.size());
  std::vector<double> exponentials(static_cast<std::size_t>(classes));
  const double share = 1 / static_cast<double>(rows);
  double loss = 0;
  for (Index n = 0; n < rows; ++n) {
    const T* const row = values.data() + n * classes;
    const auto logit = [&](Index c) { return static_cast<double>(static_cast<P>(row[c])); };
    double largest = logit(0), sum = 0;
    for (Index c = 1; c < classes; ++c) largest = std::max(largest, logit(c));
    for (Index c = 0; c < classes; ++c) {
      double& exponential = exponentials[static_cast<std::size_t>(c)];
      exponential = std::exp(logit(c) - largest);
      sum += exponential;
    }
    const Index label = labels[static_cast<std::size_t>(n)];
    loss += std::log(sum) - (logit(label) - largest);
    for (Index c = 0; c < classes; ++c) {
      const double probability = exponentials[static_cast<std::size_t>(c)] / sum;
      gradient[static_cast<std::size_t>(n * classes + c)] = T(static_cast<P>((probability - (c == label)) * share));
    }
  }
  const P mean = static_cast<P>(loss * share);
  using D = typename X::device_type;
  return {Tensor<P, D>(Shape{}, std::span(&mean, 1)), Tensor<T, D>(shape, gradient)};
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

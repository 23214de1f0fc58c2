// A learned vector per class.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/layers/initialize.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Class labels on the host, each in 0 .. classes - 1. Networks take them as Rows, which labels become by themselves.
using Labels = std::vector<Index>;

/// Looks up rows of a weight `[classes, width]`, which starts orthogonal. Maps N labels to `[N, width]`.
/// Throws ArgumentError for sizes below 1 and labels out of range.
template <Scalar T, Device D = Cpu>
class Embedding {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using PreciseView = PreciseTensorView<T, D>;

  struct Cache {
    Rows<D> labels;
  };

  Parameter<FullPrecision<T>, D> weight;

  Embedding(Index classes, Index width, const Random& random) : classes_(classes), width_(width) {
    require(classes > 0 && width > 0, "an embedding needs at least one class and a width of at least 1, not ", classes,
            " and ", width);
    weight = Parameter<FullPrecision<T>, D>(Shape{classes, width});
    initialize_orthogonal(weight, random);
  }

  Index classes() const { return classes_; }
  Index width() const { return width_; }

  Tensor<T, D> forward(const Rows<D>& labels, Cache* cache = nullptr) const {
    check(labels);
    PreciseTensor<T, D> precise = looked_up<FullPrecision<T>>(weight.value, labels);
    if (cache) cache->labels = labels;
    if constexpr (std::same_as<T, FullPrecision<T>>)
      return precise;
    else
      return cast<T>(precise).clone();
  }

  /// Adds to the gradient of the weight. Throws ArgumentError for a cache that no forward pass has filled, and a
  /// gradient dy of another shape than that pass's result.
  void backward(const View& dy, const Cache& cache) {
    require(cache.labels.size() > 0, "the backward pass of an embedding got a cache that no forward pass has filled");
    check_gradient("an embedding", dy, {cache.labels.size(), width_});
    add_rows_gradient<FullPrecision<T>>(dy, cache.labels, weight.accumulator());
  }

  /// Throws ArgumentError unless there are labels, all in 0 .. classes - 1.
  void check(const Rows<D>& labels) const {
    require(labels.size() > 0, "an embedding expects at least one label");
    labels.check_below(classes_, "label");
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", weight);
  }

  // What spectral normalisation needs: a table is its own packed form.

  Tensor<T, D> packed_weight(const PreciseView& sigma = {}) const {
    Tensor<T, D> packed;
    const WeightToPack<T> todo = packing(sigma, packed);
    D::pack_weight(todo.outputs, todo.inputs, todo.taps, todo.weight, todo.sigma, todo.packed);
    return packed;
  }

  WeightToPack<T> packing(const PreciseView& sigma, Tensor<T, D>& packed) const {
    packed = Tensor<T, D>(weight.value.shape());
    return {1, weight.value.size(), 1, weight.value.data(), sigma.data(), packed.data()};
  }

  Tensor<T, D> apply(const View& table, const Rows<D>& labels) const { return looked_up<T>(table, labels); }

  /// Adds the gradients of looked-up rows to the gradient of their table.
  template <Scalar U>
  void add_rows_gradient(const View& dy, const Rows<D>& labels, const TensorView<U, D>& dtable) const {
    D::scatter_add_rows(labels.size(), width_, dy.data(), labels.data(), dtable.data());
  }

  void add_weight_gradient(const View& dpacked, const View& packed, const PreciseView& sigma, const PreciseView& u,
                           const PreciseView& v) {
    // The kernel expects packed weights transposed, as convolutions read them.
    Tensor<T, D> dtransposed(Shape{width_, classes_}), transposed(Shape{width_, classes_});
    D::transpose(1, classes_, width_, dpacked.data(), dtransposed.data());
    D::transpose(1, classes_, width_, packed.data(), transposed.data());
    D::unpack_weight_gradient(classes_, width_, 1, dtransposed.data(), transposed.data(), sigma.data(), u.data(),
                              v.data(), weight.accumulator().data());
  }

 private:
  /// The rows of `table` that belong to the labels.
  template <Scalar U>
  Tensor<U, D> looked_up(const ConstTensorView<U, D>& table, const Rows<D>& labels) const {
    Tensor<U, D> y(Shape{labels.size(), width_});
    D::gather_rows(labels.size(), width_, table.data(), labels.data(), y.data());
    return y;
  }

  Index classes_, width_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

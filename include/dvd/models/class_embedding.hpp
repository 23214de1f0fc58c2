// What a generator learns of its classes, where it has any.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>

#include "dvd/layers/embedding.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Maps N class labels y to e(y) `[N, width]`. A model without classes has an empty one: no parameters, no labels, and
/// an e(y) that is an empty tensor.
template <Scalar T, Device D = Cpu>
class ClassEmbedding {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Cache = typename Embedding<T, D>::Cache;

  std::optional<Embedding<T, D>> table;  ///< where there are classes

  /// Throws ArgumentError for less than no classes and, where there are some, for a width below 1.
  ClassEmbedding(Index classes, Index width, const Random& random) {
    if (classes != 0) table.emplace(classes, width, random);
  }

  explicit operator bool() const { return table.has_value(); }

  Tensor<T, D> forward(const Rows<D>& labels, Cache* cache = nullptr) const {
    check(labels);
    return table ? table->forward(labels, cache) : Tensor<T, D>();
  }

  /// Adds to the gradient of the table, where there is one. Throws as Embedding::backward.
  void backward(const View& dy, const Cache& cache) {
    if (table) table->backward(dy, cache);
  }

  /// Throws ArgumentError unless there are labels, all of them classes, or, without classes, none.
  void check(const Rows<D>& labels) const {
    if (table) return table->check(labels);
    require(labels.size() == 0, "the generator got ", labels.size(), " labels, but this model has no classes");
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    if (table) table->visit(prefix, f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

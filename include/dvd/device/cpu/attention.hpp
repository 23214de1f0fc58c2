// Attention: softmax(Q K^T) V within many sets of tokens. Bound by FLOPs in large sets, by memory in small ones.
//
// The weights of a set, queries x keys, are never stored whole: a block of queries is done at a time, and the gradient
// computes them again.
#pragma once

#include <Eigen/Core>

#include "dvd/core/attention.hpp"
#include "dvd/device/cpu/parallel.hpp"

namespace dvd::cpu {

namespace detail {

constexpr Index attention_block = 64;  ///< queries at a time: their weights stay in the cache beside the keys

template <class T>
using Tokens = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
template <class T>
using ConstTokens =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
template <class T>
using AttentionWeights = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Where the tokens of a set lie in an array of `[groups, tokens, inner, width]`.
struct TokenPlace {
  Index tokens, inner, width;

  Index offset(Index set, Index first) const { return ((set / inner * tokens + first) * inner + set % inner) * width; }

  template <class T>
  ConstTokens<T> of(const T* x, Index set, Index first, Index count) const {
    return {x + offset(set, first), count, width, Eigen::OuterStride<>(inner * width)};
  }
  template <class T>
  Tokens<T> of(T* x, Index set, Index first, Index count) const {
    return {x + offset(set, first), count, width, Eigen::OuterStride<>(inner * width)};
  }
};

/// weights = softmax(query key^T), row by row.
template <class T>
void attention_weights(const ConstTokens<T>& query, const ConstTokens<T>& key, AttentionWeights<T>& weights) {
  weights.noalias() = query * key.transpose();
  for (Index r = 0; r < weights.rows(); ++r) {
    auto row = weights.row(r).array();
    row = (row - row.maxCoeff()).exp();
    row /= row.sum();
  }
}

}  // namespace detail

/// Attention kernels of the contract; see core/device.hpp.
struct Attention {
  template <class T>
  static void attend(const AttentionSize& size, const T* query, const T* key, const T* value, T* y) {
    const detail::TokenPlace queries{size.queries, size.inner, size.width}, keys{size.keys, size.inner, size.width},
        values{size.keys, size.inner, size.value_width}, results{size.queries, size.inner, size.value_width};
    const Index blocks = (size.queries + detail::attention_block - 1) / detail::attention_block;
    parallel_for(size.groups * size.inner * blocks, [=](Index task) {
      const Index set = task / blocks, first = task % blocks * detail::attention_block,
                  count = std::min(detail::attention_block, size.queries - first);
      detail::AttentionWeights<T> weights(count, size.keys);
      detail::attention_weights<T>(queries.of(query, set, first, count), keys.of(key, set, 0, size.keys), weights);
      results.of(y, set, first, count).noalias() = weights * values.of(value, set, 0, size.keys);
    });
  }

  template <class T>
  static void attend_backward(const AttentionSize& size, const T* query, const T* key, const T* value, const T* dy,
                              T* dquery, T* dkey, T* dvalue) {
    const detail::TokenPlace queries{size.queries, size.inner, size.width}, keys{size.keys, size.inner, size.width},
        values{size.keys, size.inner, size.value_width}, results{size.queries, size.inner, size.value_width};
    // Gradients of keys and values are sums over queries, so a set is one task.
    parallel_for(size.groups * size.inner, [=](Index set) {
      const auto k = keys.of(key, set, 0, size.keys), v = values.of(value, set, 0, size.keys);
      auto dk = keys.of(dkey, set, 0, size.keys), dv = values.of(dvalue, set, 0, size.keys);
      dk.setZero();
      dv.setZero();
      for (Index first = 0; first < size.queries; first += detail::attention_block) {
        const Index count = std::min(detail::attention_block, size.queries - first);
        const auto q = queries.of(query, set, first, count), dresult = results.of(dy, set, first, count);
        detail::AttentionWeights<T> weights(count, size.keys), dlogits(count, size.keys);
        detail::attention_weights<T>(q, k, weights);
        dv.noalias() += weights.transpose() * dresult;
        dlogits.noalias() = dresult * v.transpose();
        for (Index r = 0; r < count; ++r) {
          auto row = dlogits.row(r).array();
          const auto weight = weights.row(r).array();
          row = weight * (row - (row * weight).sum());
        }
        queries.of(dquery, set, first, count).noalias() = dlogits * k;
        dk.noalias() += dlogits.transpose() * q;
      }
    });
  }
};

}  // namespace dvd::cpu

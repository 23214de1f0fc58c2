// Attention: products by the library, the softmax between them here.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/attention.hpp"

#include <algorithm>
#include <cmath>

#include "dvd/device/cuda/libraries/libraries.hpp"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Tokens [groups, tokens, inner, width] as [groups * inner, tokens, width]. A row is a token of the result.
template <class T>
struct SetsOfTokens {
  Index tokens, inner, width;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index i) const {
    const Index set = row / tokens, token = row % tokens;
    store(y + row * width + i, load<N>(x + ((set / inner * tokens + token) * inner + set % inner) * width + i));
  }
};

/// And back.
template <class T>
struct TokensOfSets {
  Index tokens, inner, width;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index i) const {
    const Index set = row / tokens, token = row % tokens;
    store(y + ((set / inner * tokens + token) * inner + set % inner) * width + i, load<N>(x + row * width + i));
  }
};

/// The largest logit of a row, and the sum of exp(logit - largest).
struct SoftmaxSums {
  const float* logits;
  Index keys;
  float* largest;
  float* sum;

  struct Value {
    float largest, sum;
  };
  DVD_DEVICE Value identity() const { return {-INFINITY, 0}; }
  DVD_DEVICE void add(Index row, Index key, Value& value) const {
    combine(value, {read(logits + row * keys + key), 1});
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    // Comparisons that a NaN passes through: it must reach the result.
    if (other.sum == 0) return;
    if (value.sum == 0) {
      value = other;
    } else if (other.largest > value.largest) {
      value = {other.largest, other.sum + value.sum * expf(value.largest - other.largest)};
    } else {
      value.sum += other.sum * expf(other.largest - value.largest);
    }
  }
  DVD_DEVICE void finish(Index row, const Value& value) const {
    write(largest + row, value.largest);
    write(sum + row, value.sum);
  }
};

template <class T>
struct SoftmaxWeights {
  const float* logits;
  const float* largest;
  const float* sum;
  Index keys;
  T* weights;

  template <int>
  DVD_DEVICE void operator()(Index row, Index key) const {
    write(weights + row * keys + key, T(expf(read(logits + row * keys + key) - read(largest + row)) / read(sum + row)));
  }
};

/// <dweights, weights> of every row.
template <class T>
struct AlongWeights {
  const float* dweights;
  const T* weights;
  Index keys;
  float* along;

  using Value = float;
  DVD_DEVICE Value identity() const { return 0; }
  DVD_DEVICE void add(Index row, Index key, Value& value) const {
    value += read(dweights + row * keys + key) * static_cast<float>(read(weights + row * keys + key));
  }
  DVD_DEVICE void combine(Value& value, Value other) const { value += other; }
  DVD_DEVICE void finish(Index row, Value value) const { write(along + row, value); }
};

template <class T>
struct LogitGradients {
  const float* dweights;
  const T* weights;
  const float* along;
  Index keys;
  T* dlogits;

  template <int>
  DVD_DEVICE void operator()(Index row, Index key) const {
    const Index i = row * keys + key;
    write(dlogits + i, T(static_cast<float>(read(weights + i)) * (read(dweights + i) - read(along + row))));
  }
};

/// An array of its own on the GPU, for as long as this lives.
template <class T>
class ScratchArray {
 public:
  explicit ScratchArray(Index size) : memory_(Memory::allocate(static_cast<std::size_t>(size) * sizeof(T))) {}
  T* data() const { return static_cast<T*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

/// Tokens as the products want them: as they are where sets lie one behind the other, else brought together.
template <class T>
class TokenSets {
 public:
  TokenSets(const T* x, Index sets, Index tokens, Index inner, Index width) : data_(x) {
    if (inner == 1) return;
    memory_ = Memory::allocate(static_cast<std::size_t>(sets * tokens * width) * sizeof(T));
    T* const y = static_cast<T*>(memory_.get());
    for_each_row_lanes<T>(sets * tokens, width, width, SetsOfTokens<T>{tokens, inner, width, x, y}, x, y);
    data_ = y;
  }
  const T* data() const { return data_; }

 private:
  std::shared_ptr<void> memory_;
  const T* data_;
};

/// A place for results in that form, which `finish` brings to where they belong.
template <class T>
class ResultSets {
 public:
  ResultSets(T* y, Index sets, Index tokens, Index inner, Index width)
      : y_(y), sets_(sets), tokens_(tokens), inner_(inner), width_(width) {
    if (inner > 1) memory_ = Memory::allocate(static_cast<std::size_t>(sets * tokens * width) * sizeof(T));
  }
  T* data() const { return memory_ ? static_cast<T*>(memory_.get()) : y_; }
  void finish() const {
    if (!memory_) return;
    const T* const x = data();
    for_each_row_lanes<T>(sets_ * tokens_, width_, width_, TokensOfSets<T>{tokens_, inner_, width_, x, y_}, x,
                          static_cast<const T*>(y_));
  }

 private:
  std::shared_ptr<void> memory_;
  T* y_;
  Index sets_, tokens_, inner_, width_;
};

/// Sets that are done at a time, so that what is stored of their weights stays below 256 MiB.
inline Index sets_at_a_time(const AttentionSize& size) {
  const Index bytes = size.queries * size.keys * static_cast<Index>(sizeof(float));
  return std::clamp<Index>((Index{256} << 20) / std::max<Index>(bytes, 1), 1, 65535);
}

/// weights [sets * queries, keys] = softmax(query key^T).
template <class T>
void attention_weights(const AttentionSize& size, Index sets, const T* query, const T* key, T* weights) {
  const Index rows = sets * size.queries;
  const ScratchArray<float> logits(rows * size.keys), largest(rows), sum(rows);
  library_multiply({.type = number_type<T>,
                    .rows = size.queries,
                    .columns = size.keys,
                    .depth = size.width,
                    .batches = sets,
                    .result_type = NumberType::float32},
                   {query, size.width, false, size.queries * size.width},
                   {key, size.width, true, size.keys * size.width}, logits.data(), size.keys, size.queries * size.keys,
                   nullptr);
  reduce(rows, size.keys, SoftmaxSums{logits.data(), size.keys, largest.data(), sum.data()});
  for_each_row_lanes<float>(rows, size.keys, 1,
                            SoftmaxWeights<T>{logits.data(), largest.data(), sum.data(), size.keys, weights});
}

}  // namespace detail

template <CudaScalar T>
void Attention::attend(const AttentionSize& size, const T* query, const T* key, const T* value, T* y) {
  const Index all = size.groups * size.inner, most = detail::sets_at_a_time(size);
  const detail::TokenSets<T> queries(query, all, size.queries, size.inner, size.width),
      keys(key, all, size.keys, size.inner, size.width), values(value, all, size.keys, size.inner, size.value_width);
  const detail::ResultSets<T> results(y, all, size.queries, size.inner, size.value_width);
  const Index query_set = size.queries * size.width, key_set = size.keys * size.width,
              value_set = size.keys * size.value_width, result_set = size.queries * size.value_width,
              weight_set = size.queries * size.keys;
  const detail::ScratchArray<T> weights(std::min(all, most) * weight_set);
  for (Index first = 0; first < all; first += most) {
    const Index sets = std::min(most, all - first);
    detail::attention_weights(size, sets, queries.data() + first * query_set, keys.data() + first * key_set,
                              weights.data());
    library_multiply({.type = number_type<T>,
                      .rows = size.queries,
                      .columns = size.value_width,
                      .depth = size.keys,
                      .batches = sets},
                     {weights.data(), size.keys, false, weight_set},
                     {values.data() + first * value_set, size.value_width, false, value_set},
                     results.data() + first * result_set, size.value_width, result_set, nullptr);
  }
  results.finish();
}

template <CudaScalar T>
void Attention::attend_backward(const AttentionSize& size, const T* query, const T* key, const T* value, const T* dy,
                                T* dquery, T* dkey, T* dvalue) {
  const Index all = size.groups * size.inner, most = detail::sets_at_a_time(size);
  const detail::TokenSets<T> queries(query, all, size.queries, size.inner, size.width),
      keys(key, all, size.keys, size.inner, size.width), values(value, all, size.keys, size.inner, size.value_width),
      gradients(dy, all, size.queries, size.inner, size.value_width);
  const detail::ResultSets<T> dqueries(dquery, all, size.queries, size.inner, size.width),
      dkeys(dkey, all, size.keys, size.inner, size.width),
      dvalues(dvalue, all, size.keys, size.inner, size.value_width);
  const Index query_set = size.queries * size.width, key_set = size.keys * size.width,
              value_set = size.keys * size.value_width, result_set = size.queries * size.value_width,
              weight_set = size.queries * size.keys;
  const Index room = std::min(all, most);
  const detail::ScratchArray<T> weights(room * weight_set), dlogits(room * weight_set);
  const detail::ScratchArray<float> dweights(room * weight_set), along(room * size.queries);
  for (Index first = 0; first < all; first += most) {
    const Index sets = std::min(most, all - first), rows = sets * size.queries;
    const T* const q = queries.data() + first * query_set;
    const T* const k = keys.data() + first * key_set;
    const T* const v = values.data() + first * value_set;
    const T* const dresult = gradients.data() + first * result_set;
    detail::attention_weights(size, sets, q, k, weights.data());
    // dvalue = weights^T dy
    library_multiply({.type = number_type<T>,
                      .rows = size.keys,
                      .columns = size.value_width,
                      .depth = size.queries,
                      .batches = sets},
                     {weights.data(), size.keys, true, weight_set}, {dresult, size.value_width, false, result_set},
                     dvalues.data() + first * value_set, size.value_width, value_set, nullptr);
    // dweights = dy value^T
    library_multiply({.type = number_type<T>,
                      .rows = size.queries,
                      .columns = size.keys,
                      .depth = size.value_width,
                      .batches = sets,
                      .result_type = NumberType::float32},
                     {dresult, size.value_width, false, result_set}, {v, size.value_width, true, value_set},
                     dweights.data(), size.keys, weight_set, nullptr);
    reduce(rows, size.keys, detail::AlongWeights<T>{dweights.data(), weights.data(), size.keys, along.data()});
    for_each_row_lanes<T>(
        rows, size.keys, 1,
        detail::LogitGradients<T>{dweights.data(), weights.data(), along.data(), size.keys, dlogits.data()});
    // dquery = dlogits key, dkey = dlogits^T query
    library_multiply(
        {.type = number_type<T>, .rows = size.queries, .columns = size.width, .depth = size.keys, .batches = sets},
        {dlogits.data(), size.keys, false, weight_set}, {k, size.width, false, key_set},
        dqueries.data() + first * query_set, size.width, query_set, nullptr);
    library_multiply(
        {.type = number_type<T>, .rows = size.keys, .columns = size.width, .depth = size.queries, .batches = sets},
        {dlogits.data(), size.keys, true, weight_set}, {q, size.width, false, query_set},
        dkeys.data() + first * key_set, size.width, key_set, nullptr);
  }
  dqueries.finish();
  dkeys.finish();
  dvalues.finish();
}

#define DVD_INSTANTIATE(T)                                                                 \
  template void Attention::attend(const AttentionSize&, const T*, const T*, const T*, T*); \
  template void Attention::attend_backward(const AttentionSize&, const T*, const T*, const T*, const T*, T*, T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"

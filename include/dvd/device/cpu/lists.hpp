// Kernels over lists of arrays: what an optimizer does to all parameters, and looking for what is not finite.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/device/cpu/eigen_arrays.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/normalization.hpp"
#include "dvd/device/cpu/pointwise.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Kernels over lists of the contract; see core/device.hpp.
struct Lists {
  template <class T>
  static void adam(const std::vector<AdamArrays<T>>& arrays, T beta1, T beta2, T epsilon, const T* rates,
                   const T* apply);
  template <class T>
  static void momentum(const std::vector<MomentumArrays<T>>& arrays, T momentum, bool nesterov, T weight_decay,
                       const T* rate, const T* apply);
  template <class T>
  static void fill_arrays(const std::vector<MutableArray<T>>& arrays, std::type_identity_t<T> value);
  template <class T>
  static void scale_arrays(const std::vector<MutableArray<T>>& arrays, const T* factor, const T* apply);
  template <class T>
  static void follow(const std::vector<ArrayPair<T>>& arrays, const T* decay, const T* apply);
  template <class T>
  static void copy_arrays(const std::vector<ArrayPair<T>>& arrays, const std::type_identity_t<T>* unless);
  template <class T>
  static void sum_squares(const std::vector<ArrayView<T>>& arrays, T* result);
  template <class T>
  static void check_finite(const std::vector<ArrayView<T>>& arrays, T* finite);
};

template <class T>
void Lists::adam(const std::vector<AdamArrays<T>>& arrays, T beta1, T beta2, T epsilon, const T* rates,
                 const T* apply) {
  if (*apply == 0) return;
  const T learning_rate = rates[0], correction1 = rates[1], correction2 = rates[2];
  for (const AdamArrays<T>& array : arrays)
    parallel_chunks(array.size, pointwise_grain, [&](Index begin, Index end) {
      const T* const gradient = array.gradient + begin;
      T *const average = array.average + begin, *const average_square = array.average_square + begin,
               *const weight = array.weight + begin;
      alignas(memory_alignment) T root[std::size_t{pointwise_grain}];
      for_lanes<T>(end - begin, [&](long i, auto lanes) {
        using V = Vector<T, lanes()>;
        const V g = load<V>(gradient + i);
        const V m = (T{1} - beta1) * g + beta1 * load<V>(average + i);
        const V v = (T{1} - beta2) * g * g + beta2 * load<V>(average_square + i);
        store(average + i, m);
        store(average_square + i, v);
        store<V>(root + i, v / correction2);
      });
      Values<T>(root, end - begin) = ConstValues<T>(root, end - begin).sqrt();  // vectorised, as a loop would not be
      for_lanes<T>(end - begin, [&](long i, auto lanes) {
        using V = Vector<T, lanes()>;
        const V m = load<V>(average + i) / correction1;
        store<V>(weight + i, load<V>(weight + i) - learning_rate * m / (load<V>(root + i) + epsilon));
      });
    });
}

template <class T>
void Lists::momentum(const std::vector<MomentumArrays<T>>& arrays, T momentum, bool nesterov, T weight_decay,
                     const T* rate, const T* apply) {
  if (*apply == 0) return;
  const T learning_rate = *rate;
  for (const MomentumArrays<T>& array : arrays)
    parallel_chunks(array.size, pointwise_grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const T g = array.gradient[i] + weight_decay * array.weight[i];
        const T v = momentum * array.velocity[i] + g;
        array.velocity[i] = v;
        array.weight[i] -= learning_rate * (nesterov ? g + momentum * v : v);
      }
    });
}

template <class T>
void Lists::fill_arrays(const std::vector<MutableArray<T>>& arrays, std::type_identity_t<T> value) {
  for (const MutableArray<T>& array : arrays) Pointwise::fill(array.size, value, array.x);
}

template <class T>
void Lists::scale_arrays(const std::vector<MutableArray<T>>& arrays, const T* factor, const T* apply) {
  if (*apply == 0) return;
  for (const MutableArray<T>& array : arrays) Pointwise::scale(array.size, *factor, array.x, array.x);
}

template <class T>
void Lists::follow(const std::vector<ArrayPair<T>>& arrays, const T* decay, const T* apply) {
  if (*apply == 0) return;
  if (*decay == 0) return copy_arrays<T>(arrays, nullptr);
  for (const ArrayPair<T>& array : arrays) Pointwise::moving_average(array.size, *decay, array.x, array.y);
}

template <class T>
void Lists::copy_arrays(const std::vector<ArrayPair<T>>& arrays, const std::type_identity_t<T>* unless) {
  if (unless && *unless != 0) return;
  for (const ArrayPair<T>& array : arrays) Pointwise::copy_rows(1, 1, array.size, array.x, 0, 0, array.y, 0, 0);
}

template <class T>
void Lists::sum_squares(const std::vector<ArrayView<T>>& arrays, T* result) {
  double total = 0;
  for (const ArrayView<T>& array : arrays) {
    T sum = 0;
    Normalization::dot(array.size, array.x, array.x, &sum);
    total += static_cast<double>(sum);
  }
  *result = static_cast<T>(total);
}

template <class T>
void Lists::check_finite(const std::vector<ArrayView<T>>& arrays, T* finite) {
  for (const ArrayView<T>& array : arrays)
    if (!std::all_of(array.x, array.x + array.size, is_finite<T>)) *finite = 0;
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

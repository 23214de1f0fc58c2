// Short vectors, by the vector extension that g++ and clang share: no intrinsics, so one source serves SSE, AVX2,
// AVX-512 and NEON.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstring>
#include <utility>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__aarch64__)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

/// Every buffer ends with this many readable bytes, so that a kernel may load a whole vector at its last elements.
inline constexpr std::size_t buffer_slack = 64;

template <class T, int Lanes>
struct VectorType {
  typedef T type __attribute__((vector_size(Lanes * sizeof(T))));  // an alias-declaration loses the attribute
};

/// `Lanes` values of T that are added and multiplied at once.
template <class T, int Lanes>
using Vector = typename VectorType<T, Lanes>::type;

/// Lanes of the widest vector that this target has.
template <class T>
inline constexpr int native_lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class V, class T>
[[gnu::always_inline]] inline V load(const T* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}

template <class V, class T>
[[gnu::always_inline]] inline void store(T* to, const V& value) {
  std::memcpy(to, &value, sizeof(V));
}

/// Calls `f` with 0, 1, ..., Count - 1; unrolled whatever the optimisation level, which keeps arrays of accumulators in
/// registers. `f` takes an int and is marked always_inline: instantiated once for all numbers, it costs a fraction of
/// the time to compile that a type a number would.
///
/// Bounds of arrays that such functions capture are written as std::size_t{...}: g++ warns of the sign of any other.
template <int Count, class F>
[[gnu::always_inline]] inline void unroll(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) { (f(I), ...); }
  (std::make_integer_sequence<int, Count>{});
}

/// Calls `f(offset, lanes)` with std::integral_constant lanes for pieces that cover 0 .. count - 1: widest vectors
/// first, then ever narrower ones for what is left, down to four, and single elements. Channels of a pixel are walked
/// so, whatever their number.
template <class T, int Lanes = native_lanes<T>, class F>
[[gnu::always_inline]] inline void for_lanes(long count, F&& f, long offset = 0) {
  for (; offset + Lanes <= count; offset += Lanes) f(offset, std::integral_constant<int, Lanes>{});
  if constexpr (Lanes > 1) {
    if (offset < count) for_lanes<T, (Lanes > 4 ? Lanes / 2 : 1)>(count, f, offset);
  }
}

/// Two or three channels are computed in a vector of so many lanes, the rest idle, rather than one by one.
inline constexpr long few_lanes = 4;

/// The lanes that `count` channels take: a few instead of two or three, where one vector has as many.
template <class T>
constexpr long full_lanes(long count) {
  return native_lanes<T> >= few_lanes && (count == 2 || count == 3) ? few_lanes : count;
}

/// max(x, 0), lane by lane; not a number stays what it is, so that it does not hide.
template <class V>
[[gnu::always_inline]] inline V rectified(const V& x) {
  return x < 0 ? V{} : x;
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

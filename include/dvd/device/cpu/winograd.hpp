// The transforms of Winograd's minimal filtering F(4x4, 3x3): 4x4 outputs of a 3x3 convolution from 6x6 inputs with 36
// multiplications instead of 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016).
//
//     y = A^T [(G w G^T) . (B^T d B)] A        and, for the weight's gradient,  dw = G^T [(B^T d B) . (A dy A^T)] G
//
// Over channels the product in brackets becomes 36 matrix products, one a point. In one dimension this is polynomial
// multiplication by evaluation at 0, a, -a, b, -b and infinity: rows of A are powers of the points, rows of G the same
// divided by prod (p - q) over the other points q, rows of B^T the coefficients of prod (z - q). With the usual points
// 0, 1, -1, 2, -2 rounding errors grow four times as large as with 0, 3/4, -3/4, 3/2, -3/2, which cost the same; all
// constants below but those of G are exact in binary. Even and odd parts are shared between a point and its negative.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu::winograd {

inline constexpr int outputs = 4;  ///< of a tile, in each dimension
inline constexpr int inputs = 6;   ///< of a tile, in each dimension
inline constexpr int points = inputs * inputs;

namespace detail {

inline constexpr double a = 0.75, b = 1.5;
inline constexpr double a2 = a * a, b2 = b * b;

/// B^T d
template <class T, class V>
[[gnu::always_inline]] inline void to_points(const V (&d)[6], V (&v)[6]) {
  constexpr T product = T(a2 * b2), sum = T(a2 + b2);
  v[0] = product * d[0] + (d[4] - sum * d[2]);
  const V even_a = d[4] - T(b2) * d[2], odd_a = d[3] - T(b2) * d[1];
  v[1] = even_a + T(a) * odd_a;
  v[2] = even_a - T(a) * odd_a;
  const V even_b = d[4] - T(a2) * d[2], odd_b = d[3] - T(a2) * d[1];
  v[3] = even_b + T(b) * odd_b;
  v[4] = even_b - T(b) * odd_b;
  v[5] = product * d[1] + (d[5] - sum * d[3]);
}

/// A^T m
template <class T, class V>
[[gnu::always_inline]] inline void from_points(const V (&m)[6], V (&y)[4]) {
  const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  y[0] = m[0] + even_a + even_b;
  y[1] = T(a) * odd_a + T(b) * odd_b;
  y[2] = T(a2) * even_a + T(b2) * even_b;
  y[3] = T(a * a2) * odd_a + (T(b * b2) * odd_b + m[5]);
}

/// A^T m of F(3, 4)
template <class T, class V>
[[gnu::always_inline]] inline void narrow_from_points(const V (&m)[6], V (&y)[3]) {
  const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  y[0] = m[0] + even_a + even_b;
  y[1] = T(a) * odd_a + T(b) * odd_b;
  y[2] = T(a2) * even_a + (T(b2) * even_b + m[5]);
}

/// A dy
template <class T, class V>
[[gnu::always_inline]] inline void outputs_to_points(const V (&dy)[4], V (&m)[6]) {
  m[0] = dy[0];
  const V even_a = dy[0] + T(a2) * dy[2], odd_a = T(a) * dy[1] + T(a * a2) * dy[3];
  m[1] = even_a + odd_a;
  m[2] = even_a - odd_a;
  const V even_b = dy[0] + T(b2) * dy[2], odd_b = T(b) * dy[1] + T(b * b2) * dy[3];
  m[3] = even_b + odd_b;
  m[4] = even_b - odd_b;
  m[5] = dy[3];
}

// The rows of G: (1, p, p^2) / prod (p - q).
inline constexpr double g0 = 1 / (a2 * b2), ga = 1 / (2 * a2 * (a2 - b2)), gb = 1 / (2 * b2 * (b2 - a2));

/// G w
template <class T, class V>
[[gnu::always_inline]] inline void weight_to_points(const V (&w)[3], V (&u)[6]) {
  u[0] = T(g0) * w[0];
  const V even_a = T(ga) * w[0] + T(ga * a2) * w[2], odd_a = T(ga * a) * w[1];
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  const V even_b = T(gb) * w[0] + T(gb * b2) * w[2], odd_b = T(gb * b) * w[1];
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = w[2];
}

/// G w of F(3, 4)
template <class T, class V>
[[gnu::always_inline]] inline void wide_weight_to_points(const V (&w)[4], V (&u)[6]) {
  u[0] = T(g0) * w[0];
  const V even_a = T(ga) * w[0] + T(ga * a2) * w[2], odd_a = T(ga * a) * w[1] + T(ga * a * a2) * w[3];
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  const V even_b = T(gb) * w[0] + T(gb * b2) * w[2], odd_b = T(gb * b) * w[1] + T(gb * b * b2) * w[3];
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = w[3];
}

/// G^T du
template <class T, class V>
[[gnu::always_inline]] inline void weight_from_points(const V (&u)[6], V (&w)[3]) {
  const V even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
  w[0] = T(g0) * u[0] + (T(ga) * even_a + T(gb) * even_b);
  w[1] = T(ga * a) * odd_a + T(gb * b) * odd_b;
  w[2] = T(ga * a2) * even_a + (T(gb * b2) * even_b + u[5]);
}

/// Applies a one-dimensional transform from From to To values to the columns and then to the rows of a square:
/// `get(row, column)` reads it, `put(row, column, value)` takes the result. What lies between is more than the
/// registers hold, so columns and rows are loops, and only what one of them needs is unrolled.
template <class V, int From, int To, class Transform, class Get, class Put>
[[gnu::always_inline]] inline void transform_square(const Transform& transform, const Get& get, const Put& put) {
  V half[std::size_t{From}][std::size_t{To}];
  for (int column = 0; column < From; ++column) {
    V in[std::size_t{From}];
    unroll<From>([&](int row) __attribute__((always_inline)) { in[row] = get(row, column); });
    transform(in, half[column]);
  }
  for (int row = 0; row < To; ++row) {
    V in[std::size_t{From}], out[std::size_t{To}];
    unroll<From>([&](int column) __attribute__((always_inline)) { in[column] = half[column][row]; });
    transform(in, out);
    unroll<To>([&](int column) __attribute__((always_inline)) { put(row, column, out[column]); });
  }
}

}  // namespace detail

/// Where a tile's values lie: pixel (row, column) at `row * row + column * column` elements, point i at `i * point`.
struct TileStrides {
  Index row, column, point;
};

/// v = B^T d B for `channels` channels of a tile of 6x6 pixels.
template <class T>
void transform_input(Index channels, const T* d, T* v, TileStrides strides) {
  for_lanes<T>(channels, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = d + c;
    T* to = v + c;
    detail::transform_square<V, 6, 6>(
        [](const V(&in)[6], V(&out)[6]) __attribute__((always_inline)) { detail::to_points<T>(in, out); },
        [=](Index r, Index k)
            __attribute__((always_inline)) { return load<V>(from + r * strides.row + k * strides.column); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(to + (6 * r + k) * strides.point, x); });
  });
}

/// y = A^T m A (+ bias) for `channels` channels of a tile of 4x4 pixels; then max(., 0), if `rectify`.
template <class T>
void transform_output(Index channels, const T* m, const T* bias, bool rectify, T* y, TileStrides strides) {
  for_lanes<T>(channels, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = m + c;
    T* to = y + c;
    const V offset = bias ? load<V>(bias + c) : V{};
    detail::transform_square<V, 6, 4>(
        [](const V(&in)[6], V(&out)[4]) __attribute__((always_inline)) { detail::from_points<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(from + (6 * r + k) * strides.point); },
        [=](Index r, Index k, const V& x) __attribute__((always_inline)) {
          const V value = x + offset;
          store(to + r * strides.row + k * strides.column, rectify ? rectified(value) : value);
        });
  });
}

/// The same of F(3x3, 4x4), whose tiles of inputs are transformed as F(4x4, 3x3)'s: a tile of 3x3 pixels.
template <class T>
void transform_narrow_output(Index channels, const T* m, const T* bias, bool rectify, T* y, TileStrides strides) {
  for_lanes<T>(channels, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = m + c;
    T* to = y + c;
    const V offset = bias ? load<V>(bias + c) : V{};
    detail::transform_square<V, 6, 3>(
        [](const V(&in)[6], V(&out)[3]) __attribute__((always_inline)) { detail::narrow_from_points<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(from + (6 * r + k) * strides.point); },
        [=](Index r, Index k, const V& x) __attribute__((always_inline)) {
          const V value = x + offset;
          store(to + r * strides.row + k * strides.column, rectify ? rectified(value) : value);
        });
  });
}

/// m = A dy A^T for `channels` channels of a tile of 4x4 pixels.
template <class T>
void transform_output_gradient(Index channels, const T* dy, T* m, TileStrides strides) {
  for_lanes<T>(channels, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = dy + c;
    T* to = m + c;
    detail::transform_square<V, 4, 6>(
        [](const V(&in)[4], V(&out)[6]) __attribute__((always_inline)) { detail::outputs_to_points<T>(in, out); },
        [=](Index r, Index k)
            __attribute__((always_inline)) { return load<V>(from + r * strides.row + k * strides.column); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(to + (6 * r + k) * strides.point, x); });
  });
}

/// u = G w G^T for `count` neighbouring weights; taps lie `tap` elements apart, points `point`.
template <class T>
void transform_weight(Index count, const T* w, Index tap, T* u, Index point) {
  for_lanes<T>(count, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    detail::transform_square<V, 3, 6>(
        [](const V(&in)[3], V(&out)[6]) __attribute__((always_inline)) { detail::weight_to_points<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(w + c + (3 * r + k) * tap); },
        [=](Index r, Index k, const V& x) __attribute__((always_inline)) { store(u + c + (6 * r + k) * point, x); });
  });
}

/// The same of F(3x3, 4x4), of 4x4 taps.
template <class T>
void transform_wide_weight(Index count, const T* w, Index tap, T* u, Index point) {
  for_lanes<T>(count, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    detail::transform_square<V, 4, 6>(
        [](const V(&in)[4], V(&out)[6]) __attribute__((always_inline)) { detail::wide_weight_to_points<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(w + c + (4 * r + k) * tap); },
        [=](Index r, Index k, const V& x) __attribute__((always_inline)) { store(u + c + (6 * r + k) * point, x); });
  });
}

/// w = factor * G^T u G, `get(point, lanes, offset)` being u; `count` neighbouring weights.
template <class T, class Get>
void transform_weight_gradient(Index count, const Get& get, T factor, T* w, Index tap) {
  for_lanes<T>(count, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    detail::transform_square<V, 6, 3>(
        [](const V(&in)[6], V(&out)[3]) __attribute__((always_inline)) { detail::weight_from_points<T>(in, out); },
        [&](Index r, Index k) __attribute__((always_inline)) { return get(6 * r + k, c, lanes); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(w + c + (3 * r + k) * tap, factor * x); });
  });
}

}  // namespace dvd::cpu::winograd

#include "dvd/core/macros_end.hpp"

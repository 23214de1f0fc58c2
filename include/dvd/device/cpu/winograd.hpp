// Winograd's minimal filtering of tiles: the transforms of cpu/winograd_forms.hpp down the columns and along the rows.
//
//     y = A^T [(G w G^T) . (B^T d B)] A        and, for the weight's gradient,  dw = G^T [(B^T d B) . (A dy A^T)] G
//
// Over channels the product in brackets becomes a matrix product at each of the form's points^2 points: 36
// multiplications instead of 144 for 4x4 outputs of a 3x3 kernel.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/winograd_forms.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu::winograd {

/// Matrix products of a form.
template <class Form>
inline constexpr int points = Form::points* Form::points;

/// Where a tile's values lie: pixel (row, column) at `row * row + column * column` elements, point i at `i * point`.
struct TileStrides {
  Index row, column, point;
};

namespace detail {

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

/// v = B^T d B for `channels` channels of a tile of 6x6 pixels.
template <class T>
void transform_input(Index channels, const T* d, T* v, TileStrides strides) {
  for_lanes<T>(channels, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = d + c;
    T* to = v + c;
    detail::transform_square<V, 6, 6>(
        [](const auto& in, auto& out) __attribute__((always_inline)) { Plain::inputs_to_values<T>(in, out); },
        [=](Index r, Index k)
            __attribute__((always_inline)) { return load<V>(from + r * strides.row + k * strides.column); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(to + (6 * r + k) * strides.point, x); });
  });
}

/// A^T m A for `channels` channels of a tile, of which `put(row, column, channel, values)` makes the outputs.
template <class Form, class T, class Put>
[[gnu::always_inline]] inline void transform_output(Index channels, const T* m, Index point, const Put& put) {
  constexpr int from_points = Form::points, outputs = Form::outputs;
  for_lanes<T>(channels, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    const T* from = m + c;
    detail::transform_square<V, from_points, outputs>(
        [](const auto& in, auto& out) __attribute__((always_inline)) { Form::template points_to_outputs<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(from + (from_points * r + k) * point); },
        [&](Index r, Index k, const V& x) __attribute__((always_inline)) { put(r, k, c, x); });
  });
}

/// u = G w G^T for `count` neighbouring weights of Taps x Taps taps, which lie `tap` elements apart, points `point`.
template <class Form, int Taps, class T>
void transform_weight(Index count, const T* w, Index tap, T* u, Index point) {
  constexpr int to_points = Form::points;
  for_lanes<T>(count, [=](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    detail::transform_square<V, Taps, to_points>(
        [](const auto& in, auto& out) __attribute__((always_inline)) { Form::template weight_to_points<T>(in, out); },
        [=](Index r, Index k) __attribute__((always_inline)) { return load<V>(w + c + (Taps * r + k) * tap); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(u + c + (to_points * r + k) * point, x); });
  });
}

/// w = factor * G^T u G, `get(point, offset, lanes)` being u; `count` neighbouring weights.
template <class Form, class T, class Get>
void transform_weight_gradient(Index count, const Get& get, T factor, T* w, Index tap) {
  constexpr int from_points = Form::points;
  for_lanes<T>(count, [&](Index c, auto lanes) {
    using V = Vector<T, lanes>;
    detail::transform_square<V, from_points, 3>(
        [](const auto& in, auto& out) __attribute__((always_inline)) { Form::template points_to_weight<T>(in, out); },
        [&](Index r, Index k) __attribute__((always_inline)) { return get(from_points * r + k, c, lanes); },
        [=](Index r, Index k, const V& x)
            __attribute__((always_inline)) { store(w + c + (3 * r + k) * tap, factor * x); });
  });
}

}  // namespace dvd::cpu::winograd

#include "dvd/core/macros_end.hpp"

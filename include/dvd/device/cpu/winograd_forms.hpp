// Winograd's minimal filtering in one dimension: what two-dimensional transforms of tiles are made of.
//
// F(4, 3) computes 4 outputs of a kernel of 3 taps from 6 inputs with 6 multiplications instead of 12 (Lavin and Gray,
// "Fast Algorithms for Convolutional Neural Networks", CVPR 2016):
//
//     y = A^T [(G w) . (B^T d)]        and, for the weight's gradient,  dw = G^T [(B^T d) . (A dy)]
//
// It is multiplication of polynomials by evaluation at 0, a, -a, b, -b and infinity: rows of A are powers of the
// points, rows of G the same divided by prod (p - q) over the other points q, rows of B^T the coefficients of prod (z -
// q). With the usual points 0, 1, -1, 2, -2 rounding errors grow four times as large as with 0, 3/4, -3/4, 3/2, -3/2,
// which cost the same; all constants below but those of G are exact in binary. Even and odd parts are shared between a
// point and its negative.
//
// Where outputs are averaged over pairs or inputs stand for two, one of six points vanishes:
//
//   - The sums of pairs y0 + y1 and y2 + y3 weigh a point's product by 1 + p and p^2 + p^3: nothing at -1.
//   - With inputs d = (x0, x1, x1, x2, x2, x3) and the points 0, 1, b, -b, p and infinity, row p of B^T is
//     z (z - 1) (z^2 - b^2), whose coefficients sum to nothing over either pair.
//
// So 25 points serve where there would be 36. Factors that all inputs or outputs of a point share are moved into G.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>

#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu::winograd {

/// A kernel of 3 taps over pixels as they are.
struct Plain {
  static constexpr int inputs = 6, outputs = 4;  ///< stored ones, of a tile
  static constexpr int points = 6;
  static constexpr int pitch = 4;  ///< stored inputs from one tile to the next
  /// Distinct values of the points, and which of them a point has.
  static constexpr int input_values = 6, output_values = 6;
  static constexpr int input_value[] = {0, 1, 2, 3, 4, 5}, output_value[] = {0, 1, 2, 3, 4, 5};

  /// B^T d
  template <class T, class V>
  [[gnu::always_inline]] static void inputs_to_values(const V (&d)[6], V (&v)[6]) {
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
  [[gnu::always_inline]] static void points_to_outputs(const V (&m)[6], V (&y)[4]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = T(a) * odd_a + T(b) * odd_b;
    y[2] = T(a2) * even_a + T(b2) * even_b;
    y[3] = T(a * a2) * odd_a + (T(b * b2) * odd_b + m[5]);
  }

  /// A dy
  template <class T, class V>
  [[gnu::always_inline]] static void outputs_to_values(const V (&dy)[4], V (&m)[6]) {
    m[0] = dy[0];
    const V even_a = dy[0] + T(a2) * dy[2], odd_a = T(a) * dy[1] + T(a * a2) * dy[3];
    m[1] = even_a + odd_a;
    m[2] = even_a - odd_a;
    const V even_b = dy[0] + T(b2) * dy[2], odd_b = T(b) * dy[1] + T(b * b2) * dy[3];
    m[3] = even_b + odd_b;
    m[4] = even_b - odd_b;
    m[5] = dy[3];
  }

  /// G w
  template <class T, class V>
  [[gnu::always_inline]] static void weight_to_points(const V (&w)[3], V (&u)[6]) {
    u[0] = T(g0) * w[0];
    const V even_a = T(ga) * w[0] + T(ga * a2) * w[2], odd_a = T(ga * a) * w[1];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    const V even_b = T(gb) * w[0] + T(gb * b2) * w[2], odd_b = T(gb * b) * w[1];
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[2];
  }

  /// G^T du
  template <class T, class V>
  [[gnu::always_inline]] static void points_to_weight(const V (&u)[6], V (&w)[3]) {
    const V even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
    w[0] = T(g0) * u[0] + (T(ga) * even_a + T(gb) * even_b);
    w[1] = T(ga * a) * odd_a + T(gb * b) * odd_b;
    w[2] = T(ga * a2) * even_a + (T(gb * b2) * even_b + u[5]);
  }

  static constexpr double a = 0.75, b = 1.5, a2 = a * a, b2 = b * b;
  // The rows of G: (1, p, p^2) / prod (p - q).
  static constexpr double g0 = 1 / (a2 * b2), ga = 1 / (2 * a2 * (a2 - b2)), gb = 1 / (2 * b2 * (b2 - a2));
};

/// A kernel of 3 taps whose outputs are summed in pairs; points 0, a, -a, b and infinity, the sixth being -1.
struct Pooled {
  static constexpr int inputs = 6, outputs = 2, points = 5, pitch = 4;
  static constexpr int input_values = 5, output_values = 4;
  static constexpr int input_value[] = {0, 1, 2, 3, 4}, output_value[] = {0, 1, 1, 2, 3};

  template <class T, class V>
  [[gnu::always_inline]] static void inputs_to_values(const V (&d)[6], V (&v)[5]) {
    // The products with (z - b) (z + 1) serve 0, a, -a and infinity.
    const auto through = [&](int i) __attribute__((always_inline)) {
      return (d[i] + T(1 - b) * d[i - 1]) - T(b) * d[i - 2];
    };
    const V second = through(2), third = through(3), fourth = through(4), fifth = through(5);
    v[0] = fourth - T(a2) * second;
    v[1] = fourth + T(a) * third;
    v[2] = fourth - T(a) * third;
    v[3] = (d[4] + d[3]) - T(a2) * (d[2] + d[1]);
    v[4] = fifth - T(a2) * third;
  }

  template <class T, class V>
  [[gnu::always_inline]] static void points_to_outputs(const V (&m)[5], V (&y)[2]) {
    const V both = m[1] + m[2];
    y[0] = m[0] + both + m[3];
    y[1] = T(a2) * both + (T(b2) * m[3] + m[4]);
  }

  template <class T, class V>
  [[gnu::always_inline]] static void outputs_to_values(const V (&dy)[2], V (&m)[4]) {
    m[0] = dy[0];
    m[1] = dy[0] + T(a2) * dy[1];
    m[2] = dy[0] + T(b2) * dy[1];
    m[3] = dy[1];
  }

  template <class T, class V>
  [[gnu::always_inline]] static void weight_to_points(const V (&w)[3], V (&u)[5]) {
    u[0] = T(g0) * w[0];
    u[1] = T(ga) * w[0] + (T(ga * a) * w[1] + T(ga * a2) * w[2]);
    u[2] = T(gc) * w[0] + (T(gc * a2) * w[2] - T(gc * a) * w[1]);
    u[3] = T(gb) * w[0] + (T(gb * b) * w[1] + T(gb * b2) * w[2]);
    u[4] = w[2];
  }

  template <class T, class V>
  [[gnu::always_inline]] static void points_to_weight(const V (&u)[5], V (&w)[3]) {
    w[0] = (T(g0) * u[0] + T(ga) * u[1]) + (T(gc) * u[2] + T(gb) * u[3]);
    w[1] = (T(ga * a) * u[1] - T(gc * a) * u[2]) + T(gb * b) * u[3];
    w[2] = (T(ga * a2) * u[1] + T(gc * a2) * u[2]) + (T(gb * b2) * u[3] + u[4]);
  }

  static constexpr double a = 0.75, b = 1.75, a2 = a * a, b2 = b * b;
  // (1 + p) / prod (p - q); gc is that of -a.
  static constexpr double g0 = 1 / (a2 * b), ga = 1 / (2 * a2 * (a - b)), gc = -1 / (2 * a2 * (a + b)),
                          gb = 1 / (b * (b2 - a2));
};

/// A kernel of 3 taps over inputs that stand for two pixels each; points 0, 1, b, -b and infinity, the sixth being -1.
/// Tiles begin with a pair's second pixel.
struct Repeated {
  static constexpr int inputs = 4, outputs = 4, points = 5, pitch = 2;
  static constexpr int input_values = 4, output_values = 5;
  static constexpr int input_value[] = {0, 1, 2, 2, 3}, output_value[] = {0, 1, 2, 3, 4};

  template <class T, class V>
  [[gnu::always_inline]] static void inputs_to_values(const V (&x)[4], V (&v)[4]) {
    const V step = x[2] - x[1];
    v[0] = step - T(b2) * (x[1] - x[0]);
    v[1] = x[2] - T(b2) * x[1];
    v[2] = step;
    v[3] = (x[3] - x[2]) - T(b2) * step;
  }

  template <class T, class V>
  [[gnu::always_inline]] static void points_to_outputs(const V (&m)[5], V (&y)[4]) {
    const V even = m[2] + m[3], odd = m[2] - m[3];
    y[0] = m[0] + m[1] + even;
    y[1] = m[1] + T(b) * odd;
    y[2] = m[1] + T(b2) * even;
    y[3] = m[1] + (T(b * b2) * odd + m[4]);
  }

  template <class T, class V>
  [[gnu::always_inline]] static void outputs_to_values(const V (&dy)[4], V (&m)[5]) {
    m[0] = dy[0];
    m[1] = (dy[0] + dy[1]) + (dy[2] + dy[3]);
    const V even = dy[0] + T(b2) * dy[2], odd = T(b) * dy[1] + T(b * b2) * dy[3];
    m[2] = even + odd;
    m[3] = even - odd;
    m[4] = dy[3];
  }

  template <class T, class V>
  [[gnu::always_inline]] static void weight_to_points(const V (&w)[3], V (&u)[5]) {
    u[0] = T(g0) * w[0];
    u[1] = T(g1) * (w[0] + w[1] + w[2]);
    u[2] = T(gb) * w[0] + (T(gb * b) * w[1] + T(gb * b2) * w[2]);
    u[3] = T(gc) * w[0] + (T(gc * b2) * w[2] - T(gc * b) * w[1]);
    u[4] = w[2];
  }

  template <class T, class V>
  [[gnu::always_inline]] static void points_to_weight(const V (&u)[5], V (&w)[3]) {
    const V one = T(g1) * u[1];
    w[0] = (T(g0) * u[0] + one) + (T(gb) * u[2] + T(gc) * u[3]);
    w[1] = one + (T(gb * b) * u[2] - T(gc * b) * u[3]);
    w[2] = one + (T(gb * b2) * u[2] + T(gc * b2) * u[3]) + u[4];
  }

  static constexpr double b = 2, b2 = b * b;
  // 1 / prod (p - q), times what v leaves out: 2 at 1, 1 + p at b and -b; gc is that of -b.
  static constexpr double g0 = 1 / b2, g1 = 1 / (1 - b2), gb = 1 / (2 * b2 * (b - 1)), gc = -1 / (2 * b2 * (b + 1));
};

/// What tiles of a convolution's inputs become, B^T d: they overlap, and the first begins a pixel before the image.
template <class Form>
struct InputTiles {
  static constexpr int pixels = Form::inputs, pitch = Form::pitch, before = 1, values = Form::input_values;
  static constexpr bool repeats = pixels < 6;  ///< stored pixels stand for two each
  static constexpr bool activates = true;      ///< may have to be scaled and rectified first

  template <class T, class V>
  [[gnu::always_inline]] static void transform(const V (&d)[std::size_t{pixels}], V (&v)[std::size_t{values}]) {
    Form::template inputs_to_values<T>(d, v);
  }
};

/// What tiles of its outputs' gradients become, A dy.
template <class Form>
struct OutputTiles {
  static constexpr int pixels = Form::outputs, pitch = Form::outputs, before = 0, values = Form::output_values;
  static constexpr bool repeats = pixels < 4, activates = false;

  template <class T, class V>
  [[gnu::always_inline]] static void transform(const V (&dy)[std::size_t{pixels}], V (&m)[std::size_t{values}]) {
    Form::template outputs_to_values<T>(dy, m);
  }
};

/// F(3, 4): 3 outputs of a kernel of 4 taps, whose inputs are transformed as F(4, 3)'s.
struct Wide {
  static constexpr int inputs = 6, outputs = 3, points = 6, pitch = 3;

  /// A^T m
  template <class T, class V>
  [[gnu::always_inline]] static void points_to_outputs(const V (&m)[6], V (&y)[3]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = T(Plain::a) * odd_a + T(Plain::b) * odd_b;
    y[2] = T(Plain::a2) * even_a + (T(Plain::b2) * even_b + m[5]);
  }

  /// G w
  template <class T, class V>
  [[gnu::always_inline]] static void weight_to_points(const V (&w)[4], V (&u)[6]) {
    constexpr double a = Plain::a, a2 = Plain::a2, b = Plain::b, b2 = Plain::b2, ga = Plain::ga, gb = Plain::gb;
    u[0] = T(Plain::g0) * w[0];
    const V even_a = T(ga) * w[0] + T(ga * a2) * w[2], odd_a = T(ga * a) * w[1] + T(ga * a * a2) * w[3];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    const V even_b = T(gb) * w[0] + T(gb * b2) * w[2], odd_b = T(gb * b) * w[1] + T(gb * b * b2) * w[3];
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[3];
  }
};

}  // namespace dvd::cpu::winograd

#include "dvd/core/macros_end.hpp"

// The kernels of the device contract as their definitions read: loops over single elements, in double, on the host.
// Slow and obvious; what device policies are compared with. Names and layouts are those of core/device.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "dvd/core/convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing::plain {

using Vector = std::vector<double>;

inline Vector zeros(Index size) { return Vector(static_cast<std::size_t>(size)); }

// Elements by signed indices.
inline double at(const Vector& x, Index i) { return x[static_cast<std::size_t>(i)]; }
inline double& at(Vector& x, Index i) { return x[static_cast<std::size_t>(i)]; }

// Calls `f(output position, input position, tap)` for every pair of pixels that a convolution connects, positions
// counting pixels of [frames, batch, height, width].
template <class F>
void for_connections(const ConvolutionSize& size, const F& f) {
  const Index reach_frames = size.kernel_frames / 2, reach = size.kernel / 2;
  const auto position = [&](Index t, Index n, Index h, Index w) {
    return ((t * size.batch + n) * size.height + h) * size.width + w;
  };
  for (Index t = 0; t < size.frames; ++t)
    for (Index n = 0; n < size.batch; ++n)
      for (Index h = 0; h < size.height; ++h)
        for (Index w = 0; w < size.width; ++w)
          for (Index a = 0; a < size.kernel_frames; ++a)
            for (Index b = 0; b < size.kernel; ++b)
              for (Index c = 0; c < size.kernel; ++c) {
                const Index from_t = t + a - reach_frames, from_h = h + b - reach, from_w = w + c - reach;
                if (from_t < 0 || from_t >= size.frames || from_h < 0 || from_h >= size.height || from_w < 0 ||
                    from_w >= size.width)
                  continue;
                f(position(t, n, h, w), position(from_t, n, from_h, from_w), (a * size.kernel + b) * size.kernel + c);
              }
}

// Calls `f(enlarged position, stored position, factor)` for every pair of pixels that an upsampling connects.
template <class F>
void for_enlarged(const ConvolutionSize& size, const F& f) {
  const Index height = size.input_height(), width = size.input_width();
  for (Index image = 0; image < size.frames * size.batch; ++image)
    for (Index h = 0; h < 2 * height; ++h)
      for (Index w = 0; w < 2 * width; ++w) {
        const auto from = [&](Index row, Index column) {
          return (image * height + std::clamp<Index>(row, 0, height - 1)) * width +
                 std::clamp<Index>(column, 0, width - 1);
        };
        const Index to = (image * size.height + h) * size.width + w;
        const Index beside_h = h / 2 + (h % 2 ? 1 : -1), beside_w = w / 2 + (w % 2 ? 1 : -1);
        if (*size.upsample == Upsampling::nearest) {
          f(to, from(h / 2, w / 2), 1.0);
          continue;
        }
        f(to, from(h / 2, w / 2), 9 / 16.0);
        f(to, from(h / 2, beside_w), 3 / 16.0);
        f(to, from(beside_h, w / 2), 3 / 16.0);
        f(to, from(beside_h, beside_w), 1 / 16.0);
      }
}

// Calls `f(averaged position, position, factor)` for every pair of pixels that an average connects.
template <class F>
void for_pooled(const ConvolutionSize& size, const F& f) {
  const Index height = size.output_height(), width = size.output_width();
  for (Index t = 0; t < size.output_frames() * size.pool_frames; ++t)
    for (Index n = 0; n < size.batch; ++n)
      for (Index h = 0; h < 2 * height; ++h)
        for (Index w = 0; w < 2 * width; ++w)
          f(((t / size.pool_frames * size.batch + n) * height + h / 2) * width + w / 2,
            ((t * size.batch + n) * size.height + h) * size.width + w, 0.25 / static_cast<double>(size.pool_frames));
}

// Dense results; `bias` may be empty.
inline Vector convolve(const ConvolutionSize& size, const Vector& x, const Vector& weight, const Vector& bias) {
  const Index inputs = size.inputs, outputs = size.outputs;
  Vector y = zeros(size.positions() * outputs);
  for_connections(size, [&](Index to, Index from, Index tap) {
    for (Index i = 0; i < inputs; ++i)
      for (Index o = 0; o < outputs; ++o)
        at(y, to * outputs + o) += at(x, from * inputs + i) * at(weight, (tap * inputs + i) * outputs + o);
  });
  if (!bias.empty())
    for (Index p = 0; p < size.positions(); ++p)
      for (Index o = 0; o < outputs; ++o) at(y, p * outputs + o) += at(bias, o);
  return y;
}

inline Vector convolve_backward_input(const ConvolutionSize& size, const Vector& dy, const Vector& weight) {
  const Index inputs = size.inputs, outputs = size.outputs;
  Vector dx = zeros(size.positions() * inputs);
  for_connections(size, [&](Index to, Index from, Index tap) {
    for (Index i = 0; i < inputs; ++i)
      for (Index o = 0; o < outputs; ++o)
        at(dx, from * inputs + i) += at(dy, to * outputs + o) * at(weight, (tap * inputs + i) * outputs + o);
  });
  return dx;
}

inline Vector convolve_backward_weight(const ConvolutionSize& size, const Vector& x, const Vector& dy) {
  const Index inputs = size.inputs, outputs = size.outputs;
  Vector dweight = zeros(size.taps() * inputs * outputs);
  for_connections(size, [&](Index to, Index from, Index tap) {
    for (Index i = 0; i < inputs; ++i)
      for (Index o = 0; o < outputs; ++o)
        at(dweight, (tap * inputs + i) * outputs + o) += at(x, from * inputs + i) * at(dy, to * outputs + o);
  });
  return dweight;
}

// What a convolution's kernel slides over: the stored input after its affine map (scale may be empty), ReLU and
// upsampling, one after the other.
inline Vector prepared(const ConvolutionSize& size, const Vector& x, const Vector& scale, const Vector& shift,
                       bool rectify) {
  const Index height = size.input_height(), width = size.input_width(), inputs = size.inputs;
  Vector small = x;
  for (Index i = 0; i < size.input_size(); ++i) {
    const Index k = i / (height * width * inputs) * inputs + i % inputs;
    if (!scale.empty()) at(small, i) = at(scale, k) * at(x, i) + at(shift, k);
    if (rectify) at(small, i) = std::max(at(small, i), 0.0);
  }
  if (!size.upsample) return small;
  Vector result = zeros(size.positions() * inputs);
  for_enlarged(size, [&](Index to, Index from, double factor) {
    for (Index i = 0; i < inputs; ++i) at(result, to * inputs + i) += factor * at(small, from * inputs + i);
  });
  return result;
}

// The gradient of the stored input (of the result of its affine map and ReLU, if it has one) from that of `prepared`.
inline Vector prepared_backward(const ConvolutionSize& size, const Vector& dprepared, const Vector& x, bool mask) {
  const Index inputs = size.inputs;
  Vector result = dprepared;
  if (size.upsample) {
    result = zeros(size.input_size());
    for_enlarged(size, [&](Index to, Index from, double factor) {
      for (Index i = 0; i < inputs; ++i) at(result, from * inputs + i) += factor * at(dprepared, to * inputs + i);
    });
  }
  for (Index i = 0; mask && i < size.input_size(); ++i)
    if (!(at(x, i) > 0)) at(result, i) = 0;
  return result;
}

// Averages over windows of pool_frames x 2 x 2, or nothing, of [frames, batch, height, width, outputs].
inline Vector pooled(const ConvolutionSize& size, const Vector& y) {
  if (!size.pool) return y;
  Vector result = zeros(size.output_size());
  for_pooled(size, [&](Index to, Index from, double factor) {
    for (Index o = 0; o < size.outputs; ++o)
      at(result, to * size.outputs + o) += factor * at(y, from * size.outputs + o);
  });
  return result;
}

inline Vector pooled_backward(const ConvolutionSize& size, const Vector& dy) {
  if (!size.pool) return dy;
  Vector result = zeros(size.positions() * size.outputs);
  for_pooled(size, [&](Index to, Index from, double factor) {
    for (Index o = 0; o < size.outputs; ++o)
      at(result, from * size.outputs + o) += factor * at(dy, to * size.outputs + o);
  });
  return result;
}

struct Moments {
  Vector mean, variance;
};

inline Moments moments(Index groups, Index rows, Index channels, const Vector& x) {
  Moments result{zeros(groups * channels), zeros(groups * channels)};
  for (Index g = 0; g < groups; ++g)
    for (Index c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (Index r = 0; r < rows; ++r) mean += at(x, (g * rows + r) * channels + c);
      mean /= static_cast<double>(rows);
      for (Index r = 0; r < rows; ++r) variance += std::pow(at(x, (g * rows + r) * channels + c) - mean, 2);
      at(result.mean, g * channels + c) = mean;
      at(result.variance, g * channels + c) = variance / static_cast<double>(rows);
    }
  return result;
}

struct BatchNormGradients {
  Vector gain, bias, x;
};

// The gradients of y = (1 + gain) * (x - mean) / sqrt(variance + epsilon) + bias, rectified or not.
inline BatchNormGradients batch_norm_backward(Index frames, Index batch, Index rows, Index channels, const Vector& x,
                                              const Vector& dy, const Moments& moments, const Vector& gain,
                                              const Vector& bias, double epsilon, bool rectify, bool batch_statistics) {
  BatchNormGradients result{zeros(batch * channels), zeros(batch * channels), zeros(frames * batch * rows * channels)};
  for (Index t = 0; t < frames; ++t)
    for (Index c = 0; c < channels; ++c) {
      const double mean = at(moments.mean, t * channels + c);
      const double deviation = std::sqrt(at(moments.variance, t * channels + c) + epsilon);
      // Gradients of the normalised values, their mean, and their mean product with those values.
      Vector dnormal = zeros(batch * rows);
      double mean_gradient = 0, mean_product = 0;
      const auto element = [&](Index n, Index r) { return ((t * batch + n) * rows + r) * channels + c; };
      const auto normal = [&](Index n, Index r) { return (at(x, element(n, r)) - mean) / deviation; };
      for (Index n = 0; n < batch; ++n)
        for (Index r = 0; r < rows; ++r) {
          const double slope = 1 + at(gain, n * channels + c);
          const bool passes = !rectify || slope * normal(n, r) + at(bias, n * channels + c) > 0;
          const double upstream = passes ? at(dy, element(n, r)) : 0;
          at(result.gain, n * channels + c) += upstream * normal(n, r);
          at(result.bias, n * channels + c) += upstream;
          at(dnormal, n * rows + r) = upstream * slope;
          mean_gradient += upstream * slope / static_cast<double>(batch * rows);
          mean_product += upstream * slope * normal(n, r) / static_cast<double>(batch * rows);
        }
      for (Index n = 0; n < batch; ++n)
        for (Index r = 0; r < rows; ++r) {
          double gradient = at(dnormal, n * rows + r);
          if (batch_statistics) gradient -= mean_gradient + normal(n, r) * mean_product;
          at(result.x, element(n, r)) = gradient / deviation;
        }
    }
  return result;
}

inline Vector sum_rows(Index groups, Index rows, Index channels, const Vector& x, Index x_row) {
  Vector y = zeros(groups * channels);
  for (Index g = 0; g < groups; ++g)
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < channels; ++c) at(y, g * channels + c) += at(x, (g * rows + r) * x_row + c);
  return y;
}

// Calls `f(output, input, weight)` for elements of [images, height, width, channels] before and after doubling.
template <class F>
void for_upsampled(Index images, Index height, Index width, Index channels, bool bilinear, const F& f) {
  // The inputs that output `out` looks at, with their weights.
  struct Taps {
    Index index[2];
    double weight[2];
  };
  const auto taps = [&](Index out, Index size) -> Taps {
    if (!bilinear) return {{out / 2, out / 2}, {1, 0}};
    const double center = std::max((static_cast<double>(out) + 0.5) / 2 - 0.5, 0.0);
    const Index first = static_cast<Index>(center);
    const double beyond = center - static_cast<double>(first);
    return {{first, std::min(first + 1, size - 1)}, {1 - beyond, beyond}};
  };
  for (Index image = 0; image < images; ++image)
    for (Index h = 0; h < 2 * height; ++h)
      for (Index w = 0; w < 2 * width; ++w)
        for (const int i : {0, 1})
          for (const int j : {0, 1})
            for (Index c = 0; c < channels; ++c) {
              const Taps down = taps(h, height), across = taps(w, width);
              f(((image * 2 * height + h) * 2 * width + w) * channels + c,
                ((image * height + down.index[i]) * width + across.index[j]) * channels + c,
                down.weight[i] * across.weight[j]);
            }
}

// Calls `f(output, input)` for elements of [frames, batch, height, width, channels] before and after pooling.
template <class F>
void for_pooled(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames, const F& f) {
  const Index rows = height / 2, columns = width / 2;
  for (Index t = 0; t < frames / pool_frames * pool_frames; ++t)
    for (Index n = 0; n < batch; ++n)
      for (Index h = 0; h < 2 * rows; ++h)
        for (Index w = 0; w < 2 * columns; ++w)
          for (Index c = 0; c < channels; ++c)
            f((((t / pool_frames * batch + n) * rows + h / 2) * columns + w / 2) * channels + c,
              (((t * batch + n) * height + h) * width + w) * channels + c);
}

inline Vector normalized(const Vector& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  Vector result = x;
  for (double& value : result) value /= std::max(std::sqrt(squares), 1e-12);
  return result;
}

struct PowerIteration {
  Vector u, v;
  double sigma = 0;
};

inline PowerIteration power_iteration(Index rows, Index columns, const Vector& weight, const Vector& u, bool update) {
  Vector v = zeros(columns), product = zeros(rows);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) at(v, c) += at(weight, r * columns + c) * at(u, r);
  v = normalized(v);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) at(product, r) += at(weight, r * columns + c) * at(v, c);
  PowerIteration result{update ? normalized(product) : u, v, 0};
  for (Index r = 0; r < rows; ++r) result.sigma += at(result.u, r) * at(product, r);
  return result;
}

}  // namespace dvd::testing::plain

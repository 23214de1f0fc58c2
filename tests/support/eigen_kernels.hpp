// Kernels of the device contract as expressions of Eigen's Tensor, in double on the host: what other people's patches,
// reductions and contractions make of their definitions. Names and layouts are those of core/device.hpp.
#pragma once

#include <vector>

#include "dvd/core/attention.hpp"
#include "dvd/core/convolution.hpp"
#include "dvd/eigen.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing::forms {

using Vector = std::vector<double>;

template <class... Extents>
Eigen::array<Index, sizeof...(Extents)> extents(Extents... values) {
  return {values...};
}

using Axis = Eigen::IndexPair<int>;

// Numbers as a tensor of Eigen's, of the extents that follow.
template <class... Extents>
auto map(const Vector& x, Extents... values) {
  const Shape shape{values...};
  require(static_cast<Index>(x.size()) == shape.size(), x.size(), " numbers do not fit shape ", shape);
  return eigen<static_cast<int>(sizeof...(Extents))>(TensorView<const double>(x.data(), shape));
}

template <class Expression>
Vector values(const Expression& expression) {
  return evaluate(expression).to_vector();
}

// A convolution of [frames, batch, height, width, inputs], "same" zero padding, with [taps..., inputs, outputs]: every
// pixel's patch, of all inputs and padded with zeros, times the weight as a matrix. Eigen calls the axes of a patch by
// other names, which makes no difference to cubes.
inline Vector convolve(const ConvolutionSize& s, const Vector& x, const Vector& weight) {
  const Index images = s.frames * s.batch, pixels = s.height * s.width, k = s.kernel;
  const auto matrix = map(weight, s.taps() * s.inputs, s.outputs);
  const Eigen::array<Axis, 1> along{Axis(1, 0)};
  if (s.kernel_frames == 1)
    return values(map(x, images, s.height, s.width, s.inputs)
                      .extract_image_patches(k, k)
                      .reshape(extents(images * pixels, k * k * s.inputs))
                      .contract(matrix, along));
  // One video after the other, and back.
  const Eigen::array<int, 4> swapped{1, 0, 2, 3};
  return values(map(x, s.frames, s.batch, pixels, s.inputs)
                    .shuffle(swapped)
                    .reshape(extents(s.batch, s.frames, s.height, s.width, s.inputs))
                    .extract_volume_patches(k, k, s.kernel_frames)
                    .reshape(extents(s.batch * s.frames * pixels, s.taps() * s.inputs))
                    .contract(matrix, along)
                    .reshape(extents(s.batch, s.frames, pixels, s.outputs))
                    .shuffle(swapped));
}

// The windows of 2 x 2 pixels of [frames, batch, height, width, channels], without odd ends, as
// [frames * batch * height / 2, 2, width / 2, 2, channels].
inline auto windows(const Vector& x, Index frames, Index batch, Index height, Index width, Index channels, Index time) {
  const Index t = frames / time, h = height / 2, w = width / 2;
  return evaluate(map(x, frames, batch, height, width, channels)
                      .slice(extents(0, 0, 0, 0, 0), extents(t * time, batch, 2 * h, 2 * w, channels))
                      .reshape(extents(t * time * batch * h, 2, w, 2, channels)));
}

inline Vector average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index time,
                           const Vector& x) {
  const Index t = frames / time, h = height / 2, w = width / 2;
  const auto pairs = windows(x, frames, batch, height, width, channels, time);
  return values(eigen<5>(pairs)
                    .mean(Eigen::array<int, 2>{1, 3})
                    .reshape(extents(t, time, batch * h * w * channels))
                    .mean(Eigen::array<int, 1>{1}));
}

inline Vector max_pool(Index images, Index height, Index width, Index channels, const Vector& x) {
  const auto pairs = windows(x, 1, images, height, width, channels, 1);
  return values(eigen<5>(pairs).maximum(Eigen::array<int, 2>{1, 3}));
}

// The matrix that doubles an axis: at half-pixel centres, edges repeated.
inline Eigen::Tensor<double, 2, Eigen::RowMajor> doubling(Index size) {
  Eigen::Tensor<double, 2, Eigen::RowMajor> result(2 * size, size);
  result.setZero();
  for (Index i = 0; i < size; ++i) {
    result(2 * i, i) += 0.75;
    result(2 * i, std::max<Index>(i - 1, 0)) += 0.25;
    result(2 * i + 1, i) += 0.75;
    result(2 * i + 1, std::min(i + 1, size - 1)) += 0.25;
  }
  return result;
}

inline Vector upsample_bilinear(Index images, Index height, Index width, Index channels, const Vector& x) {
  const Eigen::array<Axis, 1> along{Axis(1, 1)};
  // Contracted axes go, new ones come last: [images, width, channels, 2 height], then [.., channels, 2 height, 2
  // width].
  return values(map(x, images, height, width, channels)
                    .contract(doubling(height), along)
                    .contract(doubling(width), along)
                    .shuffle(Eigen::array<int, 4>{0, 2, 3, 1}));
}

struct Moments {
  Vector mean, variance;
};

inline Moments moments(Index groups, Index rows, Index channels, const Vector& x) {
  const auto values_of = map(x, groups, rows, channels);
  const Eigen::array<int, 1> over{1};
  const auto mean = evaluate(values_of.mean(over));
  const auto centred = values_of - eigen<2>(mean).reshape(extents(groups, 1, channels)).broadcast(extents(1, rows, 1));
  return {mean.to_vector(), values(centred.square().mean(over))};
}

inline Vector sum_rows(Index groups, Index rows, Index channels, const Vector& x, Index x_row) {
  return values(map(x, groups, rows, x_row)
                    .slice(extents(0, 0, 0), extents(groups, rows, channels))
                    .sum(Eigen::array<int, 1>{1}));
}

// softmax(query key^T) value in every set of tokens.
inline Vector attend(const AttentionSize& s, const Vector& query, const Vector& key, const Vector& value) {
  Tensor<double> y(Shape{s.groups, s.queries, s.inner, s.value_width});
  auto result = eigen<4>(y);
  const auto q = map(query, s.groups, s.queries, s.inner, s.width), k = map(key, s.groups, s.keys, s.inner, s.width),
             v = map(value, s.groups, s.keys, s.inner, s.value_width);
  const Eigen::array<int, 1> over_keys{1};
  for (Index g = 0; g < s.groups; ++g)
    for (Index i = 0; i < s.inner; ++i) {
      const auto along_keys = [&](const auto& of_queries) {
        return of_queries.reshape(extents(s.queries, 1)).broadcast(extents(1, s.keys));
      };
      const auto scores =
          evaluate(q.chip(g, 0).chip(i, 1).contract(k.chip(g, 0).chip(i, 1), Eigen::array<Axis, 1>{Axis(1, 1)}));
      const auto all = eigen<2>(scores);
      const auto most = evaluate(all.maximum(over_keys));
      const auto weights = evaluate((all - along_keys(eigen<1>(most))).exp());
      const auto totals = evaluate(eigen<2>(weights).sum(over_keys));
      const auto shares = eigen<2>(weights) / along_keys(eigen<1>(totals));
      result.chip(g, 0).chip(i, 1) = shares.contract(v.chip(g, 0).chip(i, 1), Eigen::array<Axis, 1>{Axis(1, 0)});
    }
  return y.to_vector();
}

}  // namespace dvd::testing::forms

// Convolutions of any kernel as matrix products of unfolded windows, and their gradients; a transposed convolution is
// one of the gradients.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <optional>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A convolution of x `[time, batch, height, width, inputs]` to y `[..., outputs]` with a packed weight
/// `[taps, inputs / groups, outputs]`: every group of y's channels sees a group of x's. The windows' channels are those
/// of a group of x.
///
/// With U the windows of x, unfolded to `[windows, taps * inputs / groups]`, and W the weight as a matrix,
///
///     y = U W,    dW = U^T dy,    dU = dy W^T, of which dx is the folded sum.
///
/// Some windows at a time, so that U takes `D::columns_bytes` and no more, whatever x is: their number follows from
/// sizes alone. The products are the device's convolutions with a kernel of 1.
template <Scalar T, Device D>
class WindowProducts {
 public:
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;

  WindowProducts(const WindowSize& size, Index outputs, Index groups)
      : size_(size), outputs_(outputs), groups_(groups) {}

  /// y = U W + bias (+ y, if `accumulate`); the bias may be null.
  void forward(const View& packed, const T* x, const P* bias, T* y, bool accumulate) const {
    Tensor<T, D> columns(Shape{band(), depth()});
    for (Index group = 0; group < groups_; ++group) {
      const View weight = of_group(packed, group);
      const auto filter = D::filter(product(1), weight.data());
      for_bands([&](Index first, Index count) {
        unfold(group, first, count, x, columns);
        D::convolve(product(count), ConvolutionInput<T>{columns.data()}, filter,
                    bias ? bias + group * group_outputs() : nullptr, y + first * outputs_ + group * group_outputs(),
                    outputs_, accumulate);
      });
    }
  }

  /// dx += the folded dy W^T
  void add_backward_input(const View& packed, const T* dy, T* dx) const {
    Tensor<T, D> columns(Shape{band(), depth()});
    for (Index group = 0; group < groups_; ++group) {
      const View weight = of_group(packed, group);
      const auto filter = D::backward_filter(product(1), weight.data());
      for_bands([&](Index first, Index count) {
        D::convolve_backward_input(product(count), ConvolutionInput<T>{},
                                   dy + first * outputs_ + group * group_outputs(), outputs_, filter, columns.data(),
                                   false);
        D::fold(size_, first, count, columns.data(), dx + group * size_.channels, inputs());
      });
    }
  }

  /// dpacked = U^T dy, added up in full precision. Reads whole vectors of dy; see `readable_beyond`.
  void backward_weight(const T* x, const T* dy, T* dpacked) const {
    Tensor<T, D> columns(Shape{band(), depth()});
    const Index size = depth() * group_outputs();
    Tensor<T, D> part(Shape{size});
    for (Index group = 0; group < groups_; ++group) {
      Tensor<P, D> sum;
      for_bands([&](Index first, Index count) {
        unfold(group, first, count, x, columns);
        D::convolve_backward_weight(product(count), ConvolutionInput<T>{columns.data()},
                                    dy + first * outputs_ + group * group_outputs(), outputs_, part.data());
        if (count == size_.windows()) return;
        Tensor<P, D> precise(Shape{size});
        D::convert(size, part.data(), precise.data());
        if (sum)
          D::add(size, precise.data(), sum.data());
        else
          sum = std::move(precise);
      });
      if (sum) D::convert(size, sum.data(), part.data());
      D::copy_rows(1, depth(), group_outputs(), part.data(), 0, group_outputs(), dpacked + group * group_outputs(), 0,
                   outputs_);
    }
  }

 private:
  Index inputs() const { return size_.channels * groups_; }
  Index group_outputs() const { return outputs_ / groups_; }
  Index depth() const { return size_.taps() * size_.channels; }

  /// Windows at a time.
  Index band() const {
    const Index most = D::columns_bytes / (depth() * static_cast<Index>(sizeof(T)));
    return std::min(std::max<Index>(most, 1), size_.windows());
  }
  template <class F>
  void for_bands(const F& f) const {
    for (Index first = 0; first < size_.windows(); first += band()) f(first, std::min(band(), size_.windows() - first));
  }

  ConvolutionSize product(Index rows) const { return {1, 1, 1, rows, depth(), group_outputs(), 1, 1}; }

  void unfold(Index group, Index first, Index count, const T* x, Tensor<T, D>& columns) const {
    D::unfold(size_, first, count, x + group * size_.channels, inputs(), columns.data());
  }

  /// The columns of a weight that make a group's outputs.
  View of_group(const View& packed, Index group) const {
    if (groups_ == 1) return packed;
    Tensor<T, D> weight(Shape{depth(), group_outputs()});
    D::copy_rows(1, depth(), group_outputs(), packed.data() + group * group_outputs(), 0, outputs_, weight.data(), 0,
                 group_outputs());
    return weight;
  }

  WindowSize size_;
  Index outputs_, groups_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

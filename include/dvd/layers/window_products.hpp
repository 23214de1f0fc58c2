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
/// sizes alone. The products are the device's convolutions with a kernel of 1. Groups of a few channels are multiplied
/// several at a time, as one group whose weight has zeros between them; what is not finite in one of them may then make
/// its neighbours not a number.
template <Scalar T, Device D>
class WindowProducts {
 public:
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;

  WindowProducts(const WindowSize& size, Index outputs, Index groups)
      : size_(size), outputs_(outputs), groups_(groups), together_(groups_together(size.channels, outputs, groups)) {
    size_.channels *= together_;
    groups_ /= together_;
  }

  /// y = U W + bias (+ y, if `accumulate`, or else max(., 0) of it, if `rectify`); the bias may be null.
  void forward(const View& packed, const T* x, const P* bias, T* y, bool accumulate, bool rectify = false) const {
    Tensor<T, D> columns(Shape{band(), depth()});
    for (Index group = 0; group < groups_; ++group) {
      const View weight = of_group(packed, group);
      const auto filter = D::filter(product(1), weight.data());
      for_bands([&](Index first, Index count) {
        unfold(group, first, count, x, columns);
        ConvolutionSize size = product(count);
        size.rectify = rectify;
        D::convolve(size, ConvolutionInput<T>{columns.data()}, filter, bias ? bias + group * group_outputs() : nullptr,
                    y + first * outputs_ + group * group_outputs(), outputs_, accumulate);
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
      for_members(
          group, [&](const Part& of_packed, const Part& of_dense) { copy(part.data(), of_dense, dpacked, of_packed); });
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

  /// How many groups are one from here on: as many as a vector's channels.
  static Index groups_together(Index inputs, Index outputs, Index groups) {
    constexpr Index widest = 16;
    Index together = std::max<Index>(1, std::min(groups, widest / std::max(inputs, outputs / groups)));
    while (groups % together != 0) --together;
    return together;
  }

  /// Where the numbers of a group lie in a weight: `[taps, inputs, outputs]`, taps and inputs `tap` and `input` apart.
  struct Part {
    Index offset, tap, input;
  };
  /// Calls f(packed, dense) for every group as it was given that is one of `group`: where it lies in a packed weight,
  /// and where in the matrix `[depth, group_outputs]` of them all.
  template <class F>
  void for_members(Index group, const F& f) const {
    const Index inputs = size_.channels / together_, outputs = group_outputs() / together_;
    for (Index member = 0; member < together_; ++member)
      f(Part{group * group_outputs() + member * outputs, inputs * outputs_, outputs_},
        Part{member * inputs * group_outputs() + member * outputs, size_.channels * group_outputs(), group_outputs()});
  }
  void copy(const T* from, const Part& from_part, T* to, const Part& to_part) const {
    D::copy_rows(size_.taps(), size_.channels / together_, group_outputs() / together_, from + from_part.offset,
                 from_part.tap, from_part.input, to + to_part.offset, to_part.tap, to_part.input);
  }

  /// The weight of a group as a matrix.
  View of_group(const View& packed, Index group) const {
    if (groups_ * together_ == 1) return packed;
    Tensor<T, D> weight(Shape{depth(), group_outputs()});
    if (together_ > 1) D::fill(weight.size(), T(0), weight.data());
    for_members(group, [&](const Part& of_packed, const Part& of_dense) {
      copy(packed.data(), of_packed, weight.data(), of_dense);
    });
    return weight;
  }

  WindowSize size_;
  Index outputs_, groups_, together_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The array that everything computes on.
#pragma once

#include <concepts>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace dvd {

/// Element types that layers and models can be instantiated with.
template <class T>
concept Scalar = (std::floating_point<T> && (sizeof(T) == 4 || sizeof(T) == 8)) || std::same_as<T, bfloat16>;

/// The part of a device policy that tensors need: memory. The whole contract is `dvd::Device` in core/device.hpp.
template <class D>
concept DeviceMemory = requires(const void* from, void* to, std::size_t bytes) {
  { D::allocate(bytes) } -> std::same_as<std::shared_ptr<void>>;
  D::upload(from, to, bytes);
  D::download(from, to, bytes);
};

struct Cpu;

/// A dense row-major array on a device. A tensor is a handle: copies share their elements, as do the views that
/// `reshaped`, `slice` and `operator[]` return; `clone` copies elements. The elements of a new tensor are undefined.
///
/// Video batches are `[T, N, H, W, C]`: frame-major, channels last, so that a frame of the whole batch is contiguous.
template <Scalar T, DeviceMemory D = Cpu>
class Tensor {
 public:
  using value_type = T;

  /// An empty tensor, which holds nothing and compares false.
  Tensor() = default;

  explicit Tensor(Shape shape)
      : shape_(shape),
        storage_(D::allocate(static_cast<std::size_t>(shape.size()) * sizeof(T))),
        data_(static_cast<T*>(storage_.get())) {}

  /// A tensor with these elements. Throws ArgumentError unless their number fits the shape.
  Tensor(Shape shape, std::span<const T> values) : Tensor(shape) { assign(values); }

  static Tensor zeros(Shape shape) { return full(shape, T(0)); }

  static Tensor full(Shape shape, T value) {
    Tensor result(shape);
    D::fill(result.size(), value, result.data());
    return result;
  }

  explicit operator bool() const { return data_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index extent(int axis) const { return shape_[axis]; }
  Index size() const { return data_ ? shape_.size() : 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }

  /// The same elements under another shape of the same size.
  Tensor reshaped(Shape shape) const {
    require(shape.size() == shape_.size(), "a tensor of shape ", shape_, " cannot be reshaped to ", shape);
    Tensor view = *this;
    view.shape_ = shape;
    return view;
  }

  /// Entries `first` .. `first + count - 1` along the first axis, as a view.
  Tensor slice(Index first, Index count) const {
    require(shape_.rank() > 0 && first >= 0 && count >= 0 && first + count <= shape_[0], "slice of ", count, " from ",
            first, " does not fit shape ", shape_);
    Tensor view = *this;
    view.data_ += first * shape_.tail().size();
    view.shape_ = Shape{count};
    for (const Index extent : shape_.tail()) view.shape_.append(extent);
    return view;
  }

  /// Entry `index` along the first axis, without that axis, as a view.
  Tensor operator[](Index index) const {
    Tensor view = slice(index, 1);
    view.shape_ = shape_.tail();
    return view;
  }

  Tensor clone() const {
    Tensor result(shape_);
    result.copy_from(*this);
    return result;
  }

  /// Overwrites the elements with those of a tensor of the same size.
  void copy_from(const Tensor& other) {
    require(other.size() == size(), "cannot copy shape ", other.shape_, " into shape ", shape_);
    D::copy_rows(1, 1, size(), other.data(), 0, 0, data(), 0, 0);
  }

  void assign(std::span<const T> values) {
    require(static_cast<Index>(values.size()) == size(), values.size(), " values do not fit shape ", shape_);
    D::upload(values.data(), data_, values.size_bytes());
  }

  std::vector<T> to_vector() const {
    std::vector<T> values(static_cast<std::size_t>(size()));
    D::download(data_, values.data(), values.size() * sizeof(T));
    return values;
  }

  /// The only element of a tensor of size 1, brought to the host.
  T item() const {
    require(size() == 1, "item() needs one element, but the shape is ", shape_);
    T value;
    D::download(data_, &value, sizeof(T));
    return value;
  }

 private:
  Shape shape_;
  std::shared_ptr<void> storage_;
  T* data_ = nullptr;
};

/// A tensor that goes with others of T where T itself would be too coarse; see FullPrecision.
template <Scalar T, DeviceMemory D = Cpu>
using PreciseTensor = Tensor<FullPrecision<T>, D>;

/// The same numbers as elements of another type, rounded; the same tensor if the type is the same.
template <Scalar To, Scalar From, DeviceMemory D>
Tensor<To, D> cast(const Tensor<From, D>& x) {
  if constexpr (std::same_as<To, From>) {
    return x;
  } else {
    if (!x) return {};
    Tensor<To, D> y(x.shape());
    D::convert(x.size(), x.data(), y.data());
    return y;
  }
}

}  // namespace dvd

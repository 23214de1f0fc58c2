// The array that everything computes on, and views of it.
//
// A Tensor owns its elements, as a std::vector does. A TensorView refers to elements: to all or some of a tensor's,
// under its own or another shape, or to memory of the user's own. Functions read tensors through `TensorView<const T>`,
// which a tensor becomes by itself, and return what they make as a Tensor.
//
// Video batches are `[T, N, H, W, C]`: frame-major, channels last, so that a frame of the whole batch is contiguous.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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

template <Scalar T, DeviceMemory D>
class Tensor;

/// A dense row-major array that belongs to somebody else: elements of type T, which is const where they are only to be
/// read. Copies of a view refer to the same elements.
///
/// A view of a tensor keeps the tensor's elements alive, even if the tensor is gone or has been given others: what a
/// layer's cache keeps of a forward pass are views. A view of the user's own memory keeps nothing.
///
/// Views of equal type are interchangeable, whatever they refer to; a view for writing becomes one for reading by
/// itself.
template <class T, DeviceMemory D = Cpu>
requires Scalar<std::remove_const_t<T>>
class TensorView {
 public:
  using value_type = std::remove_const_t<T>;
  using device_type = D;

  /// An empty view, which refers to nothing and compares false.
  TensorView() = default;

  /// Memory of the user's own, which is not copied and must outlive the view: row-major elements on the device, for
  /// dvd::Cpu any array. Throws ArgumentError if there is no memory for a shape that has elements.
  TensorView(T* elements, const Shape& shape) : TensorView(shape, elements, nullptr) {
    require(elements != nullptr || shape.size() == 0, "a view of shape ", shape, " needs memory, not a null pointer");
  }

  /// A view for reading.
  template <class U>
  requires std::same_as<T, const U> TensorView(const TensorView<U, D>& other)
      : TensorView(other.shape(), other.data(), other.keeper()) {}

  explicit operator bool() const { return data_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index extent(int axis) const { return shape_[axis]; }
  Index size() const { return data_ ? shape_.size() : 0; }
  T* data() const { return data_; }

  /// The same elements under another shape of the same size.
  TensorView reshaped(const Shape& shape) const {
    require(data_ && shape.size() == shape_.size(), "a tensor of shape ", shape_, " cannot be reshaped to ", shape);
    return {shape, data_, keeper_};
  }

  /// Entries `first` .. `first + count - 1` along the first axis.
  TensorView slice(Index first, Index count) const {
    require(data_ && shape_.rank() > 0 && first >= 0 && count >= 0 && first <= shape_[0] && count <= shape_[0] - first,
            "a slice of ", count, " from ", first, " does not fit shape ", shape_);
    return {shape_.with_first(count), data_ + first * shape_.tail().size(), keeper_};
  }

  /// Entry `index` along the first axis, without that axis.
  TensorView operator[](Index index) const {
    TensorView entry = slice(index, 1);
    entry.shape_ = shape_.tail();
    return entry;
  }

  /// A tensor with these elements; empty if the view is.
  Tensor<value_type, D> clone() const { return Tensor<value_type, D>(*this); }

  /// Overwrites the elements with those of a view of the same size, which may overlap with this one.
  void copy_from(const TensorView<const value_type, D>& other) const requires(!std::is_const_v<T>) {
    require(other.size() == size(), "cannot copy shape ", other.shape(), " into shape ", shape_);
    const std::less<const value_type*> before;
    const bool overlapping =
        before(other.data(), data_ + size()) && before(data_, other.data() + size()) && other.data() != data_;
    const Tensor<value_type, D> copied = overlapping ? other.clone() : Tensor<value_type, D>();
    if (size() > 0 && other.data() != data_)
      D::copy_rows(1, 1, size(), overlapping ? copied.data() : other.data(), 0, 0, data_, 0, 0);
  }

  /// Overwrites the elements with values in host memory. Throws ArgumentError unless there are as many.
  void assign(std::span<const value_type> values) const requires(!std::is_const_v<T>) {
    require(static_cast<Index>(values.size()) == size(), values.size(), " values do not fit shape ", shape_);
    if (!values.empty()) D::upload(values.data(), data_, values.size_bytes());
  }

  /// Overwrites every element.
  void fill(value_type value) const requires(!std::is_const_v<T>) {
    if (size() > 0) D::fill(size(), value, data_);
  }

  /// The elements, brought to the host.
  std::vector<value_type> to_vector() const {
    std::vector<value_type> values(static_cast<std::size_t>(size()));
    if (!values.empty()) D::download(data_, values.data(), values.size() * sizeof(T));
    return values;
  }

  /// The only element of a tensor of size 1, brought to the host.
  value_type item() const {
    require(size() == 1, "item() needs one element, but the shape is ", shape_);
    value_type value;
    D::download(data_, &value, sizeof(T));
    return value;
  }

  /// What keeps the elements alive; null for the user's own memory.
  const std::shared_ptr<void>& keeper() const { return keeper_; }

 private:
  template <Scalar U, DeviceMemory E>
  friend class Tensor;

  TensorView(const Shape& shape, T* data, std::shared_ptr<void> keeper)
      : shape_(shape), data_(data), keeper_(std::move(keeper)) {}

  template <class U, DeviceMemory E>
  requires Scalar<std::remove_const_t<U>>
  friend class TensorView;

  Shape shape_;
  T* data_ = nullptr;
  std::shared_ptr<void> keeper_;
};

/// A dense row-major array on a device, which owns its elements: a copy has elements of its own, and a tensor that was
/// moved from is empty. The elements of a new tensor are undefined.
///
/// Assigning gives a tensor other elements, and leaves those that it had to the views of them; `copy_from`, `assign`
/// and `fill` overwrite the elements where they are.
template <Scalar T, DeviceMemory D = Cpu>
class Tensor {
 public:
  using value_type = T;
  using device_type = D;
  using View = TensorView<T, D>;
  using ConstView = TensorView<const T, D>;

  /// An empty tensor, which holds nothing and compares false.
  Tensor() = default;

  /// Throws dvd::Error if there is not as much memory.
  explicit Tensor(const Shape& shape) {
    std::shared_ptr<void> storage = D::allocate(static_cast<std::size_t>(shape.size()) * sizeof(T));
    T* const data = static_cast<T*>(storage.get());
    view_ = View(shape, data, std::move(storage));
  }

  /// A tensor with these elements. Throws ArgumentError unless their number fits the shape.
  Tensor(const Shape& shape, std::span<const T> values) : Tensor(shape) { assign(values); }

  /// A copy of the elements that a view refers to; empty if the view is.
  explicit Tensor(const ConstView& elements) {
    if (!elements) return;
    *this = Tensor(elements.shape());
    copy_from(elements);
  }

  Tensor(const Tensor& other) : Tensor(other.view()) {}
  Tensor(Tensor&& other) noexcept : view_(std::move(other.view_)) { other.forget(); }
  Tensor& operator=(Tensor other) noexcept {
    std::swap(view_, other.view_);
    return *this;
  }
  ~Tensor() = default;

  static Tensor zeros(const Shape& shape) { return full(shape, T(0)); }

  static Tensor full(const Shape& shape, T value) {
    Tensor result(shape);
    result.fill(value);
    return result;
  }

  explicit operator bool() const { return bool{view_}; }
  const Shape& shape() const { return view_.shape(); }
  Index extent(int axis) const { return view_.extent(axis); }
  Index size() const { return view_.size(); }
  T* data() { return view_.data(); }
  const T* data() const { return view_.data(); }

  /// All of it.
  View view() { return view_; }
  ConstView view() const { return view_; }
  operator View() { return view_; }
  operator ConstView() const { return view_; }

  // Views of the tensor, or of a part of it; see TensorView.
  View reshaped(const Shape& shape) { return view_.reshaped(shape); }
  ConstView reshaped(const Shape& shape) const { return view().reshaped(shape); }
  View slice(Index first, Index count) { return view_.slice(first, count); }
  ConstView slice(Index first, Index count) const { return view().slice(first, count); }
  View operator[](Index index) { return view_[index]; }
  ConstView operator[](Index index) const { return view()[index]; }

  Tensor clone() const { return *this; }

  void copy_from(const ConstView& other) { view_.copy_from(other); }
  void assign(std::span<const T> values) { view_.assign(values); }
  void fill(T value) { view_.fill(value); }

  std::vector<T> to_vector() const { return view_.to_vector(); }
  T item() const { return view_.item(); }

 private:
  /// Is empty from now on: another tensor has its elements.
  void forget() {
    view_.shape_ = {};
    view_.data_ = nullptr;
  }

  View view_;  ///< of its own elements, which it keeps
};

/// A view for reading: what functions take.
template <Scalar T, DeviceMemory D = Cpu>
using ConstTensorView = TensorView<const T, D>;

/// A tensor that goes with others of T where T itself would be too coarse; see FullPrecision.
template <Scalar T, DeviceMemory D = Cpu>
using PreciseTensor = Tensor<FullPrecision<T>, D>;
template <Scalar T, DeviceMemory D = Cpu>
using PreciseTensorView = ConstTensorView<FullPrecision<T>, D>;

namespace detail {
template <class X>
inline constexpr bool is_tensor = false;
template <class T, class D>
inline constexpr bool is_tensor<Tensor<T, D>> = true;
template <class T, class D>
inline constexpr bool is_tensor<TensorView<T, D>> = true;
}  // namespace detail

/// A tensor or a view, of any elements on any device.
template <class X>
concept AnyTensor = detail::is_tensor<std::remove_cvref_t<X>>;

/// The view for reading that a tensor or view `X` becomes.
template <AnyTensor X>
using ConstViewOf =
    ConstTensorView<typename std::remove_cvref_t<X>::value_type, typename std::remove_cvref_t<X>::device_type>;

/// The same numbers as elements of another type, rounded; the same elements if the type is the same.
template <Scalar To, AnyTensor X>
ConstTensorView<To, typename X::device_type> cast(const X& x) {
  if constexpr (std::same_as<To, typename X::value_type>) {
    return x;
  } else {
    if (!x) return {};
    Tensor<To, typename X::device_type> y(x.shape());
    X::device_type::convert(x.size(), x.data(), y.data());
    return y;
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

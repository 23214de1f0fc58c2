// Normalisations without a condition: BatchNorm, GroupNorm, LayerNorm.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <utility>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/layer.hpp"
#include "dvd/layers/share_moments.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// How x lies for the kernels: groups of `width` channels side by side in rows, moments of every image on its own.
struct GroupSize {
  Index images, rows, groups, width;

  Shape moments() const { return {images, groups}; }
};

/// What the norms share: y = weight * (x - mean) / sqrt(variance + epsilon) + bias.
template <Scalar T, Device D>
class Norm {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using P = FullPrecision<T>;
  using PreciseView = ConstTensorView<P, D>;

  struct Cache {
    View x;
    PreciseView mean, variance;
    bool own_statistics = false;
    const BatchExchange* exchange = nullptr;  ///< of a batch norm's pass; must still be there in the backward pass
    BatchPlace place{};
  };

  Parameter<P, D> weight, bias;  ///< [C], 1 and 0 at first; empty where there are none

 protected:
  Norm(const char* name, Index channels, double epsilon, bool affine)
      : name_(name), channels_(channels), epsilon_(static_cast<P>(epsilon)) {
    require(channels > 0, name, " needs at least one channel, not ", channels);
    require(is_finite(epsilon_) && epsilon_ > 0, name, " needs an epsilon above 0, not ", epsilon);
    if (!affine) return;
    weight.value = Tensor<P, D>::full(Shape{channels}, P{1});
    bias = Parameter<P, D>(Shape{channels});
  }

  Tensor<T, D> apply(const View& x, const GroupSize& size, const PreciseView& mean, const PreciseView& variance) const {
    Tensor<T, D> y(x.shape());
    D::group_norm(size.images, size.rows, size.groups, size.width, x.data(), mean.data(), variance.data(),
                  weight.value.data(), bias.value.data(), epsilon_, y.data());
    return y;
  }

  Tensor<T, D> apply_with_own_statistics(const View& x, const GroupSize& size, Cache* cache) const {
    Tensor<P, D> mean(size.moments()), variance(size.moments());
    D::group_moments(size.images, size.rows, size.groups, size.width, x.data(), mean.data(), variance.data());
    Tensor<T, D> y = apply(x, size, mean, variance);
    if (cache) *cache = {x, mean, variance, true};
    return y;
  }

  Tensor<T, D> backward_of(const View& dy, const GroupSize& size, const Cache& cache, Gradients gradients) {
    Tensor<T, D> dx = wants_inputs(gradients) ? Tensor<T, D>(dy.shape()) : Tensor<T, D>();
    const bool parameters = wants_parameters(gradients) && weight.value;
    D::group_norm_backward(size.images, size.rows, size.groups, size.width, cache.x.data(), dy.data(),
                           cache.mean.data(), cache.variance.data(), weight.value.data(), epsilon_,
                           cache.own_statistics, parameters ? weight.accumulator().data() : nullptr,
                           parameters ? bias.accumulator().data() : nullptr, dx.data());
    return dx;
  }

  void check(const View& dy, const Cache& cache) const {
    check_filled(name_, cache.x);
    check_gradient(name_, dy, cache.x.shape());
  }

  template <class F>
  void visit_affine(const std::string& prefix, F& f) {
    if (!weight.value) return;
    f(prefix + "weight", weight);
    f(prefix + "bias", bias);
  }

  const char* name_;
  Index channels_;
  P epsilon_;
};

}  // namespace detail

/// y = weight * (x - mean) / sqrt(variance + epsilon) + bias for `[..., C]` (Ioffe, Szegedy 2015), mean and (biased)
/// variance of every channel taken over all leading axes, of videos also over T: what must not carry statistics from
/// frame to frame is given its frames one by one. Running statistics `[C]` start at 0 and 1 and follow with the pass's
/// momentum and the unbiased variance; a pass without batch statistics normalises by them.
///
/// weight and bias `[C]` start at 1 and 0; without `affine` there are none. Throws ArgumentError for fewer channels
/// than 1 and an epsilon that is not above 0.
template <Scalar T, Device D = Cpu>
class BatchNorm : public detail::Norm<T, D> {
  using Base = detail::Norm<T, D>;

 public:
  using typename Base::Cache;
  using typename Base::P;
  using typename Base::PreciseView;
  using typename Base::View;

  Buffer<P, D> running_mean, running_var;

  explicit BatchNorm(Index channels, double epsilon = 1e-5, bool affine = true)
      : Base("batch norm", channels, epsilon, affine) {
    running_mean.value = Tensor<P, D>::zeros(Shape{channels});
    running_var.value = Tensor<P, D>::full(Shape{channels}, P{1});
  }

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) {
    const Shape& shape = x.shape();
    require(shape.rank() >= 1 && x.size() > 0 && shape[-1] == this->channels_, "batch norm expects [..., ",
            this->channels_, "] with no extent of 0, not ", shape);
    const detail::GroupSize size = size_for(shape);
    if (pass.batch_statistics) {
      Tensor<P, D> mean(size.moments()), variance(size.moments());
      D::group_moments(size.images, size.rows, size.groups, size.width, x.data(), mean.data(), variance.data());
      if (pass.exchange) detail::share_moments<P, D>(pass, size.rows, running_mean.value, mean, variance);
      Tensor<T, D> y = this->apply(x, size, mean, variance);
      follow(pass.momentum, pass.place.of_all(size.rows), mean, variance);
      if (cache) *cache = {x, mean, variance, true, pass.exchange, pass.place};
      return y;
    }
    Tensor<T, D> y = this->apply(x, size, running_mean.value, running_var.value);
    // Running statistics move on; a cache keeps those of its pass.
    if (cache) *cache = {x, running_mean.value.clone(), running_var.value.clone()};
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    this->check(dy, cache);
    if (cache.exchange && cache.own_statistics) return backward_of_part(dy, cache, gradients);
    return this->backward_of(dy, size_for(dy.shape()), cache, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    this->visit_affine(prefix, f);
    f(prefix + "running_mean", running_mean);
    f(prefix + "running_var", running_var);
  }

 private:
  detail::GroupSize size_for(const Shape& shape) const {
    return {1, shape.size() / this->channels_, this->channels_, 1};
  }

  /// Of a part of a batch: what its elements have to do with each other goes through sums over all parts.
  Tensor<T, D> backward_of_part(const View& dy, const Cache& cache, Gradients gradients) {
    const Index channels = this->channels_, rows = dy.size() / channels;
    // y = scale * x + shift, of which the gradient needs the scale alone.
    Tensor<P, D> scale(Shape{channels}), shift(Shape{channels});
    const auto none = Tensor<P, D>::zeros(Shape{channels});
    D::batch_norm_coefficients(1, 1, channels, cache.mean.data(), cache.variance.data(), none.data(), none.data(),
                               this->epsilon_, scale.data(), shift.data());
    if (this->weight.value) {
      Tensor<P, D> weighted(Shape{channels});
      D::scale_rows(channels, 1, this->weight.value.data(), scale.data(), weighted.data());
      scale = std::move(weighted);
    }
    Tensor<P, D> dparameters(Shape{2, channels});
    Tensor<double, D> sums(Shape{2, channels});
    D::batch_norm_gradient_sums(1, 1, rows, channels, cache.x.data(), dy.data(), cache.mean.data(),
                                cache.variance.data(), scale.data(), shift.data(), this->epsilon_, false,
                                dparameters[0].data(), dparameters[1].data(), sums.data());
    if (wants_parameters(gradients) && this->weight.value) {
      D::add(channels, dparameters[0].data(), this->weight.accumulator().data());
      D::add(channels, dparameters[1].data(), this->bias.accumulator().data());
    }
    if (!wants_inputs(gradients)) return {};
    cache.exchange->sum(sums.size(), sums.data());
    Tensor<T, D> dx(dy.shape());
    D::batch_norm_gradient(1, 1, rows, channels, cache.x.data(), dy.data(), cache.mean.data(), cache.variance.data(),
                           scale.data(), shift.data(), this->epsilon_, false, cache.place.of_all(rows), sums.data(),
                           dx.data());
    return dx;
  }

  void follow(double momentum, Index count, const PreciseView& mean, const PreciseView& variance) {
    const P decay = static_cast<P>(1 - momentum);
    const double unbias = static_cast<double>(count) / static_cast<double>(std::max<Index>(count - 1, 1));
    D::follow_statistics(mean.size(), decay, static_cast<P>(unbias), mean.data(), variance.data(),
                         running_mean.value.data(), running_var.value.data());
  }
};

/// y = weight * (x - mean) / sqrt(variance + epsilon) + bias for images `[..., H, W, C]` (Wu, He 2018), mean and
/// (biased) variance taken over H, W and the C / groups neighbouring channels of each group, of every image on its own:
/// all leading axes are images, so the frames of a video do not see each other. With one group it is a layer norm of
/// whole images, with C of them instance norm (Ulyanov, Vedaldi, Lempitsky 2016). Vectors `[N, C]` are images of one
/// pixel. The same in training and evaluation.
///
/// weight and bias `[C]` start at 1 and 0; without `affine` there are none. Throws ArgumentError unless `groups` is at
/// least 1 and divides the channels, and for an epsilon that is not above 0.
template <Scalar T, Device D = Cpu>
class GroupNorm : public detail::Norm<T, D> {
  using Base = detail::Norm<T, D>;

 public:
  using typename Base::Cache;
  using typename Base::View;

  GroupNorm(Index groups, Index channels, double epsilon = 1e-5, bool affine = true)
      : Base("group norm", channels, epsilon, affine), groups_(groups) {
    require(groups > 0 && channels % groups == 0, "group norm cannot make ", groups, " groups of ", channels,
            " channels");
  }

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() >= 2 && x.size() > 0 && shape[-1] == this->channels_, "group norm expects [..., H, W, ",
            this->channels_, "] or [N, ", this->channels_, "] with no extent of 0, not ", shape);
    return this->apply_with_own_statistics(x, size_for(shape), cache);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    this->check(dy, cache);
    return this->backward_of(dy, size_for(dy.shape()), cache, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    this->visit_affine(prefix, f);
  }

 private:
  detail::GroupSize size_for(const Shape& shape) const {
    const Index rows = shape.rank() == 2 ? 1 : shape[-3] * shape[-2];
    return {shape.size() / (rows * this->channels_), rows, groups_, this->channels_ / groups_};
  }

  Index groups_;
};

/// y = weight * (x - mean) / sqrt(variance + epsilon) + bias for `[..., C]` (Ba, Kiros, Hinton 2016), mean and (biased)
/// variance taken over C, for every place on its own, as networks of tokens do; of whole images it is
/// `GroupNorm(1, C)`. The same in training and evaluation.
///
/// weight and bias `[C]` start at 1 and 0; without `affine` there are none. Throws ArgumentError for fewer channels
/// than 1 and an epsilon that is not above 0.
template <Scalar T, Device D = Cpu>
class LayerNorm : public detail::Norm<T, D> {
  using Base = detail::Norm<T, D>;

 public:
  using typename Base::Cache;
  using typename Base::View;

  explicit LayerNorm(Index channels, double epsilon = 1e-5, bool affine = true)
      : Base("layer norm", channels, epsilon, affine) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() >= 1 && x.size() > 0 && shape[-1] == this->channels_, "layer norm expects [..., ",
            this->channels_, "] with no extent of 0, not ", shape);
    return this->apply_with_own_statistics(x, size_for(shape), cache);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    this->check(dy, cache);
    return this->backward_of(dy, size_for(dy.shape()), cache, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    this->visit_affine(prefix, f);
  }

 private:
  detail::GroupSize size_for(const Shape& shape) const {
    return {shape.size() / this->channels_, 1, 1, this->channels_};
  }
};

static_assert(Layer<BatchNorm<float>> && Layer<GroupNorm<float>> && Layer<LayerNorm<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

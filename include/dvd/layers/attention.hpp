// Attention over the pixels of a frame, and along one axis of a video at a time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/convolution.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A layer between features `[T, N, H, W, C]` of one shape. `A(channels, random)` constructs one.
template <class A>
concept VideoAttention = Layer<A> && std::constructible_from<A, Index, const Random&> && std::copy_constructible<A>;

/// No attention: gives back what it gets, features `[T, N, H, W, C]`, without copying what is moved in.
template <Scalar T, Device D = Cpu>
class NoAttention {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of x
  };

  NoAttention(Index, const Random&) {}

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) const {
    return forward(x.clone(), pass, cache);
  }
  Tensor<T, D> forward(Tensor<T, D>&& x, Pass, Cache* cache = nullptr) const {
    require(x.shape().rank() == 5 && x.size() > 0, "expected features [T, N, H, W, C] with no extent of 0, not ",
            x.shape());
    if (cache) cache->shape = x.shape();
    return std::move(x);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    return backward(dy.clone(), cache, gradients);
  }
  Tensor<T, D> backward(Tensor<T, D>&& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() == 5, "the backward pass of no attention got a cache that no forward pass has filled");
    check_gradient("no attention", dy, cache.shape);
    return wants_inputs(gradients) ? std::move(dy) : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

/// Which features attend to each other.
enum class AttentionAxis { frame, height, width, time };

/// y = x + scale * output(softmax(query key^T) value): query and key 1x1 convolutions to C/8 channels, value to C/2,
/// output back to C, all spectrally normalised and without bias; `scale` is learned and starts at 0. Logits are not
/// divided by the square root of their width.
///
/// Over a `frame`, all pixels attend to all pixels, keys and values being max-pooled over 2x2 (Zhang et al. 2019, in
/// the form of BigGAN). Along `height`, `width` or `time`, only the features that differ in this coordinate alone
/// attend to each other, and nothing is pooled. See the aliases.
template <AttentionAxis Axis, Scalar T, Device D = Cpu>
class AttentionLayer {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Conv = SpectralNorm<Conv2D<T, D>>;

  struct Cache {
    typename Conv::Cache query_conv, key_conv, value_conv, output_conv;
    View query, key, value;             ///< as they attend
    View unpooled_key, unpooled_value;  ///< empty where nothing is pooled
    View output;
  };

  Conv query, key, value, output;
  Parameter<FullPrecision<T>, D> scale;

  /// Throws ArgumentError for less than one channel.
  AttentionLayer(Index channels, const Random& random)
      : query(random.stream("query u"), channels, narrow(channels), 1, random.stream("query"), false),
        key(random.stream("key u"), channels, narrow(channels), 1, random.stream("key"), false),
        value(random.stream("value u"), channels, half(channels), 1, random.stream("value"), false),
        output(random.stream("output u"), half(channels), channels, 1, random.stream("output"), false),
        scale(Shape{1}) {}

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) {
    if constexpr (Axis == AttentionAxis::frame)
      require(x.shape().rank() >= 3 && x.size() > 0 && x.extent(-3) >= 2 && x.extent(-2) >= 2,
              "attention over a frame expects features [..., H, W, C] of at least 2x2 pixels, not ", x.shape());
    else
      require(x.shape().rank() == 5 && x.size() > 0, "attention along an axis expects features [T, N, H, W, C], not ",
              x.shape());
    const View q = query.forward(x, pass, part(cache, &Cache::query_conv));
    const View whole_key = key.forward(x, pass, part(cache, &Cache::key_conv));
    const View whole_value = value.forward(x, pass, part(cache, &Cache::value_conv));
    const View k = pooled(whole_key), v = pooled(whole_value);
    Tensor<T, D> mixed(resized(x.shape(), 1, v.extent(-1)));
    D::attend(size_for(q, v), q.data(), k.data(), v.data(), mixed.data());
    const View result = output.forward(mixed, pass, part(cache, &Cache::output_conv));
    Tensor<T, D> y = scaled(result);
    D::add(y.size(), x.data(), y.data());
    if (cache) {
      cache->query = q;
      cache->key = k;
      cache->value = v;
      cache->output = result;
      if (Axis == AttentionAxis::frame) {
        cache->unpooled_key = whole_key;
        cache->unpooled_value = whole_value;
      }
    }
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    check_filled("attention", cache.output);
    check_gradient("attention", dy, cache.output.shape());
    if (wants_parameters(gradients)) {
      PreciseTensor<T, D> dscale(Shape{1});
      D::dot(dy.size(), dy.data(), cache.output.data(), dscale.data());
      D::add(1, dscale.data(), scale.accumulator().data());
    }
    const Gradients inner = with_inputs(gradients);
    const Tensor<T, D> dmixed = output.backward(scaled(dy), cache.output_conv, inner);
    Tensor<T, D> dq(cache.query.shape()), dk(cache.key.shape()), dv(cache.value.shape());
    D::attend_backward(size_for(cache.query, cache.value), cache.query.data(), cache.key.data(), cache.value.data(),
                       dmixed.data(), dq.data(), dk.data(), dv.data());
    Tensor<T, D> dx;
    if (wants_inputs(gradients)) dx = dy.clone();
    dx = query.backward(dq, cache.query_conv, gradients, std::move(dx));
    dx = key.backward(unpooled(dk, cache.unpooled_key), cache.key_conv, gradients, std::move(dx));
    return value.backward(unpooled(dv, cache.unpooled_value), cache.value_conv, gradients, std::move(dx));
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    query.visit(prefix + "query.", f);
    key.visit(prefix + "key.", f);
    value.visit(prefix + "value.", f);
    output.visit(prefix + "output.", f);
    f(prefix + "scale", scale);
  }

 private:
  static Index narrow(Index channels) { return std::max<Index>(channels / 8, 1); }
  static Index half(Index channels) { return std::max<Index>(channels / 2, 1); }

  static Index images(const View& x) { return x.size() / (x.extent(-3) * x.extent(-2) * x.extent(-1)); }

  /// A shape `[..., H / pool, W / pool, channels]`.
  static Shape resized(const Shape& shape, Index pool, Index channels) {
    Shape result;
    for (int axis = 0; axis + 3 < shape.rank(); ++axis) result.append(shape[axis]);
    result.append(shape[-3] / pool);
    result.append(shape[-2] / pool);
    result.append(channels);
    return result;
  }

  static AttentionSize size_for(const View& q, const View& v) {
    const Index height = q.extent(-3), width = q.extent(-2);
    AttentionSize size{1, 1, 1, 1, q.extent(-1), v.extent(-1)};
    if constexpr (Axis == AttentionAxis::frame) {
      size.groups = images(q);
      size.queries = height * width;
      size.keys = v.extent(-3) * v.extent(-2);
    } else if constexpr (Axis == AttentionAxis::height) {
      size.groups = images(q);
      size.queries = size.keys = height;
      size.inner = width;
    } else if constexpr (Axis == AttentionAxis::width) {
      size.groups = images(q) * height;
      size.queries = size.keys = width;
    } else {
      size.queries = size.keys = q.extent(0);
      size.inner = q.extent(1) * height * width;
    }
    return size;
  }

  /// scale * x
  Tensor<T, D> scaled(const View& x) const {
    const Index channels = x.extent(-1), pixels = x.size() / channels;
    PreciseTensor<T, D> factors(Shape{pixels});
    Tensor<T, D> y(x.shape());
    D::broadcast_rows(1, pixels, 1, scale.value.data(), factors.data());
    D::scale_rows(pixels, channels, factors.data(), x.data(), y.data());
    return y;
  }

  static View pooled(const View& x) {
    if (Axis != AttentionAxis::frame) return x;
    Tensor<T, D> y(resized(x.shape(), 2, x.extent(-1)));
    D::max_pool(images(x), x.extent(-3), x.extent(-2), x.extent(-1), x.data(), y.data());
    return y;
  }

  static View unpooled(const View& dy, const View& x) {
    if (Axis != AttentionAxis::frame) return dy;
    Tensor<T, D> dx(x.shape());
    D::max_pool_backward(images(x), x.extent(-3), x.extent(-2), x.extent(-1), x.data(), dy.data(), dx.data());
    return dx;
  }
};

/// Attention over the pixels of every frame.
template <Scalar T, Device D = Cpu>
using SelfAttention = AttentionLayer<AttentionAxis::frame, T, D>;

/// Attention along height, then width, then time, each with weights and a residual of its own (DVD-GAN, first version):
/// every feature can reach every other at a small part of the cost. In the spatial discriminator time means the frames
/// that it is shown, which then are no longer judged each on its own.
template <Scalar T, Device D = Cpu>
class SeparableAttention {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    typename AttentionLayer<AttentionAxis::height, T, D>::Cache height;
    typename AttentionLayer<AttentionAxis::width, T, D>::Cache width;
    typename AttentionLayer<AttentionAxis::time, T, D>::Cache time;
  };

  AttentionLayer<AttentionAxis::height, T, D> height;
  AttentionLayer<AttentionAxis::width, T, D> width;
  AttentionLayer<AttentionAxis::time, T, D> time;

  /// Throws ArgumentError for less than one channel.
  SeparableAttention(Index channels, const Random& random)
      : height(channels, random.stream("height")),
        width(channels, random.stream("width")),
        time(channels, random.stream("time")) {}

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) {
    Tensor<T, D> y = height.forward(x, pass, part(cache, &Cache::height));
    y = width.forward(y, pass, part(cache, &Cache::width));
    return time.forward(y, pass, part(cache, &Cache::time));
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    const Gradients inner = with_inputs(gradients);
    Tensor<T, D> dx = time.backward(dy, cache.time, inner);
    dx = width.backward(dx, cache.width, inner);
    return height.backward(dx, cache.height, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    height.visit(prefix + "height.", f);
    width.visit(prefix + "width.", f);
    time.visit(prefix + "time.", f);
  }
};

static_assert(VideoAttention<NoAttention<float>> && VideoAttention<SelfAttention<float>> &&
              VideoAttention<SeparableAttention<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

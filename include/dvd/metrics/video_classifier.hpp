// A small classifier of videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <utility>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/global_average_pool.hpp"
#include "dvd/layers/linear.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/sequential.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes of a VideoClassifier.
struct VideoClassifierOptions {
  Index image_channels = 3;
  Index width = 16;  ///< channels of the first convolution; the others have 3/2 and twice as many
  Index features = 64;
  Index classes = 12;
};

/// Maps videos `[T, N, H, W, C]` of at least 2 frames of 4x4 pixels to logits `[N, classes]`, and on the way to
/// features
/// `[N, features]`, in the manner of 3-D networks such as C3D (Tran et al. 2015), at a hundredth of their size:
///
///     3x3x3 convolution to w channels,    batch norm, ReLU, averages of 1x2x2
///     3x3x3 convolution to 3/2 w,         batch norm, ReLU, averages of 2x2x2
///     3x3x3 convolution to 2 w,           batch norm, ReLU
///     1x1x1 convolution to the features,  batch norm, ReLU, mean over frames and pixels
///     a linear layer
///
/// It is a layer. Throws ArgumentError for sizes below 1, an odd width, and videos that do not fit.
template <Scalar T, Device D = Cpu>
class VideoClassifier {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

 private:
  using Conv = Conv3D<T, D>;
  using Norm = BatchNorm<T, D>;
  using Rectifier = ReLU<T, D>;
  using Pool = AvgPool<T, D>;
  using Body = Sequential<Conv, Norm, Rectifier, Pool, Conv, Norm, Rectifier, Pool, Conv, Norm, Rectifier, Conv, Norm,
                          Rectifier, GlobalAveragePool<T, D>>;

 public:
  struct Cache {
    typename Body::Cache body;
    typename Linear<T, D>::Cache head;
  };

  explicit VideoClassifier(const VideoClassifierOptions& options, const Random& random)
      : options_(checked(options)),
        body_(make_body(options, random)),
        head_(options.features, options.classes, random.stream("head")) {}

  const VideoClassifierOptions& options() const { return options_; }

  /// `[N, features]`: what the last layer sees.
  Tensor<T, D> features(const View& x, Pass pass, Cache* cache = nullptr) {
    const Shape& shape = x.shape();
    require(shape.rank() == 5 && x.size() > 0 && shape[0] >= 2 && shape[2] >= 4 && shape[3] >= 4 &&
                shape[4] == options_.image_channels,
            "a video classifier expects [T, N, H, W, ", options_.image_channels,
            "] of at least 2 frames of 4x4 pixels, not ", shape);
    return body_.forward(x, pass, part(cache, &Cache::body));
  }

  /// Logits `[N, classes]` of features.
  Tensor<T, D> classify(const View& features, Pass pass, Cache* cache = nullptr) {
    return head_.forward(features, pass, part(cache, &Cache::head));
  }

  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) {
    return classify(features(x, pass, cache), pass, cache);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    return body_.backward(head_.backward(dy, cache.head, with_inputs(gradients)), cache.body, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    body_.visit(prefix + "body.", f);
    head_.visit(prefix + "head.", f);
  }

 private:
  static const VideoClassifierOptions& checked(const VideoClassifierOptions& options) {
    require(options.image_channels >= 1 && options.width >= 2 && options.width % 2 == 0 && options.features >= 1 &&
                options.classes >= 1,
            "a video classifier needs image channels, features and classes of at least 1 and an even width, not ",
            options.image_channels, ", ", options.features, ", ", options.classes, " and ", options.width);
    return options;
  }

  // Norms follow, so that convolutions have no use for a bias.
  static Body make_body(const VideoClassifierOptions& options, const Random& random) {
    const Index first = options.width, second = first / 2 * 3, third = 2 * first, features = options.features;
    const auto conv = [&](const char* name, Index inputs, Index outputs, Index kernel) {
      return Conv(inputs, outputs, kernel, random.stream(name), false);
    };
    return Body(conv("first", options.image_channels, first, 3), Norm(first), Rectifier(), Pool(false),
                conv("second", first, second, 3), Norm(second), Rectifier(), Pool(true),
                conv("third", second, third, 3), Norm(third), Rectifier(), conv("features", third, features, 1),
                Norm(features), Rectifier(), GlobalAveragePool<T, D>());
  }

  VideoClassifierOptions options_;
  Body body_;
  Linear<T, D> head_;
};

static_assert(Layer<VideoClassifier<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// C3D with all that is done to clips before, as scores of UCF-101 ask it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "dvd/metrics/c3d.hpp"
#include "dvd/metrics/network_weights.hpp"
#include "dvd/metrics/resize.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What is done to clips before C3D looks at them.
enum class C3dInput {
  tgan,    ///< 128x + 128, resized to 128x128 (bicubic); BGR; less the mean clip's columns 21..148; its middle 112x112
  tganv2,  ///< x clamped to [-1, 1]; 128x, resized to 112x112 (corners aligned); BGR; plus 128 less the mean's 8..119
};

struct C3dFeaturesOptions {
  C3dInput input = C3dInput::tganv2;
  int layer = 7;  ///< features are what fc6 or fc7 gives, after its ReLU
};

/// The mean clip that C3D was trained with: BGR in 0 .. 255, `[3, 16, 128, 171]`.
class C3dMean {
 public:
  static constexpr Index frames = 16, height = 128, width = 171;

  /// Throws ArgumentError unless there are as many values.
  explicit C3dMean(std::vector<float> values) : values_(std::move(values)) {
    require(values_.size() == 3 * frames * height * width, "C3D's mean clip is [3, ", frames, ", ", height, ", ", width,
            "], not ", values_.size(), " values");
  }

  float operator()(Index channel, Index frame, Index row, Index column) const {
    return values_[static_cast<std::size_t>(((channel * frames + frame) * height + row) * width + column)];
  }

 private:
  std::vector<float> values_;
};

/// What C3D is given for clips `[16, N, H, W, 3]`, RGB in [-1, 1]: `[16, N, 112, 112, 3]`. Throws ArgumentError unless
/// there are 16 frames, which is what the mean clip has.
inline Tensor<float> c3d_input(const ConstTensorView<float>& videos, const C3dMean& mean, C3dInput input) {
  detail::check_videos("C3D", videos);
  require(videos.extent(0) == C3dMean::frames, "C3D's mean clip has ", C3dMean::frames,
          " frames (expected clips of as many, not of ", videos.extent(0), ")");
  constexpr Index size = 112;
  const bool tgan = input == C3dInput::tgan;
  Tensor<float> scaled = videos.clone();
  for (float *value = scaled.data(), *end = value + scaled.size(); value < end; ++value)
    *value = tgan ? *value * 128 + 128 : std::clamp(*value, -1.0f, 1.0f) * 128;
  const Tensor<float> resized =
      tgan ? resize(scaled, 128, 128, ResizeRule::bicubic) : resize(scaled, size, size, ResizeRule::corner_aligned);
  const Index inset = tgan ? 8 : 0, width = resized.extent(3);  // of the 112x112 in what was resized
  const Index left = tgan ? 21 + inset : 8;                     // and in the mean clip's columns
  Tensor<float> result(Shape{videos.extent(0), videos.extent(1), size, size, 3});
  float* to = result.data();
  for (Index image = 0; image < videos.extent(0) * videos.extent(1); ++image)
    for (Index h = 0; h < size; ++h)
      for (Index w = 0; w < size; ++w) {
        const float* const from = resized.data() + ((image * width + h + inset) * width + w + inset) * 3;
        for (Index channel = 0; channel < 3; ++channel)
          *to++ = from[2 - channel] + (tgan ? 0 : 128) - mean(channel, image / videos.extent(1), h + 8, w + left);
      }
  return result;
}

/// C3D, looking at clips of 16 frames of any size: features are its fc6 or fc7, 4096 each, logits its fc8.
template <Scalar T = float, Device D = Cpu>
class C3dFeatures final : public FeatureNetwork {
 public:
  /// Reads weights of the variant ucf101 and, from the same file, the mean clip `mean` `[3, 16, 128, 171]`. Throws
  /// FileError as NetworkWeights does, and ArgumentError for a layer that is neither 6 nor 7.
  explicit C3dFeatures(const std::filesystem::path& weights, const C3dFeaturesOptions& options = {})
      : C3dFeatures(NetworkWeights(weights, "c3d"), options) {}

  ClipFeatures operator()(const ConstTensorView<float>& videos) override {
    detail::check_videos("C3D", videos);
    constexpr Index together = 16;  // clips: the linear maps read all of their weights for a batch
    ClipFeatures result;
    for (Index first = 0; first < videos.extent(1); first += together) {
      const Tensor<float> some = detail::some_clips(videos, first, std::min(together, videos.extent(1) - first));
      const auto [fc6, fc7, fc8] = network_(detail::on_device<T, D>(c3d_input(some, mean_, options_.input)));
      detail::append_rows(options_.layer == 6 ? fc6 : fc7, result.features);
      detail::append_rows(fc8, result.logits);
    }
    return result;
  }

  std::string description() const override { return concat("C3D, Sports-1M and then UCF-101, fc", options_.layer); }
  std::string weights_hash() const override { return hash_; }
  Index dimensions() const override { return C3d<T, D>::dimensions; }
  Index classes() const override { return network_.classes(); }

 private:
  C3dFeatures(const NetworkWeights& weights, const C3dFeaturesOptions& options)
      : options_(options),
        hash_(weights.hash()),
        mean_(weights.read<float>("mean", {3, C3dMean::frames, C3dMean::height, C3dMean::width},
                                  "the mean clip that C3D was trained with")) {
    require(options.layer == 6 || options.layer == 7, "features are C3D's fc6 or fc7, not fc", options.layer);
    weights.expect_variant({"ucf101"});
    weights.load(network_, {"mean"});
  }

  C3dFeaturesOptions options_;
  std::string hash_;
  C3dMean mean_;
  C3d<T, D> network_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

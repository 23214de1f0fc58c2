// I3D with all that is done to clips before, as scores ask it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <filesystem>
#include <string>

#include "dvd/metrics/i3d.hpp"
#include "dvd/metrics/network_weights.hpp"
#include "dvd/metrics/resize.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What is done to clips before I3D looks at them.
struct I3dFeaturesOptions {
  /// How they come to 224x224. TensorFlow 1's, which FVD was published with, unless a protocol says otherwise.
  ResizeRule resize = ResizeRule::corner_origin;
};

/// I3D, looking at clips of any size that are resized to 224x224: features are the 1024 of its average pool, logits the
/// averages over time. Reading resized and scaled pixels, as protocols write it, is the same as resizing what is in
/// [-1, 1]. One clip at a time is resized and looked at.
template <Scalar T = float, Device D = Cpu>
class I3dFeatures final : public FeatureNetwork {
 public:
  /// Reads weights of the variants k400-scratch, k600-scratch and rgb-imagenet, and throws FileError as NetworkWeights
  /// does. Those of rgb-imagenet began with ImageNet: what is made of them is not FVD, which `variant` lets its callers
  /// see.
  explicit I3dFeatures(const std::filesystem::path& weights, const I3dFeaturesOptions& options = {})
      : I3dFeatures(NetworkWeights(weights, "i3d"), options) {}

  ClipFeatures operator()(const ConstTensorView<float>& videos) override {
    detail::check_videos("I3D", videos);
    require(videos.extent(0) >= I3d<T, D>::least_frames, "I3D looks at clips of ", I3d<T, D>::least_frames,
            " frames or more, not of ", videos.extent(0));
    ClipFeatures result;
    for (Index clip = 0; clip < videos.extent(1); ++clip) {
      const Tensor<float> one = detail::some_clips(videos, clip, 1);
      const auto [features, logits] =
          network_(detail::on_device<T, D>(resize(one, I3d<T, D>::size, I3d<T, D>::size, options_.resize)));
      detail::append_rows(features, result.features);
      detail::append_rows(logits, result.logits);
    }
    return result;
  }

  /// "k400-scratch", "k600-scratch" or "rgb-imagenet".
  const std::string& variant() const { return variant_; }
  std::string description() const override {
    if (variant_ == "rgb-imagenet") return "I3D, ImageNet and then Kinetics-400 (rgb_imagenet: not the network of FVD)";
    return variant_ == "k600-scratch" ? "I3D, Kinetics-600 from scratch" : "I3D, Kinetics-400 from scratch";
  }
  std::string weights_hash() const override { return hash_; }
  Index dimensions() const override { return I3d<T, D>::dimensions; }
  Index classes() const override { return network_.classes(); }

 private:
  I3dFeatures(const NetworkWeights& weights, const I3dFeaturesOptions& options)
      : options_(options),
        variant_(known_variant(weights)),
        hash_(weights.hash()),
        network_(variant_ == "k600-scratch" ? 600 : 400, weights.epsilon()) {
    weights.load(network_);
  }

  static std::string known_variant(const NetworkWeights& weights) {
    weights.expect_variant({"k400-scratch", "k600-scratch", "rgb-imagenet"});
    return weights.variant();
  }

  I3dFeaturesOptions options_;
  std::string variant_, hash_;
  I3d<T, D> network_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

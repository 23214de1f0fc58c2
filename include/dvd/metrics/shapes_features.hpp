// The feature network of the embedded data set, moving shapes: scores for who has neither data nor public weights.
//
//     dvd::ShapesFeatures<float> network(dvd::shapes_classifier());     // metrics/shapes_weights.hpp
//     const dvd::ClipFeatures said = network(videos);                   // [T, N, H, W, 3], of any size
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <string>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/io/network_file.hpp"
#include "dvd/metrics/feature_network.hpp"
#include "dvd/metrics/fitted_videos.hpp"
#include "dvd/metrics/video_classifier.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What the classifier of moving shapes sees of every clip.
inline constexpr ClipSize shapes_clip_size{.frames = 8, .height = 32, .width = 32, .channels = 3};

/// What a file of its weights says in its metadata under `network`.
inline constexpr char shapes_network_name[] = "shapes";

/// A VideoClassifier that was trained on MovingShapes (examples/train_classifier) as a FeatureNetwork: 64 features, 12
/// logits, in the order of MovingShapes::class_names. Videos of any size, length and number of classes are brought to
/// `shapes_clip_size` by fit_videos; they may be grey, too. It was trained on shapes of 8 to 128 pixels, as much as
/// twice as wide as high and the other way round, and 2 to 64 frames. Of one frame it tells the shape alone.
///
/// Distances of its features are between sets of clips, whatever their labels. By the symmetry of the data, shapes that
/// all move backwards make the same set: what tells is `class_accuracy` (metrics/class_accuracy.hpp) of the logits and
/// the classes that were asked for.
template <Scalar T, Device D = Cpu>
class ShapesFeatures final : public FeatureNetwork {
 public:
  /// The weights in a file, and its name for messages. Throws FileError where it is of another network, damaged, or
  /// holds what is no number.
  explicit ShapesFeatures(const SafetensorsFile& file, const std::filesystem::path& path = shapes_network_name)
      : network_(VideoClassifierOptions{}, Random::none()), weights_hash_(file.content_hash()) {
    const auto name = file.metadata().find("network");
    if (name == file.metadata().end() || name->second != shapes_network_name)
      throw FileError(concat(path.string(), ": holds no classifier of moving shapes (expected \"network\": \"",
                             shapes_network_name, "\" in the metadata, as train_classifier writes)"));
    load_network(file, path, network_, "");
    if (const std::string bad = first_non_finite(contents(network_)); !bad.empty())
      throw FileError(concat(path.string(), ": ", bad, " holds values that are not finite"));
  }

  /// Throws ArgumentError for what are no videos of 1 or 3 channels, and a value that is not finite. The network sees
  /// 32 clips at a time, however many there are.
  ClipFeatures operator()(const ConstTensorView<float>& videos) override {
    const Tensor<float> fitted = fit_videos(videos, shapes_clip_size);
    const Index batch = fitted.extent(1);
    ClipFeatures result;
    for (Index first = 0; first < batch; first += most_at_once) {
      const auto clips = detail::some_clips(fitted.view(), first, std::min(most_at_once, batch - first));
      const Tensor<T, D> features = network_.features(detail::on_device<T, D>(clips), Pass::evaluate());
      detail::append_rows(features, result.features);
      detail::append_rows(network_.classify(features, Pass::evaluate()), result.logits);
    }
    return result;
  }

  std::string description() const override { return "classifier of moving shapes"; }
  std::string weights_hash() const override { return weights_hash_; }
  Index dimensions() const override { return network_.options().features; }
  Index classes() const override { return network_.options().classes; }

 private:
  static constexpr Index most_at_once = 32;

  VideoClassifier<T, D> network_;
  std::string weights_hash_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

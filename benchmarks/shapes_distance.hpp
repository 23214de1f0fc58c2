// How far clips of moving shapes are from the data set, by the classifier of moving shapes.
#pragma once

#include <cstdint>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/metrics/class_accuracy.hpp>
#include <dvd/metrics/frechet_distance.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <dvd/metrics/shapes_weights.hpp>
#include <vector>

namespace benchmarks {

/// The same number of clips of every class, drawn from the data set.
inline std::vector<dvd::Clip> true_clips(const dvd::MovingShapes& shapes, const dvd::Random& random,
                                         std::int64_t clips_a_class) {
  std::vector<dvd::Clip> clips;
  for (std::int64_t i = 0; i < 12 * clips_a_class; ++i)
    clips.push_back(shapes.draw(random.stream(static_cast<std::uint64_t>(i)), i / clips_a_class).clip);
  return clips;
}

/// Two numbers of clips by what the classifier makes of them:
///
///     classified  share of clips that it finds to be of the class that was asked for
///     distance    Fréchet distance of its features from those of as many clips of the data set
///
/// As `evaluate_videos --protocol shapes`, of fewer clips. What clips of the data set themselves score (their floor)
/// depends on the number of clips.
class ShapesDistance {
 public:
  struct Scores {
    double classified, distance;
  };

  /// Compares with true clips of these sizes, as many of each class.
  ShapesDistance(const dvd::MovingShapesOptions& sizes, std::int64_t clips_a_class)
      : clips_a_class_(clips_a_class), network_(dvd::shapes_classifier()) {
    real_ = features_of(true_clips(dvd::MovingShapes(sizes), dvd::Random(1).stream("beside"), clips_a_class)).features;
  }

  /// Of clips of all classes, as many of each, class after class.
  Scores of(const std::vector<dvd::Clip>& clips) {
    const dvd::ClipFeatures made = features_of(clips);
    dvd::Labels labels;
    for (std::int64_t i = 0; i < made.features.count(); ++i) labels.push_back(i / clips_a_class_);
    return {dvd::class_accuracy(made.logits, labels),
            dvd::frechet_distance(real_, made.features, dvd::CovarianceForm::unbiased)};
  }

 private:
  dvd::ClipFeatures features_of(const std::vector<dvd::Clip>& clips) { return network_(dvd::to_tensor<float>(clips)); }

  std::int64_t clips_a_class_;
  dvd::ShapesFeatures<float> network_;
  dvd::FeatureRows real_;
};

}  // namespace benchmarks

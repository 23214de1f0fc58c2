// What a network says of a sample of clips, gathered batch by batch.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/io/clip_tensor.hpp"
#include "dvd/metrics/feature_moments.hpp"
#include "dvd/metrics/feature_network.hpp"
#include "dvd/metrics/feature_rows.hpp"
#include "dvd/metrics/inception_score.hpp"
#include "dvd/metrics/protocol.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A sample's features and class probabilities. Moments take memory for the square of the features' number, whatever
/// the size of the sample; rows are kept up to a limit, and there are none beyond it.
struct FeatureSample {
  FeatureMoments moments;  ///< of the protocol's layer
  FeatureRows features;    ///< of the same; empty where there were more clips than are kept
  /// The softmax of the logits of every clip; empty where they were not wanted and there were more than are kept.
  FeatureRows probabilities;
  std::vector<Index> labels;  ///< the classes that clips were meant to show; empty where there are none

  Index clips() const { return moments.count(); }
};

/// Gathers a FeatureSample.
class FeatureSampler {
 public:
  /// Rows of features are kept of samples of up to `most_rows` clips, and so are probabilities unless
  /// `all_probabilities` are wanted, which an Inception Score needs. `network` must outlive this.
  FeatureSampler(FeatureNetwork& network, FeatureLayer layer, Index most_rows = 20'000, bool all_probabilities = true)
      : network_(network), layer_(layer), most_rows_(most_rows), all_probabilities_(all_probabilities) {}

  /// Adds clips `[T, N, H, W, C]` in [-1, 1], C being 3 or, in grey, 1, and their classes, or none. Throws
  /// ArgumentError for shapes that the network does not take and values that are not finite; nothing is added then.
  void add(const ConstTensorView<float>& videos, const std::vector<Index>& labels = {}) { add(look(videos), labels); }

  /// What the network says of such clips, which are not added: where others look at a part of a sample, and all that
  /// was said is added, in order, by one. Throws as `add` does.
  ClipFeatures look(const ConstTensorView<float>& videos) const {
    detail::check_videos(videos.shape());
    require(std::all_of(videos.data(), videos.data() + videos.size(), is_finite<float>),
            "a clip to be scored holds a value that is not finite; its generator is broken");
    const Tensor<float> repeated = videos.extent(4) == 1 ? in_three_channels(videos) : Tensor<float>();
    return network_(repeated ? repeated.view() : videos);
  }

  /// Adds what the network has said of clips, and their classes, or none. Throws ArgumentError where there are others
  /// than so many classes; nothing is added then.
  void add(const ClipFeatures& said, const std::vector<Index>& labels = {}) {
    const FeatureRows& rows = layer_ == FeatureLayer::logits ? said.logits : said.features;
    const Index count = rows.count();
    require(labels.empty() || static_cast<Index>(labels.size()) == count, count, " clips got ", labels.size(),
            " labels");
    const FeatureRows probabilities = softmax(said.logits);
    sample_.moments.add(rows);
    const bool too_many = sample_.moments.count() > most_rows_;
    if (too_many && !all_probabilities_)
      sample_.probabilities = {};
    else
      for (Index i = 0; i < count; ++i) append(sample_.probabilities, probabilities.row(i));
    if (too_many)
      sample_.features = {};
    else
      for (Index i = 0; i < count; ++i) append(sample_.features, rows.row(i));
    sample_.labels.insert(sample_.labels.end(), labels.begin(), labels.end());
  }

  Index clips() const { return sample_.clips(); }
  /// All that was added. The sampler is empty afterwards.
  FeatureSample take() { return std::exchange(sample_, {}); }

 private:
  static void append(FeatureRows& rows, std::span<const double> row) {
    rows.dimensions = static_cast<Index>(row.size());
    rows.append(row);
  }

  static Tensor<float> in_three_channels(const ConstTensorView<float>& videos) {
    Shape shape = videos.shape();
    const std::vector<float> grey = videos.to_vector();
    std::vector<float> values(grey.size() * 3);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = grey[i / 3];
    return Tensor<float>(Shape{shape[0], shape[1], shape[2], shape[3], 3}, values);
  }

  FeatureNetwork& network_;
  FeatureLayer layer_;
  Index most_rows_;
  bool all_probabilities_;
  FeatureSample sample_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

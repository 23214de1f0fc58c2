// Scores of moving shapes by their own classifier, of true clips against true ones and against clips that are spoilt:
// they must order as they should.
#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "dvd/io/clip_tensor.hpp"
#include "dvd/metrics/class_accuracy.hpp"
#include "dvd/metrics/frechet_distance.hpp"
#include "dvd/metrics/inception_score.hpp"
#include "dvd/metrics/shapes_features.hpp"
#include "dvd/metrics/shapes_weights.hpp"

namespace {

using namespace dvd;

constexpr Index frames = 8, side = 32, per_set = 480, at_once = 48;

// What is done to a batch of videos.
using Change = std::function<Tensor<float>(Tensor<float>)>;

// Frame t of clip n of the result is frame `from(t, n)` of the input.
template <class From>
Tensor<float> rearranged(const Tensor<float>& videos, const From& from) {
  Tensor<float> result(videos.shape());
  for (Index n = 0; n < videos.extent(1); ++n)
    for (Index t = 0; t < frames; ++t) result[t][n].copy_from(videos[from(t, n)][n]);
  return result;
}

Tensor<float> frozen(const Tensor<float>& videos) {
  return rearranged(videos, [](Index, Index) { return Index{0}; });
}
Tensor<float> reversed(const Tensor<float>& videos) {
  return rearranged(videos, [](Index t, Index) { return frames - 1 - t; });
}
Tensor<float> shuffled(const Tensor<float>& videos) {
  return rearranged(videos, [](Index t, Index n) {
    std::vector<Index> order(static_cast<std::size_t>(frames));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
    for (std::size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[static_cast<std::size_t>(
                              Random(9).stream(static_cast<std::uint64_t>(n)).below(i, static_cast<Index>(i) + 1))]);
    return order[static_cast<std::size_t>(t)];
  });
}
// Means over 5x5 pixels.
Tensor<float> blurred(const Tensor<float>& videos) {
  const Shape& shape = videos.shape();
  Tensor<float> result(shape);
  const Index images = shape[0] * shape[1], channels = shape[4];
  for (Index i = 0; i < images; ++i)
    for (Index row = 0; row < side; ++row)
      for (Index column = 0; column < side; ++column)
        for (Index c = 0; c < channels; ++c) {
          float sum = 0;
          int count = 0;
          for (Index y = std::max<Index>(row - 2, 0); y <= std::min<Index>(row + 2, side - 1); ++y)
            for (Index x = std::max<Index>(column - 2, 0); x <= std::min<Index>(column + 2, side - 1); ++x, ++count)
              sum += videos.data()[((i * side + y) * side + x) * channels + c];
          result.data()[((i * side + row) * side + column) * channels + c] = sum / static_cast<float>(count);
        }
  return result;
}

struct Scores {
  FeatureMoments moments;
  double inception = 0, accuracy = 0, shape_accuracy = 0;
};

Scores scores_of(std::uint64_t seed, const Change& change) {
  ShapesFeatures<float> network(shapes_classifier());
  const MovingShapes shapes({.frames = frames, .resolution = side});
  Scores scores;
  FeatureRows logits;
  Labels labels;
  for (Index first = 0; first < per_set; first += at_once) {
    std::vector<Clip> clips;
    for (Index i = first; i < first + at_once; ++i) {
      labels.push_back(i % 12);
      clips.push_back(shapes.draw(Random(seed).stream(static_cast<std::uint64_t>(i)), i % 12).clip);
    }
    const ClipFeatures said = network(change(to_tensor<float>(std::span<const Clip>(clips))));
    scores.moments.add(said.features);
    for (Index i = 0; i < said.logits.count(); ++i) logits.append(said.logits.row(i));
  }
  scores.inception = inception_score(softmax(logits), 1, LogGuard::none).mean;
  scores.accuracy = class_accuracy(logits, labels);
  Index right = 0;
  for (Index i = 0; i < logits.count(); ++i)
    right += likeliest_class(logits.row(i)) / 4 == labels[static_cast<std::size_t>(i)] / 4;
  scores.shape_accuracy = static_cast<double>(right) / static_cast<double>(per_set);
  return scores;
}

TEST_CASE("true clips are nearest to true ones; spoilt ones are further away, or of wrong classes") {
  const auto as_they_are = [](Tensor<float> videos) { return videos; };
  const Scores real = scores_of(1, as_they_are), same = scores_of(2, as_they_are);
  const auto distance = [&](const Scores& other) {
    return frechet_distance(real.moments, other.moments, CovarianceForm::unbiased);
  };
  const double floor = distance(same);
  MESSAGE("true: distance " << floor << ", Inception Score " << same.inception << ", accuracy " << same.accuracy);
  CHECK(same.accuracy >= 0.99);
  CHECK(same.inception > 11);
  CHECK(distance(real) < 1e-6 * floor);

  const auto spoilt = [&](const std::string& name, const Change& change) {
    const Scores scores = scores_of(2, change);
    MESSAGE(name << ": distance " << distance(scores) << ", Inception Score " << scores.inception << ", accuracy "
                 << scores.accuracy << ", of shapes " << scores.shape_accuracy);
    return scores;
  };
  const Scores blur = spoilt("blurred", blurred), freeze = spoilt("frozen", frozen),
               shuffle = spoilt("shuffled", shuffled), reverse = spoilt("reversed", reversed);
  for (const Scores* scores : {&blur, &freeze, &shuffle}) CHECK(distance(*scores) > 5 * floor);
  for (const Scores* scores : {&freeze, &shuffle}) {
    CHECK(scores->accuracy < 0.9 * same.accuracy);
    CHECK(scores->inception < 0.9 * same.inception);
  }
  // The data are symmetric: what moves backwards is as good a set of shapes, and of as many classes. That they are the
  // wrong ones is for the classes to tell.
  CHECK(distance(reverse) < 3 * floor);
  CHECK(reverse.inception > 11);
  CHECK(reverse.accuracy < 0.01);
  CHECK(reverse.shape_accuracy >= 0.99);
}

}  // namespace

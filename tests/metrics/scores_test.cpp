// Scores of samples, kept samples, memorisation.
#include "dvd/metrics/scores.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "dvd/metrics/memorisation.hpp"
#include "dvd/metrics/statistics_cache.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace {

using dvd::testing::error_of;

/// Says of a clip its mean in each channel and two classes, bright and dark.
class Brightness final : public dvd::FeatureNetwork {
 public:
  dvd::ClipFeatures operator()(const dvd::ConstTensorView<float>& videos) override {
    dvd::ClipFeatures said{{3, {}}, {2, {}}};
    const dvd::Index frame = videos.extent(2) * videos.extent(3), clips = videos.extent(1);
    for (dvd::Index n = 0; n < clips; ++n) {
      double sums[3] = {};
      for (dvd::Index t = 0; t < videos.extent(0); ++t)
        for (dvd::Index i = 0; i < frame * 3; ++i)
          sums[i % 3] += static_cast<double>(videos.data()[(t * clips + n) * frame * 3 + i]);
      double all = 0;
      for (double& sum : sums) all += sum /= static_cast<double>(videos.extent(0) * frame);
      said.features.append(sums);
      const double logits[] = {all, -all};
      said.logits.append(logits);
    }
    return said;
  }
  std::string description() const override { return "brightness"; }
  std::string weights_hash() const override { return "0"; }
  dvd::Index dimensions() const override { return 3; }
  dvd::Index classes() const override { return 2; }
};

/// Clips [4, count, 8, 8, channels] of one shade each, around `mean`.
dvd::Tensor<float> shades(dvd::Index count, double mean, std::uint64_t seed, dvd::Index channels = 3) {
  dvd::Tensor<float> videos(dvd::Shape{4, count, 8, 8, channels});
  const dvd::Random random(seed);
  for (dvd::Index i = 0; i < videos.size(); ++i) {
    const dvd::Index clip = i / (64 * channels) % count, channel = i % channels;
    const double noise = random.normal(static_cast<std::uint64_t>(clip * 3 + channel) * 2);
    videos.data()[i] = static_cast<float>(mean + 0.1 * noise);
  }
  return videos;
}

dvd::FeatureSample sample_of(const dvd::Tensor<float>& videos, const std::vector<dvd::Index>& labels = {},
                             dvd::Index most_rows = 20'000) {
  Brightness network;
  dvd::FeatureSampler sampler(network, dvd::FeatureLayer::pooled, most_rows);
  sampler.add(videos, labels);
  return sampler.take();
}

const dvd::Score* find(const std::vector<dvd::Score>& scores, const std::string& name) {
  const auto found = std::ranges::find(scores, name, &dvd::Score::name);
  return found == scores.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a sample is the same however its clips come, and grey clips count as those of three channels") {
  Brightness network;
  const dvd::Tensor<float> videos = shades(10, 0, 1);
  const dvd::FeatureSample whole = sample_of(videos);
  CHECK(whole.clips() == 10);
  CHECK(whole.features.count() == 10);
  CHECK(whole.probabilities.count() == 10);
  const dvd::FeatureSample grey = sample_of(shades(10, 0.25, 1, 1));
  for (dvd::Index i = 0; i < 10; ++i) {
    const auto row = grey.features.row(i);
    CHECK(row[0] == doctest::Approx(row[1]));
    CHECK(row[0] == doctest::Approx(row[2]));
  }
  SUBCASE("of many clips only the moments are kept") {
    const dvd::FeatureSample few = sample_of(videos, {}, 9);
    CHECK(few.features.count() == 0);
    CHECK(few.moments.mean() == whole.moments.mean());
    const auto scores = dvd::scores_of(dvd::find_protocol("shapes"), few, &whole);
    CHECK(find(scores, "precision") == nullptr);
    CHECK(find(scores, "frechet_distance")->value == doctest::Approx(0).scale(1));
  }
  SUBCASE("looked at in parts, by whoever, and added in order") {
    dvd::FeatureSampler here(network, dvd::FeatureLayer::pooled);
    const dvd::FeatureSampler there(network, dvd::FeatureLayer::pooled);
    for (const auto& [first, count] : {std::pair<dvd::Index, dvd::Index>{0, 4}, {4, 6}})
      here.add(there.look(dvd::detail::some_clips<float, dvd::Cpu>(videos, first, count)),
               std::vector<dvd::Index>(static_cast<std::size_t>(count), 1));
    const dvd::FeatureSample parts = here.take();
    CHECK(parts.features.values == whole.features.values);
    CHECK(parts.probabilities.values == whole.probabilities.values);
    CHECK(parts.moments.scatter() == whole.moments.scatter());
    CHECK(parts.labels == std::vector<dvd::Index>(10, 1));
  }
  SUBCASE("what is no number is refused, and leaves the sample as it was") {
    dvd::FeatureSampler sampler(network, dvd::FeatureLayer::logits);
    sampler.add(videos);
    dvd::Tensor<float> broken = videos;
    broken.data()[77] = std::nanf("");
    CHECK(error_of([&] { sampler.add(broken); }).find("not finite") != std::string::npos);
    CHECK_THROWS_AS(sampler.add(videos, std::vector<dvd::Index>{1, 0}), dvd::ArgumentError);
    CHECK(sampler.clips() == 10);
    CHECK(sampler.take().moments.dimensions() == 2);
  }
}

TEST_CASE("scores are lowest between samples of the same kind, and repeats become mean and deviation") {
  const dvd::Protocol protocol = dvd::find_protocol("shapes");
  std::vector<dvd::Index> labels(200, 0);
  const dvd::FeatureSample real = sample_of(shades(200, 0.3, 1)), same = sample_of(shades(200, 0.3, 2), labels),
                           other = sample_of(shades(200, -0.3, 3), labels);
  const auto near = dvd::scores_of(protocol, same, &real), far = dvd::scores_of(protocol, other, &real);
  CHECK(near.front().name == "frechet_distance");
  CHECK(find(near, "frechet_distance")->value < 0.01);
  CHECK(find(far, "frechet_distance")->value == doctest::Approx(3 * 0.36).epsilon(0.1));
  CHECK(find(near, "kernel_distance")->value < 0.05 * find(far, "kernel_distance")->value);
  CHECK(find(near, "precision")->value > 0.8);
  CHECK(find(far, "recall")->value < 0.05);
  CHECK(find(near, "class_accuracy")->value == 1);
  CHECK(find(far, "class_accuracy")->value == 0);

  const auto summary = dvd::summary_of({near, far});
  const double a = near.front().value, b = far.front().value;
  CHECK(summary.front().value == doctest::Approx((a + b) / 2));
  CHECK(summary.front().deviation == doctest::Approx(std::abs(a - b) / 2));
  CHECK(summary.front().repeats == std::vector<double>{a, b});
  CHECK_THROWS_AS(dvd::summary_of({}), dvd::ArgumentError);
}

TEST_CASE("an Inception Score needs no real clips") {
  const dvd::FeatureSample made = sample_of(shades(40, 0, 5));
  const auto scores = dvd::scores_of(dvd::find_protocol("is-tganv2"), made, nullptr);
  CHECK(scores.size() == 1);
  CHECK(scores.front().name == "inception_score");
  CHECK(scores.front().value >= 1);
  CHECK(scores.front().value <= 2);
}

TEST_CASE("a sample that was kept is found again, under the same fingerprint and unharmed") {
  const TemporaryFolder folder;
  const dvd::StatisticsCache cache(folder.path() / "a" / "b");
  const dvd::FeatureSample sample = sample_of(shades(30, 0, 1));
  dvd::Fingerprint fingerprint = fingerprint_of(dvd::find_protocol("fvd-ref"), "1");
  CHECK(!cache.find(fingerprint));
  cache.put(fingerprint, sample);
  const auto kept = cache.find(fingerprint);
  REQUIRE(kept);
  CHECK(kept->clips() == 30);
  CHECK(kept->features.values == sample.features.values);
  CHECK(kept->probabilities.values == sample.probabilities.values);
  CHECK(kept->moments.mean() == sample.moments.mean());
  CHECK(kept->moments.scatter() == sample.moments.scatter());

  dvd::Fingerprint other = fingerprint;
  other.set("seed", dvd::Index{2});
  CHECK(!cache.find(other));
  SUBCASE("a damaged file is as none") {
    const std::filesystem::path path = folder.path() / "a" / "b" / (fingerprint.hash() + ".safetensors");
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-9, std::ios::end);
    file.put('\x55');
    file.close();
    CHECK(!cache.find(fingerprint));
    std::filesystem::resize_file(path, 40);
    CHECK(!cache.find(fingerprint));
  }
  SUBCASE("without a folder nothing is kept, and one that cannot be written is no error") {
    const dvd::StatisticsCache none{std::filesystem::path()};
    none.put(fingerprint, sample);
    CHECK(!none.find(fingerprint));
    std::ofstream(folder.path() / "file") << "no folder";
    CHECK_NOTHROW(dvd::StatisticsCache(folder.path() / "file").put(fingerprint, sample));
  }
}

TEST_CASE("memorisation is the share of pairs in which the sample is nearer") {
  const std::vector<double> samples{1, 2, 3}, held_out{2, 4};
  CHECK(dvd::nearer_share(samples, held_out) == doctest::Approx((2 + 1.5 + 1) / 6));
  CHECK(dvd::nearer_share(samples, samples) == doctest::Approx(0.5));
  CHECK(dvd::nearer_share(std::vector<double>{0, 0}, held_out) == 1);
  CHECK(dvd::nearer_share(std::vector<double>{5, 6}, held_out) == 0);
  CHECK_THROWS_AS(dvd::nearer_share({}, held_out), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::nearer_share(samples, std::vector<double>{-1}), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::nearer_share(samples, std::vector<double>{std::nan("")}), dvd::ArgumentError);

  // Of two samples of one distribution, seldom beyond the noise that is told.
  int beyond = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    std::vector<double> a, b;
    const dvd::Random random = dvd::Random(9).stream(trial);
    for (std::uint64_t i = 0; i < 20; ++i) a.push_back(random.uniform(i));
    for (std::uint64_t i = 0; i < 30; ++i) b.push_back(random.uniform(100 + i));
    beyond += std::abs(dvd::nearer_share(a, b) - 0.5) > dvd::nearer_share_noise(20, 30);
  }
  CHECK(beyond <= 6);
}

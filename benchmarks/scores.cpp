// Speed of the video scores on sets of the sizes that papers use: seconds each, of the wall.
//
//     scores --benchmark_filter=frechet

#include <benchmark/benchmark.h>

#include <dvd/metrics/feature_moments.hpp>
#include <dvd/metrics/frechet_distance.hpp>
#include <dvd/metrics/inception_score.hpp>
#include <dvd/metrics/kernel_distance.hpp>
#include <dvd/metrics/nearest_neighbours.hpp>
#include <dvd/metrics/precision_recall.hpp>
#include <dvd/metrics/resize.hpp>
#include <random>

namespace {

using namespace dvd;

/// Rows as unlike in scale as a network's features are: each one is a mixture of normal numbers.
FeatureRows features(std::uint64_t seed, Index count, Index dimensions) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  FeatureRows rows{dimensions, std::vector<double>(static_cast<std::size_t>(count * dimensions))};
  for (Index i = 0; i < count; ++i) {
    double previous = 0;
    for (Index j = 0; j < dimensions; ++j)
      rows.values[static_cast<std::size_t>(i * dimensions + j)] = previous = normal(engine) + 0.7 * previous;
  }
  return rows;
}

FeatureMoments moments_of(const FeatureRows& rows) {
  FeatureMoments moments;
  moments.add(rows);
  return moments;
}

void rows_and_dimensions(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "D"})->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);
  benchmark->Args({2048, 400})->Args({2048, 1024})->Args({256, 1024})->Args({2048, 4096});
}

void frechet_of_moments(benchmark::State& state) {
  const FeatureMoments first = moments_of(features(1, state.range(0), state.range(1)));
  const FeatureMoments second = moments_of(features(2, state.range(0), state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(frechet_distance(first, second, CovarianceForm::unbiased));
}
BENCHMARK(frechet_of_moments)->Apply(rows_and_dimensions);

/// Of covariances that nothing is known of, one of which is singular: eigenvectors are computed.
void frechet_of_unknown_rank(benchmark::State& state) {
  Gaussian first = moments_of(features(1, state.range(0), state.range(1))).gaussian(CovarianceForm::biased);
  const Gaussian second = moments_of(features(2, 4 * state.range(1), state.range(1))).gaussian(CovarianceForm::biased);
  first.largest_rank = -1;
  for (auto _ : state) benchmark::DoNotOptimize(frechet_distance(first, second));
}
BENCHMARK(frechet_of_unknown_rank)
    ->ArgNames({"rows", "D"})
    ->Args({256, 1024})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(1);

void frechet_of_rows(benchmark::State& state) {
  const FeatureRows first = features(1, state.range(0), state.range(1)),
                    second = features(2, state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(frechet_distance(first, second, CovarianceForm::unbiased));
}
BENCHMARK(frechet_of_rows)->Apply(rows_and_dimensions);

void moments(benchmark::State& state) {
  const FeatureRows rows = features(1, state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(moments_of(rows).count());
}
BENCHMARK(moments)->Apply(rows_and_dimensions);

void inception(benchmark::State& state) {
  const FeatureRows rows = softmax(features(1, state.range(0), state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(inception_score(rows, 10).mean);
}
BENCHMARK(inception)->ArgNames({"rows", "classes"})->Args({10000, 101})->Unit(benchmark::kMillisecond)->UseRealTime();

void kernel(benchmark::State& state) {
  const FeatureRows first = features(1, state.range(0), state.range(1)),
                    second = features(2, state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(kernel_distance(first, second));
}
BENCHMARK(kernel)->Apply(rows_and_dimensions);

void precision_and_recall(benchmark::State& state) {
  const FeatureRows first = features(1, state.range(0), state.range(1)),
                    second = features(2, state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(precision_recall(first, second).recall);
}
BENCHMARK(precision_and_recall)->Apply(rows_and_dimensions);

/// 64 clips among 500 of 16 frames of 64x64 RGB pixels.
void neighbours_of_pixels(benchmark::State& state) {
  const Index pixels = 16 * 64 * 64 * 3;
  const FeatureRows rows = features(1, 64, pixels), set = features(2, 500, pixels);
  for (auto _ : state) benchmark::DoNotOptimize(nearest_neighbours(rows, set, 3));
}
BENCHMARK(neighbours_of_pixels)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);

/// A clip of 16 frames to the size that I3D takes.
void resize_clip(benchmark::State& state) {
  const auto rule = static_cast<ResizeRule>(state.range(0));
  const Tensor<float> clip = Tensor<float>::full(Shape{16, 1, state.range(1), state.range(1), 3}, 0.5f);
  for (auto _ : state) benchmark::DoNotOptimize(resize(clip, 224, 224, rule).data());
}
BENCHMARK(resize_clip)
    ->ArgNames({"rule", "from"})
    ->ArgsProduct({{0, 3}, {64, 256}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();

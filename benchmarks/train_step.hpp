// How train_step measures, on whichever device.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <dvd/device/cpu.hpp>
#include <dvd/layers/tsru.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/models/recorded_generator.hpp>
#include <dvd/training/trainer.hpp>
#include <dvd/version.hpp>
#include <nlohmann/json.hpp>

#include "flops.hpp"
#include "train_step_options.hpp"

namespace benchmarks {

using Clock = std::chrono::steady_clock;

inline double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

inline double rounded(double value, int digits) {
  return std::round(value * std::pow(10, digits)) / std::pow(10, digits);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Whether calls return before the work is done.
template <class D>
inline constexpr bool is_gpu = requires {
  D::synchronize();
};

/// The time, once all work is done.
template <class D>
Clock::time_point now() {
  if constexpr (is_gpu<D>) D::synchronize();
  return Clock::now();
}

/// The parts of a variant; attention is wherever there may be one.
template <class T, class D, Variant V>
struct PartsOf : dvd::DvdGanParts<T, D> {};
template <class T, class D>
struct PartsOf<T, D, Variant::tsru> : dvd::DvdGanParts<T, D> {
  using Recurrent = dvd::TSRU<T, D>;
};
template <class T, class D>
struct PartsOf<T, D, Variant::tsrus> : dvd::DvdGanParts<T, D> {
  using Recurrent = dvd::TSRUs<T, D>;
};
template <class T, class D, class Attention>
struct AttentiveParts : dvd::DvdGanParts<T, D> {
  using GeneratorAttention = Attention;
  using SpatialAttention = Attention;
  using TemporalAttention = Attention;
};
template <class T, class D>
struct PartsOf<T, D, Variant::self_attention> : AttentiveParts<T, D, dvd::SelfAttention<T, D>> {};
template <class T, class D>
struct PartsOf<T, D, Variant::separable_attention> : AttentiveParts<T, D, dvd::SeparableAttention<T, D>> {};

/// Random clips in host memory, as a loader has them ready.
class ReadyBatches {
 public:
  ReadyBatches(const dvd::DvdGanConfig& config, Index batch) {
    const dvd::Random random = dvd::Random(0).stream("clips");
    for (std::size_t i = 0; i < different; ++i)
      for (Index n = 0; n < batch; ++n) {
        const dvd::Random own = random.stream(i).stream(static_cast<std::uint64_t>(n));
        dvd::LabelledClip drawn{dvd::Clip(config.video_frames(), config.resolution, config.resolution),
                                own.stream("label").below(0, config.classes)};
        for (std::size_t k = 0; k < drawn.clip.pixels.size(); ++k)
          drawn.clip.pixels[k] = static_cast<std::uint8_t>(own.bits(k));
        batches_[i].push_back(std::move(drawn));
      }
  }

  /// Puts batches in the place of those that were taken: what a loader does beside the steps.
  void fill() { next_ = batches_; }

  std::vector<dvd::LabelledClip> batch(Index number) {
    return std::move(next_[static_cast<std::size_t>(number) % different]);
  }

 private:
  static constexpr std::size_t different = 2;  // a step takes as many
  std::array<std::vector<dvd::LabelledClip>, different> batches_, next_;
};

/// Random inputs of updates and of sampling, on the device.
template <class T, class D>
class RandomInputs {
 public:
  explicit RandomInputs(const dvd::DvdGanConfig& config) : config_(config) {}

  dvd::Labels labels(std::uint64_t which, Index count) const {
    dvd::Labels result;
    for (Index n = 0; n < count; ++n)
      result.push_back(random_.stream("labels").stream(which).below(static_cast<std::uint64_t>(n), config_.classes));
    return result;
  }
  dvd::Tensor<T, D> videos(std::uint64_t which, Index count) const {
    dvd::Tensor<T, D> result(dvd::Shape{config_.video_frames(), count, config_.image_height(), config_.image_width(),
                                        config_.image_channels});
    D::random_uniform(result.size(), random_.stream(which), T(-1), T(1), result.data());
    return result;
  }
  /// Others every time.
  dvd::Tensor<T, D> latents(Index count) {
    dvd::Tensor<T, D> z(dvd::Shape{count, config_.latent_dim});
    D::random_normal(z.size(), random_.stream("z").stream(draws_++), T(1), z.data());
    return z;
  }
  dvd::FrameIndices frames(Index count) {
    return dvd::FrameSampler::draw(random_.stream("frames").stream(draws_++), count, config_.frames,
                                   config_.frames_judged());
  }

 private:
  const dvd::DvdGanConfig& config_;
  dvd::Random random_{0};
  std::uint64_t draws_ = 0;
};

/// Milliseconds of what was timed.
struct Times {
  std::vector<double> step, d_step, g_step, sample;
  dvd::StepReport report;  ///< of the last update
};

/// Times the updates of steps one by one, and the steps as their sums.
template <class T, class D, class TrainerType>
void time_updates(TrainerType& trainer, const TrainStepOptions& options, RandomInputs<T, D>& inputs, Times& times) {
  struct Pool {
    dvd::Tensor<T, D> videos;
    dvd::Labels labels;
  };
  const Index batch = options.batch;
  std::vector<Pool> pool;
  for (std::uint64_t i = 0; i < 3; ++i) pool.push_back({inputs.videos(i, batch), inputs.labels(i, batch)});
  for (Index step = 0; step < options.warmup + options.steps; ++step) {
    const auto start = now<D>();
    auto middle = start;
    for (int update = 0; update < 2; ++update) {
      const Pool& real = pool[static_cast<std::size_t>((3 * step + update) % 3)];
      trainer.discriminator_update(
          {real.videos, real.labels, inputs.latents(batch), real.labels, inputs.frames(batch), inputs.frames(batch)},
          times.report);
      if (update == 0) middle = now<D>();
    }
    const auto after_d = now<D>();
    const dvd::ConstTensorView<T, D> real = pool[2].videos;
    trainer.generator_update({inputs.latents(batch), pool[2].labels, inputs.frames(batch),
                              dvd::condition_of(real, options.config.condition_frames)},
                             times.report);
    const auto end = now<D>();
    if (step < options.warmup) continue;
    times.d_step.push_back(milliseconds(start, middle));
    times.d_step.push_back(milliseconds(middle, after_d));
    times.g_step.push_back(milliseconds(after_d, end));
    times.step.push_back(milliseconds(start, end));
  }
}

/// Times whole steps, in which the host waits for the device once, on clips that are ready in host memory.
template <class D, class TrainerType>
void time_whole_steps(TrainerType& trainer, const TrainStepOptions& options, Times& times) {
  ReadyBatches batches(options.config, options.batch);
  for (Index step = 0; step < options.warmup + options.steps; ++step) {
    batches.fill();
    const auto start = now<D>();
    times.report = trainer.step(batches);
    const auto end = now<D>();
    if (step >= options.warmup) times.step.push_back(milliseconds(start, end));
  }
}

inline double peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Times all there is to time of a model; empty where a loss is not finite.
template <class T, class D, Variant V>
nlohmann::ordered_json measure_model(const TrainStepOptions& options) {
  const dvd::DvdGanConfig& config = options.config;
  const Index sample_batch = options.sample_batch > 0 ? options.sample_batch : options.batch;
  dvd::DvdGan<T, D, PartsOf<T, D, V>> gan(config);
  gan.generator.recompute = options.recompute;
  dvd::Trainer trainer(gan, {.batch = options.batch});
  RandomInputs<T, D> inputs(config);
  Times times;
  std::size_t peak = 0;
  if constexpr (is_gpu<D>) {
    time_whole_steps<D>(trainer, options, times);
    peak = D::peak_memory();  // without the inputs below, which a step does not keep on the device
    const std::vector<double> whole = times.step;
    time_updates(trainer, options, inputs, times);
    times.step = whole;
  } else {
    time_updates(trainer, options, inputs, times);
  }
  const double rss = peak_rss_mib();
  const dvd::Rows<D> labels(inputs.labels(0, sample_batch));
  dvd::Tensor<T, D> given;
  if (config.condition_frames > 0) given = inputs.videos(0, sample_batch).slice(0, config.condition_frames).clone();
  dvd::RecordedGenerator sampled(gan.average);
  for (Index step = 0; step < options.warmup + options.steps; ++step) {
    const auto start = now<D>();
    sampled.generate(inputs.latents(sample_batch), labels, given);
    if (step >= options.warmup) times.sample.push_back(milliseconds(start, now<D>()));
  }
  if constexpr (!is_gpu<D>) peak = D::peak_memory();
  const dvd::StepReport& report = times.report;
  if (!std::isfinite(report.discriminator("spatial").loss + report.discriminator("temporal").loss +
                     report.generator_loss))
    return {};

  double load[1] = {0};
  if (getloadavg(load, 1) != 1) load[0] = 0;
  std::string device = D::name;
  if constexpr (is_gpu<D>) device = D::description();
  nlohmann::ordered_json result = {
      {"dvd", dvd::version},
      {"device", device},
      {"precision", sizeof(T) == 8 ? "float64" : options.precision},
      {"model", options.model},
      {"threads", tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism)},
      {"resolution", config.resolution},
      {"frames", config.frames},
      {"condition_frames", config.condition_frames},
      {"channels", config.channels},
      {"classes", config.classes},
      {"batch", options.batch},
      {"sample_batch", sample_batch},
      {"recompute", options.recompute},
      {"steps", options.steps},
      {"step_ms", rounded(median(times.step), 3)},
      {"step_ms_min", rounded(*std::min_element(times.step.begin(), times.step.end()), 3)},
      {"d_step_ms", rounded(median(times.d_step), 3)},
      {"g_step_ms", rounded(median(times.g_step), 3)},
      {"sample_ms", rounded(median(times.sample), 3)},
      {"peak_rss_mib", rounded(rss, 1)},
      {is_gpu<D> ? "peak_device_mib" : "peak_arrays_mib", rounded(static_cast<double>(peak) / 1048576, 1)},
      {"parameters",
       {{"generator", dvd::contents(gan.generator).size()},
        {"spatial", dvd::contents(gan.spatial).size()},
        {"temporal", dvd::contents(gan.temporal).size()}}},
      {"load_average", rounded(load[0], 2)}};
  if (V == Variant::none && config.condition_frames == 0) {  // what flops.hpp counts
    const double gflop = step_flops(config, options.batch) * 1e-9;
    result["step_gflop"] = rounded(gflop, 3);
    result["gflop_per_s"] = rounded(gflop / median(times.step) * 1e3, 2);
  }
  return result;
}

/// What a large matrix product reaches, as a convolution of kernel 1, in GFLOP/s.
template <class T, class D>
double product_gflop_per_s() {
  constexpr Index size = 8192, products = 10;
  const dvd::ConvolutionSize convolution{1, 1, 64, size / 64, size, size, 1, 1};
  dvd::Tensor<T, D> x(dvd::Shape{size, size}), weight(dvd::Shape{size, size}), y(dvd::Shape{size, size});
  const dvd::Random random = dvd::Random(0).stream("product");
  D::random_uniform(x.size(), random.stream("x"), T(-1), T(1), x.data());
  D::random_uniform(weight.size(), random.stream("weight"), T(-1), T(1), weight.data());
  const dvd::ConvolutionInput<T> input{x.data()};
  const auto filter = D::filter(convolution, static_cast<const T*>(weight.data()));
  std::vector<double> times;
  for (int round = 0; round < 6; ++round) {  // the first one finds out how it is done best
    const auto start = now<D>();
    for (Index i = 0; i < products; ++i) D::convolve(convolution, input, filter, nullptr, y.data(), size, false);
    const double time = milliseconds(start, now<D>());
    if (round > 0) times.push_back(time / products);
  }
  return convolution_flops(size, size, size, 1) * 1e-6 / median(times);
}

template <class T, class D, Variant V>
int time_steps(const TrainStepOptions& options) {
  const dvd::ThreadLimit limit(options.threads);
  nlohmann::ordered_json result = measure_model<T, D, V>(options);
  if (result.empty()) {
    std::fprintf(stderr, "train_step: a loss is not finite\n");
    return 1;
  }
  if constexpr (is_gpu<D>) {
    const double peak = product_gflop_per_s<T, D>();
    result["peak_gflop_per_s"] = rounded(peak, 1);
    if (result.contains("gflop_per_s"))
      result["fraction_of_peak"] = rounded(result["gflop_per_s"].template get<double>() / peak, 4);
  }
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace benchmarks

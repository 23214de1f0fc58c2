// Times training steps and sampling on random data held in memory; prints one JSON line with the fields of the PyTorch
// peer's benchmark. A step is two updates of the discriminators and one of the generator, with Adam, spectral
// normalisation and the moving average.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <dvd/device/cpu.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/training/trainer.hpp>
#include <dvd/version.hpp>
#include <nlohmann/json.hpp>

#include "flops.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

double rounded(double value, int digits) { return std::round(value * std::pow(10, digits)) / std::pow(10, digits); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

int main(int argc, char** argv) {
  dvd::DvdGanConfig config{.frames = 12, .resolution = 64, .channels = 8, .classes = 10};
  dvd::Index batch = 4, steps = 10, warmup = 2, threads = 0;
  std::string device = "cpu";
  CLI::App app("Times DVD-GAN training steps and sampling on random data; prints one JSON line.", "train_step");
  app.add_option("--resolution", config.resolution)->capture_default_str();
  app.add_option("--frames", config.frames)->capture_default_str();
  app.add_option("--channels", config.channels)->capture_default_str();
  app.add_option("--classes", config.classes)->capture_default_str();
  app.add_option("--batch", batch)->capture_default_str();
  app.add_option("--steps", steps)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--warmup", warmup)->check(CLI::Range(0, 1'000'000))->capture_default_str();
  app.add_option("--threads", threads, "0: all cores")->check(CLI::Range(0, 4096))->capture_default_str();
  app.add_option("--device", device)->check(CLI::IsMember({"cpu"}))->capture_default_str();
  bool recompute = false;
  app.add_flag("--recompute", recompute, "compute the generator's stages again rather than keep their activations");
  CLI11_PARSE(app, argc, argv);

  try {
    const dvd::ThreadLimit limit(threads);
    using Gan = dvd::DvdGan<float, dvd::Cpu>;
    using Tensor = dvd::Tensor<float, dvd::Cpu>;
    Gan gan(config);
    gan.generator.recompute = recompute;
    dvd::Trainer trainer(gan, {.batch = batch});

    struct Pool {
      Tensor videos;
      dvd::Labels labels;
    };
    std::vector<Pool> pool;
    const dvd::Random random(0);
    for (std::uint64_t i = 0; i < 3; ++i) {
      Tensor videos(dvd::Shape{config.frames, batch, config.resolution, config.resolution, 3});
      dvd::Cpu::random_uniform(videos.size(), random.stream(i), -1.0f, 1.0f, videos.data());
      dvd::Labels labels;
      for (dvd::Index n = 0; n < batch; ++n)
        labels.push_back(random.stream("labels").stream(i).below(static_cast<std::uint64_t>(n), config.classes));
      pool.push_back({videos, labels});
    }
    std::uint64_t draws = 0;
    const auto latents = [&] {
      Tensor z(dvd::Shape{batch, config.latent_dim});
      dvd::Cpu::random_normal(z.size(), random.stream("z").stream(draws++), 1.0f, z.data());
      return z;
    };
    const auto frames = [&] {
      return dvd::FrameSampler::draw(random.stream("frames").stream(draws++), batch, config.frames,
                                     config.frames_judged());
    };

    std::vector<double> step_ms, d_step_ms, g_step_ms, sample_ms;
    dvd::StepReport report;
    for (dvd::Index step = 0; step < warmup + steps; ++step) {
      const auto start = Clock::now();
      auto middle = start;
      for (int update = 0; update < 2; ++update) {
        const Pool& real = pool[static_cast<std::size_t>((3 * step + update) % 3)];
        trainer.discriminator_update({real.videos, real.labels, latents(), real.labels, frames(), frames()}, report);
        if (update == 0) middle = Clock::now();
      }
      const auto after_d = Clock::now();
      trainer.generator_update({latents(), pool[2].labels, frames()}, report);
      const auto end = Clock::now();
      if (step < warmup) continue;
      d_step_ms.push_back(milliseconds(start, middle));
      d_step_ms.push_back(milliseconds(middle, after_d));
      g_step_ms.push_back(milliseconds(after_d, end));
      step_ms.push_back(milliseconds(start, end));
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    for (dvd::Index step = 0; step < warmup + steps; ++step) {
      const auto start = Clock::now();
      gan.average.generate(latents(), pool[0].labels, {}, dvd::Pass::evaluate());
      if (step >= warmup) sample_ms.push_back(milliseconds(start, Clock::now()));
    }
    if (!std::isfinite(report.spatial.loss + report.temporal.loss + report.generator_loss)) {
      std::fprintf(stderr, "train_step: a loss is not finite\n");
      return 1;
    }

    double load[1] = {0};
    if (getloadavg(load, 1) != 1) load[0] = 0;
    const double gflop = benchmarks::step_flops(config, batch) * 1e-9;
    const nlohmann::ordered_json result = {
        {"dvd", dvd::version},
        {"device", "cpu"},
        {"threads", tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism)},
        {"resolution", config.resolution},
        {"frames", config.frames},
        {"condition_frames", 0},
        {"channels", config.channels},
        {"classes", config.classes},
        {"batch", batch},
        {"recompute", recompute},
        {"steps", steps},
        {"step_ms", rounded(median(step_ms), 3)},
        {"step_ms_min", rounded(*std::min_element(step_ms.begin(), step_ms.end()), 3)},
        {"d_step_ms", rounded(median(d_step_ms), 3)},
        {"g_step_ms", rounded(median(g_step_ms), 3)},
        {"sample_ms", rounded(median(sample_ms), 3)},
        {"peak_rss_mib", rounded(static_cast<double>(usage.ru_maxrss) / 1024, 1)},
        {"peak_arrays_mib", rounded(static_cast<double>(dvd::Cpu::peak_memory()) / 1048576, 1)},
        {"parameters",
         {{"generator", dvd::contents(gan.generator).size()},
          {"spatial", dvd::contents(gan.spatial).size()},
          {"temporal", dvd::contents(gan.temporal).size()}}},
        {"step_gflop", rounded(gflop, 3)},
        {"gflop_per_s", rounded(gflop / median(step_ms) * 1e3, 2)},
        {"load_average", rounded(load[0], 2)}};
    std::printf("%s\n", result.dump().c_str());
  } catch (const dvd::Error& error) {
    std::fprintf(stderr, "train_step: %s\n", error.what());
    return 2;
  }
}

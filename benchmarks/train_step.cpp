// Times training steps and sampling on random data held in memory; prints one JSON line with the fields of the PyTorch
// peer's benchmark. A step is two updates of the discriminators and one of the generator, with Adam, spectral
// normalisation and the moving average. train_step.hpp measures, compiled for each device in a train_step_*.cpp.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "../examples/common/device.hpp"
#include "train_step_options.hpp"

namespace {

constexpr const char* model_help =
    "dvd-gan, prediction (DVD-GAN-FP, five frames given) or nearest (upsampling); on the CPU alone tsru, tsrus "
    "(recurrent units), self-attention, separable-attention (in all networks) or double (precision)";

int time_model(benchmarks::TrainStepOptions& options) {
  using benchmarks::Variant;
  const std::string& model = options.model;
  if (model == "prediction") options.config.condition_frames = 5;
  if (model == "nearest") options.config.upsample = dvd::Upsampling::nearest;
  if (model == "dvd-gan" || model == "prediction" || model == "nearest")
    return examples::on_device(options.device, options.precision,
                               [&]<class T, class D>() { return benchmarks::time_steps<T, D>(options); });
  dvd::require(options.device == "cpu" && options.precision == "float32", "--model ", model,
               " is for the CPU, without --precision");
  if (model == "tsru") return benchmarks::time_steps<float, dvd::Cpu, Variant::tsru>(options);
  if (model == "tsrus") return benchmarks::time_steps<float, dvd::Cpu, Variant::tsrus>(options);
  if (model == "self-attention") return benchmarks::time_steps<float, dvd::Cpu, Variant::self_attention>(options);
  if (model == "separable-attention")
    return benchmarks::time_steps<float, dvd::Cpu, Variant::separable_attention>(options);
  return benchmarks::time_steps<double, dvd::Cpu>(options);
}

}  // namespace

int main(int argc, char** argv) {
  benchmarks::TrainStepOptions options;
  dvd::DvdGanConfig& config = options.config;
  CLI::App app("Times DVD-GAN training steps and sampling on random data; prints one JSON line.", "train_step");
  app.add_option("--resolution", config.resolution)->capture_default_str();
  app.add_option("--frames", config.frames)->capture_default_str();
  app.add_option("--channels", config.channels)->capture_default_str();
  app.add_option("--classes", config.classes)->capture_default_str();
  app.add_option("--batch", options.batch)->capture_default_str();
  app.add_option("--sample-batch", options.sample_batch, "videos to sample at a time; 0: as many as --batch")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  app.add_option("--steps", options.steps)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--warmup", options.warmup)->check(CLI::Range(0, 1'000'000))->capture_default_str();
  app.add_option("--threads", options.threads, "0: all cores")->check(CLI::Range(0, 4096))->capture_default_str();
  app.add_option("--device", options.device, examples::device_help)->capture_default_str();
  app.add_option("--precision", options.precision, examples::precision_help)->capture_default_str();
  app.add_option("--model", options.model, model_help)
      ->check(CLI::IsMember(
          {"dvd-gan", "prediction", "nearest", "tsru", "tsrus", "self-attention", "separable-attention", "double"}))
      ->capture_default_str();
  app.add_flag("--recompute", options.recompute,
               "compute the generator's stages again rather than keep their activations");
  CLI11_PARSE(app, argc, argv);
  try {
    return time_model(options);
  } catch (const dvd::Error& error) {
    std::fprintf(stderr, "train_step: %s\n", error.what());
    return 2;
  }
}

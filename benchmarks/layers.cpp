// The time of one layer, forward and backward with all gradients, on random features. One JSON line.
//
//     build/release/bin/layers --layer tsru --frames 8 --batch 16 --side 16 --channels 16
//     benchmarks/layers_torch.py                                    beside PyTorch, in turns

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <dvd/device/cpu.hpp>
#include <dvd/layers/attention.hpp>
#include <dvd/layers/conv_gru.hpp>
#include <dvd/layers/generator_block.hpp>
#include <dvd/layers/residual_block.hpp>
#include <dvd/layers/tsru.hpp>
#include <dvd/version.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using dvd::Index;
using dvd::Pass;
using Tensor = dvd::Tensor<float>;
using View = dvd::ConstTensorView<float>;
constexpr dvd::Gradients all{dvd::Gradients::all};

struct Options {
  std::string layer = "conv-gru";
  Index frames = 8, batch = 16, side = 16, channels = 16, steps = 10, warmup = 2, threads = 0;
};

Tensor draw(const dvd::Shape& shape, const char* name) {
  Tensor x(shape);
  dvd::Cpu::random_normal(x.size(), dvd::Random(0).stream(name), 1.0F, x.data());
  return x;
}

// Milliseconds of `forward`, which returns the output, followed by `backward`, which takes its gradient: the median.
template <class Forward, class Backward>
double time_passes(const Options& options, const Forward& forward, const Backward& backward) {
  using Clock = std::chrono::steady_clock;
  const Tensor dy = draw(forward().shape(), "dy");
  std::vector<double> times;
  for (Index step = 0; step < options.warmup + options.steps; ++step) {
    const auto start = Clock::now();
    forward();
    backward(dy);
    if (step >= options.warmup)
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

template <class Unit>
double time_unit(const Options& options, const View& x) {
  Unit unit(options.channels, dvd::Random(1));
  typename Unit::Cache cache;
  return time_passes(
      options, [&] { return unit.forward(x, options.frames, {}, Pass::train(), &cache); },
      [&](const View& dy) { unit.backward(dy, cache, all); });
}

template <class L>
double time_layer(const Options& options, const View& x, L layer) {
  typename L::Cache cache;
  return time_passes(
      options, [&] { return layer.forward(x, Pass::train(), &cache); },
      [&](const View& dy) { layer.backward(dy, cache, all); });
}

double time_generator_block(const Options& options, const View& x, dvd::Upsampling upsampling) {
  constexpr Index condition = 240;
  dvd::GeneratorBlock<float> block(options.channels, std::max<Index>(options.channels / 2, 1), options.frames,
                                   condition, upsampling, dvd::Random(1));
  dvd::GeneratorBlock<float>::Cache cache;
  const Tensor c = draw({options.batch, condition}, "condition");
  return time_passes(
      options, [&] { return block.forward(x, c, Pass::train(), &cache); },
      [&](const View& dy) { block.backward(dy, cache, all); });
}

double measure(const Options& options) {
  const std::string& name = options.layer;
  const Index channels = options.channels;
  const dvd::Random random(1);
  const Tensor x = draw({options.frames, options.batch, options.side, options.side, channels}, "x");
  if (name == "conv-gru") return time_unit<dvd::ConvGRU<float>>(options, x);
  if (name == "tsru") return time_unit<dvd::TSRU<float>>(options, x);
  if (name == "tsrus") return time_unit<dvd::TSRUs<float>>(options, x);
  if (name == "self-attention") return time_layer(options, x, dvd::SelfAttention<float>(channels, random));
  if (name == "separable-attention") return time_layer(options, x, dvd::SeparableAttention<float>(channels, random));
  if (name == "block") return time_generator_block(options, x, dvd::Upsampling::bilinear);
  if (name == "nearest-block") return time_generator_block(options, x, dvd::Upsampling::nearest);
  if (name == "block-2d")
    return time_layer(options, x, dvd::ResBlock2D<float>(channels, 2 * channels, false, true, random));
  return time_layer(options, x, dvd::ResBlock3D<float>(channels, 2 * channels, false, true, random));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times a layer, forward and backward, on random features; prints one JSON line.", "layers");
  app.add_option(
         "--layer", options.layer,
         "block, nearest-block: of the generator, to half the channels and twice the size; block-2d, block-3d: of "
         "a discriminator, to twice the channels and half the size")
      ->check(CLI::IsMember({"conv-gru", "tsru", "tsrus", "self-attention", "separable-attention", "block",
                             "nearest-block", "block-2d", "block-3d"}))
      ->capture_default_str();
  const auto add = [&](const char* name, Index& value, Index least) {
    app.add_option(name, value)->check(CLI::Range(least, Index{65536}))->capture_default_str();
  };
  add("--frames", options.frames, 1);
  add("--batch", options.batch, 1);
  add("--side", options.side, 2);
  add("--channels", options.channels, 1);
  add("--steps", options.steps, 1);
  add("--warmup", options.warmup, 0);
  add("--threads", options.threads, 0);  // 0: all cores
  CLI11_PARSE(app, argc, argv);
  try {
    const dvd::ThreadLimit limit(options.threads);
    const double ms = measure(options);
    const nlohmann::ordered_json line = {
        {"dvd", dvd::version},
        {"layer", options.layer},
        {"threads", tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism)},
        {"ms", ms}};
    std::printf("%s\n", line.dump().c_str());
  } catch (const dvd::Error& error) {
    std::fprintf(stderr, "layers: %s\n", error.what());
    return 2;
  }
  return 0;
}

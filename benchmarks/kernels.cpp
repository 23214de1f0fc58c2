// Speed of the kernels on shapes of a DVD-GAN. Counters: GFLOP/s (or GB/s) and its fraction of what this machine
// reaches in a loop of fused multiply-adds on as many threads (or in a copy of memory), measured at the start. A
// convolution's operations are those of the direct method, so that Winograd's can pass the peak; its label says which
// method ran and what bounds it, and `of_bound` is the fraction of the best time that arithmetic and memory allow.
//
//     kernels --benchmark_filter=convolve --benchmark_min_time=0.5

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <dvd/device/cpu.hpp>

namespace {

using dvd::ConvolutionSize;
using dvd::Cpu;
using dvd::Index;
using Tensor = dvd::Tensor<float, Cpu>;

template <class Work>
double best_seconds(const Work& work) {
  double best = 1e9;
  for (int repeat = 0; repeat < 10; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// Multiply-adds of registers alone, on all threads.
double peak_gflops() {
  static const double peak = [] {
    constexpr int lanes = dvd::cpu::native_lanes<float>, chains = 12, rounds = 200'000;
    using V = dvd::cpu::Vector<float, lanes>;
    const Index tasks =
        4 * static_cast<Index>(tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism));
    const double seconds = best_seconds([&] {
      dvd::cpu::parallel_for(tasks, [](Index task) {
        V sum[chains];  // different at first, or the compiler would see one chain
        dvd::cpu::unroll<chains>([&](int i) __attribute__((always_inline)) { sum[i] = V{} + static_cast<float>(i); });
        const V factor = V{} + (1 - 1e-6f * static_cast<float>(task)), value = V{} + 1e-3f;
        for (int round = 0; round < rounds; ++round)
          dvd::cpu::unroll<chains>([&](int i) __attribute__((always_inline)) { sum[i] = sum[i] * factor + value; });
        V total{};
        for (const V& chain : sum) total += chain;
        benchmark::DoNotOptimize(total);
      });
    });
    return 2e-9 * lanes * chains * rounds * static_cast<double>(tasks) / seconds;
  }();
  return peak;
}

/// A copy of an array that no cache holds, reads and writes counted.
double peak_gigabytes() {
  static const double peak = [] {
    const Index size = Index{1} << 25;
    const Tensor from = Tensor::zeros(dvd::Shape{size});
    Tensor to = Tensor::zeros(dvd::Shape{size});
    return 8e-9 * static_cast<double>(size) / best_seconds([&] { to.copy_from(from); });
  }();
  return peak;
}

Tensor random_tensor(dvd::Shape shape) {
  Tensor result(shape);
  Cpu::random_normal(result.size(), dvd::Random(1), 1.0f, result.data());
  return result;
}

/// Runs `work`, which does `amount` of something, and reports its rate in units of 1e9 and as a fraction of `peak`.
template <class Work>
void measure(benchmark::State& state, const char* unit, double amount, const char* fraction, double peak,
             const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) work();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double rate = amount * 1e-9 * static_cast<double>(state.iterations()) / seconds;
  state.counters[unit] = rate;
  state.counters[fraction] = rate / peak;
}

template <class Work>
void measure_bytes(benchmark::State& state, double bytes, const Work& work) {
  measure(state, "GB/s", bytes, "of_copy", peak_gigabytes(), work);
}

// Arguments: frames, batch, side, inputs, outputs, kernel frames, kernel.
struct Convolution {
  ConvolutionSize size;
  Tensor x, weight, y;

  explicit Convolution(const benchmark::State& state)
      : size{state.range(0), state.range(1), state.range(2), state.range(2),
             state.range(3), state.range(4), state.range(5), state.range(6)},
        x(random_tensor({size.positions(), size.inputs})),
        weight(random_tensor({size.taps(), size.inputs, size.outputs})),
        y(random_tensor({size.positions(), size.outputs})) {}

  dvd::ConvolutionInput<float> input() const { return {x.data()}; }

  double flops() const {
    return 2.0 * static_cast<double>(size.positions()) * static_cast<double>(size.taps() * size.inputs * size.outputs);
  }

  /// What is multiplied in fact: by a form of Winograd's method 36 or 25 products for every tile of 4x4 pixels.
  double executed_flops() const {
    const Index points = dvd::cpu::points_of(dvd::cpu::method_for(size));
    if (points == 1) return flops();
    const auto tiles = static_cast<double>(dvd::cpu::tiles_of(size) * (size.kernel_frames > 1 ? size.frames : 1));
    return 2.0 * tiles * static_cast<double>(points * size.kernel_frames * size.inputs * size.outputs);
  }

  double bytes() const { return 4.0 * static_cast<double>(x.size() + weight.size() + y.size()); }
};

/// Runs `work` and says what bounds it.
template <class Work>
void measure_convolution(benchmark::State& state, const Convolution& c, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) work();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                         static_cast<double>(state.iterations());
  const double arithmetic = c.executed_flops() * 1e-9 / peak_gflops(), memory = c.bytes() * 1e-9 / peak_gigabytes();
  state.counters["GFLOP/s"] = c.flops() * 1e-9 / seconds;
  state.counters["of_peak"] = c.flops() * 1e-9 / seconds / peak_gflops();
  state.counters["of_bound"] = std::max(arithmetic, memory) / seconds;
  constexpr const char* methods[] = {"rows", "direct", "winograd", "winograd, pooled", "winograd, repeated"};
  state.SetLabel(std::string(methods[static_cast<std::size_t>(dvd::cpu::method_for(c.size))]) +
                 (arithmetic > memory ? ", bound by arithmetic" : ", bound by memory"));
}

void convolve(benchmark::State& state) {
  Convolution c(state);
  measure_convolution(state, c, [&] {
    Cpu::convolve(c.size, c.input(), Cpu::filter(c.size, c.weight.data()), nullptr, c.y.data(), c.size.outputs, false);
  });
}

void convolve_backward_input(benchmark::State& state) {
  Convolution c(state);
  measure_convolution(state, c, [&] {
    Cpu::convolve_backward_input(c.size, c.input(), c.y.data(), c.size.outputs,
                                 Cpu::backward_filter(c.size, c.weight.data()), c.x.data(), false);
  });
}

void convolve_backward_weight(benchmark::State& state) {
  Convolution c(state);
  measure_convolution(
      state, c, [&] { Cpu::convolve_backward_weight(c.size, c.input(), c.y.data(), c.size.outputs, c.weight.data()); });
}

/// The second convolution of a discriminator's block and the first one of a generator's, with all that is fused in.
void convolve_rectified_pooled(benchmark::State& state) {
  Convolution c(state);
  c.size.pool = true;
  measure_convolution(state, c, [&] {
    Cpu::convolve(c.size, {c.x.data(), nullptr, nullptr, true}, Cpu::filter(c.size, c.weight.data()), nullptr,
                  c.y.data(), c.size.outputs, false);
  });
}

void convolve_normalized_upsampled(benchmark::State& state) {
  Convolution c(state);
  c.size.upsample = dvd::Upsampling::bilinear;
  const Tensor scale = random_tensor({c.size.frames * c.size.batch * c.size.inputs});
  measure_convolution(state, c, [&] {
    Cpu::convolve(c.size, {c.x.data(), scale.data(), scale.data(), true}, Cpu::filter(c.size, c.weight.data()), nullptr,
                  c.y.data(), c.size.outputs, false);
  });
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgNames({"T", "N", "R", "in", "out", "kt", "k"});
  benchmark
      ->Args({1, 128, 32, 8, 8, 1, 3})    // generator, last stage at ch 4
      ->Args({1, 128, 32, 3, 8, 1, 3})    // D_S, first convolution
      ->Args({1, 128, 32, 8, 3, 1, 3})    // generator, to RGB
      ->Args({1, 64, 32, 16, 16, 1, 3})   // generator, last stage at ch 8
      ->Args({1, 64, 16, 32, 32, 1, 3})   //
      ->Args({1, 64, 8, 64, 64, 1, 3})    //
      ->Args({1, 96, 16, 64, 64, 1, 3})   //
      ->Args({1, 4, 128, 16, 16, 1, 3})   // large images
      ->Args({1, 8, 4, 64, 192, 1, 3})    // ConvGRU, one frame
      ->Args({1, 8, 8, 128, 256, 1, 3})   //
      ->Args({1, 16, 4, 512, 512, 1, 3})  // wide and small
      ->Args({1, 16, 4, 1024, 1024, 1, 3})
      ->Args({1, 64, 32, 16, 16, 1, 1})     // shortcut
      ->Args({1, 16, 32, 64, 128, 1, 1})    //
      ->Args({1, 512, 1, 256, 1024, 1, 1})  // a matrix product
      ->Args({8, 16, 16, 8, 8, 3, 3})       // D_T, first block
      ->Args({12, 2, 32, 32, 64, 3, 3});
}
BENCHMARK(convolve)->Apply(shapes);
BENCHMARK(convolve_backward_input)->Apply(shapes);
BENCHMARK(convolve_backward_weight)->Apply(shapes);

void fused_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgNames({"T", "N", "R", "in", "out", "kt", "k"});
  benchmark->Args({1, 64, 32, 16, 16, 1, 3})->Args({1, 32, 64, 32, 32, 1, 3});
}
BENCHMARK(convolve_rectified_pooled)->Apply(fused_shapes);
BENCHMARK(convolve_normalized_upsampled)->Apply(fused_shapes);

// The rest is bound by memory. Arguments: images, side, channels.

void batch_moments(benchmark::State& state) {
  const Index frames = 8, rows = state.range(0) / frames * state.range(1) * state.range(1), channels = state.range(2);
  const Tensor x = random_tensor({frames, rows, channels});
  Tensor mean(dvd::Shape{frames, channels}), variance(mean.shape());
  measure_bytes(state, 4.0 * static_cast<double>(x.size()),
                [&] { Cpu::moments(frames, rows, channels, x.data(), mean.data(), variance.data()); });
}

void scale_shift_relu(benchmark::State& state) {
  const Index images = state.range(0), rows = state.range(1) * state.range(1), channels = state.range(2);
  const Tensor x = random_tensor({images, rows, channels}), scale = random_tensor({images, channels});
  Tensor y(x.shape());
  measure_bytes(state, 8.0 * static_cast<double>(x.size()), [&] {
    Cpu::scale_shift(images, rows, channels, x.data(), scale.data(), scale.data(), true, y.data());
  });
}

void upsample_bilinear(benchmark::State& state) {
  const Index images = state.range(0), side = state.range(1), channels = state.range(2);
  const Tensor x = random_tensor({images, side, side, channels});
  Tensor y(dvd::Shape{images, 2 * side, 2 * side, channels});
  measure_bytes(state, 4.0 * static_cast<double>(x.size() + y.size()),
                [&] { Cpu::upsample_bilinear(images, side, side, channels, x.data(), y.data()); });
}

void average_pool(benchmark::State& state) {
  const Index images = state.range(0), side = state.range(1), channels = state.range(2);
  const Tensor x = random_tensor({images, side, side, channels});
  Tensor y(dvd::Shape{images, side / 2, side / 2, channels});
  measure_bytes(state, 4.0 * static_cast<double>(x.size() + y.size()),
                [&] { Cpu::average_pool(1, images, side, side, channels, 1, x.data(), y.data()); });
}

void relu(benchmark::State& state) {
  const Tensor x = random_tensor({state.range(0), state.range(1), state.range(1), state.range(2)});
  Tensor y(x.shape());
  measure_bytes(state, 8.0 * static_cast<double>(x.size()), [&] { Cpu::relu(x.size(), x.data(), y.data()); });
}

/// Of a step of a ConvGRU: sigmoid of two gates, the reset state, and the new state.
void gru_gates(benchmark::State& state) {
  const Index rows = state.range(0) * state.range(1) * state.range(1), width = state.range(2);
  Tensor gates = random_tensor({rows, 3 * width}), reset_state(dvd::Shape{rows, width});
  const Tensor before = random_tensor({rows, width});
  Tensor output(before.shape());
  measure_bytes(state, 4.0 * static_cast<double>(rows * width) * (2 * 3 + 4), [&] {
    const dvd::GruGates<float> side_by_side{gates.data(), 3 * width, gates.data() + 2 * width, 3 * width};
    Cpu::gru_reset(rows, width, side_by_side, before.data(), reset_state.data());
    Cpu::gru_output(rows, width, side_by_side, before.data(), output.data());
  });
}

void upsample_nearest(benchmark::State& state) {
  const Index images = state.range(0), side = state.range(1), channels = state.range(2);
  const Tensor x = random_tensor({images, side, side, channels});
  Tensor y(dvd::Shape{images, 2 * side, 2 * side, channels});
  measure_bytes(state, 4.0 * static_cast<double>(x.size() + y.size()),
                [&] { Cpu::upsample_nearest(images, side, side, channels, x.data(), y.data()); });
}

void adam(benchmark::State& state) {
  const Index size = state.range(0) * state.range(1) * state.range(1) * state.range(2);
  const Tensor gradient = random_tensor({size});
  Tensor weight = random_tensor({size}), average = Tensor::zeros({size}), square = Tensor::zeros({size});
  const std::vector<dvd::AdamArrays<float>> list{{size, gradient.data(), weight.data(), average.data(), square.data()}};
  const float rates[] = {1e-4f, 1.0f, 0.1f}, apply = 1;
  measure_bytes(state, 28.0 * static_cast<double>(size), [&] { Cpu::adam(list, 0.0f, 0.999f, 1e-8f, rates, &apply); });
}

void images(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgNames({"images", "R", "C"});
  benchmark->Args({128, 32, 8})->Args({96, 64, 16})->Args({96, 16, 64});
}
BENCHMARK(batch_moments)->Apply(images);
BENCHMARK(scale_shift_relu)->Apply(images);
BENCHMARK(upsample_bilinear)->Apply(images);
BENCHMARK(average_pool)->Apply(images);
BENCHMARK(upsample_nearest)->Apply(images);
BENCHMARK(gru_gates)->Apply(images);
BENCHMARK(relu)->Apply(images);
BENCHMARK(adam)->Apply(images);

/// Warping by offsets of a pixel or so, as a TSRU does.
struct Warp {
  Index images, side, channels;
  Tensor x, offsets;

  explicit Warp(const benchmark::State& state)
      : images(state.range(0)),
        side(state.range(1)),
        channels(state.range(2)),
        x(random_tensor({images, side, side, channels})),
        offsets(random_tensor({images, side, side, 2})) {}
};

void warp(benchmark::State& state) {
  const Warp w(state);
  Tensor y(w.x.shape());
  measure_bytes(state, 4.0 * static_cast<double>(2 * w.x.size() + w.offsets.size()),
                [&] { Cpu::warp(w.images, w.side, w.side, w.channels, w.x.data(), w.offsets.data(), y.data()); });
}

void warp_backward(benchmark::State& state) {
  const Warp w(state);
  const Tensor dy = random_tensor(w.x.shape());
  Tensor dx(w.x.shape()), doffsets(w.offsets.shape());
  measure_bytes(state, 4.0 * static_cast<double>(3 * w.x.size() + 2 * w.offsets.size()), [&] {
    Cpu::warp_backward(w.images, w.side, w.side, w.channels, w.x.data(), w.offsets.data(), dy.data(), dx.data(),
                       doffsets.data());
  });
}
BENCHMARK(warp)->Apply(images);
BENCHMARK(warp_backward)->Apply(images);

/// Attention of widths C/8 and C/2: over the pixels of images with pooled keys, and along an axis of R.
struct Attention {
  dvd::AttentionSize size;
  Tensor query, key, value, dy;

  Attention(const benchmark::State& state, bool along_axis)
      : size{state.range(0) * (along_axis ? state.range(1) : 1),
             along_axis ? state.range(1) : state.range(1) * state.range(1),
             along_axis ? state.range(1) : state.range(1) * state.range(1) / 4,
             1,
             state.range(2) / 8,
             state.range(2) / 2},
        query(random_tensor({size.groups, size.queries, size.width})),
        key(random_tensor({size.groups, size.keys, size.width})),
        value(random_tensor({size.groups, size.keys, size.value_width})),
        dy(random_tensor({size.groups, size.queries, size.value_width})) {}

  /// Of one product of queries and keys with rows of both widths; exponentials are not counted.
  double flops() const {
    return 2.0 * static_cast<double>(size.groups * size.queries * size.keys * (size.width + size.value_width));
  }
};

template <bool AlongAxis>
void attend(benchmark::State& state) {
  const Attention a(state, AlongAxis);
  Tensor y(a.dy.shape());
  measure(state, "GFLOP/s", a.flops(), "of_peak", peak_gflops(),
          [&] { Cpu::attend(a.size, a.query.data(), a.key.data(), a.value.data(), y.data()); });
}

template <bool AlongAxis>
void attend_backward(benchmark::State& state) {
  const Attention a(state, AlongAxis);
  Tensor dquery(a.query.shape()), dkey(a.key.shape()), dvalue(a.value.shape());
  // The weights again, and two products for each of both widths.
  const double flops = 2 * a.flops() + 2.0 * static_cast<double>(a.size.groups * a.size.queries * a.size.keys) *
                                           static_cast<double>(a.size.width);
  measure(state, "GFLOP/s", flops, "of_peak", peak_gflops(), [&] {
    Cpu::attend_backward(a.size, a.query.data(), a.key.data(), a.value.data(), a.dy.data(), dquery.data(), dkey.data(),
                         dvalue.data());
  });
}
BENCHMARK(attend<false>)->Name("attend_frame")->Apply(images);
BENCHMARK(attend_backward<false>)->Name("attend_frame_backward")->Apply(images);
BENCHMARK(attend<true>)->Name("attend_axis")->Apply(images);
BENCHMARK(attend_backward<true>)->Name("attend_axis_backward")->Apply(images);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  std::printf("peak of fused multiply-adds: %.1f GFLOP/s, of copying memory: %.1f GB/s\n", peak_gflops(),
              peak_gigabytes());
  benchmark::RunSpecifiedBenchmarks();
}

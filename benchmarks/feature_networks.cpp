// Clips a second through the networks behind the scores, with weights that are drawn. One JSON line, or with --parts a
// line for every part: where the time goes.
//
//     build/release/bin/feature_networks --network i3d --clips 8
//     benchmarks/feature_networks_torch.py                         beside PyTorch, in turns
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/metrics/c3d.hpp"
#include "dvd/metrics/i3d.hpp"

namespace {

using namespace dvd;

// Of what passes, and of what the cores spend on this program, which others on the machine change less.
class Stopwatch {
 public:
  double wall() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double cores() const { return static_cast<double>(std::clock() - of_cores_) / CLOCKS_PER_SEC; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  std::clock_t of_cores_ = std::clock();
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Weights as large as those of trained networks are: activations neither vanish nor grow.
template <class Network>
void draw_weights(Network& network) {
  const Random random(1);
  for (auto& [name, parameter] : contents(network).parameters) {
    Tensor<float>& value = parameter->value;
    if (value.shape().rank() < 2) continue;
    const Index fan_in = value.size() / value.extent(0);
    Cpu::random_normal(value.size(), random.stream(name), std::sqrt(2 / static_cast<float>(fan_in)), value.data());
  }
}

// Milliseconds of a clip, and of all cores' time for it: medians.
struct Times {
  std::vector<double> wall, cores;

  void add(const Stopwatch& watch) {
    wall.push_back(1000 * watch.wall());
    cores.push_back(1000 * watch.cores());
  }
};

template <class Network>
Times measure(Network& network, const Shape& shape, Index clips) {
  draw_weights(network);
  Tensor<float> x(shape);
  Cpu::random_normal(x.size(), Random(2), 0.5f, x.data());
  Times times;
  network(x);  // makes filters
  for (Index i = 0; i < clips; ++i) {
    const Stopwatch watch;
    network(x);
    times.add(watch);
  }
  return times;
}

// `run(x, watch)` shows the network a clip.
template <class Network, class Run>
void print_parts(Network& network, const Shape& shape, Index clips, const Run& run) {
  draw_weights(network);
  Tensor<float> x(shape);
  Cpu::random_normal(x.size(), Random(2), 0.5f, x.data());
  std::vector<std::pair<std::string, Times>> parts;
  for (Index i = 0; i < clips + 1; ++i) {
    Stopwatch watch;
    std::size_t part = 0;
    const auto end_part = [&](std::string_view name) {
      if (i == 0)
        parts.emplace_back(name, Times());
      else
        parts[part++].second.add(watch);
      watch = Stopwatch();
    };
    run(x, [&](std::string_view name, const ConstTensorView<float>&) { end_part(name); });
    end_part("the rest");
  }
  std::printf("%-18s %10s %14s\n", "", "ms", "ms of a core");
  for (const auto& [name, times] : parts)
    if (median(times.wall) >= 0.005)
      std::printf("%-18s %10.2f %14.2f\n", name.c_str(), median(times.wall), median(times.cores));
}

}  // namespace

int main(int argc, char** argv) try {
  std::string name = "i3d";
  Index clips = 8, frames = 16, threads = 0;
  bool parts = false;
  CLI::App app("Clips a second through the networks behind the scores");
  app.add_option("--network", name, "i3d (16x224x224) or c3d (16x112x112)")->check(CLI::IsMember({"i3d", "c3d"}));
  app.add_option("--clips", clips, "of which the median is printed")->check(CLI::Range(1, 10000));
  app.add_option("--frames", frames, "of a clip of I3D's")->check(CLI::Range(9, 1000));
  app.add_option("--threads", threads, "0: all cores")->check(CLI::Range(0, 1024));
  app.add_flag("--parts", parts, "a line for every part");
  CLI11_PARSE(app, argc, argv);
  const ThreadLimit limit(threads);

  const Shape shape = name == "i3d" ? Shape{frames, 1, 224, 224, 3} : Shape{16, 1, 112, 112, 3};
  if (parts) {
    I3d<float> i3d;
    C3d<float> c3d;
    if (name == "i3d")
      print_parts(i3d, shape, clips, [&](const Tensor<float>& x, const auto& watch) { i3d.trunk(x, watch); });
    else
      print_parts(c3d, shape, clips, [&](const Tensor<float>& x, const auto& watch) { c3d(x, watch); });
    return 0;
  }
  Times times;
  if (name == "i3d") {
    I3d<float> network;
    times = measure(network, shape, clips);
  } else {
    C3d<float> network;
    times = measure(network, shape, clips);
  }
  const double ms = median(times.wall);
  std::printf("{\"network\":\"%s\",\"clip_ms\":%.2f,\"clips_per_second\":%.3f,\"core_ms\":%.2f,\"peak_mib\":%.0f}\n",
              name.c_str(), ms, 1000 / ms, median(times.cores), static_cast<double>(Cpu::peak_memory()) / 1048576.0);
} catch (const std::exception& error) {
  std::fprintf(stderr, "feature_networks: %s\n", error.what());
  return 1;
}

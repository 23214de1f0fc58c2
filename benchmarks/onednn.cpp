// Convolutions of this library beside those of oneDNN (2.x), in turns, medians; effective GFLOP/s, as if every
// convolution were done directly. oneDNN gets images in the layouts it asks for and its faster algorithm of two, direct
// and Winograd; this library reads and writes channels-last. Weights, which change with every step, come and go plain:
// on both sides they are made ready, and their gradients brought back, within the time.
//
//     onednn [threads]

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dvd/device/cpu.hpp>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

extern "C" void omp_set_num_threads(int);

namespace {

using dvd::ConvolutionSize;
using dvd::Cpu;
using dvd::Index;
using Tensor = dvd::Tensor<float, Cpu>;
using Work = std::function<void()>;

double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Tensor random_tensor(Index size) {
  Tensor result(dvd::Shape{size});
  Cpu::random_normal(result.size(), dvd::Random(1), 1.0f, result.data());
  return result;
}

dnnl::engine& engine() {
  static dnnl::engine own(dnnl::engine::kind::cpu, 0);
  return own;
}

dnnl::memory filled(const dnnl::memory::desc& description) {
  dnnl::memory result(description, engine());
  std::fill_n(static_cast<char*>(result.get_data_handle()), description.get_size(), char{0});
  return result;
}

/// Brings `from` into the layout of `to`; nothing where it is the same.
Work reorder(const dnnl::memory& from, const dnnl::memory& to) {
  if (from.get_desc() == to.get_desc()) return [] {};
  const dnnl::reorder own(from, to);
  return [own, from = dnnl::memory(from), to = dnnl::memory(to)]() mutable {
    dnnl::stream stream(engine());
    own.execute(stream, from, to);
    stream.wait();
  };
}

/// oneDNN's primitive as something to call, with what a weight, of the plain layout `weight`, needs before or after.
/// Throws dnnl::error where it has none for this size.
template <class Descriptor>
Work primitive(const Descriptor& description, int first, int second, int result, const dnnl::memory::desc& weight) {
  const auto argument = [&](int index) {
    const auto layout = index == DNNL_ARG_SRC            ? description.src_desc()
                        : index == DNNL_ARG_DIFF_SRC     ? description.diff_src_desc()
                        : index == DNNL_ARG_WEIGHTS      ? description.weights_desc()
                        : index == DNNL_ARG_DIFF_WEIGHTS ? description.diff_weights_desc()
                        : index == DNNL_ARG_DST          ? description.dst_desc()
                                                         : description.diff_dst_desc();
    return filled(layout);
  };
  std::unordered_map<int, dnnl::memory> arguments = {
      {first, argument(first)}, {second, argument(second)}, {result, argument(result)}};
  const dnnl::memory plain = filled(weight);
  const Work before = second == DNNL_ARG_WEIGHTS ? reorder(plain, arguments.at(second)) : [] {};
  const Work after = result == DNNL_ARG_DIFF_WEIGHTS ? reorder(arguments.at(result), plain) : [] {};
  const dnnl::primitive own(description);
  return [own, arguments, before, after] {
    before();
    dnnl::stream stream(engine());
    own.execute(stream, arguments);
    stream.wait();
    after();
  };
}

/// A convolution as oneDNN describes it.
struct Description {
  dnnl::memory::dims x, w, y, stride, pad;
};

Description described(const ConvolutionSize& s) {
  const bool video = s.kernel_frames > 1;
  Description result{{s.frames * s.batch, s.inputs, s.height, s.width},
                     {s.outputs, s.inputs, s.kernel, s.kernel},
                     {s.frames * s.batch, s.outputs, s.height, s.width},
                     {1, 1},
                     {s.kernel / 2, s.kernel / 2}};
  if (video)
    result = {{s.batch, s.inputs, s.frames, s.height, s.width},
              {s.outputs, s.inputs, 3, 3, 3},
              {s.batch, s.outputs, s.frames, s.height, s.width},
              {1, 1, 1},
              {1, 1, 1}};
  return result;
}

/// oneDNN's forward pass, gradient of the input and gradient of the weight; an empty one where it has none.
std::array<Work, 3> others(const Description& c, dnnl::algorithm algorithm) {
  using namespace dnnl;
  using Forward = convolution_forward;
  using Tag = memory::format_tag;
  const auto description = [&](const memory::dims& dims) {
    return memory::desc(dims, memory::data_type::f32, Tag::any);
  };
  const memory::desc plain(c.w, memory::data_type::f32, c.w.size() == 5 ? Tag::oidhw : Tag::oihw);
  std::array<Work, 3> result;
  try {
    const Forward::primitive_desc forward({prop_kind::forward_training, algorithm, description(c.x), description(c.w),
                                           description(c.y), c.stride, c.pad, c.pad},
                                          engine());
    result[0] = primitive(forward, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, plain);
    const convolution_backward_data::primitive_desc data(
        {algorithm, description(c.x), description(c.w), description(c.y), c.stride, c.pad, c.pad}, engine(), forward);
    result[1] = primitive(data, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, plain);
    const convolution_backward_weights::primitive_desc weights(
        {algorithm, description(c.x), description(c.w), description(c.y), c.stride, c.pad, c.pad}, engine(), forward);
    result[2] = primitive(weights, DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, plain);
  } catch (const dnnl::error&) {
    // It has no Winograd for this size: what is missing stays empty.
  }
  return result;
}

/// Prints effective GFLOP/s of ours and of the better of oneDNN's two, for each kind that ours has.
void take_turns(double flops, const std::array<Work, 3>& ours, const Description& description) {
  const std::array<std::array<Work, 3>, 2> theirs = {others(description, dnnl::algorithm::convolution_direct),
                                                     others(description, dnnl::algorithm::convolution_winograd)};
  for (std::size_t kind = 0; kind < 3 && ours[kind]; ++kind) {
    std::vector<double> own, other[2];
    for (int round = 0; round < 8; ++round) {
      const double mine = seconds(ours[kind]);
      if (round > 0) own.push_back(mine);  // the first one warms up
      for (std::size_t i = 0; i < 2; ++i)
        if (theirs[i][kind]) {
          const double time = seconds(theirs[i][kind]);
          if (round > 0) other[i].push_back(time);
        }
    }
    const auto median = [](std::vector<double> times) {
      if (times.empty()) return 1e30;
      std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
      return times[times.size() / 2];
    };
    const double best = std::min(median(other[0]), median(other[1]));
    std::printf(" | %5.0f %5.0f%c %5.2f", flops * 1e-9 / median(own), flops * 1e-9 / best,
                median(other[1]) < median(other[0]) ? 'w' : ' ', best / median(own));
  }
  std::printf("\n");
  std::fflush(stdout);
}

void compare(const ConvolutionSize& s) {
  const Tensor x = random_tensor(s.input_size()), weight = random_tensor(s.taps() * s.inputs * s.outputs);
  Tensor y = random_tensor(s.output_size()), dx(x.shape()), dweight(weight.shape());
  const dvd::ConvolutionInput<float> input{x.data()};
  const std::array<Work, 3> ours = {
      [&] { Cpu::convolve(s, input, Cpu::filter(s, weight.data()), nullptr, y.data(), s.outputs, false); },
      [&] {
        Cpu::convolve_backward_input(s, input, y.data(), s.outputs, Cpu::backward_filter(s, weight.data()), dx.data(),
                                     false);
      },
      [&] { Cpu::convolve_backward_weight(s, input, y.data(), s.outputs, dweight.data()); }};
  std::printf("%4ld > %-4ld %3ldx%-3ld %2ld frames %s", s.inputs, s.outputs, s.height, s.width, s.frames * s.batch,
              s.kernel_frames > 1 ? "3x3x3"
              : s.kernel == 1     ? "1x1  "
                                  : "3x3  ");
  const double flops = 2.0 * static_cast<double>(s.positions()) * static_cast<double>(s.taps() * s.inputs * s.outputs);
  take_turns(flops, ours, described(s));
}

/// The first layer of I3D, of 64 frames: 7x7x7 with stride 2; this library has it for frozen networks, forward alone.
void compare_first_layer_of_i3d() {
  const Index side = 112, outputs = 64;
  const dvd::WindowAxis time{32, 16, 7, 2, 1, 3}, across{side, side / 2, 7, 2, 1, 3};
  dvd::WindowSize size;
  size.time = time, size.height = size.width = across;
  size.batch = 1, size.channels = 3;
  const Tensor x = random_tensor(time.inputs * side * side * 3), weight = random_tensor(343 * 3 * outputs);
  Tensor y = random_tensor(time.outputs * side * side / 4 * outputs);
  const std::array<Work, 3> ours = {[&] {
    Cpu::convolve_windows(size, x.data(), Cpu::window_filter(size, outputs, weight.data()), nullptr, false, y.data());
  }};
  std::printf("%4d > %-4ld %3ldx%-3ld %2ld frames 7x7x7, stride 2\n%37s", 3, outputs, side, side, time.inputs, "");
  take_turns(2.0 * 343 * 3 * static_cast<double>(y.size()), ours,
             {{1, 3, time.inputs, side, side},
              {outputs, 3, 7, 7, 7},
              {1, outputs, time.outputs, side / 2, side / 2},
              {2, 2, 2},
              {3, 3, 3}});
}

}  // namespace

int main(int argc, char** argv) {
  // Threads of OpenMP that spin between two calls would take the cores from those of the other library. It reads this
  // before main begins.
  if (!std::getenv("OMP_WAIT_POLICY")) {
    setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
    execv("/proc/self/exe", argv);
  }
  const Index threads = argc > 1 ? std::atol(argv[1]) : 0;
  const dvd::ThreadLimit limit(threads);
  if (threads > 0) omp_set_num_threads(static_cast<int>(threads));
  std::printf("effective GFLOP/s: dvd, oneDNN %d.%d (w: its Winograd), times as fast\n", DNNL_VERSION_MAJOR,
              DNNL_VERSION_MINOR);
  std::printf("%-37s |      forward        |   input gradient    |   weight gradient\n", "");
  const ConvolutionSize sizes[] = {
      {1, 64, 64, 64, 3, 16, 1, 3},   {1, 4, 128, 128, 3, 64, 1, 3},   {1, 64, 32, 32, 8, 8, 1, 3},
      {1, 64, 32, 32, 16, 16, 1, 3},  {1, 16, 64, 64, 32, 32, 1, 3},   {1, 16, 64, 64, 32, 3, 1, 3},
      {1, 16, 32, 32, 64, 64, 1, 3},  {1, 16, 16, 16, 128, 128, 1, 3}, {1, 4, 128, 128, 16, 16, 1, 3},
      {1, 64, 8, 8, 256, 256, 1, 3},  {1, 64, 4, 4, 512, 512, 1, 3},   {1, 32, 4, 4, 1024, 1024, 1, 3},
      {1, 4, 4, 4, 1024, 512, 1, 3},  {1, 32, 8, 8, 1024, 512, 1, 3},  {1, 4, 8, 8, 2048, 1024, 1, 3},
      {1, 4, 8, 8, 128, 256, 1, 3},   {1, 4, 4, 4, 128, 256, 1, 3},    {16, 4, 32, 32, 32, 32, 3, 3},
      {8, 8, 16, 16, 32, 64, 3, 3},   {1, 16, 32, 32, 64, 128, 1, 1},  {1, 64, 16, 16, 32, 64, 1, 1},
      {1, 32, 8, 8, 512, 1024, 1, 1},
  };
  for (const ConvolutionSize& size : sizes) compare(size);
  compare_first_layer_of_i3d();
}

// What a training step gives a GPU to do, counted without one: launches, bytes, operations, cuDNN's plans, and how long
// all that takes on a card of a given speed if every launch takes as long as the slowest of being launched, moving its
// bytes and doing its arithmetic. The Trainer runs over the emulated GPU of the tests, which does no work here.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "roofline.hpp"
#include "schedule.hpp"
#include "step_count.hpp"
#ifdef DVD_GPU_COST_PLANS
#include "plans.hpp"
#endif

namespace {

using namespace benchmarks;
using nlohmann::ordered_json;

struct Options {
  TrainStepOptions step{.precision = "bfloat16"};
  double peak_tflops = 0, bandwidth = 3.35, launch_us = 2.5;
  bool json = false, plans = true;
  std::string schedule;
  std::vector<Index> videos{1, 2, 4, 8};
};

ordered_json as_json(const Cost& cost) {
  return {{"launches", cost.launches},
          {"gb_read", rounded(cost.read * 1e-9, 4)},
          {"gb_written", rounded(cost.written * 1e-9, 4)},
          {"gflop", rounded(cost.flop * 1e-9, 3)},
          {"ms", rounded(cost.total() * 1e3, 4)},
          {"ms_by_launches", rounded(cost.seconds[by_launches] * 1e3, 4)},
          {"ms_by_bytes", rounded(cost.seconds[by_bytes] * 1e3, 4)},
          {"ms_by_arithmetic", rounded(cost.seconds[by_arithmetic] * 1e3, 4)}};
}

void print_part(const char* name, const std::vector<EmulatedWork>& work, const Card& card) {
  const Cost all = cost_of(work, card);
  const auto launches = [&](EmulatedWork::Kind kind) { return cost_of(work, card, kind).launches; };
  const Cost kernels = cost_of(work, card, EmulatedWork::kernel);
  std::printf("%-28s %5d launches: %d kernels, %d convolutions, %d products, %d copies\n", name, all.launches,
              kernels.launches, launches(EmulatedWork::convolution), launches(EmulatedWork::product),
              launches(EmulatedWork::copy));
  std::printf(
      "%28s %.2f GB by kernels, %.3f TFLOP; %.2f ms, %.2f bound by launches, %.2f by bytes, %.2f by arithmetic\n", "",
      (kernels.read + kernels.written) * 1e-9, all.flop * 1e-12, all.total() * 1e3, all.seconds[by_launches] * 1e3,
      all.seconds[by_bytes] * 1e3, all.seconds[by_arithmetic] * 1e3);
}

void print_table(const std::vector<EmulatedWork>& work, const Card& card) {
  std::printf("\n%-52s %8s %9s %9s %10s %8s  %s\n", "a step, by name", "launches", "GB read", "written", "GFLOP", "ms",
              "bound by");
  for (const auto& [name, cost] : by_name(work, card))
    std::printf("%-52s %8d %9.3f %9.3f %10.1f %8.3f  %s\n", name.c_str(), cost.launches, cost.read * 1e-9,
                cost.written * 1e-9, cost.flop * 1e-9, cost.total() * 1e3, bound_names[cost.bound()]);
}

#ifdef DVD_GPU_COST_PLANS
/// The plan of each distinct convolution of a step; returns how many have none.
int list_plans(const std::vector<EmulatedWork>& work, const Options& options, ordered_json& json) {
  std::map<AskedConvolution, int> distinct;
  for (const EmulatedWork& each : work)
    if (each.kind == EmulatedWork::convolution) ++distinct[each.asked];
  static constexpr const char* sums[] = {"nothing", "bias", "bias, ReLU", "result", "result, bias"};
  static constexpr const char* directions[] = {"forward", "backward input", "backward weight"};
  int without = 0;
  if (!options.json)
    std::printf("\n%-17s %-20s %-12s %6s %8s %8s %12s %s\n", "convolution", "images x frames x pixels", "channels",
                "calls", "engine", "workspace", "tensor cores", "adds");
  json = ordered_json::array();
  for (const auto& [asked, calls] : distinct) {
    const ChosenPlan plan = choose_plan(asked, options.step.precision == "tf32");
    without += plan.engine < 0;
    const std::string what = dvd::concat(asked[7] > 1 ? "3x" : "", asked[8] ? "4x4 " : "3x3 ", directions[asked[9]]),
                      size = dvd::concat(asked[1], "x", asked[2], "x", asked[3], "x", asked[4]),
                      channels = dvd::concat(asked[5], " > ", asked[6]);
    json.push_back({{"convolution", what},
                    {"size", size},
                    {"channels", channels},
                    {"calls", calls},
                    {"adds", sums[asked[10]]},
                    {"engine", plan.engine},
                    {"workspace", plan.workspace},
                    {"tensor_cores", plan.tensor_cores}});
    if (!options.json)
      std::printf("%-21s %-20s %-12s %6d %8s %8.1fM %12s %s\n", what.c_str(), size.c_str(), channels.c_str(), calls,
                  plan.engine < 0 ? "none" : std::to_string(plan.engine).c_str(),
                  static_cast<double>(plan.workspace) / 1048576, plan.tensor_cores ? "yes" : "no", sums[asked[10]]);
  }
  if (!options.json)
    std::printf("%zu distinct convolutions, planned for %s; %d have no plan\n", distinct.size(), planned_gpu().c_str(),
                without);
  return without;
}
#endif

int run(const Options& options) {
  const TrainStepOptions& step = options.step;
  const bool bfloat16 = step.precision == "bfloat16";
  const double peak = options.peak_tflops > 0    ? options.peak_tflops
                      : bfloat16                 ? 800
                      : step.precision == "tf32" ? 400
                                                 : 60;
  const Card card{peak * 1e12, options.bandwidth * 1e12, options.launch_us * 1e-6};
  EmulatedCounting::instance().dry = true;
  EmulatedGpu::instance().memory = std::size_t{1} << 42;
  dvd::Cuda::allow_tf32(step.precision == "tf32");
  if (!options.schedule.empty()) {
    if (bfloat16)
      write_schedules<dvd::bfloat16>(options.schedule, step, options.videos, card);
    else
      write_schedules<float>(options.schedule, step, options.videos, card);
    return 0;
  }
  const StepCount count = bfloat16 ? count_step<dvd::bfloat16>(step) : count_step<float>(step);
  const double memory = static_cast<double>(count.memory) / (std::size_t{1} << 30);
  ordered_json plans;
  if (options.json) {
    ordered_json names = ordered_json::array();
    for (const auto& [name, cost] : by_name(count.step, card)) {
      ordered_json entry = {{"name", name}};
      entry.update(as_json(cost));
      names.push_back(entry);
    }
    ordered_json result = {{"dvd", dvd::version},
                           {"precision", step.precision},
                           {"resolution", step.config.resolution},
                           {"frames", step.config.frames},
                           {"channels", step.config.channels},
                           {"batch", step.batch},
                           {"peak_tflops", peak},
                           {"bandwidth", options.bandwidth},
                           {"launch_us", options.launch_us},
                           {"memory_gib", rounded(memory, 3)},
                           {"discriminators", as_json(cost_of(count.discriminators, card))},
                           {"generator", as_json(cost_of(count.generator, card))},
                           {"step", as_json(cost_of(count.step, card))},
                           {"by_name", names}};
#ifdef DVD_GPU_COST_PLANS
    if (options.plans && !planned_gpu().empty()) {
      result["convolutions_without_plan"] = list_plans(count.step, options, plans);
      result["plans"] = plans;
    }
#endif
    std::printf("%s\n", result.dump().c_str());
    return 0;
  }
  std::printf("%ldx%ld pixels, %ld frames, ch %ld, batch %ld, %s; %.0f TFLOP/s, %.2f TB/s, %.1f us a launch\n\n",
              step.config.image_height(), step.config.image_width(), step.config.frames, step.config.channels,
              step.batch, step.precision.c_str(), peak, options.bandwidth, options.launch_us);
  print_part("update of discriminators", count.discriminators, card);
  print_part("update of the generator", count.generator, card);
  print_part("step (2 + 1, with inputs)", count.step, card);
  std::printf("%-28s %.2f GiB at most\n", "arrays", memory);
  print_table(count.step, card);
#ifdef DVD_GPU_COST_PLANS
  if (options.plans && planned_gpu().empty())
    std::printf("\nthis cuDNN makes no plans for GPUs that are only described\n");
  else if (options.plans)
    list_plans(count.step, options, plans);
#endif
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  dvd::DvdGanConfig& config = options.step.config;
  CLI::App app(
      "Counts what a training step of DVD-GAN gives a GPU to do, and estimates how long that takes. Needs no GPU.",
      "gpu_cost");
  app.add_option("--resolution", config.resolution)->capture_default_str();
  app.add_option("--frames", config.frames)->capture_default_str();
  app.add_option("--channels", config.channels)->capture_default_str();
  app.add_option("--classes", config.classes)->capture_default_str();
  app.add_option("--batch", options.step.batch)->capture_default_str();
  app.add_option("--precision", options.step.precision)
      ->check(CLI::IsMember({"bfloat16", "tf32", "float32"}))
      ->capture_default_str();
  app.add_flag("--recompute", options.step.recompute,
               "compute the generator's stages again rather than keep their activations");
  app.add_option("--peak-tflops", options.peak_tflops,
                 "what convolutions and products reach; 0: an H100's 800 in bfloat16, 400 in tf32, 60 in float32")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--bandwidth", options.bandwidth, "TB/s")->check(CLI::Range(1e-6, 1e9))->capture_default_str();
  app.add_option("--launch-us", options.launch_us, "microseconds from one launch of a graph to the next")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  app.add_flag("--plans,!--no-plans", options.plans, "list cuDNN's plans, where this build has cuDNN");
  app.add_flag("--json", options.json, "one line of JSON");
  app.add_option("--schedule", options.schedule,
                 "file to write instead: what a rank among others does in a step, for 'scaling predict'");
  app.add_option("--videos", options.videos, "with --schedule: numbers of videos of a rank, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_cost: %s\n", error.what());
    return 2;
  }
}

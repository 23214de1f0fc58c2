// Scores generated videos: Fréchet distance, Inception Score, kernel distance, precision and recall by named protocols,
// and whether a model has memorised what it was trained on.
//
//     evaluate_videos --fake runs/demo                                          moving shapes, by the network built in
//     evaluate_videos --fake samples/videos.safetensors --real ucf-64 --protocol fvd-ref --weights i3d.safetensors
//     evaluate_videos --compare a/scores.json b/scores.json
//
// Read on in options.hpp (what is asked for), evaluation.hpp (from clips to scores), generated.hpp and videos.hpp
// (where clips come from), memorise.hpp, sweep.hpp and result.hpp (what is told). What depends on the device is
// compiled for each in a machine_*.cpp.
#include <dvd/device/cpu.hpp>
#ifdef DVD_WITH_CUDA
#include <dvd/device/cuda.hpp>
#endif

#include "../common/program_on_ranks.hpp"
#include "machine.hpp"
#include "options.hpp"

int main(int argc, char** argv) {
  examples::EvaluateOptions options;
  options.common.out = "scores";
  CLI::App app("Scores generated videos, alone or beside real ones.", "evaluate_videos");
  examples::add_options(app, options);
  return examples::run_on_ranks(app, argc, argv, options.common, [&](examples::Ranks& ranks) {
    if (options.list_protocols || !options.compare.empty()) {
      ranks.agree([&] {
        if (!ranks.first()) return;
        if (options.list_protocols)
          for (const dvd::Protocol& each : dvd::protocols()) fmt::print("{:<20} {}\n", each.name, each.about);
        else
          examples::compare_scores(options);
      });
      return 0;
    }
    return examples::on_device(options.common.device, options.common.precision, [&]<class T, class D>() {
      return examples::evaluate(options, examples::machine<T, D>(), ranks);
    });
  });
}

// How training scales with the number of ranks: measured on the ranks that there are, and simulated for those that
// there are not.
//
//     mpirun -np 2 build/release/bin/scaling steps --batch 8       times steps; what ranks say to each other, and how
//     long mpirun -np 2 build/release/bin/scaling link                  latency and bandwidth between them
//     build/release/bin/scaling record --out costs.json            times the computing of one rank among many
//     build/release/bin/scaling predict costs.json --batch 512 --ranks 32,512 --latency-us 5 --bandwidth 25
//
// benchmarks/scaling.py does all of that, and compares what it predicts with what it measures.

#include <CLI/CLI.hpp>
#include <dvd/distributed/launcher.hpp>
#include <dvd/distributed/thread_communicator.hpp>

#include "link.hpp"
#include "predict.hpp"
#include "record.hpp"
#include "steps.hpp"
#ifdef DVD_WITH_MPI
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>
#endif

namespace {

using namespace benchmarks;

/// Calls `work(ranks)` on all ranks: the processes that MPI has started, or else `threads` threads of this one.
template <class Work>
void on_ranks(Index threads, const Work& work) {
#ifdef DVD_WITH_MPI
  if (dvd::launched_by_mpi()) {
    dvd::MpiCommunicator ranks;
    dvd::guard_ranks(ranks, [&] { work(ranks); });
    return;
  }
#else
  dvd::require(dvd::launched_processes() <= 1, "a launcher has started ", dvd::launched_processes(),
               " processes, but this program was built without MPI; use --ranks, or build with -DDVD_WITH_MPI=ON");
#endif
  if (threads > 1) {
    dvd::run_ranks(threads, work);
  } else {
    dvd::SingleProcess alone;
    work(alone);
  }
}

void print_link(const Link& link) {
  const nlohmann::ordered_json json = {{"latency_us", link.latency * 1e6}, {"bandwidth", link.bandwidth * 1e-9}};
  std::printf("%s\n", json.dump().c_str());
}

void add_size(CLI::App& app, StepsOptions& options) {
  app.add_option("--resolution", options.config.resolution)->capture_default_str();
  app.add_option("--frames", options.config.frames)->capture_default_str();
  app.add_option("--channels", options.config.channels)->capture_default_str();
  app.add_option("--classes", options.config.classes)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--steps", options.steps)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--warmup", options.warmup)->check(CLI::Range(0, 1'000'000))->capture_default_str();
  app.add_option("--threads", options.threads, "of each rank; 0: all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.add_flag("--pin", options.pin, "each rank stays on one core, the next one on the next");
}

/// A number that is given in other units.
void add_scaled(CLI::App& app, const std::string& name, double& value, double unit, const std::string& help) {
  app.add_option_function<double>(
         name, [&value, unit](double given) { value = given * unit; }, help)
      ->check(CLI::Range(1e-9, 1e9));
}

int run(int argc, char** argv) {
  StepsOptions steps;
  RecordOptions record_options;
  PredictOptions prediction;
  Index threads_as_ranks = 1;
  CLI::App app("Measures, and simulates, training on several ranks.", "scaling");
  app.require_subcommand(1);
  const auto add_ranks = [&](CLI::App& command) {
    command
        .add_option("--ranks", threads_as_ranks,
                    "threads of this process to take for ranks, where MPI has started none")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
  };

  CLI::App& timing = *app.add_subcommand("steps", "times steps of all ranks; prints one JSON line");
  add_size(timing, steps);
  add_ranks(timing);
  timing.add_option("--batch", steps.batch, "videos of a batch, of all ranks together")->capture_default_str();
  timing.add_option("--reduce", steps.reduce, "how gradients are summed")
      ->check(CLI::IsMember({"fast", "ordered"}))
      ->capture_default_str();

  CLI::App& linking = *app.add_subcommand("link", "measures latency (us) and bandwidth (GB/s) between ranks");
  add_ranks(linking);
  linking.add_flag("--pin", steps.pin, "each rank stays on one core, the next one on the next");

  CLI::App& recording = *app.add_subcommand("record", "times the computing of a rank among others that are imagined");
  add_size(recording, record_options.steps);
  recording.add_option("--videos", record_options.videos, "numbers of videos of a rank, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  recording.add_option("--out", record_options.out, "file to write")->required();

  CLI::App& predicting = *app.add_subcommand("predict", "simulates steps on many ranks; prints a table");
  Network& network = prediction.network;
  network.between = {5e-6, 25e9};
  network.within = {3e-6, 300e9};
  predicting.add_option("costs", prediction.costs, "file of 'scaling record' or of 'gpu_cost --schedule'")->required();
  predicting.add_option("--ranks", prediction.ranks, "numbers of ranks, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  auto* batch = predicting.add_option("--batch", prediction.batch, "videos of a batch, of all ranks together")
                    ->check(CLI::Range(1, 65536));
  predicting.add_option("--videos", prediction.videos, "videos a rank, where no --batch is given")
      ->check(CLI::Range(1, 65536))
      ->excludes(batch)
      ->capture_default_str();
  add_scaled(predicting, "--latency-us", network.between.latency, 1e-6, "between nodes; default 5");
  add_scaled(predicting, "--bandwidth", network.between.bandwidth, 1e9, "GB/s of a node, each way; default 25");
  predicting.add_option("--ranks-per-node", network.ranks_per_node)->check(CLI::Range(1, 4096))->capture_default_str();
  add_scaled(predicting, "--node-latency-us", network.within.latency, 1e-6, "within a node; default 3");
  add_scaled(predicting, "--node-bandwidth", network.within.bandwidth, 1e9,
             "GB/s of a rank within a node, each way; default 300");
  predicting.add_flag(
      "--beside,!--in-turns", network.beside,
      "whether gradients are summed while a rank computes; where the cores that compute carry them, they "
      "take turns");
  predicting.add_option("--ranks-per-core", prediction.ranks_per_core, "that take turns in computing")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  predicting.add_flag("--json", prediction.json, "a line of JSON a number of ranks");
  CLI11_PARSE(app, argc, argv);

  if (timing) {
    on_ranks(threads_as_ranks, [&](auto& ranks) { time_steps(ranks, steps); });
  } else if (linking) {
    on_ranks(threads_as_ranks, [&](auto& ranks) {
      if (steps.pin) pin_to_core(ranks.rank());
      const Link link = measured_link(ranks);
      if (ranks.rank() == 0) print_link(link);
    });
  } else if (recording) {
    record(record_options);
  } else {
    print_predictions(prediction);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scaling: %s\n", error.what());
    return 2;
  }
}

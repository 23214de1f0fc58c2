// What benchmarks/scaling records is what ranks do: the rank whose others are imagined says the same as real ones.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../../benchmarks/scaling/record.hpp"
#include "../../benchmarks/scaling/simulate.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

using namespace benchmarks;
using namespace dvd::testing;
using dvd::Index;

namespace {

StepsOptions tiny() {
  StepsOptions options;
  options.config = {.frames = 4, .resolution = 8, .channels = 2, .classes = 3, .latent_dim = 4, .embed_dim = 4};
  options.steps = 1;
  options.warmup = 1;
  return options;
}

// The schedule of each of these ranks, with two videos each.
std::vector<Schedule> schedules_of(Index count) {
  StepsOptions options = tiny();
  options.batch = 2 * count;
  std::vector<Schedule> schedules(static_cast<std::size_t>(count));
  dvd::run_ranks(count, [&](dvd::ThreadCommunicator& ranks) {
    dvd::DvdGan<float, dvd::Cpu> gan(options.config);
    MeasuredCommunicator measured(ranks);
    dvd::Trainer trainer(gan, trainer_options(options), measured);
    run_steps(trainer, ranks, options, [&](Clock::time_point begin, Clock::time_point end, bool) {
      schedules[static_cast<std::size_t>(ranks.rank())] = schedule_of(measured.take(), 2, begin, end);
    });
  });
  return schedules;
}

}  // namespace

TEST_CASE("a rank among imagined ones says what each of several real ones says") {
  const Schedule imagined = measured_schedule(tiny(), 2);
  for (const Index count : {2, 3}) {
    const std::vector<Schedule> real = schedules_of(count);
    for (const Schedule& each : real) {
      REQUIRE(each.events.size() == imagined.events.size());
      for (std::size_t i = 0; i < each.events.size(); ++i) {
        CHECK(each.events[i].talk == imagined.events[i].talk);
        if (each.events[i].talk != Talk::sum_counts)  // of a number a rank
          CHECK(each.events[i].bytes == imagined.events[i].bytes);
      }
    }
    const StepTime time = simulate(StepCosts({imagined}), {}, count, 2 * count);
    Index started = 0, waited_for = 0;
    for (const Event& event : real[0].events) {
      started += event.talk == Talk::start_sum;
      waited_for += event.talk != Talk::start_sum && event.talk != Talk::finish_sums;
    }
    CHECK(time.gradient_messages == started);
    CHECK(time.statistics_messages == waited_for);
  }
}

TEST_CASE("a step says two numbers a frame and channel for each batch norm and pass") {
  const Schedule schedule = measured_schedule(tiny(), 1);
  dvd::DvdGan<float, dvd::Cpu> gan(tiny().config);
  Index norms = 0;
  double numbers = 0;
  for (const auto& [name, buffer] : dvd::contents(gan.networks()).buffers)
    if (name.ends_with("running_mean")) {
      ++norms;
      numbers += 2 * static_cast<double>(buffer->value.size());
    }
  Index sums = 0;
  double bytes = 0;
  for (const Event& event : schedule.events)
    if (event.talk == Talk::sum) {
      ++sums;
      bytes += event.bytes;
    }
  CHECK(norms == 5);
  CHECK(sums == 4 * norms);  // forward in three updates, backward in the generator's
  CHECK(bytes == 4 * numbers * sizeof(double));
}

TEST_CASE("a file of schedules is read as it was written, and one that is none is refused") {
  const TemporaryFolder folder;
  RecordOptions options{tiny(), {1, 2}, (folder.path() / "costs.json").string()};
  record(options);
  const CostFile file = read_costs(options.out);
  REQUIRE(file.schedules.size() == 2);
  CHECK(file.schedules[1].videos == 2);
  CHECK(file.schedules[0].talks_like(file.schedules[1]));
  CHECK(file.schedules[0].seconds() > 0);
  CHECK(file.about.at("how") == "measured");

  std::ofstream(options.out) << "{}";
  CHECK(holds(error_of([&] { read_costs(options.out); }), "is no file of schedules as 'scaling record' writes them"));
  CHECK(holds(error_of([&] { read_costs("nowhere.json"); }), "cannot read nowhere.json; record it: scaling record"));
}

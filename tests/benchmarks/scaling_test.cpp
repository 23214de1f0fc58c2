// The arithmetic of the simulator of benchmarks/scaling, by hand, and by one schedule that is recorded from training.
#include "../../benchmarks/scaling/simulate.hpp"

#include <doctest/doctest.h>

#include <string>

#include "support/error_of.hpp"

using namespace benchmarks;
using dvd::Index;
using dvd::testing::error_of;

namespace {

const Link slow{1e-3, 1e6};

Network flat(const Link& link, bool beside = true) { return {link, link, 1, beside}; }

/// One message of each kind, and 10 ms of computing a video and a call, 1 ms of which is for none in particular.
Schedule plain(Index videos) {
  const double computing = 0.001 + 0.009 * static_cast<double>(videos);
  return {videos,
          {{computing, Talk::sum, 1000}, {computing, Talk::start_sum, 8000}, {computing, Talk::finish_sums, 0}},
          computing};
}

StepCosts plain_costs() { return StepCosts({plain(1), plain(2), plain(4)}); }

}  // namespace

TEST_CASE("a sum between two ranks takes one exchange of all, or two of halves where bytes are many") {
  CHECK(sum_time(slow, 1, 1e6).total() == 0);
  CHECK(sum_time(slow, 2, 1000).latency == doctest::Approx(1e-3));
  CHECK(sum_time(slow, 2, 1000).transfer == doctest::Approx(1e-3));
  // Of four ranks: 2 ms and 2 bytes a byte, or 4 ms and 1.5 bytes a byte.
  CHECK(sum_time(slow, 4, 1000).total() == doctest::Approx(2e-3 + 2e-3));
  CHECK(sum_time(slow, 4, 8000).total() == doctest::Approx(4e-3 + 12e-3));
}

TEST_CASE("rounds are those of doubling what a rank has heard of") {
  CHECK(rounds(1) == 0);
  CHECK(rounds(2) == 1);
  CHECK(rounds(3) == 2);
  CHECK(rounds(4) == 2);
  CHECK(rounds(5) == 3);
  CHECK(rounds(512) == 9);
}

TEST_CASE("a network of nodes sums within them and between them") {
  const Network network{{1e-6, 1e9}, {1e-3, 1e6}, 4, true};
  CHECK(sum_time(network, 4, 1000).total() == doctest::Approx(sum_time(network.within, 4, 1000).total()));
  CHECK(sum_time(network, 8, 1000).total() ==
        doctest::Approx(sum_time(network.within, 4, 1000).total() + sum_time(network.between, 2, 1000).total()));
}

TEST_CASE("all ranks hear of the bytes of all others, and tell each other's apart") {
  CHECK(gather_time(flat(slow), 4, 1000).transfer == doctest::Approx(3e-3));
  CHECK(exchange_time(flat(slow), 4, 1000).latency == doctest::Approx(3e-3));
  CHECK(exchange_time(flat(slow), 4, 1000).transfer == doctest::Approx(3e-3));
}

TEST_CASE("costs are a line through what was measured") {
  const StepCosts costs = plain_costs();
  CHECK(costs.seconds(3) == doctest::Approx(4 * 0.028));
  CHECK(costs.schedule(8).events[1].seconds == doctest::Approx(0.073));
  CHECK(StepCosts({plain(1), plain(2)}, 2).seconds(3) == doctest::Approx(2 * 4 * 0.028));
  CHECK(StepCosts({plain(2)}).seconds(4) == doctest::Approx(2 * plain(2).seconds()));
}

TEST_CASE("a cost does not fall below 0 for numbers of videos that were not measured") {
  Schedule one{1, {}, 1}, four{4, {}, 5};  // a line through both would be -1/3 without a video
  CHECK(StepCosts({one, four}).seconds(0) == 0);
  four.rest = 0.5;  // and here fall with every video
  CHECK(StepCosts({one, four}).seconds(100) > 0);
}

TEST_CASE("one rank alone computes and waits for nobody") {
  const StepTime time = simulate(plain_costs(), flat(slow), 1, 4);
  CHECK(time.total == doctest::Approx(plain(4).seconds()));
  CHECK(time.statistics.total() == 0);
  CHECK(time.gradients == 0);
}

TEST_CASE("two ranks wait for a sum's message, and for as much of a started one as computing does not hide") {
  // 2 videos a rank: 19 ms between calls. The sum takes 2 ms, the gradients 9 ms, less than the computing beside them.
  const StepTime hidden = simulate(plain_costs(), flat(slow), 2, 4);
  CHECK(hidden.statistics.total() == doctest::Approx(2e-3));
  CHECK(hidden.gradients == 0);
  CHECK(hidden.total == doctest::Approx(4 * 19e-3 + 2e-3));
  // Where the cores carry them, nothing is hidden.
  const StepTime in_turns = simulate(plain_costs(), flat(slow, false), 2, 4);
  CHECK(in_turns.gradients == doctest::Approx(9e-3));
  CHECK(in_turns.total == doctest::Approx(4 * 19e-3 + 2e-3 + 9e-3));
  // On a network of a tenth of the bandwidth they take 1 + 80 ms, of which 19 are hidden.
  const StepTime exposed = simulate(plain_costs(), flat({1e-3, 1e5}), 2, 4);
  CHECK(exposed.gradients == doctest::Approx(81e-3 - 19e-3));
  CHECK(exposed.gradient_messages == 1);
  CHECK(exposed.statistics_messages == 1);
  CHECK(exposed.gradient_bytes == 8000);
  CHECK(exposed.statistics_bytes == 1000);
}

TEST_CASE("a message that all wait for goes past those under way, which end as much later") {
  const Schedule both{1, {{0.01, Talk::start_sum, 99000}, {0.01, Talk::sum, 1000}, {0.01, Talk::finish_sums, 0}}, 0};
  const StepTime time = simulate(StepCosts({both}), flat(slow), 2, 2);
  CHECK(time.statistics.total() == doctest::Approx(2e-3));
  // Started at 10 ms for 100 ms; 2 ms later for the other message.
  CHECK(time.total == doctest::Approx(0.112));
}

TEST_CASE("ranks with a video less wait for the others, and the parts of a step add up") {
  const StepCosts costs = plain_costs();
  const StepTime time = simulate(costs, flat(slow), 2, 3);
  CHECK(time.total == doctest::Approx(4 * 19e-3 + 2e-3));  // as long as with 4 videos
  const Losses lost = losses(costs, time, 2, 3, 3);
  CHECK(lost.step() == doctest::Approx(time.total));
  CHECK(lost.divided == doctest::Approx(4 * 28e-3 / 2));
  CHECK(lost.repeated == doctest::Approx(4 * 1e-3 / 2));  // the part without videos, which both do
  CHECK(lost.uneven == doctest::Approx(4 * 9e-3 / 2));    // half a video
  CHECK(largest_loss(lost, time, 2, 3) == "3 videos are not 1 for each of 2 ranks");
}

TEST_CASE("beside a rank with its own share of the batch, nothing is repeated") {
  const StepCosts costs = plain_costs();
  const StepTime time = simulate(costs, flat(slow), 2, 4);
  const Losses lost = losses(costs, time, 2, 4, 2);
  CHECK(lost.repeated == doctest::Approx(0));
  CHECK(lost.efficiency() == doctest::Approx(4 * 19e-3 / (4 * 19e-3 + 2e-3)));
}

TEST_CASE("what is lost most has a name") {
  const StepCosts costs = plain_costs();
  const auto limit = [&](const Network& network, Index ranks, Index batch) {
    const StepTime time = simulate(costs, network, ranks, batch);
    return largest_loss(losses(costs, time, ranks, batch, static_cast<double>(batch)), time, ranks, batch);
  };
  CHECK(limit(flat({0.1, 1e12}), 2, 4) == "latency of 1 message");
  CHECK(limit(flat({0, 1e3}, false), 2, 4) == "bytes of gradients, in 1 sum");
  CHECK(limit(flat({0, 1e15}), 8, 8) == "work that every rank does whole");
  CHECK(limit(flat({0, 1e15}), 1, 8) == "nothing");
}

TEST_CASE("what cannot be simulated is refused") {
  const auto shared_by_more = [] { simulate(plain_costs(), flat(slow), 5, 4); };
  CHECK(error_of(shared_by_more) == "a batch of 4 videos cannot be shared by 5 ranks: each needs one at least");
  Schedule other = plain(2);
  other.events[0].bytes = 1;
  CHECK(error_of([&] {
          StepCosts({plain(1), other});
        }) == "a schedule of 2 videos says other things than that of 1; record them by one program at one size");
  CHECK_THROWS_AS(StepCosts({}), dvd::ArgumentError);
}

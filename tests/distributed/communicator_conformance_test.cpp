// What communicators have to do, of those that need no launcher; and how threads end that cannot go on.
#include "support/communicator_conformance.hpp"

#include <doctest/doctest.h>

#include "dvd/distributed/guard_ranks.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "support/error_of.hpp"

using namespace dvd;
using namespace dvd::testing;

TEST_CASE("a single process") {
  SingleProcess single;
  CHECK_NOTHROW(check_communicator(single));
  CHECK(error_of([&] { single.abort("no more"); }) == "no more");
}

TEST_CASE("threads") {
  for (const Index size : {1, 2, 3, 5}) {
    CAPTURE(size);
    CHECK_NOTHROW(run_ranks(size, [](ThreadCommunicator& ranks) { check_communicator(ranks); }));
  }
}

TEST_CASE("sums of threads are in the order of the ranks") {
  run_ranks(3, [](ThreadCommunicator& ranks) {
    // Not associative: 1e8 swallows the one that it meets first.
    float x = ranks.rank() == 0 ? 1e8F : ranks.rank() == 1 ? -1e8F : 1.0F;
    ranks.sum(1, &x);
    if (x != 1.0F) ranks.abort("added up in another order");
  });
}

TEST_CASE("what one thread throws ends all, and comes out") {
  for (const Index size : {1, 2, 5}) {
    // While the others wait for it, and before they do.
    const auto failing = [&](ThreadCommunicator& ranks) {
      for (int i = 0; i < 3; ++i) ranks.barrier();
      if (ranks.rank() == size - 1) throw std::out_of_range("no such clip");
      double x = 0;
      ranks.sum(1, &x);
    };
    CHECK_THROWS_WITH_AS(run_ranks(size, failing), "no such clip", std::out_of_range);
  }
  CHECK_THROWS_AS(run_ranks(3,
                            [](ThreadCommunicator& ranks) {
                              if (ranks.rank() == 1) throw 5;
                              ranks.barrier();
                            }),
                  int);
}

TEST_CASE("a thread that fails is named to the others") {
  std::string told;
  CHECK(error_of([&] {
          run_ranks(3, [&](ThreadCommunicator& ranks) {
            if (ranks.rank() == 1) ranks.abort("the disk is full");
            try {
              ranks.barrier();
            } catch (const Error& error) {
              if (ranks.rank() == 0) told = error.what();
              throw;
            }
          });
        }) == "rank 1 has failed: the disk is full");
  CHECK(told == "rank 1 has failed: the disk is full");
}

TEST_CASE("a guard makes what one rank throws end all") {
  std::string told;
  CHECK(holds(error_of([&] {
                run_ranks(2, [&](ThreadCommunicator& ranks) {
                  guard_ranks(ranks, [&] {
                    if (ranks.rank() == 1) throw std::out_of_range("no such clip");
                    told = error_of([&] { ranks.barrier(); });
                    throw Error(told);
                  });
                });
              }),
              "rank 1 has failed: no such clip"));
  CHECK(told == "rank 1 has failed: no such clip");
  CHECK(holds(error_of([] { run_ranks(2, [](ThreadCommunicator& ranks) { guard_ranks(ranks, [] { throw 5; }); }); }),
              "it threw something that is no std::exception"));
  // Where nobody else waits, a caller can tell what it was.
  SingleProcess single;
  CHECK_THROWS_AS(guard_ranks(single, [] { throw std::out_of_range("no such clip"); }), std::out_of_range);
  CHECK_THROWS_AS(guard_ranks(single, [] { throw 5; }), int);
}

TEST_CASE("nobody waits for a thread that has ended") {
  const std::string message = error_of([] {
    run_ranks(2, [](ThreadCommunicator& ranks) {
      if (ranks.rank() == 0) ranks.barrier();
    });
  });
  CHECK(holds(message, "rank 1 has ended"));
}

TEST_CASE("calls that do not fit together") {
  const std::string sizes = error_of([] {
    run_ranks(2, [](ThreadCommunicator& ranks) {
      float x[2] = {};
      ranks.sum(1 + ranks.rank(), x);
    });
  });
  CHECK(holds(sizes, "rank 0 calls sum with 1, rank 1 calls sum with 2"));
  const std::string calls = error_of([] {
    run_ranks(2, [](ThreadCommunicator& ranks) {
      float x[2] = {};
      if (ranks.rank() == 0)
        ranks.sum(1, x);
      else
        ranks.barrier();
    });
  });
  CHECK(holds(calls, "rank 0 calls sum with 1, rank 1 calls barrier"));
  CHECK(holds(error_of([] { run_ranks(0, [](ThreadCommunicator&) {}); }), "at least one"));
  CHECK(holds(error_of([] { run_ranks(1, [](ThreadCommunicator& ranks) { ranks.broadcast({}, 1); }); }),
              "a broadcast from rank 1 of 1"));
  ThreadGroup group(2);
  CHECK(holds(error_of([&] { ThreadCommunicator(group, 2); }), "rank 2 of 2"));
}

TEST_CASE("shares are as equal as can be, the larger ones first") {
  for (const Index parts : {1, 2, 3, 7})
    for (Index total = 0; total < 20; ++total) {
      Index next = 0;
      for (Index part = 0; part < parts; ++part) {
        const Share share = Share::of(total, part, parts);
        CHECK(share.first == next);
        CHECK(share.count == total / parts + (part < total % parts ? 1 : 0));
        next += share.count;
      }
      CHECK(next == total);
    }
}

// Lines reach the user's function one at a time and in order, whatever it does meanwhile.
#include "dvd/data/warning_queue.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

using dvd::detail::WarningQueue;
using Lines = std::vector<std::string>;

TEST_CASE("what is added while a line is told is told after it") {
  Lines told;
  std::unique_ptr<WarningQueue> queue;
  queue = std::make_unique<WarningQueue>([&](const std::string& line) {
    if (line.size() < 3) queue->add(line + "x");
    told.push_back(line);
  });
  queue->add("a");
  queue->add("b");
  CHECK(told == Lines{"a", "ax", "axx", "b", "bx", "bxx"});
}

TEST_CASE("by one thread at a time") {
  std::atomic<int> telling = 0;
  std::size_t told = 0;
  bool alone = true;
  WarningQueue queue([&](const std::string&) {
    alone = alone && ++telling == 1;
    ++told;
    --telling;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int line = 0; line < 1000; ++line) queue.add("line");
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(alone);
  CHECK(told == 4000);
}

TEST_CASE("a function that throws is told the next line; an empty one nothing") {
  Lines told;
  WarningQueue queue([&](const std::string& line) {
    told.push_back(line);
    if (line == "a") throw std::runtime_error("enough");
  });
  CHECK_THROWS_AS(queue.add("a"), std::runtime_error);
  queue.add("b");
  CHECK(told == Lines{"a", "b"});
  WarningQueue(nullptr).add("c");
}

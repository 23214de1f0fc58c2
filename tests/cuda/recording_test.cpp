// Work that is recorded once and replayed: what it does, and what is refused.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "dvd/core/tensor.hpp"

namespace {

using namespace dvd;

using Floats = Tensor<float, Cuda>;

TEST_CASE("replayed work reads and writes the arrays it was recorded on, and its host code does not run") {
  Floats x(Shape{1000}), sum = Floats::zeros(Shape{1000});
  Cuda::Recording recording;
  int calls = 0;
  float expected = 0;
  for (int run = 1; run <= 5; ++run) {
    x.assign(std::vector<float>(1000, static_cast<float>(run)));
    recording.run([&] {
      ++calls;
      Floats twice(x.shape());
      Cuda::scale(x.size(), 2.0f, x.data(), twice.data());
      Cuda::add(x.size(), twice.data(), sum.data());
    });
    expected += 2 * static_cast<float>(run);
    CHECK(sum.to_vector() == std::vector<float>(1000, expected));
  }
  CHECK(calls == 2);  // as it is, then for the record
  recording.reset();
  recording.run([&] { ++calls; });
  CHECK(calls == 3);
}

TEST_CASE("arrays made after a recording do not meet the memory of its scratch arrays") {
  const Floats x(Shape{5000}, std::vector<float>(5000, 1));
  Floats result(x.shape());
  Cuda::Recording first, second;
  const auto work = [&](Index scratch) {
    return [&, scratch] {
      std::vector<Floats> some;
      for (Index i = 0; i < scratch; ++i) {
        some.emplace_back(x.shape());
        Cuda::fill(x.size(), 7.0f, some.back().data());
      }
      Cuda::scale(x.size(), 3.0f, x.data(), result.data());
    };
  };
  for (int run = 0; run < 2; ++run) first.run(work(2));
  for (int run = 0; run < 2; ++run) second.run(work(6));
  std::vector<Floats> kept;
  for (int i = 0; i < 20; ++i) kept.push_back(Floats::full(x.shape(), static_cast<float>(i)));
  first.run(work(2));
  second.run(work(6));
  for (int i = 0; i < 20; ++i)
    CHECK(kept[static_cast<std::size_t>(i)].to_vector() == std::vector<float>(5000, static_cast<float>(i)));
  CHECK(result.to_vector() == std::vector<float>(5000, 3));
}

template <class Work>
std::string refusal(const Work& work) {
  Cuda::Recording recording;
  recording.run(work);
  try {
    recording.run(work);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("work that cannot be recorded is refused, and the device works on") {
  Floats x = Floats::full(Shape{3}, 1);
  CHECK(refusal([&] { x.to_vector(); }).find("a download cannot be recorded") != std::string::npos);
  CHECK(refusal([&] { x.assign(std::vector<float>(3, 2)); }).find("an upload cannot be recorded") != std::string::npos);
  std::vector<Floats> left;
  CHECK(refusal([&] { left.push_back(Floats::full(Shape{3}, 5)); }).find("leaves 1 arrays behind") !=
        std::string::npos);
  CHECK_THROWS_WITH_AS(refusal([&] { throw Error("the work's own"); }), "the work's own", Error);
  x.assign(std::vector<float>{1, 2, 3});
  CHECK(x.to_vector() == std::vector<float>{1, 2, 3});
  Cuda::Recording recording;
  for (int run = 0; run < 3; ++run) recording.run([&] { Cuda::scale(3, 2.0f, x.data(), x.data()); });
  CHECK(x.to_vector() == std::vector<float>{8, 16, 24});
}

TEST_CASE("what other threads ask for while one records is not recorded, and waits") {
  Floats x = Floats::full(Shape{1000}, 1), sum = Floats::zeros(Shape{1000});
  Cuda::Recording recording;
  std::atomic<bool> begun = false, done = false;
  const auto work = [&] {
    Cuda::add(x.size(), x.data(), sum.data());
    begun = true;
    for (int i = 0; i < 50 && !done; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const Floats scratch = Floats::full(x.shape(), 3);
    Cuda::add(x.size(), scratch.data(), sum.data());
  };
  recording.run(work);  // as it is
  begun = false;
  std::vector<float> own, uploaded;
  std::string error;
  std::thread other([&] {
    while (!begun) std::this_thread::yield();
    try {
      std::vector<Floats> kept;
      for (int i = 0; i < 10; ++i) kept.push_back(Floats::full(Shape{1000}, static_cast<float>(i)));
      own = kept[7].to_vector();
      uploaded = Floats(Shape{3}, std::vector<float>{1, 2, 3}).to_vector();
    } catch (const Error& thrown) {
      error = thrown.what();
    }
    done = true;
  });
  recording.run(work);
  other.join();
  for (int run = 0; run < 3; ++run) recording.run(work);
  CHECK(error == "");
  CHECK(own == std::vector<float>(1000, 7));
  CHECK(uploaded == std::vector<float>{1, 2, 3});
  CHECK(sum.to_vector() == std::vector<float>(1000, 5 * 4));
}

TEST_CASE("recorded work within recorded work is a part of it") {
  Floats x = Floats::full(Shape{10}, 1);
  Cuda::Recording outer, inner;
  for (int run = 0; run < 4; ++run) outer.run([&] { inner.run([&] { Cuda::scale(10, 2.0f, x.data(), x.data()); }); });
  CHECK(x.to_vector() == std::vector<float>(10, 16));
  inner.run([&] { Cuda::scale(10, 3.0f, x.data(), x.data()); });
  CHECK(x.to_vector() == std::vector<float>(10, 48));
}

TEST_CASE("work that throws is not taken for recorded: the next time it runs as it is") {
  Floats x = Floats::full(Shape{10}, 1);
  Cuda::Recording recording;
  bool fails = true;
  int calls = 0;
  const auto work = [&] {
    ++calls;
    Cuda::scale(10, 2.0f, x.data(), x.data());
    if (fails) throw Error("the work's own");
  };
  CHECK_THROWS_AS(recording.run(work), Error);
  fails = false;
  recording.run(work);
  fails = true;
  CHECK_THROWS_AS(recording.run(work), Error);
  fails = false;
  for (int run = 0; run < 3; ++run) recording.run(work);
  CHECK(calls == 4);
  CHECK(x.to_vector() == std::vector<float>(10, 32));
}

}  // namespace

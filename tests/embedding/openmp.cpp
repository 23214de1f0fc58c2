// Attention in a program that is compiled for OpenMP, which Eigen makes use of: prints the bits of its results.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/device/cpu.hpp"

int main() {
  const dvd::AttentionSize size{1, 1024, 1024, 1, 32, 64};  // one set: one task, on the thread that calls
  const auto array = [](dvd::Index count, std::uint64_t seed) {
    dvd::Tensor<float, dvd::Cpu> values({count});
    dvd::Cpu::random_normal(count, dvd::Random(seed), 0.5f, values.data());
    return values;
  };
  auto query = array(1024 * 32, 1), key = array(1024 * 32, 2), value = array(1024 * 64, 3), dy = array(1024 * 64, 4);
  auto y = array(1024 * 64, 5), dquery = array(1024 * 32, 6), dkey = array(1024 * 32, 7), dvalue = array(1024 * 64, 8);
  dvd::Cpu::attend(size, query.data(), key.data(), value.data(), y.data());
  dvd::Cpu::attend_backward(size, query.data(), key.data(), value.data(), dy.data(), dquery.data(), dkey.data(),
                            dvalue.data());
  std::uint64_t hash = 0;
  for (const auto& result : {y, dquery, dkey, dvalue})
    for (const float element : result.to_vector()) {
      std::uint32_t bits;
      std::memcpy(&bits, &element, sizeof bits);
      hash = (hash ^ bits) * 0x100000001B3;
    }
  std::printf("%016llx\n", static_cast<unsigned long long>(hash));
}

// What all ranks of a run must have alike: the state of training.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "dvd/training/checkpoint.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// A number that two arrays of bytes share by mere chance once in 2^64: sums of words that are mixed with their place,
/// at the speed of memory. It need not withstand anybody's intent.
inline std::uint64_t quick_sum(const void* bytes, std::size_t size) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93;
    return (x ^ x >> 32) * 0xD6E8FEB86659FD93;
  };
  const auto* from = static_cast<const unsigned char*>(bytes);
  std::uint64_t sum = mix(size);
  for (std::size_t at = 0; at < size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from + at, size - at < 8 ? size - at : 8);
    sum += mix(word + 0x9E3779B97F4A7C15 * (at / 8 + 1));
  }
  return sum;
}

/// The counts that a checkpoint keeps beside its tensors.
template <class... Types>
std::array<std::int64_t, 5> counts_of(Trainer<Types...>& trainer) {
  return {trainer.generator_optimizer().steps(), trainer.discriminator_optimizer().steps(), trainer.steps(),
          trainer.skipped_steps(), trainer.redraws()};
}

}  // namespace detail

/// Throws Error, on all ranks, unless all have the same weights, averages, moments and counts, to the bit: it names the
/// first that differs, and the ranks. Reads all that a checkpoint holds and sends a few bytes an array.
template <class... Types>
void check_ranks_agree(Trainer<Types...>& trainer) {
  auto& ranks = trainer.ranks();
  if (ranks.size() == 1) return;
  std::vector<std::string> names{"the number of steps"};
  const auto counts = detail::counts_of(trainer);
  std::vector<std::uint64_t> own{detail::quick_sum(counts.data(), sizeof counts)};
  detail::visit_tensors(trainer, [&](const std::string& name, const auto& tensor) {
    const auto values = tensor.to_vector();
    names.push_back(name);
    own.push_back(detail::quick_sum(values.data(), values.size() * sizeof(values[0])));
  });
  // Every rank compares with rank 0, and tells the first difference that it finds.
  std::vector<std::uint64_t> first = own;
  ranks.broadcast(std::as_writable_bytes(std::span(first)), 0);
  std::string difference;
  for (std::size_t i = 0; i < own.size() && difference.empty(); ++i)
    if (own[i] != first[i])
      difference = concat(names[i], " of rank ", ranks.rank(), " is not that of rank 0; all ranks must do the same, ",
                          "on machines and libraries that compute alike");
  difference = first_message(ranks, difference);
  if (!difference.empty()) throw Error("the ranks of this run have come apart: " + difference);
}

/// Gives all ranks what rank 0 has: what a checkpoint holds, that one rank has read.
template <class... Types>
void broadcast_training_state(Trainer<Types...>& trainer) {
  auto& ranks = trainer.ranks();
  if (ranks.size() == 1) return;
  detail::visit_tensors(trainer, [&](const std::string&, auto& tensor) {
    auto values = tensor.to_vector();
    ranks.broadcast(std::as_writable_bytes(std::span(values)), 0);
    if (ranks.rank() != 0) tensor.assign(values);
  });
  auto counts = detail::counts_of(trainer);
  ranks.broadcast(std::as_writable_bytes(std::span(counts)), 0);
  trainer.generator_optimizer().set_steps(counts[0]);
  trainer.discriminator_optimizer().set_steps(counts[1]);
  trainer.set_steps(counts[2]);
  trainer.set_skipped_steps(counts[3]);
  trainer.set_redraws(counts[4]);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

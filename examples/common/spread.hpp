// Work in batches, shared out over ranks: as one process would do it, to the last bit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <dvd/core/error.hpp>
#include <dvd/io/clip.hpp>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "ranks.hpp"

namespace examples {

/// All ranks get what rank `from` has.
template <class T>
requires std::is_trivially_copyable_v<T>
void hand_over(Ranks& ranks, dvd::Index from, std::vector<T>& values) {
  std::int64_t size = static_cast<std::int64_t>(values.size());
  ranks.broadcast(std::as_writable_bytes(std::span(&size, 1)), from);
  values.resize(static_cast<std::size_t>(size));
  ranks.broadcast(std::as_writable_bytes(std::span(values)), from);
}

inline void hand_over(Ranks& ranks, dvd::Index from, std::vector<dvd::Clip>& clips) {
  std::vector<dvd::ClipSize> sizes;
  for (const dvd::Clip& clip : clips) sizes.push_back(clip.size());
  hand_over(ranks, from, sizes);
  clips.resize(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto [frames, height, width, channels] = sizes[i];
    if (ranks.rank() != from) clips[i] = dvd::Clip(frames, height, width, channels);
    ranks.broadcast(std::as_writable_bytes(std::span(clips[i].pixels)), from);
  }
}

/// Calls `f` on rank 0, for which the others wait as long as it takes. What it throws, all ranks throw.
template <class F>
void on_first_rank(Ranks& ranks, const F& f) {
  ranks.agree([&] {
    try {
      if (ranks.first()) f();
    } catch (...) {
      ranks.wait_for_first();
      throw;
    }
    ranks.wait_for_first();
  });
}

/// The text that `f` returns on rank 0, on all ranks: for what they might find differently, such as the newest
/// checkpoint of a run that still goes on. What it throws there, all throw.
template <class F>
std::string from_first_rank(Ranks& ranks, const F& f) {
  std::vector<char> letters;
  on_first_rank(ranks, [&] {
    const std::string text = f();
    letters.assign(text.begin(), text.end());
  });
  hand_over(ranks, 0, letters);
  return {letters.begin(), letters.end()};
}

/// Calls `f` on rank 0 and, when it is done there, on the others, who find what it keeps for the next time. What it
/// throws on one rank, all throw.
template <class F>
void on_first_rank_first(Ranks& ranks, const F& f) {
  on_first_rank(ranks, f);
  ranks.agree([&] {
    if (!ranks.first()) f();
  });
}

/// Throws, on all ranks, where `text` is not the same on all. `what` says what it tells apart: "videos in DIR".
inline void check_alike(Ranks& ranks, const std::string& what, const std::string& text) {
  const std::string first = from_first_rank(ranks, [&] { return text; });
  ranks.agree([&] {
    dvd::require(text == first, "it finds other ", what, " than rank 0 (", text, ", not ", first,
                 "); all ranks have to see the same files");
  });
}

/// Makes `count` things, `batch` at a time, batch after batch on rank after rank: `make(first, some)` makes things
/// number first .. first + some - 1 and returns a tuple of vectors, of numbers or of clips. On rank 0 `take(made,
/// done)` gets what all have made, in order, `done` things being made with these; on the others it is not called. What
/// either throws on one rank, all throw.
///
/// Batches are those that one process makes, whatever the number of ranks, because what is computed together may differ
/// in its last bits from what is not.
///
/// All ranks get what each has made, though rank 0 alone takes it: no call of a Communicator is between two ranks, and
/// in a wait for one that is not, a rank that hangs could not be named. It is little beside the work of making it.
template <class Make, class Take>
void spread_batches(Ranks& ranks, dvd::Index count, dvd::Index batch, const Make& make, const Take& take) {
  using Made = decltype(make(count, batch));
  const dvd::Index batches = (count + batch - 1) / batch;
  for (dvd::Index first = 0; first < batches; first += ranks.size()) {  // a batch a rank
    Made own;
    ranks.agree([&] {
      const dvd::Index number = first + ranks.rank();
      if (number < batches) own = make(number * batch, std::min(batch, count - number * batch));
    });
    std::vector<Made> all;
    for (dvd::Index rank = 0; rank < std::min(ranks.size(), batches - first); ++rank) {
      Made made = rank == ranks.rank() ? std::exchange(own, Made()) : Made();
      if (ranks.size() > 1) std::apply([&](auto&... each) { (hand_over(ranks, rank, each), ...); }, made);
      if (ranks.first()) all.push_back(std::move(made));
    }
    on_first_rank(ranks, [&] {
      dvd::Index done = first * batch;
      for (Made& made : all) take(std::move(made), done = std::min(count, done + batch));
    });
  }
}

}  // namespace examples

// What the ranks of a run have in common, and how they share its work.
#pragma once

#include <dvd/training/trainer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "../common/gpu_ranks.hpp"
#include "../common/ranks.hpp"
#include "data.hpp"
#include "options.hpp"

namespace examples {

template <class Gan>
using AdamOf = dvd::Adam<dvd::FullPrecision<typename Gan::scalar_type>, typename Gan::device_type>;

template <class D>
inline constexpr bool is_cpu = std::is_same_v<D, dvd::Cpu>;

/// What reaches the memory of the device D of all ranks.
template <class D>
using CommunicatorOf = std::conditional_t<is_cpu<D>, Ranks, GpuRanks>;

/// One type of trainer for a device, whether this process trains alone or is one of several.
template <class Gan>
using TrainerOf =
    dvd::Trainer<Gan, dvd::HingeLoss, AdamOf<Gan>, AdamOf<Gan>, CommunicatorOf<typename Gan::device_type>>;

/// `ranks` themselves or, for GPUs, ranks that have joined theirs: a value to be kept, as a reference or as it is. All
/// ranks call it. `timeout_seconds` as in GpuRanks.
template <class D>
decltype(auto) communicator_for(Ranks& ranks, [[maybe_unused]] double timeout_seconds) {
  if constexpr (is_cpu<D>)
    return static_cast<Ranks&>(ranks);
  else
    return GpuRanks(ranks, timeout_seconds);
}

/// How ranks add up where --reduce does not say it, nor the run that goes on: in a fixed order where there are several,
/// so that a run ends with the same bits on any number of them; a process that trains alone does without what that
/// takes, and GPUs cannot do it.
template <class D>
const char* reduce_of(dvd::Index ranks) {
  return is_cpu<D> && ranks > 1 ? "ordered" : "fast";
}

/// Fills in what the options leave open about ranks. Throws ArgumentError for what the device D cannot do.
template <class D>
void share(TrainOptions& options, const Ranks& ranks) {
  if (options.reduce.empty()) options.reduce = reduce_of<D>(ranks.size());
  dvd::require(is_cpu<D> || options.reduce == "fast", "--reduce ", options.reduce,
               " is for the CPU, and GPUs add up in an order of their own: with --device ", options.common.device,
               " use --reduce fast");
  options.trainer.reduce = options.reduce == "fast" ? dvd::Reduce::fast : dvd::Reduce::ordered;
  dvd::require(options.trainer.shards == 0 || options.reduce == "ordered", "--shards ", options.trainer.shards,
               " goes with --reduce ordered, which cuts batches into parts; leave it out, or give both");
  // What each has of a machine's cores, unless it was said.
  if (options.common.threads == 0) options.common.threads = ranks.threads();
}

/// Opens the data on all ranks, rank 0 first: what it finds out about the files, the others need not. `open` does it.
/// Throws RanksFailed if it fails on any, or they do not all see the same: each clip is drawn by one of them, in place
/// of the one that any other would have drawn.
inline std::unique_ptr<DataSet> open_on_all(Ranks& ranks, const std::function<std::unique_ptr<DataSet>()>& open) {
  std::unique_ptr<DataSet> data;
  for (const bool first : {true, false})
    ranks.agree([&] {
      if (ranks.first() == first) data = open();
    });
  std::string seen = std::to_string(data->classes()) + " classes" + data->description;
  for (const std::string& name : data->names) seen += '\n' + name;
  const std::string of_first = ranks.gather(seen).front();
  ranks.agree([&] {
    const auto summary = [](const std::string& text) { return text.substr(0, text.find('\n')); };
    if (seen == of_first) return;
    dvd::require(summary(seen) == summary(of_first), "sees other data than rank 0: ", summary(seen), ", not ",
                 summary(of_first), "; all need the same files");
    throw dvd::ArgumentError("sees classes of other names than rank 0; all need the same files");
  });
  return data;
}

/// The flags that config.json does not hold, because they are of one start of a run, but that ranks must have alike: by
/// them they know what to ask of each other, and when to wait.
inline dvd::Json flags_of_start(const TrainOptions& options) {
  return {{"resume", options.resume}, {"dry_run", options.dry_run}, {"rank_timeout", options.rank_timeout}};
}

/// Throws RanksFailed unless all ranks have been told the same: what config.json holds, or other flags by their names.
inline void check_told_alike(const dvd::Json& flags, Ranks& ranks) {
  const auto text = flags.dump(-1, ' ', false, dvd::Json::error_handler_t::replace);
  const std::string of_first = ranks.gather(text).front();
  ranks.agree([&] {
    if (text == of_first) return;
    const dvd::Json first = dvd::Json::parse(of_first), own = dvd::Json::parse(text);
    for (const auto& [name, value] : own.items())
      dvd::require(first.value(name, dvd::Json()) == value, "was started with other flags than rank 0: ", name, " is ",
                   value.dump(), ", not ", first.value(name, dvd::Json()).dump());
  });
}

}  // namespace examples

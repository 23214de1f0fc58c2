// Checkpoints: safetensors files with weights as PyTorch lays them out, readable by any program that knows the names.
//
//     generator.…  spatial.…  temporal.…          parameters (raw, not divided by sigma) and buffers; of another GAN,
//                                                 under the names of its own `visit`
//     conditioning.…                              where videos are continued
//     ema.generator.… ema.conditioning.…          the moving average
//     optimizer.NAME.{exp_avg,exp_avg_sq}         Adam's moments of every parameter; of another optimizer, what its
//                                                 `visit` shows
//     optimizer.{generator,discriminator}.step    updates so far, I64, shape []
//
// The metadata holds the configuration as JSON under "config", what else the trainer counts under "training", and a
// checksum; other keys are the program's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dvd/io/network_file.hpp"
#include "dvd/training/trainer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Every tensor of a checkpoint under its name, as `f(name, tensor)`.
template <class TrainerType, class F>
void visit_tensors(TrainerType& trainer, F&& f) {
  auto all = contents(trainer.gan());
  for (auto& [name, parameter] : all.parameters) f(name, parameter->value);
  for (auto& [name, buffer] : all.buffers) f(name, buffer->value);
  const auto remembered = [&](const std::string& name, auto& tensor) { f("optimizer." + name, tensor); };
  trainer.generator_optimizer().visit(remembered);
  trainer.discriminator_optimizer().visit(remembered);
}

inline Index read_count(const SafetensorsFile& file, const std::filesystem::path& path, const std::string& name) {
  if (!file.contains(name)) throw FileError(concat(path.string(), ": ", name, " is missing"));
  const auto values = file.read<std::int64_t>(name);
  if (values.size() != 1 || values[0] < 0 || values[0] > (std::int64_t{1} << 53))
    throw FileError(concat(path.string(), ": ", name, " is not a count"));
  return values[0];
}

/// The configuration of a GAN: what it calls so, if that can be turned to JSON, or else the sizes of its videos.
template <class Gan>
Json config_of(const Gan& gan) {
  if constexpr (requires { to_json(gan.config()); })
    return to_json(gan.config());
  else
    return to_json(VideoSizes(gan.networks().sizes()));
}

/// Throws FileError unless the file is a checkpoint of such a GAN.
template <class Gan>
void check_config(const SafetensorsFile& file, const std::filesystem::path& path, const Gan& gan) {
  bool same;
  Json found;
  if constexpr (requires { DvdGanConfig(gan.config()); }) {
    const DvdGanConfig config = read_config(file, path);
    same = config == gan.config();
    found = to_json(config);
  } else {
    const auto metadata = file.metadata().find("config");
    if (metadata == file.metadata().end())
      throw FileError(concat(path.string(), ": no configuration in the metadata; not a checkpoint"));
    found = Json::parse(metadata->second, nullptr, false);
    same = found == config_of(gan);
  }
  if (!same)
    throw FileError(concat(path.string(), ": was made by a model of another configuration: ", shown(found),
                           " instead of ", config_of(gan).dump()));
}

}  // namespace detail

/// Saves all that a run needs to go on: models, average, optimizer and counts. The file appears whole or not at all.
/// `metadata` joins the configuration. Throws FileError if it cannot be written; the previous file then stays.
template <class... Types>
void save_checkpoint(const std::filesystem::path& path, Trainer<Types...>& trainer,
                     const std::map<std::string, std::string>& metadata = {}) {
  using P = FullPrecision<typename Trainer<Types...>::T>;
  SafetensorsWriter writer;
  std::vector<std::vector<P>> values;  // the writer refers to what it is given
  std::vector<std::pair<std::string, Shape>> entries;
  detail::visit_tensors(trainer, [&](const std::string& name, const auto& tensor) {
    values.push_back(tensor.to_vector());
    entries.emplace_back(name, tensor.shape());
  });
  for (std::size_t i = 0; i < values.size(); ++i)
    writer.add<P>(entries[i].first, detail::file_shape(entries[i].second), values[i]);
  const std::int64_t steps[] = {trainer.generator_optimizer().steps(), trainer.discriminator_optimizer().steps()};
  writer.add<std::int64_t>("optimizer.generator.step", {}, std::span(steps, 1));
  writer.add<std::int64_t>("optimizer.discriminator.step", {}, std::span(steps + 1, 1));
  writer.set_metadata("config", detail::config_of(std::as_const(trainer.gan())).dump());
  const Json counts = {
      {"steps", trainer.steps()}, {"skipped_steps", trainer.skipped_steps()}, {"redraws", trainer.redraws()}};
  writer.set_metadata("training", counts.dump());
  for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
  writer.add_checksum();
  writer.write(path);
}

/// What a trainer counts beside its optimizers' updates.
struct TrainingCounts {
  Index steps = 0, skipped_steps = 0, redraws = 0;
};

/// The counts in a checkpoint; where it has none, as those of other programs, every update of the generator was a step.
/// Throws FileError if they make no sense.
inline TrainingCounts read_counts(const SafetensorsFile& file, const std::filesystem::path& path,
                                  Index generator_steps) {
  const auto found = file.metadata().find("training");
  if (found == file.metadata().end()) return {.steps = generator_steps};
  const Json json = Json::parse(found->second, nullptr, false);
  const auto count = [&](const char* name) {
    const bool there = json.is_object() && json.contains(name) && json[name].is_number_integer();
    const Index value = there ? json[name].template get<Index>() : -1;
    if (value < 0 || value > (Index{1} << 53))
      throw FileError(concat(path.string(), ": ", name, " in the metadata is not a count"));
    return value;
  };
  return {count("steps"), count("skipped_steps"), count("redraws")};
}

/// Loads all that `save_checkpoint` saved, so that training goes on as if it had never stopped. Everything is checked
/// before the first value is taken. Throws FileError if the file is malformed, incomplete or of another configuration;
/// the trainer is then unchanged.
template <class... Types>
void load_checkpoint(const std::filesystem::path& path, Trainer<Types...>& trainer) {
  const SafetensorsFile file(path);
  detail::check_config(file, path, std::as_const(trainer.gan()));
  std::set<std::string> known{"optimizer.generator.step", "optimizer.discriminator.step"};
  detail::visit_tensors(trainer, [&](const std::string& name, const auto& tensor) {
    detail::check_tensor(file, path, name, tensor.shape());
    known.insert(name);
  });
  for (const std::string& name : file.names())
    if (!known.contains(name))
      throw FileError(concat(path.string(), ": ", name, " is not part of this GAN and its optimizers"));
  const Index generator_steps = detail::read_count(file, path, "optimizer.generator.step");
  const Index discriminator_steps = detail::read_count(file, path, "optimizer.discriminator.step");
  const TrainingCounts counts = read_counts(file, path, generator_steps);
  check_checksum(file, path);
  detail::visit_tensors(trainer,
                        [&](const std::string& name, auto& tensor) { detail::read_tensor(file, name, tensor); });
  trainer.generator_optimizer().set_steps(generator_steps);
  trainer.discriminator_optimizer().set_steps(discriminator_steps);
  trainer.set_steps(counts.steps);
  trainer.set_skipped_steps(counts.skipped_steps);
  trainer.set_redraws(counts.redraws);
}

/// Makes `to` what `from` is: models, average, moments and counts, as a checkpoint would, without a file. Both must be
/// of one configuration.
template <class... Types>
void copy_training_state(Trainer<Types...>& from, Trainer<Types...>& to) {
  std::vector<PreciseTensorView<typename Trainer<Types...>::T, typename Trainer<Types...>::D>> values;
  detail::visit_tensors(from, [&](const std::string&, const auto& tensor) { values.push_back(tensor); });
  auto value = values.begin();
  detail::visit_tensors(to, [&](const std::string&, auto& tensor) { tensor.copy_from(*value++); });
  to.generator_optimizer().set_steps(from.generator_optimizer().steps());
  to.discriminator_optimizer().set_steps(from.discriminator_optimizer().steps());
  to.set_steps(from.steps());
  to.set_skipped_steps(from.skipped_steps());
  to.set_redraws(from.redraws());
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The conversion, and what is said of it.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <dvd/convert/convert_weights.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace examples {

/// "12,704,544".
inline std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

/// A name out of a file as one line of a table.
inline std::string shown(std::string_view name) { return dvd::concat(dvd::detail::Printable{name}); }

/// A row of the table: a word, and what there is to say of it.
inline void print_row(std::string_view word, const std::string& text) { fmt::print("{:<10} {}\n", word, text); }

/// Every tensor: the file's name, what it becomes or why it is left out.
inline void list_tensors(const dvd::ForeignFile& file, const dvd::TensorMatch& match) {
  std::map<std::size_t, std::string> becomes;
  for (const auto& assignment : match.assignments)
    if (assignment.source)
      becomes[*assignment.source] = assignment.tensor.name;
    else
      print_row("made", fmt::format("{} {}: ones, which the file leaves out", assignment.tensor.name,
                                    dvd::detail::shape_text(assignment.tensor.shape)));
  std::map<std::size_t, std::string> skipped;
  for (const auto& [source, reason] : match.skipped) skipped[source] = reason;
  for (std::size_t i = 0; i < file.tensors().size(); ++i) {
    const dvd::ForeignTensor& tensor = file.tensors()[i];
    const bool read = becomes.contains(i);
    print_row(read ? "read" : "skipped",
              fmt::format("{} {} {} {}", shown(tensor.name), tensor.type_name, dvd::detail::shape_text(tensor.shape),
                          read ? "-> " + becomes[i] : "(" + skipped[i] + ")"));
  }
}

/// What was read and what was not, by reasons.
inline void tell_match(const ConvertWeightsOptions& options, const dvd::ForeignFile& file,
                       const dvd::TensorMatch& match) {
  std::size_t read = 0;
  bool other_order = false;
  std::map<std::string, std::size_t> types;
  for (const auto& assignment : match.assignments)
    if (assignment.source) {
      ++read;
      ++types[file.tensors()[*assignment.source].type_name];
      other_order = other_order || assignment.depth_height_width_in_out;
    }
  print_row("file", fmt::format("{}: {}, {} tensors", options.file, file.format(), file.tensors().size()));
  print_row("network",
            fmt::format("{}, {} classes", match.network == dvd::ClipNetwork::i3d ? "I3D" : "C3D", match.classes));
  if (options.list) list_tensors(file, match);
  std::string kinds;
  for (const auto& [type, count] : types) kinds += (kinds.empty() ? "" : ", ") + type;
  print_row("read", fmt::format("{} tensors of {}{}{}", read, kinds,
                                match.prefix.empty() ? "" : ", whose names begin with " + shown(match.prefix),
                                other_order ? "; kernels from depth, height, width, in, out to out, in, depth, height, "
                                              "width"
                                            : ""));
  if (read < match.assignments.size())
    print_row("made", fmt::format("{} tensors of ones: the scales of norms, which the file leaves out",
                                  match.assignments.size() - read));
  std::map<std::string, std::vector<std::size_t>> reasons;
  for (const auto& [source, reason] : match.skipped) reasons[reason].push_back(source);
  for (const auto& [reason, sources] : reasons)
    print_row("skipped",
              fmt::format("{}: {}, such as {}", sources.size(), reason, shown(file.tensors()[sources.front()].name)));
  for (const std::string& remark : file.remarks()) print_row("skipped", remark);
}

/// What a safetensors file says of itself under a key; empty where it, or a file of another format, says nothing.
inline std::string said_by(const dvd::ForeignFile& file, const char* key) {
  const auto* const weights = dynamic_cast<const dvd::SafetensorsWeights*>(&file);
  if (!weights) return "";
  const auto found = weights->file().metadata().find(key);
  return found == weights->file().metadata().end() ? "" : found->second;
}

/// Converts. Throws FileError and ArgumentError.
inline int convert(const ConvertWeightsOptions& options) {
  running = true;
  const std::unique_ptr<dvd::ForeignFile> file = dvd::open_foreign_file(options.file);
  const dvd::ClipNetwork network = options.network.empty()    ? dvd::guess_network(options.file, *file)
                                   : options.network == "i3d" ? dvd::ClipNetwork::i3d
                                                              : dvd::ClipNetwork::c3d;
  const dvd::TensorMatch match = dvd::match_tensors(options.file, *file, network);
  const std::string said = said_by(*file, "variant"), said_epsilon = said_by(*file, "epsilon");
  dvd::require(said.empty() || options.variant.empty() || said == options.variant, options.file,
               ": says in its metadata that it is of the variant ", shown(said), ", not ", options.variant);
  const std::string variant =
      dvd::weight_variant(options.file, network, match.classes, options.variant.empty() ? said : options.variant);
  const std::string epsilon = !options.epsilon.empty() ? options.epsilon
                              : said_epsilon.empty()   ? "0.001"
                                                       : said_epsilon;
  check_epsilon(epsilon);
  dvd::require(options.mean.empty() || network == dvd::ClipNetwork::c3d, "--mean ", options.mean,
               " is for C3D, and these are weights of I3D");
  if (!options.quiet) tell_match(options, *file, match);

  dvd::ConvertedWeights weights(options.file, *file, match);
  if (!options.mean.empty()) weights.add_mean_cube(options.mean, *dvd::open_foreign_file(options.mean));
  weights.set_metadata("variant", variant);
  if (network == dvd::ClipNetwork::i3d) weights.set_metadata("epsilon", epsilon);
  weights.write(options.out);

  if (options.quiet) return 0;
  print_row("variant", variant + (!options.variant.empty() ? ""
                                  : said.empty()           ? ", told by the file's name and its classes"
                                                           : ", told by the file's metadata"));
  if (variant == "rgb-imagenet")
    print_row("", "trained on ImageNet first: scores from it are not what is published as FVD");
  if (network == dvd::ClipNetwork::i3d) print_row("epsilon", epsilon);
  if (network == dvd::ClipNetwork::c3d)
    print_row("mean", options.mean.empty() ? "none: scores need one (--mean mean2.npz)" : options.mean);
  print_row("written",
            fmt::format("{}: {} tensors, {} numbers", options.out, weights.count(), grouped(weights.elements())));
  return 0;
}

}  // namespace examples

// Which latents and classes to sample.
#pragma once

#include <cmath>
#include <dvd/core/finite.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/safetensors.hpp>
#include <dvd/models/dvd_gan.hpp>

#include "../common/checkpoints.hpp"
#include "options.hpp"

namespace examples {

/// What to feed the generator, on the host: N latents, N labels (none, if there are no classes) and, when interpolating
/// between classes, N second labels and how much of them to take.
struct Request {
  dvd::Tensor<float> z;  ///< [N, latent_dim]
  dvd::Labels labels, other_labels;
  std::vector<float> mix;
};

inline Request read_latents(const std::string& path, const dvd::DvdGanConfig& config) {
  const dvd::SafetensorsFile file(path);
  const bool labelled = config.classes > 0;
  for (const char* name : {"z", "labels"})
    if (!file.contains(name) && (labelled || name[0] == 'z'))
      throw dvd::FileError(dvd::concat(path, ": ", name, " is missing"));
  if (!labelled && file.contains("labels"))
    throw dvd::FileError(dvd::concat(path, ": holds labels, but the model has no classes"));
  const auto& shape = file.shape("z");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != config.latent_dim)
    throw dvd::FileError(dvd::concat(path, ": z must have shape [N, ", config.latent_dim, "] with N at least 1"));
  if (labelled && file.shape("labels") != std::vector<std::int64_t>{shape[0]})
    throw dvd::FileError(dvd::concat(path, ": labels must have shape [", shape[0], "], one a row of z"));
  Request request{dvd::Tensor<float>(dvd::Shape{shape[0], shape[1]}, file.read<float>("z")),
                  labelled ? file.read<std::int64_t>("labels") : dvd::Labels(),
                  {},
                  {}};
  if (!dvd::all_finite(request.z)) throw dvd::FileError(dvd::concat(path, ": z holds values that are not finite"));
  for (const dvd::Index label : request.labels)
    if (label < 0 || label >= config.classes)
      throw dvd::FileError(dvd::concat(path, ": label ", label, " is outside 0 .. ", config.classes - 1));
  return request;
}

/// `count` points on the way from one end to the other, both included.
inline float position(dvd::Index i, dvd::Index count) {
  return count > 1 ? static_cast<float>(i) / static_cast<float>(count - 1) : 0.5f;
}

/// The two classes of "A,B". Their names may have commas, too: that comma separates them on whose both sides there are
/// classes. Throws ArgumentError where there is none, or more than one way to read it.
inline std::vector<dvd::Index> find_two_classes(const std::string& text, const std::vector<std::string>& names) {
  std::vector<std::vector<dvd::Index>> ways;
  const std::size_t comma = text.find(',');
  for (std::size_t at = comma; at != std::string::npos; at = text.find(',', at + 1)) {
    const auto first = class_called(text.substr(0, at), names), second = class_called(text.substr(at + 1), names);
    if (first && second) ways.push_back({*first, *second});
  }
  dvd::require(comma != std::string::npos, "--interpolate class needs two classes, as in --class ", names.front(), ",",
               names.back());
  if (ways.empty() && text.find(',', comma + 1) == std::string::npos)  // say which of the two there is not
    return {find_class(text.substr(0, comma), names), find_class(text.substr(comma + 1), names)};
  dvd::require(!ways.empty(), "--class ", text, ": at no comma of it are there classes on both sides, names (such as ",
               names.front(), ") or numbers from 0 to ", names.size() - 1);
  dvd::require(ways.size() == 1, "--class ", text, " may be the classes ", ways[0][0], ",", ways[0][1], " or ",
               ways.back()[0], ",", ways.back()[1], "; give the numbers of those that are meant");
  return ways[0];
}

inline Request draw_request(const SampleProgramOptions& options, const dvd::DvdGanConfig& config,
                            const std::vector<std::string>& names) {
  dvd::require(options.count >= 0 && options.count <= 1'000'000, "--count must be between 1 and 1000000, not ",
               options.count);
  const bool labelled = config.classes > 0;
  dvd::require(labelled || (options.class_name.empty() && options.interpolate != "class"),
               options.class_name.empty() ? "--interpolate class" : "--class " + options.class_name,
               ": this model has no classes");
  std::vector<dvd::Index> chosen;
  if (options.interpolate == "class") {
    chosen = find_two_classes(options.class_name, names);
  } else if (!options.class_name.empty()) {
    chosen = {find_class(options.class_name, names)};
  }
  const bool all_classes = labelled && chosen.empty() && options.interpolate.empty();
  const dvd::Index count = options.count > 0              ? options.count
                           : !options.interpolate.empty() ? 8
                           : all_classes                  ? config.classes
                                                          : 4;
  const auto draw = [&](dvd::Index latents, std::uint64_t seed) {
    return dvd::draw_latents<float>(
        config.latent_dim,
        {.count = latents, .seed = seed, .truncation = options.truncation, .threshold = options.threshold});
  };
  Request request;
  if (options.interpolate.empty()) {
    request.z = draw(count, options.common.seed);
    for (dvd::Index i = 0; labelled && i < count; ++i)
      request.labels.push_back(all_classes ? i % config.classes : chosen[0]);
    return request;
  }
  // On the way from one latent to another their squares' sum keeps a Gaussian's length: cos^2 + sin^2 = 1.
  const std::vector<float> ends = draw(2, options.common.seed).to_vector();
  std::vector<float> values;
  for (dvd::Index i = 0; i < count; ++i) {
    const float angle = options.interpolate == "latent" ? position(i, count) * 1.5707963f : 0.0f;
    for (dvd::Index k = 0; k < config.latent_dim; ++k)
      values.push_back(std::cos(angle) * ends[static_cast<std::size_t>(k)] +
                       std::sin(angle) * ends[static_cast<std::size_t>(config.latent_dim + k)]);
    if (labelled) request.labels.push_back(chosen.empty() ? 0 : chosen[0]);
    if (options.interpolate == "class") {
      request.other_labels.push_back(chosen[1]);
      request.mix.push_back(position(i, count));
    }
  }
  request.z = dvd::Tensor<float>(dvd::Shape{count, config.latent_dim}, values);
  return request;
}

}  // namespace examples

// From another program's file of weights to this library's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/match_tensors.hpp"
#include "dvd/convert/open_foreign_file.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/convert/weight_variant.hpp"
#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/safetensors.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Weights of a network under this library's names, in memory.
///
///     const auto file = open_foreign_file("rgb_scratch/model.ckpt");
///     ConvertedWeights weights(path, *file, match_tensors(path, *file, ClipNetwork::i3d));
///     weights.set_metadata("variant", "k400-scratch");
///     weights.write("i3d.safetensors");
class ConvertedWeights {
 public:
  /// Reads what `match` says from `file`; messages begin with `path`. FileError where a tensor is damaged or holds a
  /// number that is not finite, and where a variance is below 0.
  ConvertedWeights(const std::string& path, const ForeignFile& file, const TensorMatch& match) {
    for (const TensorMatch::Assignment& assignment : match.assignments) {
      const NetworkTensor& tensor = assignment.tensor;
      if (!assignment.source) {
        const std::uint64_t count = detail::element_count(tensor.shape).value_or(0);
        add(tensor.name, tensor.shape, std::vector<float>(count, 1.0f));
        continue;
      }
      std::vector<float> values = file.read(*assignment.source);
      if (assignment.depth_height_width_in_out) values = reordered(values, tensor.shape);
      check_values(path, file.tensors()[*assignment.source].name, values, tensor.name.ends_with("running_var"));
      add(tensor.name, tensor.shape, std::move(values));
    }
    set_metadata("network", std::string(name_of(match.network)));
    set_metadata("source_hash", file.content_hash());
  }

  /// Adds C3D's mean of all clips, the one tensor of so many elements in `file`. FileError where there is none, or more
  /// than one, where its axes are in another order, and as above.
  void add_mean_cube(const std::string& path, const ForeignFile& file) {
    const std::vector<std::int64_t>& wanted = mean_cube_shape();
    const std::optional<std::uint64_t> count = detail::element_count(wanted);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < file.tensors().size(); ++i)
      if (detail::element_count(file.tensors()[i].shape) == count) found.push_back(i);
    const auto ensure = [&](bool condition, const std::string& what) {
      if (!condition)
        throw FileError(concat(path, ": ", what, " (expected one of shape ", detail::shape_text(wanted),
                               ": blue, green, red; frames; rows; columns)"));
    };
    ensure(found.size() == 1, concat("holds ", found.size(), " tensors of ", *count, " elements"));
    const ForeignTensor& tensor = file.tensors()[found[0]];
    std::vector<std::int64_t> axes = tensor.shape;
    std::erase(axes, 1);
    ensure(axes.size() == 1 || axes == wanted, concat("its mean has the shape ", detail::shape_text(tensor.shape)));
    std::vector<float> values = file.read(found[0]);
    check_values(path, tensor.name, values, false);
    add("mean", wanted, std::move(values));
    set_metadata("mean_source_hash", file.content_hash());
  }

  /// Sets an entry of the file's free text.
  void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }

  std::size_t count() const { return tensors_.size(); }

  /// Elements of all tensors.
  std::uint64_t elements() const {
    std::uint64_t sum = 0;
    for (const auto& [name, tensor] : tensors_) sum += tensor.values.size();
    return sum;
  }

  /// Writes a safetensors file, whole or not at all. Beside what was set, its metadata hold `tensor_checksums`, JSON,
  /// from every tensor's name to the hash of its bytes (see detail::ContentHash), and a checksum of everything.
  void write(const std::filesystem::path& path) const {
    SafetensorsWriter writer;
    nlohmann::json checksums = nlohmann::json::object();
    for (const auto& [name, tensor] : tensors_) {
      const std::span<const float> values = tensor.values;
      detail::ContentHash hash;
      hash.add(std::as_bytes(values));
      checksums[name] = hash.text();
      writer.add<float>(name, tensor.shape, values);
    }
    for (const auto& [key, value] : metadata_) writer.set_metadata(key, value);
    writer.set_metadata("tensor_checksums", checksums.dump());
    writer.add_checksum();
    writer.write(path);
  }

 private:
  struct Values {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };

  void add(const std::string& name, const std::vector<std::int64_t>& shape, std::vector<float> values) {
    tensors_.insert_or_assign(name, Values{shape, std::move(values)});
  }

  static void check_values(const std::string& path, const std::string& name, const std::vector<float>& values,
                           bool variance) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const detail::Printable shown{name};
      if (!is_finite(values[i]))
        throw FileError(concat(path, ": tensor ", shown, " holds a value that is not finite, at ", i,
                               " (expected weights of a network that works)"));
      if (variance && values[i] < 0)
        throw FileError(
            concat(path, ": tensor ", shown, " holds ", values[i], ", at ", i, " (expected variances, from 0 on)"));
    }
  }

  // A kernel whose axes are depth, height, width, in, out, as one of `shape`: out, in, depth, height, width.
  static std::vector<float> reordered(const std::vector<float>& values, const std::vector<std::int64_t>& shape) {
    const std::vector<std::int64_t> stored =
        detail::row_major_strides(std::vector<std::int64_t>{shape[2], shape[3], shape[4], shape[1], shape[0]});
    const std::vector<std::int64_t> strides = {stored[4], stored[3], stored[0], stored[1], stored[2]};
    return detail::gather_floats<float>(std::as_bytes(std::span(values)).data(), shape, strides,
                                        [](float value) { return value; });
  }

  std::map<std::string, Values> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// TensorFlow's checkpoints (V2, "tensor bundle"): PREFIX.index says of every tensor where its bytes lie in the files
// PREFIX.data-00000-of-00002, ..., in the order of their names.
// Source: tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/util/tensor_bundle
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/convert/crc32c.hpp"
#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/sorted_table.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/convert/wire_format.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The variables of a TensorFlow checkpoint under their names: "RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w". The
/// checksums of the index are compared when it is opened, that of a tensor when it is read.
class TensorflowBundle final : public ForeignFile, detail::FileChecks {
 public:
  /// `prefix` is what the files' names begin with, without ".index". Throws FileError where the index or a file of data
  /// that it names is missing, damaged or too short, and where the numbers are big-endian.
  explicit TensorflowBundle(const std::filesystem::path& prefix)
      : FileChecks(prefix.string() + ".index"), prefix_(prefix.string()), index_(path_) {
    bool has_header = false;
    detail::SortedTable(index_).for_each([&](const std::string& key, std::span<const std::byte> value) {
      if (!std::exchange(has_header, true)) {
        check(key.empty(), "is damaged (it begins without a header)");
        return read_header(value);
      }
      check(!key.empty(), "is damaged (it has two headers)");
      read_entry(key, value);
    });
    check(has_header, "is damaged (it has no header)");
  }

  std::string format() const override {
    return concat("TensorFlow checkpoint (V2, ", shard_count_,
                  shard_count_ == 1 ? " file of data)" : " files of data)");
  }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }

  std::vector<float> read(std::size_t index) const override {
    const ForeignTensor& tensor = tensors_.at(index);
    const Place& place = places_.at(index);
    const detail::Printable name{tensor.name};
    check(tensor.type && detail::is_floating(*tensor.type), "tensor ", name, " holds ", tensor.type_name,
          " (expected floating-point numbers)");
    const SourceFile& shard = *shards_.at(place.shard);
    const std::vector<std::byte> bytes = shard.read(place.offset, place.size);
    detail::Crc32c sum;
    sum.add(bytes);
    if (sum.masked() != place.checksum)
      throw FileError(concat(shard.path(), ": is damaged: tensor ", name, " does not fit its checksum"));
    return detail::strided_floats(bytes.data(), *tensor.type, tensor.shape, detail::row_major_strides(tensor.shape));
  }

  std::string content_hash() const override {
    detail::ContentHash hash;
    index_.add_to(hash);
    for (const auto& [number, shard] : shards_) shard->add_to(hash);
    return hash.text();
  }

 private:
  struct Place {
    std::uint64_t shard = 0, offset = 0, size = 0;
    std::uint32_t checksum = 0;
  };

  static constexpr std::uint64_t most_shards = 100;

  void read_header(std::span<const std::byte> message) {
    std::uint64_t endianness = 0, oldest_reader = 0;
    shard_count_ = 0;
    detail::WireReader reader(path_, message);
    while (const auto field = reader.field()) {
      if (field->number == 1) shard_count_ = field->value;
      if (field->number == 2) endianness = field->value;
      if (field->number != 3) continue;
      detail::WireReader versions(path_, field->bytes);
      while (const auto part = versions.field())
        if (part->number == 2) oldest_reader = part->value;
    }
    check(shard_count_ >= 1 && shard_count_ <= most_shards, "has ", shard_count_, " files of data (expected 1 to ",
          most_shards, ")");
    check(endianness == 0, "holds big-endian numbers (expected a checkpoint of an ordinary machine)");
    check(oldest_reader <= 1, "is of version ", oldest_reader, " of the format (expected 1)");
  }

  void read_entry(const std::string& name, std::span<const std::byte> message) {
    if (name.starts_with('\0')) return;  // the part of a tensor that is stored in parts
    ForeignTensor tensor{.name = name, .shape = {}, .type = {}, .type_name = {}};
    Place place;
    std::uint64_t type = 0;
    bool whole = true;
    detail::WireReader reader(concat(path_, ": ", detail::Printable{name}), message);
    while (const auto field = reader.field()) {
      if (field->number == 1) type = field->value;
      if (field->number == 2) read_shape(name, field->bytes, tensor.shape);
      if (field->number == 3) place.shard = field->value;
      if (field->number == 4) place.offset = field->value;
      if (field->number == 5) place.size = field->value;
      if (field->number == 6) place.checksum = static_cast<std::uint32_t>(field->value);
      if (field->number == 7) whole = false;
    }
    name_type(type, whole, tensor);
    const std::optional<std::uint64_t> count = detail::element_count(tensor.shape);
    const detail::Printable shown{name};
    check(count.has_value(), "tensor ", shown, " has a shape whose product is too large");
    if (tensor.type) {
      const std::size_t each = size_of(*tensor.type);
      check(place.size % each == 0 && place.size / each == *count, "tensor ", shown, " has ", place.size,
            " bytes (expected ", *count, " elements of ", each, " bytes)");
      check(place.shard < shard_count_, "tensor ", shown, " lies in file ", place.shard, " of ", shard_count_);
      const SourceFile& file = shard(place.shard);
      if (place.offset > file.size() || place.size > file.size() - place.offset)
        throw FileError(concat(file.path(), ": is cut short: it has ", file.size(), " bytes, and tensor ", shown,
                               " should have ", place.size, " from ", place.offset, " on"));
    }
    tensors_.push_back(std::move(tensor));
    places_.push_back(place);
  }

  void read_shape(const std::string& name, std::span<const std::byte> message, std::vector<std::int64_t>& shape) const {
    detail::WireReader reader(path_, message);
    while (const auto field = reader.field()) {
      const detail::Printable shown{name};
      check(field->number != 3 || field->value == 0, "tensor ", shown, " has no known rank");
      if (field->number != 2) continue;
      check(shape.size() < detail::most_axes, "tensor ", shown, " has more than ", detail::most_axes, " axes");
      std::uint64_t size = 0;
      detail::WireReader axis(path_, field->bytes);
      while (const auto part = axis.field())
        if (part->number == 1) size = part->value;
      shape.push_back(static_cast<std::int64_t>(size));
      check(shape.back() >= 0, "tensor ", shown, " has an axis of ", shape.back(), " (expected 0 or more)");
    }
  }

  // tensorflow/core/framework/types.proto
  static void name_type(std::uint64_t number, bool whole, ForeignTensor& tensor) {
    using Known = std::pair<std::uint64_t, DataType>;
    static constexpr std::array<Known, 13> known = {{{1, DataType::F32},
                                                     {2, DataType::F64},
                                                     {3, DataType::I32},
                                                     {4, DataType::U8},
                                                     {5, DataType::I16},
                                                     {6, DataType::I8},
                                                     {9, DataType::I64},
                                                     {10, DataType::BOOL},
                                                     {14, DataType::BF16},
                                                     {17, DataType::U16},
                                                     {19, DataType::F16},
                                                     {22, DataType::U32},
                                                     {23, DataType::U64}}};
    for (const auto& [value, type] : known)
      if (value == number) tensor.type = type;
    tensor.type_name = tensor.type   ? std::string(name_of(*tensor.type))
                       : number == 7 ? "texts"
                                     : concat("TensorFlow's type ", number);
    if (whole) return;
    tensor.type.reset();
    tensor.type_name += " in parts (a partitioned variable)";
  }

  const SourceFile& shard(std::uint64_t number) {
    auto& file = shards_[number];
    if (!file) {
      char ending[64];
      std::snprintf(ending, sizeof ending, ".data-%05d-of-%05d", static_cast<int>(number),
                    static_cast<int>(shard_count_));
      file = std::make_unique<SourceFile>(prefix_ + ending);
    }
    return *file;
  }

  std::string prefix_;
  SourceFile index_;
  std::uint64_t shard_count_ = 0;
  std::vector<ForeignTensor> tensors_;
  std::vector<Place> places_;
  std::map<std::uint64_t, std::unique_ptr<SourceFile>> shards_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Named tensors in one file, in the safetensors format: 8 bytes of little-endian header length, a JSON header
// {name: {"dtype", "shape", "data_offsets": [begin, end]}}, then the values; offsets count from the end of the header.
// Source: https://github.com/huggingface/safetensors
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/data_type.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A safetensors file, read into memory and checked as a whole when constructed.
///
///     SafetensorsFile file("weights.safetensors");
///     std::vector<float> weight = file.read<float>("generator.linear.weight");
///
/// Nothing in the file is trusted. Every problem throws FileError with one line that begins with the path.
class SafetensorsFile : detail::FileChecks {
 public:
  /// Reads the file; the memory it takes is the file's size. FileError where it is missing, not a regular file,
  /// unreadable, changes while being read, or departs from the format in any way: not a JSON header of at most 100 MB,
  /// names or keys given twice, unknown element types or keys, a tensor of more than 64 axes, sizes and offsets that
  /// contradict each other, tensors that overlap or leave bytes uncovered, metadata that are not strings.
  explicit SafetensorsFile(const std::filesystem::path& path) : FileChecks(path.string()) {
    detail::Descriptor file;
    struct stat status = {};
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    if (!file.open(path_, O_RDONLY | O_NONBLOCK) || ::fstat(file.number(), &status) != 0)
      fail("cannot be opened (", detail::error_text(errno), ")");
    check(S_ISREG(status.st_mode), "is not a regular file (expected a safetensors file)");

    const auto file_size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t header_size = 0;
    check_length(file_size);
    read_exactly(file, std::as_writable_bytes(std::span(&header_size, 1)));
    const std::uint64_t data_size = size_of_data(file_size, header_size);
    read_header(file, header_size, data_size);

    data_.resize(data_size);
    read_exactly(file, data_);
    std::byte beyond;
    check(detail::read_all(file.number(), std::span(&beyond, 1)) == 0,
          "grew while being read (is another program writing it?)");
  }

  /// The same of a file that is in memory, such as one that a program carries within itself; `name` stands for the path
  /// in messages. The bytes are copied, and checked as a file's are.
  SafetensorsFile(std::span<const std::byte> file, std::string name) : FileChecks(std::move(name)) {
    std::uint64_t header_size = 0;
    check_length(file.size());
    std::memcpy(&header_size, file.data(), sizeof header_size);
    const std::uint64_t data_size = size_of_data(file.size(), header_size);
    const std::span<const std::byte> text = file.subspan(sizeof header_size, header_size), data = file.last(data_size);
    take_header({reinterpret_cast<const char*>(text.data()), text.size()}, data_size);
    data_.assign(data.begin(), data.end());
  }

  /// The tensors' names in ascending order.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, tensor] : tensors_) result.push_back(name);
    return result;
  }

  /// Whether there is a tensor of that name.
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

  /// The tensor's sizes; empty for a single number. FileError where there is no such tensor.
  const std::vector<std::int64_t>& shape(std::string_view name) const { return find(name).shape; }

  /// The tensor's element type as stored. FileError where there is no such tensor.
  DataType type(std::string_view name) const { return find(name).type; }

  /// The file's free text: what `__metadata__` holds.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Whether all that the file says is what its writer wrote: false where the metadata hold a `checksum` (see
  /// SafetensorsWriter::add_checksum) that does not fit. A file without one is taken at its word.
  bool checksum_fits() const {
    const auto stated = metadata_.find(detail::checksum_key);
    return stated == metadata_.end() || stated->second == content_hash();
  }

  /// A hash of all that the file says but for that checksum, as 16 hexadecimal digits; see detail::ContentHash. It is
  /// the file's `checksum`, if it has one and is whole.
  std::string content_hash() const {
    detail::ContentHash hash;
    for (const auto& [key, value] : metadata_)
      if (key != detail::checksum_key) hash.add(key), hash.add(value);
    for (const auto& [name, tensor] : tensors_) {
      hash.add(name);
      hash.add(std::as_bytes(std::span(tensor.shape)));
      hash.add(bytes(name));
    }
    return hash.text();
  }

  /// The tensor's elements as they are stored. FileError where there is no such tensor.
  std::span<const std::byte> bytes(std::string_view name) const {
    const detail::StoredTensor& tensor = find(name);
    return std::span(data_).subspan(tensor.begin, tensor.end - tensor.begin);
  }

  /// The tensor's elements in row-major order, as T. See below for conversions and errors.
  template <TensorNumber T>
  std::vector<T> read(std::string_view name) const {
    std::vector<T> result(find(name).count());
    read<T>(name, result);
    return result;
  }

  /// Copies the tensor's elements in row-major order to `destination`, which must have exactly their number.
  ///
  /// Any floating type is read as any other, rounded to nearest (out of range: to infinity). Any integer type and BOOL
  /// is read as any integer type that holds all the values. Integers are not read as floating numbers nor the reverse.
  /// FileError where there is no such tensor, its size or kind differs, or a value does not fit.
  template <TensorNumber T>
  void read(std::string_view name, std::span<T> destination) const {
    const detail::StoredTensor& tensor = find(name);
    check(tensor.count() == destination.size(), "tensor ", detail::Printable{name}, " has ", tensor.count(),
          " elements (expected ", destination.size(), ")");
    const std::byte* source = bytes(name).data();

    if constexpr (std::floating_point<T>) {
      const auto round = [](auto value) { return static_cast<T>(value); };
      if (tensor.type == DataType::F64) return convert<double>(source, destination, round);
      if (tensor.type == DataType::F32) return convert<float>(source, destination, round);
      if (tensor.type == DataType::F16) return convert<std::uint16_t>(source, destination, half_to_float);
      if (tensor.type == DataType::BF16) return convert<std::uint16_t>(source, destination, bfloat16_to_float);
    } else {
      const bool is_bool = tensor.type == DataType::BOOL;
      const auto fit = [&](auto value) {
        if (!std::in_range<T>(value) || (is_bool && value > 1))
          fail("tensor ", detail::Printable{name}, " holds ", +value, " (expected ",
               is_bool ? "0 or 1 in a BOOL tensor)" : concat("what fits ", name_of(data_type_of<T>()), ")"));
        return static_cast<T>(value);
      };
      if (tensor.type == DataType::I64) return convert<std::int64_t>(source, destination, fit);
      if (tensor.type == DataType::I32) return convert<std::int32_t>(source, destination, fit);
      if (tensor.type == DataType::I16) return convert<std::int16_t>(source, destination, fit);
      if (tensor.type == DataType::I8) return convert<std::int8_t>(source, destination, fit);
      if (tensor.type == DataType::U64) return convert<std::uint64_t>(source, destination, fit);
      if (tensor.type == DataType::U32) return convert<std::uint32_t>(source, destination, fit);
      if (tensor.type == DataType::U16) return convert<std::uint16_t>(source, destination, fit);
      if (tensor.type == DataType::U8 || is_bool) return convert<std::uint8_t>(source, destination, fit);
    }
    fail("tensor ", detail::Printable{name}, " holds ", name_of(tensor.type), " (expected ",
         std::floating_point<T> ? "floating numbers)" : "integers)");
  }

 private:
  // Elements may lie at any address, hence the copies, which compilers remove.
  template <class Stored, class T, class Conversion>
  static void convert(const std::byte* source, std::span<T> destination, Conversion conversion) {
    for (T& result : destination) {
      Stored value;
      std::memcpy(&value, source, sizeof(value));
      source += sizeof(value);
      result = static_cast<T>(conversion(value));
    }
  }

  void read_exactly(const detail::Descriptor& file, std::span<std::byte> destination) const {
    const std::optional<std::size_t> got = detail::read_all(file.number(), destination);
    if (!got) fail("cannot be read (", detail::error_text(errno), ")");
    check(*got == destination.size(), "ended early while being read (is another program writing it?)");
  }

  // A function of its own so that the text is gone before the data come.
  void read_header(const detail::Descriptor& file, std::uint64_t size, std::uint64_t data_size) {
    std::string text(size, '\0');
    read_exactly(file, std::as_writable_bytes(std::span(text)));
    take_header(text, data_size);
  }

  void take_header(std::string_view text, std::uint64_t data_size) {
    detail::SafetensorsHeader header(path_, text, data_size);
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
  }

  void check_length(std::uint64_t file_size) const {
    check(file_size >= sizeof(std::uint64_t), "has ", file_size, " bytes (expected at least 8: the header's length)");
  }

  // The bytes that follow the header.
  std::uint64_t size_of_data(std::uint64_t file_size, std::uint64_t header_size) const {
    const std::uint64_t rest = file_size - sizeof(header_size);
    check(header_size <= detail::largest_header && header_size <= rest,
          "is not a safetensors file, or is cut short: its header would have ", header_size, " bytes and it has ", rest,
          " (expected no more than that, nor than ", detail::largest_header, ")");
    return rest - header_size;
  }

  const detail::StoredTensor& find(std::string_view name) const {
    const auto found = tensors_.find(name);
    check(found != tensors_.end(), "has no tensor ", detail::Printable{name});
    return found->second;
  }

  std::map<std::string, detail::StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::byte> data_;
};

/// Collects tensors and writes them as one safetensors file.
///
///     SafetensorsWriter writer;
///     writer.add<float>("weight", {2, 3}, weights);
///     writer.write("weights.safetensors");
class SafetensorsWriter {
 public:
  /// Adds a tensor whose elements, in row-major order, are `values`. They are referenced, not copied: they must stay
  /// alive and in place until write(). ArgumentError where the name was added before, is "__metadata__" or not UTF-8,
  /// or the number of values is not the product of the sizes.
  template <TensorElement T>
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const T> values) {
    const DataType type = data_type_of<T>();
    const std::size_t count = values.size();
    Entry& entry = insert(std::move(name), std::move(shape), count, type);
    entry.values = std::as_bytes(values);
  }

  /// As above, with the values stored as `stored_as`: F32, or F16 (see float_to_half). For F16 the writer keeps the
  /// converted values, and `values` need not stay alive.
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const float> values, DataType stored_as) {
    if (stored_as == DataType::F32) return add<float>(std::move(name), std::move(shape), values);
    require(stored_as == DataType::F16, "tensor ", detail::Printable{name}, ": floats are not stored as ",
            name_of(stored_as), " (expected F32 or F16)");
    Entry& entry = insert(std::move(name), std::move(shape), values.size(), stored_as);
    entry.converted.resize(values.size());
    std::ranges::transform(values, entry.converted.begin(), float_to_half);
  }

  /// Sets one entry of the file's free text, replacing what the key had. ArgumentError where either is not UTF-8.
  void set_metadata(std::string key, std::string value) {
    require(detail::is_utf8(key) && detail::is_utf8(value), "metadata ", detail::Printable{key}, " are not UTF-8");
    metadata_.insert_or_assign(std::move(key), std::move(value));
  }

  /// Sets the metadata entry `checksum` to a hash of all that was added and set so far, which is all that there may be.
  void add_checksum() {
    metadata_.erase(detail::checksum_key);
    detail::ContentHash hash;
    for (const auto& [key, value] : metadata_) hash.add(key), hash.add(value);
    for (const auto& [name, entry] : tensors_) {
      hash.add(name);
      hash.add(std::as_bytes(std::span(entry.shape)));
      hash.add(entry.bytes());
    }
    set_metadata(detail::checksum_key, hash.text());
  }

  /// Writes the file, all or nothing (see write_file_atomically). The same content gives the same bytes: tensors lie in
  /// descending order of element size, then by name, so that each is aligned to its element size.
  /// FileError where the file cannot be written; ArgumentError where the header would exceed 100 MB.
  void write(const std::filesystem::path& path) const {
    std::vector<const Tensors::value_type*> order;
    for (const auto& tensor : tensors_) order.push_back(&tensor);
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [](const auto* tensor) { return size_of(tensor->second.type); });

    std::string header = "{";
    std::string separator;
    if (!metadata_.empty()) {
      header += concat(detail::json_string(detail::metadata_key), ":{");
      for (const auto& [key, value] : metadata_) {
        header += concat(separator, detail::json_string(key), ':', detail::json_string(value));
        separator = ",";
      }
      header += '}';
    }
    std::vector<std::span<const std::byte>> pieces(2);  // the header's length and the header
    std::size_t position = 0;
    for (const auto* tensor : order) {
      const Entry& entry = tensor->second;
      const std::span<const std::byte> bytes = entry.bytes();
      std::string shape;
      for (const std::int64_t size : entry.shape) shape += concat(shape.empty() ? "" : ",", size);
      header += concat(separator, detail::json_string(tensor->first), ":{\"dtype\":\"", name_of(entry.type),
                       "\",\"shape\":[", shape, "],\"data_offsets\":[", position, ',', position + bytes.size(), "]}");
      separator = ",";
      position += bytes.size();
      pieces.push_back(bytes);
    }
    header += '}';
    header.resize((header.size() + 7) / 8 * 8, ' ');
    require(header.size() <= detail::largest_header, "the names and metadata take ", header.size(),
            " bytes (expected at most ", detail::largest_header, ")");

    const std::uint64_t header_size = header.size();
    pieces[0] = std::as_bytes(std::span(&header_size, 1));
    pieces[1] = std::as_bytes(std::span(header));
    write_file_atomically(path, pieces);
  }

 private:
  struct Entry {
    DataType type;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> values;
    std::vector<std::uint16_t> converted;  // takes the place of `values` unless empty

    std::span<const std::byte> bytes() const {
      return converted.empty() ? values : std::as_bytes(std::span(converted));
    }
  };
  using Tensors = std::map<std::string, Entry>;

  Entry& insert(std::string name, std::vector<std::int64_t> shape, std::size_t count, DataType type) {
    require(name != detail::metadata_key, "no tensor can be named __metadata__: the format reserves the name");
    require(detail::is_utf8(name), "the tensor name ", detail::Printable{name}, " is not UTF-8");
    require(!tensors_.contains(name), "tensor ", detail::Printable{name}, " was added before (expected new names)");
    require(shape.size() <= detail::most_axes, "tensor ", detail::Printable{name}, " has ", shape.size(),
            " axes (expected at most ", detail::most_axes, ")");
    const std::optional<std::uint64_t> product = detail::element_count(shape);
    require(product == count, "tensor ", detail::Printable{name}, " has ", count,
            " values (expected the product of the sizes in its shape)");
    return tensors_.emplace(std::move(name), Entry{type, std::move(shape), {}, {}}).first->second;
  }

  Tensors tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

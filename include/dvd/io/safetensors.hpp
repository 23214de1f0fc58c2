// Named tensors in one file, in the safetensors format: 8 bytes of little-endian header length, a JSON header
// {name: {"dtype", "shape", "data_offsets": [begin, end]}}, then the values; offsets count from the end of the header.
// Source: https://github.com/huggingface/safetensors
#pragma once

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
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"

namespace dvd {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are read and written as they lie in memory");

/// The element types a file can hold; BOOL is a byte that is 0 or 1.
enum class DataType { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

namespace detail {

inline constexpr std::array<std::string_view, 13> data_type_names = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16",
                                                                     "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
inline constexpr std::array<std::size_t, 13> data_type_sizes = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};

template <class T, class... Choices>
concept OneOf = (std::same_as<T, Choices> || ...);

}  // namespace detail

/// Bytes per element.
constexpr std::size_t size_of(DataType type) { return detail::data_type_sizes[static_cast<std::size_t>(type)]; }

/// The name the file format uses: "F32".
constexpr std::string_view name_of(DataType type) { return detail::data_type_names[static_cast<std::size_t>(type)]; }

/// What tensors can be read as: float, double and the integers, without bool and the character types.
template <class T>
concept TensorNumber = detail::OneOf<T, double, float, signed char, short, int, long, long long, unsigned char,
                                     unsigned short, unsigned, unsigned long, unsigned long long>;

/// What tensors can be written from.
template <class T>
concept TensorElement = TensorNumber<T> || std::same_as<T, bool>;

/// The type that stores a T exactly.
template <TensorElement T>
constexpr DataType data_type_of() {
  if constexpr (std::same_as<T, bool>) return DataType::BOOL;
  if constexpr (std::floating_point<T>) return sizeof(T) == 8 ? DataType::F64 : DataType::F32;
  const DataType widest = std::is_signed_v<T> ? DataType::I64 : DataType::U64;  // the next have half its size each
  return static_cast<DataType>(static_cast<int>(widest) + std::countr_zero(8 / sizeof(T)));
}

/// The value of an IEEE 754 half-precision number given by its bits. Exact.
constexpr float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t exponent = half >> 10 & 0x1F;
  const std::uint32_t fraction = half & 0x3FF;
  if (exponent == 0) {  // zero and subnormal numbers count multiples of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 112;  // biases: 15 and 127
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

/// The bits of the half-precision number nearest to `value`, ties to even; 65520 and more become infinity.
constexpr std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000) {  // not a number: stays one, made quiet
    half = 0x7E00 | (magnitude >> 13 & 0x3FF);
  } else if (magnitude >= std::bit_cast<std::uint32_t>(65520.0f)) {
    half = 0x7C00;
  } else if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14f)) {
    // Subnormal: floats from 0.5 on are spaced by 2^-24, so the addition rounds as wanted.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  } else {
    const std::uint32_t odd = magnitude >> 13 & 1;
    half = (magnitude - (112u << 23) + 0xFFF + odd) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

/// The value of a bfloat16 number given by its bits: the upper half of a float. Exact.
constexpr float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

namespace detail {

inline constexpr std::uint64_t largest_header = 100'000'000;  // bytes; the limit of the format's own reader
inline constexpr std::size_t most_axes = 64;
inline constexpr std::string_view metadata_key = "__metadata__";

struct StoredTensor {
  DataType type;
  std::vector<std::int64_t> shape;
  std::size_t begin;  // bytes from the end of the header
  std::size_t end;

  std::size_t count() const { return (end - begin) / size_of(type); }
};

constexpr char hex_digit(unsigned value) { return "0123456789abcdef"[value & 15]; }

// A name out of a file, for a message: quoted, one line, printable ASCII, not much longer than 60 letters.
struct Printable {
  std::string_view text;

  friend std::ostream& operator<<(std::ostream& stream, Printable name) {
    stream << '\'';
    for (const unsigned char letter : name.text.substr(0, 60)) {
      if (letter >= 0x20 && letter < 0x7F)
        stream << letter;
      else
        stream << "\\x" << hex_digit(letter >> 4u) << hex_digit(letter);
    }
    return stream << (name.text.size() > 60 ? "...'" : "'");
  }
};

// The product of the sizes, unless one is negative or the product exceeds 63 bits.
inline std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && count > largest / size)) return std::nullopt;
    count *= size;
  }
  return static_cast<std::uint64_t>(count);
}

// `text` as a JSON string with its quotes; not valid JSON where `text` is not UTF-8.
inline std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') result += '\\';
    if (code >= 0x20)
      result += letter;
    else
      result.append("\\u00").append({hex_digit(code >> 4u), hex_digit(code)});
  }
  return result + '"';
}

inline bool is_utf8(std::string_view text) { return nlohmann::json::accept(json_string(text)); }

// For what reads a file and finds it wanting.
class FileChecks {
 protected:
  explicit FileChecks(std::string path) : path_(std::move(path)) {}

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw FileError(concat(path_, ": ", parts...));
  }

  template <class... Parts>
  void check(bool condition, const Parts&... parts) const {
    if (!condition) fail(parts...);
  }

  std::string path_;
};

// Reads the JSON header as a stream of events, so that nesting and lies about sizes cost nothing: the first thing out
// of place throws FileError. (A JSON document in memory would also drop duplicate keys silently.)
class SafetensorsHeader final : public nlohmann::json_sax<nlohmann::json>, FileChecks {
 public:
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::map<std::string, std::string> metadata;

  SafetensorsHeader(const std::string& path, std::string_view text, std::uint64_t data_size)
      : FileChecks(path), data_size_(data_size) {
    check(text.starts_with('{'), "the header is not a JSON object (expected it to begin with '{')");
    // The parser would take a zero byte for the end of the text.
    check(text.find('\0') == text.npos, "the header is not valid JSON (it holds a zero byte)");
    nlohmann::json::sax_parse(text.data(), text.data() + text.size(), this);
    check_cover();
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) return enter(Place::header);
    if (place_ != Place::header) unexpected("an object");
    if (name_ == metadata_key) return enter(Place::metadata);
    draft_ = {};
    return enter(Place::tensor);
  }

  bool key(std::string& key) override {
    if (place_ == Place::header) {
      const bool again = key == metadata_key ? std::exchange(metadata_seen_, true) : tensors.contains(key);
      check(!again, "the header names ", Printable{key}, " twice (expected every name once)");
      name_ = std::move(key);
      return true;
    }
    if (place_ == Place::metadata) {
      check(!metadata.contains(key), "the metadata name ", Printable{key}, " twice (expected every key once)");
    } else {
      const bool known = key == "dtype" || key == "shape" || key == "data_offsets";
      check_tensor(known, "has an unknown key ", Printable{key}, " (expected dtype, shape, data_offsets)");
      const bool again = key == "dtype" ? bool(draft_.type) : bool(key == "shape" ? draft_.shape : draft_.offsets);
      check_tensor(!again, "has ", key, " twice");
    }
    key_ = std::move(key);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) add_tensor();
    return enter(place_ == Place::header ? Place::outside : Place::header);
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || key_ == "dtype") unexpected("an array");
    numbers_.clear();
    return enter(Place::array);
  }

  bool end_array() override {
    if (key_ == "data_offsets")
      check_tensor(numbers_.size() == 2, "has ", numbers_.size(), " data_offsets (expected begin and end)");
    (key_ == "shape" ? draft_.shape : draft_.offsets) = std::move(numbers_);
    return enter(Place::tensor);
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      metadata.emplace(std::move(key_), std::move(value));
    } else {
      if (place_ != Place::tensor || key_ != "dtype") unexpected("a string");
      const auto found = std::ranges::find(data_type_names, value);
      check_tensor(found != data_type_names.end(), "has an unknown dtype ", Printable{value},
                   " (expected F32, I64, ...)");
      draft_.type = static_cast<DataType>(found - data_type_names.begin());
    }
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::array) unexpected("a number");
    constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
    check_tensor(value <= largest, "has ", value, " in its ", key_, " (expected at most ", largest, ")");
    check_tensor(numbers_.size() < most_axes, "has more than ", most_axes, " numbers in its ", key_);
    numbers_.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool number_integer(std::int64_t) override { unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { unexpected("a number that is not a 64-bit integer"); }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail("the header is not valid JSON (near its byte ", position, ")");
  }

 private:
  enum class Place { outside, header, metadata, tensor, array };

  struct Draft {
    std::optional<DataType> type;
    std::optional<std::vector<std::int64_t>> shape, offsets;
  };

  [[noreturn]] void unexpected(std::string_view what) const {
    if (place_ == Place::metadata) fail("the metadata hold ", what, " at ", Printable{key_}, " (expected a string)");
    if (place_ == Place::header) fail("the header holds ", what, " at ", Printable{name_}, " (expected an object)");
    const std::string_view wanted = key_ == "dtype" ? "a string" : "an array of integers from 0";
    fail("tensor ", Printable{name_}, " has ", what, " in its ", key_, " (expected ", wanted, ")");
  }

  template <class... Parts>
  void check_tensor(bool condition, const Parts&... parts) const {
    check(condition, "tensor ", Printable{name_}, " ", parts...);
  }

  bool enter(Place place) { return place_ = place, true; }

  void add_tensor() {
    const bool complete = draft_.type && draft_.shape && draft_.offsets;
    check_tensor(complete, "is incomplete (expected dtype, shape, data_offsets)");
    const std::int64_t begin = draft_.offsets->front();
    const std::int64_t end = draft_.offsets->back();
    const std::string where = concat("has data_offsets [", begin, ", ", end, "]");
    check_tensor(begin <= end, where, " (expected begin <= end)");
    check_tensor(static_cast<std::uint64_t>(end) <= data_size_, where, " (expected at most ", data_size_,
                 ", the bytes that follow the header)");
    const std::optional<std::uint64_t> count = element_count(*draft_.shape);
    check_tensor(count.has_value(), "has a shape whose product is too large (expected less than 2^63 elements)");
    const std::size_t bytes = static_cast<std::size_t>(end - begin);
    const std::size_t size = size_of(*draft_.type);
    check_tensor(bytes % size == 0 && bytes / size == *count, where, " (expected ", *count, " elements of ", size,
                 " bytes)");
    tensors.emplace(name_, StoredTensor{*draft_.type, std::move(*draft_.shape), static_cast<std::size_t>(begin),
                                        static_cast<std::size_t>(end)});
  }

  // The tensors must tile the data: no overlap, no hole, nothing left over.
  void check_cover() {
    std::vector<std::pair<const StoredTensor*, const std::string*>> order;
    for (const auto& [name, tensor] : tensors) order.emplace_back(&tensor, &name);
    std::ranges::sort(order, {}, [](const auto& item) { return std::pair(item.first->begin, item.first->end); });
    std::size_t position = 0;
    for (const auto& [tensor, name] : order) {
      check(tensor->begin == position, "tensor ", Printable{*name}, " begins at ", tensor->begin, " (expected ",
            position, ": tensors follow each other without ", tensor->begin < position ? "overlap)" : "holes)");
      position = tensor->end;
    }
    check(position == data_size_, "the tensors end at ", position, " (expected ", data_size_,
          ", the bytes that follow the header)");
  }

  std::uint64_t data_size_;
  Place place_ = Place::outside;
  std::string name_;  // of the current tensor
  std::string key_;   // within it, or within the metadata
  bool metadata_seen_ = false;
  Draft draft_;
  std::vector<std::int64_t> numbers_;
};

}  // namespace detail

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
    check(file_size >= sizeof(header_size), "has ", file_size, " bytes (expected at least 8: the header's length)");
    read_exactly(file, std::as_writable_bytes(std::span(&header_size, 1)));
    check(header_size <= detail::largest_header && header_size <= file_size - sizeof(header_size),
          "is not a safetensors file, or is cut short: its header would have ", header_size, " bytes and it has ",
          file_size - sizeof(header_size), " (expected no more than that, nor than ", detail::largest_header, ")");
    const std::uint64_t data_size = file_size - sizeof(header_size) - header_size;
    read_header(file, header_size, data_size);

    data_.resize(data_size);
    read_exactly(file, data_);
    std::byte beyond;
    check(detail::read_all(file.number(), std::span(&beyond, 1)) == 0,
          "grew while being read (is another program writing it?)");
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
    const std::byte* source = data_.data() + tensor.begin;

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
      result = conversion(value);
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
    detail::SafetensorsHeader header(path_, text, data_size);
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
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
    Entry& entry = insert(std::move(name), std::move(shape), values.size(), data_type_of<T>());
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
      const std::span<const std::byte> bytes =
          entry.converted.empty() ? entry.values : std::as_bytes(std::span(entry.converted));
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

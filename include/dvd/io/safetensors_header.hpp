// The header of a safetensors file: parsed by events, so that nothing in it can exhaust the stack or memory, and
// checked as a whole before a byte of data is read. Included by io/safetensors.hpp.
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
#include "dvd/io/content_hash.hpp"
#include "dvd/io/data_type.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

inline constexpr std::uint64_t largest_header = 100'000'000;  // bytes; the limit of the format's own reader
inline constexpr std::size_t most_axes = 64;
inline constexpr std::string_view metadata_key = "__metadata__";
inline constexpr const char* checksum_key = "checksum";  // in the metadata

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

  friend void append_to(std::string& message, Printable name) {
    message += '\'';
    for (const char letter : name.text.substr(0, 60)) {
      const auto code = static_cast<unsigned char>(letter);
      if (code >= 0x20 && code < 0x7F)
        message += letter;
      else
        message.append("\\x").append({hex_digit(code >> 4u), hex_digit(code)});
    }
    message += name.text.size() > 60 ? "...'" : "'";
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

// The hash of a safetensors file's length and header, by which it is recognised without being parsed; none where the
// bytes cannot be such a file.
inline std::optional<std::uint64_t> safetensors_header_hash(std::span<const std::byte> file) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > largest_header || length > file.size() - sizeof length) return std::nullopt;
  ContentHash hash;
  hash.add(file.first(sizeof length + length));
  return hash.value();
}

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The header of NumPy's .npy format: 8 bytes of magic and version, the length of a text, and the text, which is a
// Python dictionary of three entries: {'descr': '<f4', 'fortran_order': False, 'shape': (64, 3, 3, 3, 3), } Source:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/data_type.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// What a .npy header says, read by a grammar that knows such dictionaries and nothing else of Python.
class NpyHeader : FileChecks {
 public:
  static constexpr std::string_view magic = "\x93NUMPY";
  static constexpr std::size_t largest = std::size_t{1} << 16;  ///< bytes, which is more than 64 axes need

  std::string type_name;         ///< '<f4'
  std::optional<DataType> type;  ///< none for texts, complex numbers, records, dates
  bool column_major = false;     ///< the first axis is contiguous, not the last one
  std::vector<std::int64_t> shape;
  std::uint64_t elements = 0;  ///< the shape's product
  std::size_t size = 0;        ///< bytes of the header: the elements follow it

  /// Reads the header that `bytes` begin with; of `available` bytes in all, so many must be given or `largest`. `where`
  /// begins the messages of FileError: for what is no such header, and for elements that do not fill the rest.
  NpyHeader(const std::string& where, std::span<const std::byte> bytes, std::uint64_t available) : FileChecks(where) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    check(all.starts_with(magic) && all.size() >= 10, "is no NumPy array (expected it to begin with \\x93NUMPY)");
    const int version = static_cast<unsigned char>(all[6]);
    check(version >= 1 && version <= 3, "is in version ", version, " of NumPy's format (expected 1, 2 or 3)");
    const std::size_t begin = version == 1 ? 10 : 12;
    check(all.size() >= begin, "ends within its header");
    std::uint32_t length = 0;
    std::memcpy(&length, all.data() + 8, begin - 8);
    size = begin + length;
    check(size <= largest, "has a header of ", size, " bytes (expected at most ", largest, ")");
    check(size <= all.size(), "ends within its header");
    rest_ = all.substr(begin, length);
    read_dictionary();

    const std::optional<std::uint64_t> count = element_count(shape);
    check(count.has_value(), "has a shape whose product is too large (expected less than 2^63 elements)");
    elements = *count;
    if (!type) return;
    const std::uint64_t data = available - size, each = size_of(*type);
    check(data % each == 0 && data / each == elements, "has ", data, " bytes of elements (expected ", elements,
          " elements of ", each, " bytes)");
  }

 private:
  void read_dictionary() {
    bool seen[3] = {};
    expect('{');
    while (!next_is('}')) {
      const std::string key = quoted();
      expect(':');
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      check(which >= 0 && !std::exchange(seen[which], true), "has a header with an entry ", Printable{key},
            which < 0 ? " (expected descr, fortran_order, shape)" : " twice");
      if (which == 0) read_type();
      if (which == 1) column_major = truth();
      if (which == 2) read_shape();
      if (!next_is(',')) {
        expect('}');
        break;
      }
    }
    check(seen[0] && seen[1] && seen[2], "has a header without descr, fortran_order or shape");
    skip_blanks();
    check(rest_.empty(), "has a header that goes on behind its dictionary");
  }

  void read_type() {
    skip_blanks();
    check(!rest_.starts_with('['), "holds records (expected an array of numbers)");
    type_name = quoted();
    using Known = std::pair<std::string_view, DataType>;
    static constexpr std::array<Known, 12> known = {{{"<f8", DataType::F64},
                                                     {"<f4", DataType::F32},
                                                     {"<f2", DataType::F16},
                                                     {"<i8", DataType::I64},
                                                     {"<i4", DataType::I32},
                                                     {"<i2", DataType::I16},
                                                     {"|i1", DataType::I8},
                                                     {"<u8", DataType::U64},
                                                     {"<u4", DataType::U32},
                                                     {"<u2", DataType::U16},
                                                     {"|u1", DataType::U8},
                                                     {"|b1", DataType::BOOL}}};
    for (const auto& [name, value] : known)
      if (type_name == name) type = value;
    check(!type_name.starts_with("|O"),
          "holds Python objects, which are not read: that would run what the file says (expected numbers)");
    check(!type_name.starts_with('>'), "holds big-endian numbers (save it anew with array.astype('<f4'))");
  }

  void read_shape() {
    expect('(');
    while (!next_is(')')) {
      check(shape.size() < most_axes, "has more than ", most_axes, " axes");
      skip_blanks();
      std::int64_t size_of_axis = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size_of_axis);
      check(error == std::errc() && size_of_axis >= 0, "has a shape that is none, at ", Printable{rest_.substr(0, 24)},
            " (expected sizes from 0)");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      next_is('L');  // as Python 2 wrote long numbers
      shape.push_back(size_of_axis);
      if (!next_is(',')) {
        expect(')');
        break;
      }
    }
  }

  bool truth() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    fail("has a fortran_order that is neither True nor False");
  }

  std::string quoted() {
    skip_blanks();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const std::size_t end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : rest_.npos;
    check(end != rest_.npos, "has a header that is no dictionary, at ", Printable{rest_.substr(0, 24)},
          " (expected a quoted word)");
    std::string word(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return word;
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }

  // Takes the letter if it is next.
  bool next_is(char letter) {
    skip_blanks();
    if (!rest_.starts_with(letter)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char letter) {
    check(next_is(letter), "has a header that is no dictionary, at ", Printable{rest_.substr(0, 24)}, " (expected ",
          letter, ")");
  }

  std::string_view rest_;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

// What the library throws: one family of exceptions, each message a single line for a person; and how texts are put
// together, which is the same in every locale.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Base of everything the library throws. `what()` is one line: what was wrong, what was expected, what to do.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A value the caller chose does not fit: a size, a shape, an option, a label.
class ArgumentError : public Error {
  using Error::Error;
};

/// A file or folder is missing, unreadable, malformed or cannot be written.
class FileError : public Error {
  using Error::Error;
};

namespace detail {

template <class Value, class... Choices>
concept AnyOf = (std::same_as<Value, Choices> || ...);

template <class Value>
concept Number = std::integral<Value> || std::floating_point<Value>;

/// A value that has a function `append_to(text, value)` beside its type, which appends it to a std::string.
template <class Value>
concept Appendable = requires(std::string& text, const Value& value) {
  append_to(text, value);
};

/// Numbers as streams write them by default, floating ones with six digits, but never in the user's locale: a program
/// that has set one that groups digits must not find "2,000" in its files.
template <Number Value>
void append_number(std::string& text, Value value) {
  char digits[64];
  char* const end = digits + sizeof digits;
  if constexpr (std::integral<Value>)
    text.append(digits, std::to_chars(digits, end, value).ptr);
  else
    text.append(digits, std::to_chars(digits, end, value, std::chars_format::general, 6).ptr);
}

template <class Value>
void append_value(std::string& text, const Value& value) {
  if constexpr (Appendable<Value>) {
    append_to(text, value);
  } else if constexpr (std::convertible_to<const Value&, std::string_view>) {
    text += std::string_view(value);
  } else if constexpr (AnyOf<Value, char, signed char, unsigned char>) {
    text += static_cast<char>(value);
  } else if constexpr (std::same_as<Value, bool>) {
    text += value ? '1' : '0';
  } else if constexpr (Number<Value>) {
    append_number(text, value);
  } else {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream << value;
    text += stream.str();
  }
}

/// One piece of a message, not yet formatted: what it is and how to write it. Messages are built from a list of these
/// by one function, so that a check costs the compiler next to nothing.
class MessagePiece {
 public:
  /// A literal, whatever its length: most pieces are.
  explicit MessagePiece(const char* text)
      : value_(text), append_([](std::string& all, const void* erased) { all += static_cast<const char*>(erased); }) {}

  template <class Value>
  explicit MessagePiece(const Value& value)
      : value_(&value),
        append_([](std::string& text, const void* erased) { append_value(text, *static_cast<const Value*>(erased)); }) {
  }

  void append_to(std::string& text) const { append_(text, value_); }

 private:
  const void* value_;
  void (*append_)(std::string&, const void*);
};

inline std::string join(std::initializer_list<MessagePiece> pieces) {
  std::string text;
  for (const MessagePiece& piece : pieces) piece.append_to(text);
  return text;
}

[[noreturn, gnu::cold]] inline void throw_argument_error(std::initializer_list<MessagePiece> pieces) {
  throw ArgumentError(join(pieces));
}

}  // namespace detail

/// Its arguments written one after the other, the same in every locale: `concat("expected ", 3, " channels")`. They are
/// texts, characters, numbers (floating ones with six digits), and values of types that have a function
/// `append_to(std::string&, value)` beside them or, for want of that, can be streamed.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  return detail::join({detail::MessagePiece(pieces)...});
}

/// Throws ArgumentError with the message, put together as `concat` does, unless `condition` holds.
template <class... Pieces>
void require(bool condition, const Pieces&... message) {
  if (!condition) [[unlikely]]
    detail::throw_argument_error({detail::MessagePiece(message)...});
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

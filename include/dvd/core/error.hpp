// What the library throws: one family of exceptions, each message a single line for a person.
#pragma once

#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>

namespace dvd {

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

/// One part of a message, not yet formatted: what it is and how to stream it. Messages are built from a list of these
/// by one function, so that a check costs the compiler next to nothing.
class MessagePart {
 public:
  template <class Value>
  explicit MessagePart(const Value& value)
      : value_(&value),
        print_([](std::ostream& out, const void* erased) { out << *static_cast<const Value*>(erased); }) {}

  friend std::ostream& operator<<(std::ostream& out, const MessagePart& part) {
    part.print_(out, part.value_);
    return out;
  }

 private:
  const void* value_;
  void (*print_)(std::ostream&, const void*);
};

inline std::string join(std::initializer_list<MessagePart> parts) {
  std::ostringstream text;
  for (const MessagePart& part : parts) text << part;
  return text.str();
}

[[noreturn, gnu::cold]] inline void throw_argument_error(std::initializer_list<MessagePart> parts) {
  throw ArgumentError(join(parts));
}

}  // namespace detail

/// Its arguments streamed one after the other: `concat("expected ", 3, " channels")`.
template <class... Parts>
std::string concat(const Parts&... parts) {
  return detail::join({detail::MessagePart(parts)...});
}

/// Throws ArgumentError with the streamed message unless `condition` holds.
template <class... Parts>
void require(bool condition, const Parts&... message) {
  if (!condition) [[unlikely]]
    detail::throw_argument_error({detail::MessagePart(message)...});
}

}  // namespace dvd

// What the library throws: one family of exceptions, each message a single line for a person.
#pragma once

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

/// Its arguments streamed one after the other: `concat("expected ", 3, " channels")`.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

/// Throws ArgumentError with the streamed message unless `condition` holds.
template <class... Parts>
void require(bool condition, const Parts&... message) {
  if (!condition) [[unlikely]]
    throw ArgumentError(concat(message...));
}

}  // namespace dvd

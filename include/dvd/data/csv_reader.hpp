// Tables as comma separated values, RFC 4180, and what spreadsheets make of them: semicolons and tabs.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// Reads a text, which must outlive it, row by row. Blanks around a value belong to it only within quotes.
class CsvReader {
 public:
  CsvReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

  // The separator that splits the first row into most columns.
  static char separator_of(std::string_view text) {
    char best = ',';
    std::size_t most = 0;
    for (const char separator : {',', ';', '\t'}) {
      std::vector<std::string> row;
      if (CsvReader(text, separator).next(row) && row.size() > most) {
        most = row.size();
        best = separator;
      }
    }
    return best;
  }

  // The next row that is not empty; false behind the last one.
  bool next(std::vector<std::string>& row) {
    do {
      if (at_ == text_.size()) return false;
      read_row(row);
    } while (row.size() == 1 && row[0].empty());
    return true;
  }

  // In which the last row began, from 1.
  std::int64_t line() const { return line_of_row_; }
  // Whether the text ended within quotes: the last row is then no whole one.
  bool unclosed() const { return unclosed_; }

 private:
  void read_row(std::vector<std::string>& row) {
    row.clear();
    line_of_row_ = line_;
    do row.push_back(read_value());
    while (at_ < text_.size() && text_[at_++] == separator_);
    // Behind the end of the line, which may be of two characters.
    if (at_ > 0 && at_ < text_.size() && text_[at_ - 1] == '\r' && text_[at_] == '\n') ++at_;
    ++line_;
  }

  // Up to the separator or the end of the line.
  std::string read_value() {
    std::string value;
    const std::size_t begin = text_.find_first_not_of(separator_ == '\t' ? " " : " \t", at_);
    if (begin != std::string_view::npos && text_[begin] == '"') {
      at_ = begin + 1;
      while (!read_quoted(value))
        ;
      value += trimmed(read_plain());
      return value;
    }
    return std::string(trimmed(read_plain()));
  }

  // A piece up to a quote; whether that was the last one.
  bool read_quoted(std::string& value) {
    const std::size_t end = text_.find('"', at_);
    unclosed_ = end == std::string_view::npos;
    const std::string_view piece = text_.substr(at_, unclosed_ ? end : end - at_);
    for (const char c : piece) line_ += c == '\n';
    value += piece;
    at_ = unclosed_ ? text_.size() : end + 1;
    if (unclosed_ || at_ == text_.size() || text_[at_] != '"') return true;
    value += '"';  // two of them are one
    ++at_;
    return false;
  }

  std::string_view read_plain() {
    const char ends[] = {separator_, '\r', '\n'};
    const std::size_t begin = std::exchange(at_, text_.find_first_of(std::string_view(ends, 3), at_));
    if (at_ == std::string_view::npos) at_ = text_.size();
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  char separator_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, line_of_row_ = 1;
  bool unclosed_ = false;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

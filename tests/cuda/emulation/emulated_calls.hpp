// Calls of the emulated CUDA runtime that tests interfere with.
#pragma once

#include <map>
#include <string>

/// Counts calls by their names, and makes one of them fail or leaves one out.
class EmulatedCalls {
 public:
  /// The `number`-th call from now on (1, 2, ...) returns `status`.
  void fail(const std::string& call, int number, int status) { failing_ = {call, counts_[call] + number, status}; }
  /// The `number`-th call from now on does nothing, and says that it has.
  void skip(const std::string& call, int number) { skipped_ = {call, counts_[call] + number, 0}; }
  /// From here on, nothing happens to calls. Returns whether anything has since `fail` or `skip`.
  bool end() {
    failing_ = skipped_ = {};
    const bool happened = happened_;
    happened_ = false;
    return happened;
  }

  /// Calls so far.
  int count(const std::string& call) { return counts_[call]; }
  const std::map<std::string, int>& counts() const { return counts_; }

  /// What a call that begins is to return at once, or 0.
  int begin(const char* call) {
    const int number = ++counts_[call];
    if (!failing_.is(call, number)) return 0;
    happened_ = true;
    return failing_.status;
  }
  /// Whether the call that has begun last is left out.
  bool skips(const char* call) {
    if (!skipped_.is(call, counts_[call])) return false;
    happened_ = true;
    return true;
  }

 private:
  struct Chosen {
    std::string call;
    int number = 0, status = 0;

    bool is(const char* other, int other_number) const { return number == other_number && call == other; }
  };

  std::map<std::string, int> counts_;
  Chosen failing_, skipped_;
  bool happened_ = false;
};

// Calls of the emulated libraries that fail because a test wants them to.
#pragma once

#include <string>

/// The `call`-th call from now on of a function of cuDNN or cuBLASLt returns `status`, and does nothing.
class EmulatedFailures {
 public:
  static EmulatedFailures& instance() {
    static auto& failures = *new EmulatedFailures;
    return failures;
  }

  void plan(const std::string& function, int call, int status) {
    function_ = function;
    left_ = call;
    status_ = status;
    failed_ = false;
  }
  /// Whether that call came; none fails any more.
  bool end() {
    function_.clear();
    return failed_;
  }

  /// What a function returns at once, if not 0.
  int of(const char* function) {
    if (function_.empty() || function_ != function || --left_ != 0) return 0;
    failed_ = true;
    return status_;
  }

 private:
  std::string function_;
  int left_ = 0, status_ = 0;
  bool failed_ = false;
};

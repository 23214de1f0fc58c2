// A number that is not finite, to order, for tests.
#pragma once

#include <cstdlib>
#include <dvd/core/parameter.hpp>
#include <limits>
#include <string>
#include <vector>

namespace examples {

/// The environment variable DVD_TEST_POISON, "NAME@STEP", makes the first value of the parameter NAME (as in a
/// checkpoint) a NaN just before that step, once; "NAME@STEP+" does so before every step from there on, so that going
/// back cannot help.
class Poison {
 public:
  /// Throws ArgumentError if the variable makes no sense.
  template <class Gan>
  explicit Poison(Gan& gan) {
    const char* const text = std::getenv("DVD_TEST_POISON");
    if (!text || !*text) return;
    const std::string whole = text;
    const std::size_t at = whole.rfind('@');
    name_ = whole.substr(0, at);
    std::string step = at == std::string::npos ? "" : whole.substr(at + 1);
    again_ = step.ends_with('+');
    if (again_) step.pop_back();
    dvd::require(!step.empty() && step.size() < 18 && step.find_first_not_of("0123456789") == std::string::npos,
                 "DVD_TEST_POISON=", whole, ": expected NAME@STEP or NAME@STEP+, such as generator.input.weight@12");
    step_ = std::stoll(step);
    bool known = false;
    for (const auto& [name, parameter] : dvd::contents(gan).parameters) known = known || name == name_;
    dvd::require(known, "DVD_TEST_POISON=", whole, ": the model has no parameter ", name_);
  }

  /// To be called before step number `step`.
  template <class Gan>
  void strike(Gan& gan, dvd::Index step) {
    if (step_ < 0 || (again_ ? step < step_ : step != step_)) return;
    using T = dvd::FullPrecision<typename Gan::scalar_type>;
    for (auto& [name, parameter] : dvd::contents(gan).parameters)
      if (name == name_) {
        std::vector<T> values = parameter->value.to_vector();
        values[0] = std::numeric_limits<T>::quiet_NaN();
        parameter->value.assign(values);
      }
    if (!again_) step_ = -1;  // once
  }

 private:
  std::string name_;
  dvd::Index step_ = -1;
  bool again_ = false;
};

}  // namespace examples

// The library's check of gradients, as doctest sees it: what it throws fails the test case, with a line for each
// finding.
#pragma once

#include <doctest/doctest.h>

#include "dvd/testing/gradient_check.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

using Doubles = Tensor<double>;
using DoublesView = ConstTensorView<double>;

/// A pass of one kind, of a network as it is.
inline void check_pass(const std::string& name, const Differentiable& network, Pass pass) {
  for (const std::string& finding : GradientCheck(name, network, pass).findings()) FAIL_CHECK(finding);
}

}  // namespace dvd::testing

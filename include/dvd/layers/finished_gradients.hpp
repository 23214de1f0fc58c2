// Telling, in the course of a backward pass, which gradients are complete.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Somebody who has a use for a gradient as soon as it is complete, while the pass goes on: where several ranks add up
/// theirs.
class FinishedGradients {
 public:
  virtual ~FinishedGradients() = default;

  /// The pass will add nothing more to the gradient of the Parameter at this address. To be told once in a pass; what
  /// is told again counts for nothing.
  virtual void finished(const void* parameter) = 0;
};

/// Tells whoever listens that a backward pass is through with all parameters of `part`. Models call it after each of
/// their parts; one that does not merely has its gradients added up later.
template <class Part>
void tell_finished(const Gradients& gradients, Part& part) {
  if (!gradients.listener || !wants_parameters(gradients)) return;
  for (const auto& [name, parameter] : contents(part).parameters) gradients.listener->finished(parameter);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

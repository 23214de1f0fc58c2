// Where an update went wrong.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "dvd/core/finite.hpp"
#include "dvd/training/inputs.hpp"

namespace dvd {

namespace detail {

template <class Gan, class T, class D>
void forward_again(Gan& gan, const DiscriminatorInputs<T, D>& inputs, Pass pass) {
  const Tensor<T, D> condition = condition_of(inputs.real, gan.config().condition_frames);
  const auto both = with_fakes(inputs, gan.generate(inputs.z, inputs.labels, condition, pass));
  gan.spatial.forward(both.videos, both.labels, both.frames, pass);
  gan.temporal.forward(both.videos, both.labels, pass);
}

template <class Gan, class T, class D>
void forward_again(Gan& gan, const GeneratorInputs<T, D>& inputs, Pass pass) {
  const auto judged = continued(inputs, gan.generate(inputs.z, inputs.labels, inputs.condition, pass));
  gan.spatial.forward(judged.videos, judged.labels, judged.frames, pass);
  gan.temporal.forward(judged.videos, judged.labels, pass);
}

}  // namespace detail

/// Names where the first value arose that is not finite, in an update whose gradients are not: a weight that was so
/// before; else a layer's result, for which the forward passes run again (and move buffers); else a gradient.
/// `networks` are the contents of generator, spatial and temporal discriminator.
template <class Gan, class Inputs>
std::string find_fault(
    Gan& gan, const std::array<const Contents<typename Gan::scalar_type, typename Gan::device_type>*, 3>& networks,
    const std::vector<Inputs>& parts) {
  for (const auto* network : networks)
    if (const std::string name = first_non_finite(*network); !name.empty()) return name + ": its values";
  LayerWatch watch;
  for (const Inputs& part : parts) {
    Pass pass = pass_for(part, parts);
    pass.watch = &watch;
    detail::forward_again(gan, part, pass);
  }
  for (const auto* network : networks)
    if (const std::string name = watch.first(*network); !name.empty())
      return name.substr(0, name.rfind(".weight")) + ": its result";
  for (const auto* network : networks)
    if (const std::string name = first_non_finite_buffer(*network); !name.empty()) return name + ": its statistics";
  for (std::size_t i = networks.size(); i-- > 0;)
    if (const std::string name = first_non_finite_gradient(*networks[i]); !name.empty()) return name + ": its gradient";
  return "scores, or norms of gradients, too large for a number";
}

}  // namespace dvd

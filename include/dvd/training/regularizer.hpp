// Terms that a network adds to its loss beside what scores say: of discriminators such as R1 (training/r1.hpp), of
// generators such as the grid-cell regulariser of nowcasting (layers/grid_cell_regularizer.hpp).
//
// A discriminator or generator names one by a member function `regularizer()`, which is asked in every update and gives
// a regularizer or a std::optional of one, empty for none:
//
//     dvd::Gan gan(dvd::Regularized(MyGenerator(...), dvd::GridCellRegularizer<>{.weight = 20}),
//                  dvd::NamedDiscriminator{"frames", dvd::Regularized(MyDiscriminator(...), dvd::R1{.weight = 1})});
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "dvd/layers/tensor_losses.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A term of the loss of a discriminator X, from real videos: `regularizer(discriminator, real, weight, pass)` adds
/// `weight` times the term's gradient to the gradients of the discriminator's parameters and returns the term itself,
/// `[1]`, in full precision. `real` are the real videos of a batch, as the discriminator has scored them before; `pass`
/// moves no buffers and draws by a video's number what that pass drew (but for Dropout, which draws by an element's
/// place). As all work of an update it must not wait for the device.
template <class R, class X>
concept DiscriminatorRegularizer = VideoDiscriminator<X> &&
    requires(const R& regularizer, X& discriminator,
             const VideoBatch<typename X::scalar_type, typename X::device_type>& real, double weight,
             const Pass& pass) {
  {
    regularizer(discriminator, real, weight, pass)
    } -> std::same_as<PreciseTensor<typename X::scalar_type, typename X::device_type>>;
};

/// A term of the loss of a generator G that compares what it made with what was to be made: `regularizer(made, truth)`
/// gives the term, `[]` in full precision, and its gradient by `made`. For `truth` `[frames, N, H, W, C]`, the real
/// videos that N conditions are of, `made` `[frames, samples N, H, W, C]` has `samples()` videos for each condition:
/// number k N + n is one of those of condition n. In an update of the generator as many latents are drawn, and the
/// discriminators score all of them. Only for generators that are given something of a real video.
template <class R, class G>
concept GeneratorRegularizer = VideoGenerator<G> && requires(const R& regularizer, const ViewOf<G>& videos) {
  { regularizer.samples() } -> std::convertible_to<Index>;
  { regularizer(videos, videos) } -> std::same_as<TensorLoss<typename G::scalar_type, typename G::device_type>>;
};

namespace detail {

template <class Network>
concept NamesRegularizer = requires(const Network& network) {
  network.regularizer();
};

template <class Named>
struct RegularizerIn {
  using type = Named;
};
template <class R>
struct RegularizerIn<std::optional<R>> {
  using type = R;
};

template <class Network>
using RegularizerOf =
    typename RegularizerIn<std::remove_cvref_t<decltype(std::declval<const Network&>().regularizer())>>::type;

/// Calls `f(regularizer)` if the network has one.
template <class Network, class F>
void with_regularizer(const Network& network, const F& f) {
  if constexpr (NamesRegularizer<Network>) {
    const auto& named = network.regularizer();
    if constexpr (std::same_as<std::remove_cvref_t<decltype(named)>, RegularizerOf<Network>>) {
      f(named);
    } else {
      if (named) f(*named);
    }
  }
}

}  // namespace detail

/// A network with a term of its own in its loss: a discriminator with a DiscriminatorRegularizer or a generator with a
/// GeneratorRegularizer. All else is the network's, names of its weights included.
template <class Network, class R>
requires(DiscriminatorRegularizer<R, Network> || GeneratorRegularizer<R, Network>) class Regularized : public Network {
 public:
  Regularized(Network network, R regularizer) : Network(std::move(network)), regularizer_(std::move(regularizer)) {}

  const R& regularizer() const { return regularizer_; }

 private:
  R regularizer_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

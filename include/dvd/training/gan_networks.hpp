// The networks that an update works on: a GAN's own, or copies for a part of a batch that is worked on at the same
// time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What an update needs to see of a GAN, which must outlive this.
template <VideoGan Gan>
class GanNetworks {
 public:
  using scalar_type = typename Gan::scalar_type;
  using device_type = typename Gan::device_type;
  using Generating = std::remove_cvref_t<decltype(std::declval<Gan&>().networks())>;

  /// The GAN's own networks.
  explicit GanNetworks(Gan& gan) : gan_(&gan) {}

  /// Throws ArgumentError for a discriminator that cannot be copied.
  static void check_copies(Gan& gan) {
    gan.for_each_discriminator([&]<class X>(const std::string& name, X&) {
      require(std::copy_constructible<X>, "the discriminator \"", name,
              "\" cannot be copied, which sums in a fixed order take: give it a copy constructor, or train with "
              "Reduce::fast");
    });
  }

  /// Copies of its networks as they are now, without gradients. `check_copies` must have found nothing wrong.
  static GanNetworks copy(Gan& gan) {
    GanNetworks result(gan);
    result.generating_ = std::make_shared<Generating>(clone(gan.networks()));
    gan.for_each_discriminator([&]<class X>(const std::string&, X& discriminator) {
      if constexpr (std::copy_constructible<X>)
        result.discriminators_.push_back(std::make_shared<X>(clone(discriminator)));
    });
    return result;
  }

  Generating& networks() { return generating_ ? *generating_ : gan_->networks(); }

  /// Calls `f(name, discriminator)` for each, in the order of the GAN.
  template <class F>
  void for_each_discriminator(F&& f) {
    std::size_t i = 0;
    gan_->for_each_discriminator([&]<class X>(const std::string& name, X& own) {
      f(name, generating_ ? *static_cast<X*>(discriminators_[i++].get()) : own);
    });
  }

  /// Contents of the generator and of the discriminators, under the names that messages have for them.
  auto contents_of_each() {
    std::vector<Contents<FullPrecision<scalar_type>, device_type>> all{contents(networks())};
    for_each_discriminator(
        [&](const std::string& name, auto& discriminator) { all.push_back(contents(discriminator, name + ".")); });
    return all;
  }

 private:
  Gan* gan_;
  std::shared_ptr<Generating> generating_;  ///< a copy; null where the GAN's own are meant
  std::vector<std::shared_ptr<void>> discriminators_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

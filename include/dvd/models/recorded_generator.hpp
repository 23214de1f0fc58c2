// Making videos again and again, at the cost of a replay.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/recording_key.hpp"
#include "dvd/models/generator_networks.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What generates videos by running statistics, batch after batch of one size. A recurrent generator is thousands of
/// small kernels; a device that records work replays them all at once, from the third batch on. The bits are those of
/// `GeneratorNetworks::generate`. For one thread; on the CPU, where nothing is recorded, and for several, there is
/// ServedGenerator.
///
///     dvd::RecordedGenerator recorded(gan.average);
///     for (...) save(recorded.generate(z, labels));
template <class Networks>
class RecordedGenerator {
 public:
  using T = typename Networks::scalar_type;
  using D = typename Networks::device_type;
  using View = ConstTensorView<T, D>;

  /// `networks` must outlive this. Their weights may change between batches; where they move, or settings change, the
  /// work is recorded anew.
  explicit RecordedGenerator(Networks& networks) : networks_(networks), contents_(contents(networks)) {}

  /// The frames made, `[frames, N, H, W, C]` in [-1, 1], from latents z `[N, latent_dim]`, labels (none, if there are
  /// no classes) and, where the model continues videos, `condition` `[condition_frames, N, H, W, C]`; in an array that
  /// the next call may overwrite. 0 `frames` are the configuration's; for others see Generator. Throws ArgumentError
  /// for a label out of range and for shapes that do not fit the model. A batch of another size begins anew.
  const Tensor<T, D>& generate(const View& z, const Rows<D>& labels, const View& condition = {}, Index frames = 0) {
    if constexpr (!D::Recording::replays) {
      videos_ = networks_.generate(z, labels, condition, Pass::evaluate(), nullptr, frames);
    } else {
      networks_.generator.check(z, labels);
      frames = networks_.generator.frames_made(frames, Pass::evaluate());
      if (videos_ && z.shape() == z_.shape() && labels.size() == labels_.size() &&
          condition.shape() == condition_.shape() && frames == videos_.extent(0)) {
        z_.copy_from(z);
        labels_.assign(labels.values());
        if (condition) condition_.copy_from(condition);
      } else {
        recording_.reset();
        videos_ = {};  // whatever is thrown before all is in its place, the next call begins anew
        z_ = z.clone();
        labels_ = Rows<D>(labels.values());
        condition_ = condition.clone();
        const DvdGanConfig& config = networks_.generator.config();
        videos_ = Tensor<T, D>(
            Shape{frames, z.extent(0), config.image_height(), config.image_width(), config.image_channels});
      }
      RecordingKey key;
      key.add(contents_, false);
      key.add(settings_of(networks_));
      if (key != key_) recording_.reset();
      key_ = std::move(key);
      recording_.run([this] {
        videos_.copy_from(networks_.generate(z_, labels_, condition_, Pass::evaluate(), nullptr, videos_.extent(0)));
      });
    }
    return videos_;
  }

 private:
  Networks& networks_;
  Contents<FullPrecision<T>, D> contents_;
  RecordingKey key_;
  Tensor<T, D> z_, condition_, videos_;
  Rows<D> labels_;
  typename D::Recording recording_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

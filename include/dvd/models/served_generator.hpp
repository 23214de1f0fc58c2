// A generator alone, for programs that only make videos: from many threads, many at a call.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <memory>
#include <utility>

#include "dvd/layers/prepared_weights.hpp"
#include "dvd/models/prediction.hpp"
#include "dvd/models/sampling.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A generator whose weights no longer change, a DVD-GAN's or any other. It holds those weights and nothing that
/// training needs: no gradients, no average, no discriminators. What follows from them, sigmas, packed weights and
/// filters, is made once (PreparedWeights).
///
///     const dvd::ServedGenerator served(gan.average);
///     auto videos = served.sample({.labels = {3, 1, 4}, .seed = 7});
///
/// `load_served_generator` (io/generator_file.hpp) makes one out of a file.
///
/// It is const, and any number of threads may call it at once, each as often as it likes. On the CPU every video is
/// computed by itself, those of a call side by side on the library's threads: so a video depends on its seed, number
/// and label and on nothing else, to the bit, not on the others of its call nor on other calls, and has the bits that
/// the generator gives it alone.
///
/// On a GPU, where one video is too little work at a time, those of a call are computed together, and what they are
/// together with may change their last bits; threads take turns there. Who makes batch after batch of one size from one
/// thread does better with a RecordedGenerator, which replays what it has recorded.
template <VideoGenerator G>
class ServedGenerator {
 public:
  using scalar_type = typename G::scalar_type;
  using device_type = typename G::device_type;
  using T = scalar_type;
  using D = device_type;
  using View = ConstTensorView<T, D>;

  /// Takes a generator, or makes a copy of one, which then has nothing to do with the first.
  explicit ServedGenerator(G generator) : generator_(std::make_unique<G>(std::move(generator))) {
    const auto all = contents(*generator_);
    for (const auto& [name, parameter] : all.parameters) parameter->gradient = {};
    prepared_ = std::make_unique<PreparedWeights>(*generator_);
  }

  /// What is served, to be looked at.
  const G& generator() const { return *generator_; }
  VideoSizes sizes() const { return std::as_const(*generator_).sizes(); }

  /// Videos `[frames, N, H, W, C]` in [-1, 1], one a label, if there are labels. Throws ArgumentError for options that
  /// make no sense, a label out of range, a number of frames that the generator cannot make, and for a generator that
  /// is given frames or vectors: give the conditions then.
  Tensor<T, D> sample(const SampleOptions& options = {}) const {
    options.validate();
    return sample(options, {.labels = labels_for(sizes(), options)});
  }

  /// The same under given conditions, of as many videos as `options.samples()`. Of the options, the label does not
  /// matter.
  Tensor<T, D> sample(const SampleOptions& options, const Conditions<T, D>& conditions) const {
    return generate(draw_latents<T, D>(sizes().latent_dim, options), conditions, options.frames);
  }

  /// The same from latents z `[N, latent_dim]`.
  Tensor<T, D> generate(const View& z, const Conditions<T, D>& conditions, Index frames = 0) const {
    check(z, conditions);
    const Index count = z.extent(0);
    if (count == 1 || D::Recording::replays) return generate_now(z, conditions, frames);
    const VideoSizes sizes = this->sizes();
    const Index made = frames == 0 ? sizes.frames : frames;
    require(made >= 1 && made <= 1'000'000, "the number of frames to make must be between 1 and 1000000, not ", made);
    Tensor<T, D> videos(Shape{made, count, sizes.height, sizes.width, sizes.channels});
    cpu::parallel_calls(count,
                        [&](Index n) { put(generate_now(z.slice(n, 1), only(n, conditions), frames), n, videos); });
    return videos;
  }

  /// How videos go on: as the function of this name (models/prediction.hpp), whose every round is a call of `generate`.
  Continuation<T, D> continue_videos(const View& condition, const Labels& labels, Index steps,
                                     const SampleOptions& options = {}) const {
    return detail::continue_in_rounds(sizes(), condition, labels, steps, options,
                                      [&](const View& z, const View& given, Index frames) {
                                        return generate(z, {.labels = labels, .frames = given}, frames);
                                      });
  }

 private:
  Tensor<T, D> generate_now(const View& z, const Conditions<T, D>& conditions, Index frames) const {
    return generate_frames(*generator_, z, conditions, prepared_->pass(), frames);
  }

  /// Throws ArgumentError unless there is of everything what the generator is given, for as many videos.
  void check(const View& z, const Conditions<T, D>& conditions) const {
    const VideoSizes sizes = this->sizes();
    require(z.shape().rank() == 2 && z.size() > 0 && z.extent(1) == sizes.latent_dim,
            "the generator expects latents [N, ", sizes.latent_dim, "] of at least one video, not ", z.shape());
    const Index count = z.extent(0), labels = conditions.labels.size();
    require(labels == (sizes.classes > 0 ? count : 0), "the generator got ", labels, " labels for ", count,
            " videos of ", sizes.classes, " classes");
    if (labels > 0) conditions.labels.check_below(sizes.classes, "label");
    const auto fits = [&](const char* what, const View& given, Index wanted, const Shape& shape) {
      require(wanted > 0 || !given, "this generator takes no ", what);
      require(wanted == 0 || given.shape() == shape, "the generator expects ", what, " of shape ", shape, ", not ",
              given.shape());
    };
    fits("frames to continue", conditions.frames, sizes.condition_frames,
         {sizes.condition_frames, count, sizes.height, sizes.width, sizes.channels});
    fits("condition vectors", conditions.vectors, sizes.condition_dim, {count, sizes.condition_dim});
  }

  /// The conditions of video number n.
  static Conditions<T, D> only(Index n, const Conditions<T, D>& conditions) {
    Conditions<T, D> own;
    if (conditions.labels.size() > 0) own.labels = Rows<D>{conditions.labels.values()[static_cast<std::size_t>(n)]};
    if (conditions.vectors) own.vectors = conditions.vectors.slice(n, 1);
    if (conditions.frames) {
      const Shape& shape = conditions.frames.shape();
      const Index frame = conditions.frames[0][0].size();
      Tensor<T, D> given(Shape{shape[0], 1, shape[2], shape[3], shape[4]});
      D::copy_rows(1, shape[0], frame, conditions.frames.data() + n * frame, 0, shape[1] * frame, given.data(), 0,
                   frame);
      own.frames = given;
    }
    return own;
  }

  /// Copies a video to place n of all.
  static void put(const Tensor<T, D>& video, Index n, Tensor<T, D>& videos) {
    const Shape& all = videos.shape();
    const Shape expected{all[0], 1, all[2], all[3], all[4]};
    require(video.shape() == expected, "the generator makes a video of shape ", video.shape(), " instead of ",
            expected);
    const Index frame = video[0].size();
    D::copy_rows(1, all[0], frame, video.data(), 0, frame, videos.data() + n * frame, 0, all[1] * frame);
  }

  // Where they are they stay, also when this moves. A pass by running statistics changes nothing of the generator,
  // though its functions, which train it, too, are not const.
  std::unique_ptr<G> generator_;
  std::unique_ptr<const PreparedWeights> prepared_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

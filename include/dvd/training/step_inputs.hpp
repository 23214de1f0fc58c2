// What the updates of a training step are made from: the clips of a batch, and what is drawn for it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "dvd/data/batch.hpp"
#include "dvd/distributed/batch_division.hpp"
#include "dvd/training/input_checks.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Makes the inputs of updates of a GAN. Everything is drawn for a whole batch, by the number of a video in it, and
/// then cut into the slices that this rank works on: what a video gets does not depend on how many ranks there are.
template <VideoGan Gan>
class StepInputs {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;

  /// Of batches of `batch` videos, of which discriminators see the first `mismatched` under another class, too. `gan`
  /// and `expected` must outlive this.
  StepInputs(Gan& gan, const ExpectedInputs& expected, Index batch, Index mismatched, std::vector<BatchSlice> slices)
      : gan_(gan), expected_(expected), batch_(batch), mismatched_(mismatched), slices_(std::move(slices)) {}

  /// Whether an update of the generator needs real videos: for what they are to continue, or for a loss that sees them.
  bool generator_takes_clips() const { return sizes().given_something() || expected_.real_videos_for_generator; }

  /// The numbers of this rank's clips in a batch.
  std::vector<Index> clip_numbers() const {
    std::vector<Index> numbers;
    for (const BatchSlice& slice : slices_)
      for (Index n = 0; n < slice.place.count; ++n) numbers.push_back(slice.begin() + n);
    return numbers;
  }

  /// This rank's clips, of a whole batch or of those alone. Throws ArgumentError unless they fit the model.
  std::vector<TrainingClip> own_clips(std::vector<TrainingClip> clips) const {
    const std::vector<Index> numbers = clip_numbers();
    if (clips.size() != numbers.size() && static_cast<Index>(clips.size()) == batch_) {
      std::vector<TrainingClip> own;
      own.reserve(numbers.size());
      for (const Index number : numbers) own.push_back(std::move(clips[static_cast<std::size_t>(number)]));
      clips = std::move(own);
    }
    require(clips.size() == numbers.size(), "training expects batches of ", numbers.size(),
            " clips, but the data set gives ", clips.size());
    for (const TrainingClip& clip : clips) check_clip(clip);
    return clips;
  }

  /// For an update of the discriminators.
  std::vector<DiscriminatorInputs<T, D>> of_discriminators(const std::vector<TrainingClip>& clips,
                                                           const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels real_labels = labels_of(clips), drawn_labels = random_labels(random);
    const SampledFrames of_real = frames(random.stream("real")), of_fake = frames(random);
    std::vector<DiscriminatorInputs<T, D>> parts;
    for_each_slice([&](const BatchSlice& slice, Index first) {
      const Index begin = slice.begin(), count = slice.place.count;
      const Batch<T, D> real = to_batch<T, D>(clips, first, count);
      const Labels of_clips = part_of(real_labels, first, count);
      const ConstTensorView<T, D> vectors = vectors_of(real);
      parts.push_back({real.videos, of_clips, z.slice(begin, count),
                       sizes().given_something() ? of_clips : part_of(drawn_labels, begin, count),
                       part_of(of_real, begin, count), part_of(of_fake, begin, count),
                       layers_random(random, slice.first), vectors, vectors, place_of(slice),
                       other_classes(of_clips, begin, random)});
    });
    return parts;
  }

  /// For the generator's update, which needs clips only where `generator_takes_clips`.
  std::vector<GeneratorInputs<T, D>> of_generator(const std::vector<TrainingClip>& clips, const Random& random) const {
    const Index samples = std::max<Index>(1, expected_.samples);  // of every video, sample after sample of all
    const Tensor<T, D> z = latents(random, samples);
    const Labels drawn_labels = random_labels(random);
    const SampledFrames all_frames = frames(random, samples),
                        of_real = expected_.real_videos_for_generator ? frames(random.stream("real")) : SampledFrames();
    std::vector<GeneratorInputs<T, D>> parts;
    for_each_slice([&](const BatchSlice& slice, Index first) {
      const Index begin = slice.begin(), count = slice.place.count;
      const Labels labels =
          sizes().given_something() ? part_of(labels_of(clips), first, count) : part_of(drawn_labels, begin, count);
      GeneratorInputs<T, D> part{z.slice(begin, count), labels, part_of(all_frames, begin, count)};
      part.random = layers_random(random, slice.first);
      part.place = place_of(slice);
      if (generator_takes_clips()) {
        const Batch<T, D> real = to_batch<T, D>(clips, first, count);
        part.condition = condition_of<T, D>(real.videos, sizes().condition_frames);
        part.vectors = vectors_of(real);
        if (expected_.samples > 0) {
          part.truth = real.videos.slice(sizes().condition_frames, sizes().frames);
          repeat(part, samples, z, all_frames, begin);
        }
        if (expected_.real_videos_for_generator) {
          part.real = real.videos;
          part.real_vectors = vectors_of(real);
          part.real_labels = part_of(labels_of(clips), first, count);
          part.real_frames = part_of(of_real, begin, count);
        }
      }
      parts.push_back(std::move(part));
    });
    return parts;
  }

 private:
  const VideoSizes& sizes() const { return expected_.sizes; }

  void check_clip(const TrainingClip& clip) const {
    const ClipSize expected{sizes().video_frames(), sizes().height, sizes().width, sizes().channels};
    require(clip.size() == expected, "the model expects clips of ", expected, ", but the data set gives ", clip.size());
    check_pixels(clip);
    require(sizes().classes == 0 || (clip.label >= 0 && clip.label < sizes().classes),
            "the data set gives a clip of class ", clip.label, ", but the model has ", sizes().classes, " classes");
    require(sizes().condition_dim == 0 || static_cast<Index>(clip.condition.size()) == sizes().condition_dim,
            "the model expects a vector of ", sizes().condition_dim,
            " numbers with every clip, but the data set gives ", clip.condition.size());
  }

  /// Makes the inputs for one sample of every video those for several, which have latents and frames of their own. Of
  /// this part's videos the first has number `begin` in the batch.
  void repeat(GeneratorInputs<T, D>& part, Index samples, const Tensor<T, D>& z, const SampledFrames& all_frames,
              Index begin) const {
    const Index count = part.z.extent(0), size = sizes().latent_dim;
    Tensor<T, D> latents(Shape{samples * count, size});
    D::copy_rows(1, samples, count * size, z[begin].data(), 0, batch_ * size, latents.data(), 0, count * size);
    part.z = latents;
    const Labels labels = part.labels;
    for (Index sample = 1; sample < samples; ++sample) {
      part.labels.insert(part.labels.end(), labels.begin(), labels.end());
      const SampledFrames more = part_of(all_frames, sample * batch_ + begin, count);
      for (std::size_t i = 0; i < more.size(); ++i) part.frames[i] = joined(std::move(part.frames[i]), more[i]);
    }
    if (const Shape& shape = part.condition.shape(); part.condition)
      part.condition = repeated(part.condition, shape[0], samples,
                                Shape{shape[0], samples * shape[1], shape[2], shape[3], shape[4]});
    if (part.vectors)
      part.vectors = repeated(part.vectors, 1, samples, part.vectors.shape().with_first(samples * count));
  }

  static FrameIndices joined(FrameIndices first, const FrameIndices& more) {
    first.videos += more.videos;
    first.values.insert(first.values.end(), more.values.begin(), more.values.end());
    return first;
  }

  /// x, `times` times one behind the other, for each of `outer` parts of it on its own; of the shape `result`.
  static Tensor<T, D> repeated(const ConstTensorView<T, D>& x, Index outer, Index times, const Shape& result) {
    Tensor<T, D> y(result);
    D::broadcast_rows(outer, times, x.size() / outer, x.data(), y.data());
    return y;
  }

  Tensor<T, D> latents(const Random& random, Index samples = 1) const {
    Tensor<T, D> z(Shape{samples * batch_, sizes().latent_dim});
    D::random_normal(z.size(), random.stream("latents"), T{1}, z.data());
    return z;
  }

  Labels labels_of(const std::vector<TrainingClip>& clips) const {
    Labels labels;
    if (sizes().classes > 0)
      for (const TrainingClip& clip : clips) labels.push_back(clip.label);
    return labels;
  }

  /// Of the generated videos of a whole batch that are given nothing of real ones.
  Labels random_labels(const Random& random) const {
    const Random own = random.stream("labels");
    Labels labels;
    for (Index n = 0; n < batch_ && sizes().classes > 0; ++n)
      labels.push_back(own.below(static_cast<std::uint64_t>(n), sizes().classes));
    return labels;
  }

  /// Other classes for those of a slice's videos, which begin with number `begin`, that are to be seen under them.
  Labels other_classes(const Labels& labels, Index begin, const Random& random) const {
    const Random own = random.stream("other classes");
    Labels others;
    for (const Index label : labels) {
      const Index number = begin + static_cast<Index>(others.size());
      if (number >= mismatched_) break;
      const Index other = own.below(static_cast<std::uint64_t>(number), sizes().classes - 1);
      others.push_back(other < label ? other : other + 1);
    }
    return others;
  }

  static Random layers_random(const Random& random, Index part) {
    return random.stream("layers").stream(static_cast<std::uint64_t>(part));
  }

  /// Frames for each discriminator that samples some, of a whole batch.
  SampledFrames frames(const Random& random, Index samples = 1) const {
    const Index videos = samples * batch_;
    SampledFrames all;
    gan_.for_each_discriminator([&]<class X>(const std::string&, const X& discriminator) {
      if constexpr (FrameSamplingDiscriminator<X>) {
        const Random own = random.stream("frames");
        const Index count = discriminator.sampled_frames();
        all.push_back(
            checked_frames(X::Sampler::draw(all.empty() ? own : own.stream(all.size()), videos, sizes().frames, count),
                           videos, count));
      }
    });
    return all;
  }

  FrameIndices checked_frames(FrameIndices drawn, Index videos, Index count) const {
    const Index total = sizes().frames;
    require(drawn.videos == videos && drawn.count == count && static_cast<Index>(drawn.values.size()) == videos * count,
            "the frame sampler must draw ", count, " frames of each of ", videos, " videos, but gives ",
            drawn.values.size(), " indices, ", drawn.count, " of each of ", drawn.videos);
    for (const Index frame : drawn.values)
      require(frame >= 0 && frame < total, "the frame sampler draws frame ", frame, ", outside 0 .. ", total - 1);
    return drawn;
  }

  /// Calls `f(slice, first)` for each slice of the batch that this rank works on; its clips, of those of this rank,
  /// begin with number `first`.
  template <class F>
  void for_each_slice(const F& f) const {
    Index first = 0;
    for (const BatchSlice& slice : slices_) {
      f(slice, first);
      first += slice.place.count;
    }
  }

  /// Where others have the rest of the batch; nothing where nobody has.
  BatchPlace place_of(const BatchSlice& slice) const { return expected_.shards > 0 ? slice.place : BatchPlace(); }

  /// What clips are conditioned on beside their class, if the model wants to know.
  ConstTensorView<T, D> vectors_of(const Batch<T, D>& batch) const {
    return sizes().condition_dim > 0 ? batch.conditions : ConstTensorView<T, D>();
  }

  Gan& gan_;
  const ExpectedInputs& expected_;
  Index batch_, mismatched_;
  std::vector<BatchSlice> slices_;  ///< that this rank works on
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

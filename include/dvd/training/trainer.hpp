// The training of a video GAN (section 3 and appendix of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <chrono>
#include <cmath>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dvd/data/batch_source.hpp"
#include "dvd/distributed/batch_division.hpp"
#include "dvd/distributed/ordered_reduction.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/step_inputs.hpp"
#include "dvd/training/updates.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// An optimizer of a GAN's parameters.
template <class O, class Gan>
concept OptimizerOf = OptimizerFor < O,
        FullPrecision<typename Gan::scalar_type>,
typename Gan::device_type > ;

/// Trains a GAN as the paper does: two updates of the discriminators on fresh data and latents, then one of the
/// generator. A run is a function of the model's seed, the trainer's seed and the data; the number of threads changes
/// no bit.
///
///     dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
///     for (int step = 0; step < 100; ++step) trainer.step(data);
///
/// `gan` is a DvdGan or any other VideoGan. Another loss or other optimizers are named as types:
///
///     dvd::Trainer<Gan, dvd::WassersteinLoss, dvd::AdamW<float>> trainer(gan, {.generator_optimizer = {...}, ...});
///
/// A discriminator that names a loss of its own is trained by that one. A loss, score or gradient that is not finite
/// never reaches a weight: see StepReport::skipped.
///
/// Several ranks train one model by sharing each batch: every rank makes the same GAN and a trainer with a communicator
///
///     dvd::MpiCommunicator ranks;                                  // distributed/mpi_communicator.hpp
///     dvd::Trainer trainer(gan, {.batch = 8, .seed = 1}, ranks);   // 8 for all ranks together
///
/// and calls `step` as often. All draws go by a clip's number in the batch and statistics are those of the batch, so
/// any number of ranks takes the same steps, but for rounding, or to the bit: see Reduce.
template <VideoGan Gan, AnyGanLoss Loss = HingeLoss,
          OptimizerOf<Gan> GeneratorOptimizer =
              Adam<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type>,
          OptimizerOf<Gan> DiscriminatorOptimizer = GeneratorOptimizer, Communicator Ranks = SingleProcess>
class Trainer {
 public:
  using GanType = Gan;
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using P = FullPrecision<T>;
  using Options = TrainerOptionsFor<typename GeneratorOptimizer::Options, typename DiscriminatorOptimizer::Options>;

  /// Trains `gan`, which must outlive the trainer. Throws ArgumentError for settings that make no sense.
  explicit Trainer(Gan& gan, const Options& options = {}) requires std::same_as<Ranks, SingleProcess>
      : Trainer(gan, options, alone_) {}

  /// One of the ranks that train a model together. `ranks` must outlive the trainer; all must have the same options and
  /// a GAN of the same weights. Throws ArgumentError for settings that make no sense, and for more ranks than there are
  /// videos in a batch.
  Trainer(Gan& gan, const Options& options, Ranks& ranks);
  ~Trainer();

  // A copy would train the same model with moments of its own.
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// One step of training on clips of `data`. All clips of a step are drawn, and all that it is made from is checked,
  /// before its first update: if that throws (ArgumentError where size or labels do not fit the model, or whatever the
  /// data threw), nothing has changed, on any rank: the others throw an Error that names it. An update that throws all
  /// the same, such as for lack of memory, changes nothing itself, and the step is not counted; what updates before it
  /// in the step have changed remains. A model without classes leaves labels alone.
  template <ClipSource Data>
  StepReport step(Data& data) {
    check_classes(classes_of(data));
    return step_on([&](Index number) { return draw_clips(data, batch_schedule()(number), clip_numbers()); });
  }

  /// The same on batches made ready ahead of need, which follow `batch_schedule()`. Where ranks share them, a batch may
  /// be whole or hold this rank's clips alone, those of `clip_numbers()`.
  ///
  /// A device that works while the host goes on is sent the next step's batches while it works on this one. What goes
  /// wrong with them then is tried again in their own step.
  template <BatchSource Data>
  StepReport step(Data& data) {
    return step_on([&](Index number) { return training_batch(data, number); }, &data);
  }

  /// One update of all discriminators, each by its own loss on real and generated videos as one batch. Where ranks
  /// share a batch, all call it with their videos, of which `place` says which they are.
  void discriminator_update(const DiscriminatorInputs<T, D>& inputs, StepReport& report);

  /// The same on a batch in parts. If a loss, score or gradient is not finite, nothing is updated, and the report
  /// says so.
  void discriminator_update(const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report);

  /// One update of the generator by the sum of the discriminators' losses, and of its average: the end of a step.
  void generator_update(const GeneratorInputs<T, D>& inputs, StepReport& report);

  /// The same on a batch in parts. If a loss or gradient is not finite, nothing is updated, and the report says so.
  void generator_update(const std::vector<GeneratorInputs<T, D>>& parts, StepReport& report);

  /// The random numbers that the clips of the run's batches are drawn with; batch number
  /// `step * batches_per_step() + update` serves that update of that step, the generator's being the last. Keeps the
  /// trainer's `redraws` of now.
  BatchSchedule batch_schedule() const {
    return [seed = options_.seed, redraws = redraws_, d_steps = options_.d_steps,
            per_step = batches_per_step()](Index number) {
      const Random step = step_random(seed, redraws, number / per_step);
      const Index update = number % per_step;
      return (update < d_steps ? update_random(step, update) : step.stream("generator")).stream("data");
    };
  }

  /// The numbers of this rank's clips in a batch.
  std::vector<Index> clip_numbers() const { return inputs_.clip_numbers(); }

  /// Batches of clips that a step takes: one for every update of the discriminators and one for the generator's, where
  /// that needs real videos, for what they are to continue or for a loss that sees their scores.
  Index batches_per_step() const { return options_.d_steps + (inputs_.generator_takes_clips() ? 1 : 0); }

  /// What the learning rates of the next step are multiplied with. Throws ArgumentError if the schedule gives what is
  /// no factor.
  double learning_rate_factor() const {
    const double factor = options_.schedule ? options_.schedule(steps_) : 1;
    require(is_finite(factor) && factor >= 0, "the schedule gives ", factor, " for the learning rate of step ",
            steps_ + 1, "; expected a factor of 0 or more");
    return factor;
  }

  Ranks& ranks() { return ranks_; }
  Gan& gan() { return gan_; }
  const Options& options() const { return options_; }
  const Gan& gan() const { return gan_; }
  /// Steps so far, skipped ones included.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }
  /// Steps in which an update was left out because something was not finite.
  Index skipped_steps() const { return skipped_steps_; }
  void set_skipped_steps(Index steps) { skipped_steps_ = steps; }
  /// Another number here gives other random draws for the same steps: for a run that goes back to a checkpoint because
  /// the draws it had led astray.
  Index redraws() const { return redraws_; }
  void set_redraws(Index redraws) { redraws_ = redraws; }
  GeneratorOptimizer& generator_optimizer() { return updates_.generator_optimizer(); }
  DiscriminatorOptimizer& discriminator_optimizer() { return updates_.discriminator_optimizer(); }

 private:
  static Random step_random(std::uint64_t seed, Index redraws, Index step) {
    const Random random = Random(seed).stream("step").stream(static_cast<std::uint64_t>(step));
    return redraws == 0 ? random : random.stream("redraw").stream(static_cast<std::uint64_t>(redraws));
  }
  static Random update_random(const Random& step, Index update) {
    return step.stream("discriminator").stream(static_cast<std::uint64_t>(update));
  }
  Random step_random(Index step) const { return step_random(options_.seed, redraws_, step); }

  const VideoSizes& sizes() const { return updates_.expected().sizes; }

  /// Updates begin, with the learning rates of this step.
  void begin() {
    const double factor = learning_rate_factor();
    generator_optimizer().scale_learning_rate(factor);
    discriminator_optimizer().scale_learning_rate(factor);
    updates_.begin();
  }

  /// Where a step's batches come from.
  using BatchOf = std::function<std::vector<TrainingClip>(Index number)>;

  /// What the updates of a step are made from, or the error that there was instead.
  struct ReadyStep {
    const void* source = nullptr;  ///< of the batches
    Index step = -1, redraws = 0;
    std::vector<std::vector<DiscriminatorInputs<T, D>>> for_discriminators = {};
    std::vector<GeneratorInputs<T, D>> for_generator = {};
    double data_seconds = 0;
    std::exception_ptr error = nullptr;
  };

  /// A step on the clips that `batch(number)` gives. The device is waited for once, at the end. Unless `source` is
  /// null, the batches may be asked for a step ahead.
  StepReport step_on(const BatchOf& batch, const void* source = nullptr);

  ReadyStep make_ready(const BatchOf& batch, const void* source, Index step) const;

  /// This rank's clips of a batch, which are checked.
  std::vector<TrainingClip> checked_clips(const BatchOf& batch, Index number, ReadyStep& ready) const {
    const auto start = std::chrono::steady_clock::now();
    std::vector<TrainingClip> clips = batch(number);
    ready.data_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return inputs_.own_clips(std::move(clips));
  }

  void check_classes(Index classes) const {
    require(classes <= sizes().classes || sizes().classes == 0, "the data set has ", classes, " classes and the model ",
            sizes().classes, ": give the model's configuration .classes = ", classes);
  }

  /// How ranks, or shards within one, add up; null where there is nothing to add up.
  static std::unique_ptr<Reduction<P, D>> reduction_for(const Options& options, Ranks& ranks) {
    const Index part = options.micro_batch == 0 ? options.batch : std::min(options.micro_batch, options.batch),
                last = options.batch % part == 0 ? part : options.batch % part;
    if (options.reduce == Reduce::ordered) {
      if constexpr (AddsInOrder<P, D>) {
        const Index shards = options.shards == 0 ? last : options.shards;
        require(shards >= ranks.size(), shards, shards == 1 ? " shard" : " shards", " cannot be shared by ",
                ranks.size(), " ranks: take larger batches, more shards or fewer ranks");
        return std::make_unique<OrderedReduction<P, D, Ranks>>(ranks, shards);
      } else
        throw ArgumentError(concat("reduce = Reduce::ordered is for the CPU; on ", D::name,
                                   " bits depend on the number of ranks: use Reduce::fast"));
    }
    if constexpr (std::same_as<Ranks, SingleProcess>) return nullptr;
    if (ranks.size() == 1) return nullptr;
    return std::make_unique<FastReduction<P, D, Ranks>>(ranks);
  }

  std::vector<BatchSlice> own_slices() const {
    const Index size = options_.micro_batch == 0 ? options_.batch : options_.micro_batch;
    return reduction_ ? slices_of(options_.batch, size, reduction_->total_shards(), reduction_->own_shards())
                      : slices_of(options_.batch, size, 1, {0, 1});
  }

  /// Calls `f`; if it throws on any rank, all throw.
  template <class F>
  void on_all_ranks(const F& f) {
    if (ranks_.size() == 1) return f();
    std::exception_ptr thrown;
    std::string message;
    try {
      f();
    } catch (const std::exception& error) {
      thrown = std::current_exception();
      message = error.what()[0] == 0 ? "an error without a message" : error.what();
    } catch (...) {
      thrown = std::current_exception();
      message = "an unknown error";
    }
    Index rank = 0;
    message = first_message(ranks_, message, &rank);
    if (thrown) std::rethrow_exception(thrown);
    if (!message.empty()) throw Error(concat("rank ", rank, ": ", message));
  }

  static inline SingleProcess alone_{};

  Gan& gan_;
  Options options_;
  Ranks& ranks_;
  std::unique_ptr<Reduction<P, D>> reduction_;
  Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer> updates_;
  StepInputs<Gan> inputs_;
  ReadyStep ahead_;  ///< the next step's, where it is there already
  Index steps_ = 0, skipped_steps_ = 0, redraws_ = 0;
};

// What programs call is defined outside the class: a program that has it compiled in a library (dvd::compiled) then
// compiles none of it.

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::Trainer(Gan& gan, const Options& options,
                                                                               Ranks& ranks)
    : gan_(gan),
      options_((options.validate(), options)),
      ranks_(ranks),
      reduction_(reduction_for(options_, ranks)),
      updates_(gan, options_, reduction_.get()),
      inputs_(gan, updates_.expected(), options_.batch, options_.mismatched_videos(), own_slices()) {
  require(options_.mismatched == 0 || sizes().classes >= 2, "mismatched = ", options_.mismatched,
          " shows discriminators real videos under another class, but the model has ",
          sizes().classes == 0 ? "no classes" : "only one class");
  if (options_.reduce == Reduce::ordered) GanNetworks<Gan>::check_copies(gan);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::~Trainer() = default;

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
auto Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::make_ready(const BatchOf& batch,
                                                                                       const void* source,
                                                                                       Index step) const -> ReadyStep {
  ReadyStep ready{.source = source, .step = step, .redraws = redraws_};
  try {
    std::vector<TrainingClip> clips;
    Index number = step * batches_per_step();
    for (Index update = 0; update < options_.d_steps; ++update) {
      clips = checked_clips(batch, number++, ready);
      ready.for_discriminators.push_back(inputs_.of_discriminators(clips, update_random(step_random(step), update)));
    }
    if (inputs_.generator_takes_clips()) clips = checked_clips(batch, number, ready);
    ready.for_generator = inputs_.of_generator(clips, step_random(step).stream("generator"));
  } catch (...) {
    ready.error = std::current_exception();
  }
  return ready;
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
StepReport Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::step_on(const BatchOf& batch,
                                                                                          const void* source) {
  ReadyStep ready = std::exchange(ahead_, {});
  if (!source || ready.error || ready.source != source || ready.step != steps_ || ready.redraws != redraws_)
    ready = make_ready(batch, source, steps_);
  on_all_ranks([&] {
    if (ready.error) std::rethrow_exception(ready.error);
  });

  StepReport report;
  report.data_seconds = ready.data_seconds;
  begin();
  for (auto& inputs : ready.for_discriminators) updates_.queue(std::move(inputs));
  updates_.queue(std::move(ready.for_generator), steps_ + 1);
  if constexpr (D::queues_work)
    if (source) ahead_ = make_ready(batch, source, steps_ + 1);
  updates_.finish(report);
  ++steps_;
  if (report.skipped) ++skipped_steps_;
  report.step = steps_;
  return report;
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::discriminator_update(
    const DiscriminatorInputs<T, D>& inputs, StepReport& report) {
  discriminator_update(std::vector{inputs}, report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::discriminator_update(
    const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report) {
  on_all_ranks([&] { check_inputs(updates_.expected(), parts); });
  begin();
  updates_.queue(parts);
  updates_.finish(report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::generator_update(
    const GeneratorInputs<T, D>& inputs, StepReport& report) {
  generator_update(std::vector{inputs}, report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer,
          Communicator Ranks>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer, Ranks>::generator_update(
    const std::vector<GeneratorInputs<T, D>>& parts, StepReport& report) {
  on_all_ranks([&] { check_inputs(updates_.expected(), parts); });
  begin();
  updates_.queue(parts, steps_ + 1);
  if (updates_.finish(report)) ++steps_;
}

#ifdef DVD_COMPILED
extern template class Updates<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>>;
extern template class Trainer<DvdGan<float>>;
#endif

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

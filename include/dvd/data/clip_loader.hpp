// Clips decoded ahead of need, on threads of their own.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dvd/data/batch_source.hpp"
#include "dvd/data/clip_source.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How a ClipLoader works.
struct ClipLoaderOptions {
  Index batch = 8;    ///< clips in a batch
  Index ahead = 2;    ///< batches that are ready or being made beyond the one asked for
  Index threads = 1;  ///< that draw clips
  /// The numbers of the clips that are made of every batch, where others make the rest: those of
  /// `Trainer::clip_numbers`. Empty for all.
  std::vector<Index> clips = {};
};

/// Draws the batches of a run, or one rank's clips of them, ahead of need, so that training does not wait for video
/// files. A batch holds what `draw_clips` would have drawn, whatever the timing and the number of threads: clip n of
/// batch number i comes from `schedule(i).stream(n)`. No more than `ahead` batches wait.
///
///     dvd::ClipLoader loader(folder, trainer.batch_schedule(), {.batch = 8});
///     while (...) trainer.step(loader);
///
/// Batches are asked for by one thread. The source draws, and `schedule` is asked, on the loader's threads, with
/// nothing locked.
template <ClipSource Source>
class ClipLoader {
 public:
  /// Begins with batch number `first`. The source must outlive the loader. Throws ArgumentError for options below 1.
  ClipLoader(Source& source, BatchSchedule schedule, const ClipLoaderOptions& options, Index first = 0)
      : source_(source), schedule_(std::move(schedule)), options_(options) {
    require(options.batch >= 1 && options.ahead >= 1 && options.threads >= 1,
            "a loader needs batches, batches ahead and threads of at least 1, not ", options.batch, ", ", options.ahead,
            " and ", options.threads);
    if (options_.clips.empty()) {
      options_.clips.resize(static_cast<std::size_t>(options_.batch));
      std::iota(options_.clips.begin(), options_.clips.end(), Index{0});
    }
    for (const Index clip : options_.clips)
      require(clip >= 0 && clip < options_.batch, "a batch of ", options_.batch, " has no clip number ", clip);
    restart(first);
    try {
      for (Index i = 0; i < options.threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {  // no more threads to be had, or no memory for them: those that there are do
      if (threads_.empty()) throw;
    }
  }

  ~ClipLoader() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_to_do_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// Those of the source; 0, and no names, where it has no labels.
  Index classes() const { return classes_of(source_); }
  std::vector<std::string> class_names() const { return class_names_of(source_); }

  ClipLoader(const ClipLoader&) = delete;
  ClipLoader& operator=(const ClipLoader&) = delete;

  /// Batch number `number`; waits until it is ready. Quick if numbers are asked for in turn; any other number drops
  /// what was made ahead. Throws what the source threw while drawing one of its clips.
  std::vector<TrainingClip> batch(Index number) {
    if (number != first_) restart(number);  // first_ is changed by this thread alone
    Pending next(clips()), done(0);
    {
      std::unique_lock lock(mutex_);
      batch_done_.wait(lock, [&] { return batches_.front().left == 0; });
      batches_.push_back(std::move(next));  // first, because there may be no memory for it
      done = std::move(batches_.front());
      batches_.pop_front();
      ++first_;
    }
    work_to_do_.notify_all();
    if (done.error) std::rethrow_exception(done.error);
    return std::move(done.clips);
  }

 private:
  // A batch in the making.
  struct Pending {
    explicit Pending(Index count) : clips(static_cast<std::size_t>(count)), left(count) {}

    std::vector<TrainingClip> clips;
    Index begun = 0;  // clips given to a thread
    Index left;       // clips not yet there
    std::exception_ptr error = nullptr;
  };

  // That are made of a batch.
  Index clips() const { return static_cast<Index>(options_.clips.size()); }
  std::uint64_t number_of(Index clip) const {
    return static_cast<std::uint64_t>(options_.clips[static_cast<std::size_t>(clip)]);
  }

  void restart(Index number) {
    std::deque<Pending> batches;  // then those that were made ahead, which go when nothing is locked any more
    for (Index i = 0; i <= options_.ahead; ++i) batches.emplace_back(clips());
    {
      const std::lock_guard lock(mutex_);
      ++epoch_;
      first_ = number;
      batches_.swap(batches);
    }
    work_to_do_.notify_all();
  }

  // The place in batches_ of the first one with a clip that no thread has begun; their number if there is none.
  std::size_t next_to_do() const {
    std::size_t i = 0;
    while (i < batches_.size() && batches_[i].begun == clips()) ++i;
    return i;
  }

  void work() {
    for (;;) {
      Index number, clip;
      std::uint64_t epoch;
      {
        std::unique_lock lock(mutex_);
        work_to_do_.wait(lock, [&] { return stopping_ || next_to_do() < batches_.size(); });
        if (stopping_) return;
        const std::size_t next = next_to_do();
        number = first_ + static_cast<Index>(next);
        clip = batches_[next].begun++;
        epoch = epoch_;
      }
      TrainingClip drawn;
      std::exception_ptr error;
      try {
        drawn = source_.draw(schedule_(number).stream(number_of(clip)));
      } catch (...) {
        error = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      if (epoch != epoch_) continue;  // nobody wants it any more
      Pending& batch = batches_[static_cast<std::size_t>(number - first_)];
      batch.clips[static_cast<std::size_t>(clip)] = std::move(drawn);
      if (error && !batch.error) batch.error = error;
      if (--batch.left == 0) batch_done_.notify_one();
    }
  }

  Source& source_;
  BatchSchedule schedule_;
  ClipLoaderOptions options_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_to_do_, batch_done_;
  std::deque<Pending> batches_;  // number first_, first_ + 1, ...
  Index first_ = 0;
  std::uint64_t epoch_ = 0;  // counts restarts
  bool stopping_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Which clips of a collection of videos a score is taken over.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/metrics/protocol.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Videos by number, 0 .. size() - 1: what VideoSet, VideoFolder and the like have in common. `clip(i, first, frames,
/// stride)` is frames first, first + stride, ... of video i; it may be called by several threads at once. `label` is 0
/// where there are no classes.
template <class V>
concept VideoCollection = requires(const V& videos, std::int64_t i) {
  { videos.size() } -> std::convertible_to<std::int64_t>;
  { videos.classes() } -> std::convertible_to<std::int64_t>;
  {std::string(videos.name(i))};
  { videos.label(i) } -> std::convertible_to<std::int64_t>;
  { videos.frames(i) } -> std::convertible_to<std::int64_t>;
  { videos.clip(i, i, i, i) } -> std::convertible_to<Clip>;
};

/// A video's number and the first frame of a clip of it.
struct ChosenClip {
  Index video = 0, first = 0;

  friend bool operator==(const ChosenClip&, const ChosenClip&) = default;
};

namespace detail {

/// 0 .. count - 1 in a random order.
inline std::vector<Index> shuffled(Index count, const Random& random) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index i = count - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)],
              order[static_cast<std::size_t>(random.below(static_cast<std::uint64_t>(i), i + 1))]);
  return order;
}

/// Videos in an order of which every beginning is spread as evenly over the classes as they allow: the first video of
/// every class, the second one of every class, ...; each class's in a random order, and so are the classes themselves.
template <VideoCollection Videos>
std::vector<Index> stratified_order(const Videos& videos, const Random& random) {
  std::vector<std::vector<Index>> of_class(static_cast<std::size_t>(std::max<Index>(videos.classes(), 1)));
  for (const Index video : shuffled(videos.size(), random.stream("videos")))
    of_class[static_cast<std::size_t>(videos.label(video))].push_back(video);
  const std::vector<Index> classes = shuffled(static_cast<Index>(of_class.size()), random.stream("classes"));
  std::vector<Index> order;
  for (std::size_t round = 0; order.size() < static_cast<std::size_t>(videos.size()); ++round)
    for (const Index label : classes)
      if (const auto& mine = of_class[static_cast<std::size_t>(label)]; round < mine.size())
        order.push_back(mine[round]);
  return order;
}

}  // namespace detail

/// `count` clips (0: one of every video) of so many frames at a stride, chosen by a rule: a function of the collection,
/// its names and `random` alone. Where a rule takes one clip of a video and there are fewer videos than clips, they are
/// gone through again, with other clips. All videos must be long enough, as those of VideoSet and VideoFolder with
/// these frames and stride are; throws ArgumentError for one that is not.
template <VideoCollection Videos>
std::vector<ChosenClip> choose_clips(const Videos& videos, ClipRule rule, Index count, Index frames, Index stride,
                                     const Random& random) {
  const Index size = videos.size();
  require(size > 0, "clips cannot be chosen from no videos");
  require(count >= 0 && frames >= 1 && stride >= 1, "cannot choose ", count, " clips of ", frames, " frames at stride ",
          stride);
  std::vector<Index> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), Index{0});
  if (rule == ClipRule::stratified) order = detail::stratified_order(videos, random);
  if (rule == ClipRule::first_videos)
    std::ranges::stable_sort(order, {}, [&](Index video) { return std::string(videos.name(video)); });
  if (rule == ClipRule::every_video || count == 0) count = size;
  std::vector<ChosenClip> clips(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    const Random draw = random.stream("clips").stream(static_cast<std::uint64_t>(i));
    const Index video =
        rule == ClipRule::with_replacement ? draw.below(0, size) : order[static_cast<std::size_t>(i % size)];
    const Index starts = videos.frames(video) - (frames - 1) * stride;
    require(starts >= 1, "video ", std::string(videos.name(video)), " has ", videos.frames(video),
            " frames, too few for a clip of ", frames, " at stride ", stride);
    clips[static_cast<std::size_t>(i)] = {video, draw.below(1, starts)};
  }
  return clips;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

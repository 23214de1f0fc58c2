// Protocols, which clips they take, and the fingerprints that keep unlike scores apart.
#include "dvd/metrics/protocol.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "dvd/metrics/clip_choice.hpp"
#include "dvd/metrics/fingerprint.hpp"
#include "support/error_of.hpp"

namespace {

using dvd::testing::error_of;

/// Videos of which only the numbers matter.
struct Numbers {
  std::vector<std::int64_t> labels, lengths;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t classes() const { return labels.empty() ? 0 : *std::ranges::max_element(labels) + 1; }
  // Against the order of their numbers.
  std::string name(std::int64_t i) const { return "video-" + std::to_string(9999 - i); }
  std::int64_t label(std::int64_t i) const { return labels[static_cast<std::size_t>(i)]; }
  std::int64_t frames(std::int64_t i) const { return lengths[static_cast<std::size_t>(i)]; }
  dvd::Clip clip(std::int64_t, std::int64_t, std::int64_t frames, std::int64_t) const { return {frames, 8, 8}; }
};
static_assert(dvd::VideoCollection<Numbers>);

/// 5 of class 0, 50 of class 1, 45 of class 2; of 20 to 39 frames.
Numbers some_videos() {
  Numbers videos;
  for (std::int64_t i = 0; i < 100; ++i) {
    videos.labels.push_back(i < 5 ? 0 : i < 55 ? 1 : 2);
    videos.lengths.push_back(20 + i % 20);
  }
  return videos;
}

}  // namespace

TEST_CASE("every protocol makes sense, has a name of its own and can be found by it") {
  std::set<std::string> names;
  for (const dvd::Protocol& each : dvd::protocols()) {
    CAPTURE(each.name);
    CHECK_NOTHROW(each.validate());
    CHECK(names.insert(each.name).second);
    CHECK(dvd::find_protocol(each.name).about == each.about);
    CHECK(!each.about.empty());
  }
  CHECK(error_of([] { dvd::find_protocol("fvd"); }).find("expected one of fvd-ref, ") != std::string::npos);
}

TEST_CASE("protocols are those of their papers and programs") {
  const dvd::Protocol styleganv = dvd::find_protocol("fvd-styleganv"), tgan = dvd::find_protocol("is-tgan");
  CHECK(!styleganv.unbiased);
  CHECK(styleganv.rule == dvd::ClipRule::first_videos);
  CHECK(dvd::find_protocol("fvd-ref").unbiased);
  CHECK(tgan.fake_clips == 208 * 48);
  CHECK(tgan.guard == dvd::LogGuard::tgan);
  CHECK(dvd::find_protocol("is-tganv2").repeats == 10);
  CHECK(dvd::find_protocol("is-styleganv").splits == 10);
  CHECK(dvd::find_protocol("fid-dvdgan").layer == dvd::FeatureLayer::pooled);
}

TEST_CASE("stratified clips are spread as evenly over the classes as these allow, each video once") {
  const Numbers videos = some_videos();
  const auto clips = dvd::choose_clips(videos, dvd::ClipRule::stratified, 45, 16, 1, dvd::Random(3));
  std::map<std::int64_t, int> of_class;
  std::set<std::int64_t> seen;
  for (const dvd::ChosenClip& each : clips) {
    ++of_class[videos.label(each.video)];
    CHECK(seen.insert(each.video).second);
    CHECK(each.first >= 0);
    CHECK(each.first + 16 <= videos.frames(each.video));
  }
  CHECK(of_class == std::map<std::int64_t, int>{{0, 5}, {1, 20}, {2, 20}});

  SUBCASE("by chance, and the same by the same chance") {
    CHECK(clips == dvd::choose_clips(videos, dvd::ClipRule::stratified, 45, 16, 1, dvd::Random(3)));
    CHECK(clips != dvd::choose_clips(videos, dvd::ClipRule::stratified, 45, 16, 1, dvd::Random(4)));
  }
  SUBCASE("more clips than videos go through the videos again") {
    const auto more = dvd::choose_clips(videos, dvd::ClipRule::stratified, 250, 16, 1, dvd::Random(3));
    std::map<std::int64_t, int> times;
    for (const dvd::ChosenClip& each : more) ++times[each.video];
    CHECK(times.size() == 100);
    for (const auto& [video, count] : times) CHECK((count == 2 || count == 3));
  }
  SUBCASE("those of a longer choice begin with those of a shorter one") {
    const auto longer = dvd::choose_clips(videos, dvd::ClipRule::stratified, 90, 16, 1, dvd::Random(3));
    CHECK(std::equal(clips.begin(), clips.end(), longer.begin()));
  }
}

TEST_CASE("the other rules") {
  const Numbers videos = some_videos();
  const auto first = dvd::choose_clips(videos, dvd::ClipRule::first_videos, 10, 4, 5, dvd::Random(1));
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].video == 99 - static_cast<std::int64_t>(i));
  const auto every = dvd::choose_clips(videos, dvd::ClipRule::every_video, 7, 16, 1, dvd::Random(1));
  CHECK(every.size() == 100);
  const auto any = dvd::choose_clips(videos, dvd::ClipRule::with_replacement, 2000, 16, 1, dvd::Random(1));
  std::map<std::int64_t, int> times;
  for (const dvd::ChosenClip& each : any) ++times[each.video];
  CHECK(times.size() == 100);
  CHECK(std::ranges::max_element(times, {}, [](const auto& each) { return each.second; })->second > 22);

  CHECK(error_of([&] {
          dvd::choose_clips(videos, dvd::ClipRule::every_video, 0, 25, 1, dvd::Random(1));
        }).find("too few for a clip of 25") != std::string::npos);
  CHECK_THROWS_AS(dvd::choose_clips(Numbers{}, dvd::ClipRule::stratified, 1, 1, 1, dvd::Random(1)), dvd::ArgumentError);
}

TEST_CASE("a fingerprint changes with whatever a score depends on, and says how") {
  const dvd::Protocol protocol = dvd::find_protocol("fvd-ref");
  const dvd::Fingerprint usual = fingerprint_of(protocol, "0123");
  CHECK(usual.hash() == fingerprint_of(protocol, "0123").hash());
  CHECK(differences(usual, usual).empty());

  dvd::Protocol other = protocol;
  other.real_clips = 256;
  const dvd::Fingerprint fewer = fingerprint_of(other, "0123");
  CHECK(fewer.hash() != usual.hash());
  CHECK(differences(usual, fewer) == std::vector<std::string>{"real clips: 2048 and 256"});
  CHECK(differences(usual, fingerprint_of(protocol, "4567")) == std::vector<std::string>{"weights: 0123 and 4567"});

  dvd::Fingerprint with_seed = usual;
  with_seed.set("seed", dvd::Index{1});
  CHECK(differences(usual, with_seed) == std::vector<std::string>{"seed: not told and 1"});
  CHECK(differences(with_seed, usual) == std::vector<std::string>{"seed: 1 and not told"});
  CHECK(with_seed.hash() != usual.hash());

  SUBCASE("but not with the order in which it was told") {
    dvd::Fingerprint a, b;
    a.set("x", std::string("1"));
    a.set("y", std::string("2"));
    b.set("y", std::string("2"));
    b.set("x", std::string("1"));
    CHECK(a.hash() == b.hash());
    CHECK(a == b);
  }
  SUBCASE("every pair of protocols differs") {
    for (const dvd::Protocol& a : dvd::protocols())
      for (const dvd::Protocol& b : dvd::protocols())
        CHECK((fingerprint_of(a, "").hash() == fingerprint_of(b, "").hash()) == (a.name == b.name));
  }
}

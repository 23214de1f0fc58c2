// Any bytes as the index of a prepared set, with shards beside it: what opens gives clips of all its videos.
#include "dvd/data/video_set.hpp"
#include "fuzz_input.hpp"
#include "fuzz_set.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path set = [] {
    const auto folder = fuzz::folder() / "set";
    dvd::testing::make_set(folder, fuzz::set_videos());
    return folder;
  }();
  fuzz::write(dvd::index_of_set(set), fuzz::text_of(data, size));
  fuzz::succeeds([&] {
    const dvd::VideoSet videos(set, {.frames = 2, .stride = 2, .warn = [](const std::string&) {}});
    for (std::int64_t i = 0; i < std::min<std::int64_t>(videos.size(), 100); ++i) {
      videos.name(i);
      fuzz::expect(videos.label(i) >= 0 && videos.label(i) < std::max<std::int64_t>(videos.classes(), 1), "a label");
      if (videos.height() * videos.width() * videos.frames(i) < 1 << 20) videos.clip(i, 0, videos.frames(i));
    }
    videos.draw(dvd::Random(1));
  });
  fuzz::succeeds([&] { dvd::VideoSet(set, {.frames = 1, .split = "train"}); });
  return 0;
}

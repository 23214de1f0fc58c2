// Any bytes as a video file: indexed, read in windows, cut and scaled, from start to end, and by its saved index.
// FFmpeg itself is not compiled with sanitizers; what is looked for is what the library does with what FFmpeg says.
#include "dvd/io/video_file.hpp"
#include "dvd/io/video_reader.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = fuzz::folder() / "video";
  fuzz::write(path, fuzz::text_of(data, size));
  fuzz::succeeds([&] {
    const dvd::VideoFile file(path);
    const dvd::VideoInfo info = file.info();
    fuzz::expect(info.width > 0 && info.height > 0 && info.frames > 0, "a video has frames");
    if (info.width * info.height > 1 << 16) return;  // a damaged header's, which takes long to read
    const std::int64_t length = std::min<std::int64_t>(4, info.frames), last = info.frames - length;
    for (const std::int64_t first : {std::int64_t{0}, last / 2, last}) {
      fuzz::succeeds([&] { file.read(first, length); });
      fuzz::succeeds([&] { file.read(first, length, 1, {.height = 8, .width = 12, .image_channels = 1}); });
      fuzz::expect(file.frame_at(file.seconds(first)) < info.frames, "a frame is there");
    }
    const dvd::VideoFile again(path, file.saved_index());
    fuzz::succeeds([&] { again.read(last, length); });
  });
  fuzz::succeeds([&] {
    dvd::VideoReader reader(path);
    dvd::Clip frame(1, 48, 64);
    for (int i = 0; i < 200 && reader.next(); ++i) reader.copy({.height = 48, .width = 64}, frame.frame(0));
  });
  return 0;
}

// Folders of video files.
#include <fmt/core.h>

#include <dvd/core/utf8.hpp>
#include <dvd/data/video_folder.hpp>
#include <dvd/io/content_hash.hpp>

#include "videos.hpp"

namespace examples {
namespace {

class FolderVideos final : public Videos {
 public:
  FolderVideos(const VideosRequest& request, const dvd::VideoFolderOptions& options) : folder_(request.place, options) {
    height = options.height;
    width = options.width;
    channels = options.image_channels;
    for (const std::string& each : folder_.class_names()) class_names.push_back(dvd::utf8_text(each));
    const std::string pixels = fmt::format("{}x{} pixels{}", height, width, channels == 1 ? " in grey" : "");
    description =
        fmt::format("{}, {} videos, {} skipped, read at {}", request.place, folder_.size(), folder_.skipped(), pixels);
    dvd::detail::ContentHash hash;
    for (dvd::Index i = 0; i < folder_.size(); ++i) {
      hash.add(folder_.name(i));
      hash.add(dvd::concat(folder_.frames(i), ' ', folder_.label(i)));
    }
    identity = fmt::format("{} videos at {}, {}", folder_.size(), pixels, hash.text());
  }
  dvd::Index size() const override { return folder_.size(); }
  std::string name(dvd::Index i) const override { return folder_.name(i); }
  dvd::Index label(dvd::Index i) const override { return folder_.label(i); }
  dvd::Index frames(dvd::Index i) const override { return folder_.frames(i); }
  dvd::Clip clip(dvd::Index i, dvd::Index first, dvd::Index frames, dvd::Index stride) const override {
    return folder_.clip(i, first, frames, stride);
  }

 private:
  dvd::VideoFolder folder_;
};

}  // namespace

std::unique_ptr<Videos> open_folder(const VideosRequest& request) {
  dvd::VideoFolderOptions options{.frames = std::max<dvd::Index>(request.frames, 1),
                                  .height = request.height,
                                  .width = request.width,
                                  .image_channels = request.channels,
                                  .stride = request.stride,
                                  .random_crop = false,
                                  .split = request.split,
                                  .keep_index = request.index != "none",
                                  .index_file = request.index == "none" ? "" : request.index,
                                  .warn = request.warn};
  if (options.height == 0 || options.width == 0) {
    // As the first video is that can be read at all.
    const dvd::VideoListing listing = dvd::find_videos(request.place, request.split);
    for (const dvd::ListedVideo& each : listing.videos) try {
        const dvd::VideoInfo info =
            each.pictures.empty() ? dvd::VideoFile(each.path).info() : dvd::PictureFiles(each.pictures).info();
        options.height = info.height;
        options.width = info.width;
        break;
      } catch (const dvd::FileError&) {
      }
    dvd::require(options.height > 0, request.flag, ' ', request.place, ": holds no video that can be read");
  }
  return std::make_unique<FolderVideos>(request, options);
}

}  // namespace examples

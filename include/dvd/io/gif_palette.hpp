// The 256 colours of a GIF: a clip's own where they are no more, else a choice.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>  // first: libavfilter's headers want its macros

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
}

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/libav.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

using LibavGraph = std::unique_ptr<AVFilterGraph, LibavDeleter<avfilter_graph_free>>;

// As libav's palettes have it.
inline std::uint32_t rgb_colour(const std::uint8_t* pixel) {
  return 0xff000000u | std::uint32_t{pixel[0]} << 16 | std::uint32_t{pixel[1]} << 8 | pixel[2];
}

// The clip's colours in ascending order, or none where a palette cannot hold them.
inline std::vector<std::uint32_t> palette_of(const Clip& clip) {
  std::vector<bool> seen(std::size_t{1} << 24);
  std::vector<std::uint32_t> palette;
  for (std::size_t i = 0; i < clip.pixels.size(); i += 3) {
    const std::uint32_t colour = rgb_colour(&clip.pixels[i]);
    if (seen[colour & 0xffffff]) continue;
    if (palette.size() == 256) return {};
    seen[colour & 0xffffff] = true;
    palette.push_back(colour);
  }
  std::sort(palette.begin(), palette.end());
  return palette;
}

// Frame t in the colours of a palette that holds each of them.
inline LibavFrame indexed_frame(const Clip& clip, std::int64_t t, const std::vector<std::uint32_t>& palette) {
  LibavFrame frame = make_frame(AV_PIX_FMT_PAL8, clip.width, clip.height);
  const std::uint8_t* source = clip.frame(t);
  for (std::int64_t y = 0; y < clip.height; ++y)
    for (std::int64_t x = 0; x < clip.width; ++x, source += 3) {
      const auto place = std::lower_bound(palette.begin(), palette.end(), rgb_colour(source)) - palette.begin();
      frame->data[0][y * frame->linesize[0] + x] = static_cast<std::uint8_t>(place);
    }
  // Places that are not needed hold the last colour: the encoder keeps one of each.
  for (std::size_t i = 0; i < 256; ++i)
    std::memcpy(frame->data[1] + 4 * i, &palette[std::min(i, palette.size() - 1)], 4);
  return frame;
}

// Turns RGB frames into frames of one palette of 256 colours, which is chosen when all of them are there.
class PaletteFilter {
 public:
  PaletteFilter(const std::filesystem::path& path, const Clip& clip)
      : path_(path), graph_(libav_allocated(avfilter_graph_alloc())), frame_(make_frame()) {
    // A weak ordered dither hides the bands in gradients without flicker between frames.
    const std::string filters = "buffer@in=video_size=" + std::to_string(clip.width) + "x" +
                                std::to_string(clip.height) + ":pix_fmt=rgb24:time_base=1/100,split[a][b];" +
                                "[a]palettegen=reserve_transparent=0[palette];" +
                                "[b][palette]paletteuse=dither=bayer:bayer_scale=5,buffersink@out";
    graph_->nb_threads = 1;
    check(avfilter_graph_parse_ptr(graph_.get(), filters.c_str(), nullptr, nullptr, nullptr));
    check(avfilter_graph_config(graph_.get(), nullptr));
    source_ = avfilter_graph_get_filter(graph_.get(), "buffer@in");
    sink_ = avfilter_graph_get_filter(graph_.get(), "buffersink@out");
  }

  // A null frame ends the stream.
  void add(AVFrame* frame) { check(av_buffersrc_add_frame(source_, frame)); }

  // The next frame, until the call after this one; null after the last.
  const AVFrame* next() {
    av_frame_unref(frame_.get());
    const int status = av_buffersink_get_frame(sink_, frame_.get());
    if (status == AVERROR_EOF) return nullptr;
    check(status);
    return frame_.get();
  }

 private:
  void check(int status) const {
    if (status < 0)
      throw FileError(concat(path_.string(), ": no palette can be made (", libav_error_text(status), ")"));
  }

  std::filesystem::path path_;
  LibavGraph graph_;
  LibavFrame frame_;
  AVFilterContext* source_ = nullptr;
  AVFilterContext* sink_ = nullptr;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

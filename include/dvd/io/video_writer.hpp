// Writing clips as moving pictures: GIF, which plays everywhere, and MP4, which keeps every colour.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/color_map.hpp"
#include "dvd/io/gif_palette.hpp"
#include "dvd/io/video_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

struct LibavOutputDeleter {
  void operator()(AVFormatContext* output) const { avformat_free_context(output); }
};
using LibavOutput = std::unique_ptr<AVFormatContext, LibavOutputDeleter>;

// Runs call(AVDictionary**) with the options of "name=value:name=value".
template <class Call>
int with_options(const std::string& options, Call&& call) {
  AVDictionary* dictionary = nullptr;
  int status = av_dict_parse_string(&dictionary, options.c_str(), "=", ":", 0);
  if (status >= 0) status = call(&dictionary);
  av_dict_free(&dictionary);
  return status;
}

// Growing memory that libav writes a file into.
class LibavMemory {
 public:
  LibavMemory() {
    if (avio_open_dyn_buf(&context_) < 0) throw std::bad_alloc();
  }
  ~LibavMemory() {
    if (context_) take();
  }
  LibavMemory(const LibavMemory&) = delete;
  LibavMemory& operator=(const LibavMemory&) = delete;

  AVIOContext* context() { return context_; }

  // What was written; once.
  std::string take() {
    std::uint8_t* bytes = nullptr;
    const int size = avio_close_dyn_buf(std::exchange(context_, nullptr), &bytes);
    const std::unique_ptr<std::uint8_t, void (*)(void*)> owner(bytes, av_free);
    return size > 0 ? std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)) : std::string();
  }

 private:
  AVIOContext* context_ = nullptr;
};

// Encodes frames into a file in memory, then puts the file in its place as a whole.
class VideoEncoder {
 public:
  // `encoder` has its sizes, pixel format and time base set.
  VideoEncoder(const std::filesystem::path& path, const char* format, LibavCodec encoder,
               const std::string& codec_options, const std::string& format_options)
      : path_(path), encoder_(std::move(encoder)), packet_(libav_allocated(av_packet_alloc())) {
    AVFormatContext* output = nullptr;
    check(avformat_alloc_output_context2(&output, nullptr, format, nullptr));
    output_.reset(output);
    output_->pb = memory_.context();
    output_->flags |= AVFMT_FLAG_BITEXACT;  // no version of libav in the file: the same clip, the same bytes
    encoder_->flags |= AV_CODEC_FLAG_BITEXACT;
    encoder_->thread_count = 1;
    if (output_->oformat->flags & AVFMT_GLOBALHEADER) encoder_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    check(with_options(codec_options, [&](auto** options) { return avcodec_open2(encoder_.get(), nullptr, options); }));
    stream_ = libav_allocated(avformat_new_stream(output_.get(), nullptr));
    stream_->time_base = encoder_->time_base;
    stream_->avg_frame_rate = encoder_->framerate;
    check(avcodec_parameters_from_context(stream_->codecpar, encoder_.get()));
    check(with_options(format_options, [&](auto** options) { return avformat_write_header(output_.get(), options); }));
  }

  // A null frame ends the stream.
  void encode(const AVFrame* frame) {
    check(avcodec_send_frame(encoder_.get(), frame));
    for (;;) {
      const int status = avcodec_receive_packet(encoder_.get(), packet_.get());
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return;
      check(status);
      if (packet_->duration == 0) packet_->duration = 1;  // the last frame's cannot be told from its successor
      av_packet_rescale_ts(packet_.get(), encoder_->time_base, stream_->time_base);
      check(av_interleaved_write_frame(output_.get(), packet_.get()));
    }
  }

  void finish() {
    encode(nullptr);
    check(av_write_trailer(output_.get()));
    avio_flush(memory_.context());
    check(memory_.context()->error);
    write_file_atomically(path_, memory_.take());
  }

 private:
  void check(int status) const {
    if (status < 0) throw FileError(concat(path_.string(), ": cannot be encoded (", libav_error_text(status), ")"));
  }

  std::filesystem::path path_;
  LibavMemory memory_;
  LibavOutput output_;
  LibavCodec encoder_;
  LibavPacket packet_;
  AVStream* stream_ = nullptr;
};

inline LibavCodec make_encoder(const AVCodec* codec, AVPixelFormat format, std::int64_t width, std::int64_t height) {
  if (!codec) throw FileError("this FFmpeg was built without the encoder that the video needs");
  LibavCodec encoder(libav_allocated(avcodec_alloc_context3(codec)));
  encoder->pix_fmt = format;
  encoder->width = static_cast<int>(width);
  encoder->height = static_cast<int>(height);
  return encoder;
}

// Frame t as RGB of the given size, its last column and row repeated where that is larger.
inline LibavFrame rgb_frame(const Clip& clip, std::int64_t t, std::int64_t width, std::int64_t height) {
  LibavFrame frame = make_frame(AV_PIX_FMT_RGB24, width, height);
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* const source = clip.frame(t) + std::min(y, clip.height - 1) * clip.width * 3;
    std::uint8_t* target = std::copy_n(source, clip.width * 3, frame->data[0] + y * frame->linesize[0]);
    for (std::int64_t x = clip.width; x < width; ++x) target = std::copy_n(source + (clip.width - 1) * 3, 3, target);
  }
  return frame;
}

inline void check_clip(const char* function, const Clip& clip, double frames_per_second) {
  require(clip.frames >= 1 && clip.height >= 1 && clip.width >= 1, function, ": the clip is empty (", clip.frames,
          " frames of ", clip.width, " x ", clip.height, " pixels)");
  require(clip.width <= 65535 && clip.height <= 65535 && clip.height <= most_pixels / clip.width, function,
          ": frames of ", clip.width, " x ", clip.height, " pixels are too large");
  require(frames_per_second >= 0.01 && frames_per_second <= 1000, function, ": ", frames_per_second,
          " frames per second is outside 0.01 to 1000");
}

}  // namespace detail

/// Writes a GIF that repeats for ever, with one palette of 256 colours chosen for the whole clip; a clip of at most 256
/// colours keeps each of them exactly. Frames last whole hundredths of a second, rounded so that the clip as a whole
/// keeps its speed, but no less than two of them: browsers slow down what is faster. Silences libav's logging.
///
/// A clip that is not RGB is shown as `to_rgb` says, by a colour map where it has one channel.
///
/// Throws ArgumentError for an empty clip, one whose pixels do not fit its sizes and frames_per_second outside 0.01 to
/// 1000, and FileError where the file cannot be encoded or written; what was at `path` is then untouched.
inline void write_gif(const std::filesystem::path& path, const Clip& pixels, double frames_per_second,
                      ColorMap map = ColorMap::grey) {
  detail::silence_libav();
  detail::check_clip("write_gif", pixels, frames_per_second);
  const Clip clip = to_rgb(pixels, map);
  detail::LibavCodec encoder =
      detail::make_encoder(avcodec_find_encoder(AV_CODEC_ID_GIF), AV_PIX_FMT_PAL8, clip.width, clip.height);
  encoder->time_base = {1, 100};
  const double hundredths = std::max(100 / frames_per_second, 2.0);
  const auto start = [&](std::int64_t t) { return std::llround(static_cast<double>(t) * hundredths); };
  // How long the last frame lasts, libav would guess, each version in its own way.
  const std::string last = "final_delay=" + std::to_string(start(clip.frames) - start(clip.frames - 1));
  detail::VideoEncoder file(path, "gif", std::move(encoder), "", "loop=0:" + last);

  // libav's palette filters are for clips of more colours: since FFmpeg 6 they round those that would fit, too.
  if (const std::vector<std::uint32_t> palette = detail::palette_of(clip); !palette.empty()) {
    for (std::int64_t t = 0; t < clip.frames; ++t) {
      const detail::LibavFrame frame = detail::indexed_frame(clip, t, palette);
      frame->pts = start(t);
      file.encode(frame.get());
    }
  } else {
    detail::PaletteFilter filter(path, clip);
    for (std::int64_t t = 0; t < clip.frames; ++t) {
      const detail::LibavFrame frame = detail::rgb_frame(clip, t, clip.width, clip.height);
      frame->pts = start(t);
      filter.add(frame.get());
    }
    filter.add(nullptr);
    while (const AVFrame* const frame = filter.next()) file.encode(frame);
  }
  file.finish();
}

/// Writes an MP4: H.264 by libx264 at a quality close to lossless to the eye where FFmpeg has it, MPEG-4 otherwise, in
/// yuv420p, which every player knows, and playable while it still loads. That format wants even sizes: an odd width or
/// height grows by repeating the last column or row. Silences libav's logging.
///
/// Colours as in write_gif, and what it throws.
inline void write_mp4(const std::filesystem::path& path, const Clip& pixels, double frames_per_second,
                      ColorMap map = ColorMap::grey) {
  detail::silence_libav();
  detail::check_clip("write_mp4", pixels, frames_per_second);
  const Clip clip = to_rgb(pixels, map);
  const std::int64_t width = clip.width + clip.width % 2, height = clip.height + clip.height % 2;
  const AVCodec* const x264 = avcodec_find_encoder_by_name("libx264");
  detail::LibavCodec encoder =
      detail::make_encoder(x264 ? x264 : avcodec_find_encoder(AV_CODEC_ID_MPEG4), AV_PIX_FMT_YUV420P, width, height);
  encoder->framerate = av_d2q(frames_per_second, 60000);  // MPEG-4 counts in 16 bits
  encoder->time_base = av_inv_q(encoder->framerate);
  encoder->colorspace = AVCOL_SPC_SMPTE170M;  // what libswscale makes of RGB
  encoder->color_range = AVCOL_RANGE_MPEG;
  if (!x264) {
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = 2 * FF_QP2LAMBDA;  // of 1 (best) to 31
  }
  // Room for the file's table of contents before the frames, so that a player need not load them all to find it.
  const std::string room = "moov_size=" + std::to_string(4096 + 40 * clip.frames);
  // Without mbtree: its AVX-512 form reads memory that nothing wrote where the frame is not a multiple of 16
  // macroblocks wide (libx264 164), so that one clip had two encodings, by what lay there.
  detail::VideoEncoder file(path, "mp4", std::move(encoder), x264 ? "crf=16:preset=medium:mbtree=0" : "", room);

  const detail::LibavScaler scaler(sws_getContext(static_cast<int>(width), static_cast<int>(height), AV_PIX_FMT_RGB24,
                                                  static_cast<int>(width), static_cast<int>(height), AV_PIX_FMT_YUV420P,
                                                  SWS_AREA | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INP,
                                                  nullptr, nullptr, nullptr));
  if (!scaler) throw FileError(concat(path.string(), ": its colours cannot be turned into yuv420p"));
  for (std::int64_t t = 0; t < clip.frames; ++t) {
    const detail::LibavFrame rgb = detail::rgb_frame(clip, t, width, height);
    const detail::LibavFrame frame = detail::make_frame(AV_PIX_FMT_YUV420P, width, height);
    sws_scale(scaler.get(), rgb->data, rgb->linesize, 0, rgb->height, frame->data, frame->linesize);
    frame->pts = t;
    file.encode(frame.get());
  }
  file.finish();
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

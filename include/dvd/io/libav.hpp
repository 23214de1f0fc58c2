// FFmpeg's libraries as C++ has them: owners of their objects, errors as text, frames of any kind as RGB.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

// Owners of libav's objects, which are freed through a pointer to the pointer.
template <auto free_object>
struct LibavDeleter {
  template <class Object>
  void operator()(Object* object) const {
    free_object(&object);
  }
};
using LibavInput = std::unique_ptr<AVFormatContext, LibavDeleter<avformat_close_input>>;
using LibavCodec = std::unique_ptr<AVCodecContext, LibavDeleter<avcodec_free_context>>;
using LibavParameters = std::unique_ptr<AVCodecParameters, LibavDeleter<avcodec_parameters_free>>;
using LibavFrame = std::unique_ptr<AVFrame, LibavDeleter<av_frame_free>>;
using LibavPacket = std::unique_ptr<AVPacket, LibavDeleter<av_packet_free>>;

struct LibavScalerDeleter {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using LibavScaler = std::unique_ptr<SwsContext, LibavScalerDeleter>;

// The pointer itself; libav answers null where memory ran out.
template <class Object>
Object* libav_allocated(Object* object) {
  if (!object) throw std::bad_alloc();
  return object;
}

inline std::string libav_error_text(int status) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(status, text, sizeof text);
  return text;
}

// Our exceptions say what is wrong; libav's own remarks on standard error would only repeat it, many times.
inline void silence_libav() { [[maybe_unused]] static const bool once = (av_log_set_level(AV_LOG_QUIET), true); }

// Pixels a frame may have: four times a frame of 8K video. Damaged headers ask for more.
constexpr std::int64_t most_pixels = std::int64_t{1} << 27;

// A frame without content, or with uninitialised content in libav's padded rows, which its routines may overrun.
inline LibavFrame make_frame() { return LibavFrame(libav_allocated(av_frame_alloc())); }
inline LibavFrame make_frame(AVPixelFormat format, std::int64_t width, std::int64_t height) {
  LibavFrame frame = make_frame();
  frame->format = format;
  frame->width = static_cast<int>(width);
  frame->height = static_cast<int>(height);
  if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
  return frame;
}

// Copies a picture of 1 or 3 bytes a pixel, turned clockwise by so many quarters.
inline void copy_turned(const AVFrame& picture, std::ptrdiff_t bytes, int quarter_turns, std::uint8_t* target) {
  const std::ptrdiff_t width = picture.width, height = picture.height, row = picture.linesize[0];
  // The offset in `picture` of the target's first pixel, and the steps to its neighbours to the right and below.
  std::ptrdiff_t start = 0, right = bytes, below = row;
  if (quarter_turns == 1) start = (height - 1) * row, right = -row, below = bytes;
  if (quarter_turns == 2) start = (height - 1) * row + (width - 1) * bytes, right = -bytes, below = -row;
  if (quarter_turns == 3) start = (width - 1) * bytes, right = row, below = -bytes;
  const bool lies = quarter_turns % 2 != 0;
  const std::ptrdiff_t columns = lies ? height : width, rows = lies ? width : height;
  for (std::ptrdiff_t y = 0; y < rows; ++y) {
    const std::uint8_t* source = picture.data[0] + start + y * below;
    if (right == bytes) {
      target = std::copy_n(source, columns * bytes, target);
    } else {
      for (std::ptrdiff_t x = 0; x < columns; ++x) target = std::copy_n(source + x * right, bytes, target);
    }
  }
}

// Scales frames of any size and pixel format into RGB, or into grey.
class FrameScaler {
 public:
  explicit FrameScaler(std::int64_t channels)
      : channels_(channels), format_(channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24) {}

  // `frame` as width x height pixels, turned clockwise afterwards, into `target`; false where libswscale cannot.
  bool scale(const AVFrame& frame, std::int64_t width, std::int64_t height, int quarter_turns, std::uint8_t* target) {
    const Geometry geometry{frame.width,       frame.height, frame.format, frame.colorspace,
                            frame.color_range, width,        height};
    if (!scaler_ || geometry != geometry_) {
      geometry_ = geometry;
      picture_ = make_frame(format_, width, height);
      scaler_ = make_scaler(frame, *picture_);
    }
    if (!scaler_) return false;
    const int rows =
        sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, picture_->data, picture_->linesize);
    if (rows != picture_->height) return false;
    copy_turned(*picture_, channels_, quarter_turns, target);
    return true;
  }

 private:
  using Geometry = std::array<std::int64_t, 7>;

  static LibavScaler make_scaler(const AVFrame& frame, const AVFrame& picture) {
    // Averaging areas keeps a shrunken picture free of aliasing; enlarged, areas would be blocks, so there a cubic.
    const bool shrinks = picture.width < frame.width || picture.height < frame.height;
    // The same pixels on every processor, and chroma interpolated to every pixel.
    const int flags = (shrinks ? SWS_AREA : SWS_BICUBIC) | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT;
    LibavScaler scaler(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                                      picture.width, picture.height, static_cast<AVPixelFormat>(picture.format), flags,
                                      nullptr, nullptr, nullptr));
    const AVPixFmtDescriptor* const format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
    if (!scaler || !format || format->flags & AV_PIX_FMT_FLAG_RGB) return scaler;
    // libswscale takes every YUV for BT.601 in the range 16 to 235; frames know better.
    int *unused, *target, source_range, target_range, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(scaler.get(), &unused, &source_range, &target, &target_range, &brightness, &contrast,
                                 &saturation) >= 0)
      sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(frame.colorspace),
                               source_range | int{frame.color_range == AVCOL_RANGE_JPEG}, target, target_range,
                               brightness, contrast, saturation);
    return scaler;
  }

  std::int64_t channels_;
  AVPixelFormat format_;
  Geometry geometry_{};
  LibavFrame picture_;
  LibavScaler scaler_;
};

// How many quarters clockwise a player turns the stream's frames: phones film lying down and note it there.
inline int quarter_turns(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
  const AVPacketSideData* const data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  const std::uint8_t* const matrix = data ? data->data : nullptr;
#else
  const std::uint8_t* const matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
#endif
  if (!matrix) return 0;
  const double degrees = -av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));  // clockwise
  return is_finite(degrees) ? static_cast<int>(std::lround(degrees / 90) + 4) % 4 : 0;
}

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Frames of any size, pixel format, matrix and range as RGB or grey, cut and scaled.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "dvd/core/error.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/orientation.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

struct LibavScalerDeleter {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using LibavScaler = std::unique_ptr<SwsContext, LibavScalerDeleter>;

/// The colour matrix by which libswscale is to turn a frame into RGB, an SWS_CS constant. Throws FileError for those
/// that it does not know and would take for another one: a wrong colour is worse than none.
inline int matrix_of(const AVFrame& frame) {
  switch (frame.colorspace) {
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RESERVED:
      return SWS_CS_DEFAULT;  // as the ffmpeg program does
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_SMPTE240M:
    case AVCOL_SPC_BT2020_NCL:
      return frame.colorspace;
    case AVCOL_SPC_CHROMA_DERIVED_NCL:  // the matrix follows from the primaries
      if (frame.color_primaries == AVCOL_PRI_BT709) return SWS_CS_ITU709;
      if (frame.color_primaries == AVCOL_PRI_BT2020) return SWS_CS_BT2020;
      [[fallthrough]];
    default:
      const char* const name = av_color_space_name(frame.colorspace);
      throw FileError(
          concat("its colours are coded by a matrix that cannot be turned into RGB (", name ? name : "unknown", ")"));
  }
}

/// Whether the samples of a frame of luma, with or without chroma, span 0 to 255 and not 16 to 235.
inline bool is_full_range(const AVFrame& frame, AVCodecID codec, const AVPixFmtDescriptor& format) {
  if (frame.color_range != AVCOL_RANGE_UNSPECIFIED) return frame.color_range == AVCOL_RANGE_JPEG;
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
      return true;
    default:
      break;
  }
  // Grey of pictures is full, but these codecs' specifications say 16 to 235 where a stream is silent.
  const bool grey = format.nb_components - ((format.flags & AV_PIX_FMT_FLAG_ALPHA) != 0) == 1;
  switch (codec) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_AV1:
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_PRORES:
    case AV_CODEC_ID_DNXHD:
      return false;
    default:
      return grey;
  }
}

/// Turns the frames of a video into RGB, or into grey, of one size.
class FrameScaler {
 public:
  /// `codec` is that of the video.
  FrameScaler(std::int64_t channels, AVCodecID codec)
      : channels_(channels), format_(channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24), codec_(codec) {}

  /// The whole of a frame as height x width pixels, as shown, into `target`: stretched, if it has another size, as the
  /// ffmpeg program does it. Throws FileError where libswscale cannot.
  void stretch(const AVFrame& frame, const Orientation& shown, std::int64_t height, std::int64_t width,
               std::uint8_t* target) {
    averages_ = false;
    convert(frame, shown, height, width, target);
  }

  /// The part of a frame that `framing` says, scaled to its size, into `target`. Throws FileError as above.
  void cut(const AVFrame& frame, const Orientation& shown, const Framing& framing, std::uint8_t* target) {
    LibavFrame part(libav_allocated(av_frame_clone(&frame)));
    if (!can_be_cut(frame)) part = opened(frame);
    cut_frame(*part, framing, shown);
    averages_ = true;
    convert(*part, shown, framing.image_height(), framing.image_width(), target);
  }

 private:
  using Geometry = std::array<std::int64_t, 9>;

  static const AVPixFmtDescriptor& description(int format) {
    const AVPixFmtDescriptor* const result = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
    if (!result) throw FileError("its pixel format is unknown");
    return *result;
  }

  // Whether a part of the frame is found by adding to its pointers. Not where pixels share bytes.
  static bool can_be_cut(const AVFrame& frame) {
    const AVPixFmtDescriptor& format = description(frame.format);
    constexpr std::uint64_t shared = AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_BAYER;
    return (format.flags & shared) == 0 && frame.format != AV_PIX_FMT_UYYVYY411;
  }

  // The same frame in a layout that can be cut.
  LibavFrame opened(const AVFrame& frame) {
    const bool colour =
        (description(frame.format).flags & AV_PIX_FMT_FLAG_RGB) != 0 || frame.format == AV_PIX_FMT_UYYVYY411;
    LibavFrame result = make_frame(colour ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_GRAY8, frame.width, frame.height);
    run(frame, *result, opener_, opener_geometry_);
    result->color_range = AVCOL_RANGE_JPEG;
    return result;
  }

  void convert(const AVFrame& frame, const Orientation& shown, std::int64_t height, std::int64_t width,
               std::uint8_t* target) {
    if (shown.transposed) std::swap(height, width);
    if (!picture_ || picture_->width != width || picture_->height != height)
      picture_ = make_frame(format_, width, height);
    run(frame, *picture_, scaler_, geometry_);
    if (is_narrow_grey(frame)) widen(*picture_);
    copy_oriented(*picture_, channels_, shown, target);
  }

  // Grey of 16 to 235, which libswscale takes for 0 to 255 whatever one tells it.
  bool is_narrow_grey(const AVFrame& frame) const {
    const AVPixFmtDescriptor& format = description(frame.format);
    constexpr std::uint64_t without_range = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM;
    return format.nb_components - ((format.flags & AV_PIX_FMT_FLAG_ALPHA) != 0) == 1 &&
           (format.flags & without_range) == 0 && !is_full_range(frame, codec_, format);
  }

  void widen(AVFrame& picture) const {
    static const std::array<std::uint8_t, 256> wide = [] {
      std::array<std::uint8_t, 256> table{};
      for (int i = 0; i < 256; ++i)
        table[static_cast<std::size_t>(i)] =
            static_cast<std::uint8_t>(std::clamp(((i - 16) * 255 + 109) / 219, 0, 255));
      return table;
    }();
    for (int y = 0; y < picture.height; ++y) {
      std::uint8_t* const row = picture.data[0] + std::ptrdiff_t{y} * picture.linesize[0];
      for (std::ptrdiff_t i = 0; i < picture.width * channels_; ++i) row[i] = wide[row[i]];
    }
  }

  // Converts with a scaler that is kept as long as frames are alike.
  void run(const AVFrame& frame, const AVFrame& picture, LibavScaler& scaler, Geometry& geometry) const {
    const Geometry wanted{frame.width,           frame.height,  frame.format,   frame.colorspace, frame.color_range,
                          frame.color_primaries, picture.width, picture.height, averages_};
    if (!scaler || geometry != wanted) {
      geometry = wanted;
      scaler = make_scaler(frame, picture);
    }
    if (sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, picture.data, picture.linesize) !=
        picture.height)
      throw FileError("its pixel format cannot be turned into RGB or grey");
  }

  LibavScaler make_scaler(const AVFrame& frame, const AVFrame& picture) const {
    // Averaging areas keeps a shrunken picture free of aliasing; enlarged, areas would be blocks, so there a cubic.
    const bool shrinks = averages_ && (picture.width < frame.width || picture.height < frame.height);
    // The same pixels on every processor, chroma interpolated to every pixel, and of RGB that of every pixel: else of
    // an odd row the last one would be mixed with what lies behind it.
    const int flags =
        (shrinks ? SWS_AREA : SWS_BICUBIC) | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    LibavScaler scaler(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                                      picture.width, picture.height, static_cast<AVPixelFormat>(picture.format), flags,
                                      nullptr, nullptr, nullptr));
    if (!scaler) throw FileError("its pixel format cannot be turned into RGB or grey");
    const AVPixFmtDescriptor& format = description(frame.format);
    constexpr std::uint64_t without_luma = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM;
    if ((format.flags & without_luma) != 0) return scaler;
    // libswscale takes every YUV for BT.601 in the range 16 to 235, and all grey for 0 to 255; frames know better.
    int *unused, *target, source_range, target_range, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(scaler.get(), &unused, &source_range, &target, &target_range, &brightness, &contrast,
                                 &saturation) >= 0)
      sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(matrix_of(frame)),
                               is_full_range(frame, codec_, format), target, target_range, brightness, contrast,
                               saturation);
    return scaler;
  }

  std::int64_t channels_;
  AVPixelFormat format_;
  AVCodecID codec_;
  bool averages_ = true;
  LibavFrame picture_;
  LibavScaler scaler_, opener_;
  Geometry geometry_{}, opener_geometry_{};
};

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"

// Frames of which a damaged packet left a part as it was in memory: no picture of the video, and another every time.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// How a decoder fills its frames, where nothing is damaged.
enum class Filling {
  blocks,  ///< it writes every pixel of every frame, in blocks of at least 16 rows and columns
  rows,    ///< it writes every pixel of every frame
  parts,   ///< it adds to what it finds, which is zeros to begin with, as the ffmpeg program gives them
};

inline Filling filling_of(AVCodecID codec) {
  switch (codec) {
    case AV_CODEC_ID_H261:
    case AV_CODEC_ID_H263:
    case AV_CODEC_ID_H263P:
    case AV_CODEC_ID_FLV1:
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_MSMPEG4V1:
    case AV_CODEC_ID_MSMPEG4V2:
    case AV_CODEC_ID_MSMPEG4V3:
    case AV_CODEC_ID_WMV1:
    case AV_CODEC_ID_WMV2:
    case AV_CODEC_ID_WMV3:
    case AV_CODEC_ID_VC1:
    case AV_CODEC_ID_VP8:
    case AV_CODEC_ID_VP9:
      return Filling::blocks;
    case AV_CODEC_ID_MJPEG:
    case AV_CODEC_ID_JPEG2000:
    case AV_CODEC_ID_JPEGLS:
    case AV_CODEC_ID_FFV1:
    case AV_CODEC_ID_HUFFYUV:
    case AV_CODEC_ID_FFVHUFF:
    case AV_CODEC_ID_UTVIDEO:
    case AV_CODEC_ID_MAGICYUV:
    case AV_CODEC_ID_DNXHD:
    case AV_CODEC_ID_PRORES:
    case AV_CODEC_ID_DVVIDEO:
      return Filling::rows;
    default:
      return Filling::parts;
  }
}

// Marked is every byte, or where blocks are missing as a whole, 8 of 16 in some rows of the first plane: so many apart
// that each row of blocks has one, and an odd number, so that blocks of either field have.
inline constexpr std::size_t mark_bytes = sizeof(std::uint64_t);
inline std::size_t mark_distance(Filling filling) { return filling == Filling::blocks ? 16 : mark_bytes; }
inline std::size_t row_distance(Filling filling) { return filling == Filling::blocks ? 15 : 1; }
inline int marked_planes(Filling filling) {
  return filling == Filling::blocks ? 1 : filling == Filling::rows ? AV_NUM_DATA_POINTERS : 0;
}

// What no picture has by chance.
inline std::uint64_t mark_at(std::size_t offset) { return (offset + 1) * 0x9E3779B97F4A7C15; }

/// Prepares the memory of a frame that is to be decoded: marks it where the decoder will write all of it, and fills it
/// with `fill` where that would not show every damage, or is not 0.
inline void prepare_memory(AVFrame& frame, Filling filling, int fill) {
  for (int plane = 0; plane < AV_NUM_DATA_POINTERS && frame.buf[plane]; ++plane) {
    AVBufferRef& buffer = *frame.buf[plane];
    const std::uint8_t* const buffer_end = buffer.data + buffer.size;  // whose type differs between versions
    const auto size = static_cast<std::size_t>(buffer_end - buffer.data);
    if (filling != Filling::blocks || fill != 0) std::memset(buffer.data, fill, size);
    if (plane >= marked_planes(filling) || frame.linesize[plane] <= 0) continue;
    const auto row = static_cast<std::size_t>(frame.linesize[plane]), distance = mark_distance(filling);
    for (std::size_t begin = 0; begin + row <= size; begin += row_distance(filling) * row)
      for (std::size_t at = (begin + distance - 1) / distance * distance; at + mark_bytes <= begin + row;
           at += distance) {
        const std::uint64_t mark = mark_at(at);
        std::memcpy(buffer.data + at, &mark, mark_bytes);
      }
  }
}

/// Whether marks are left in what is to be shown of a frame.
inline bool has_unwritten_parts(const AVFrame& frame, Filling filling) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const AVPixFmtDescriptor* const description = av_pix_fmt_desc_get(format);
  const int planes = std::min(marked_planes(filling), av_pix_fmt_count_planes(format));
  for (int plane = 0; description && plane < planes; ++plane) {
    const AVBufferRef* const buffer = frame.buf[plane];
    const int bytes = av_image_get_linesize(format, frame.width, plane);
    if (!buffer || frame.linesize[plane] <= 0 || bytes <= 0 || frame.data[plane] < buffer->data) continue;
    const int shift = plane == 1 || plane == 2 ? description->log2_chroma_h : 0;
    const auto row = static_cast<std::size_t>(frame.linesize[plane]), distance = mark_distance(filling);
    const auto rows = static_cast<std::size_t>(-((-frame.height) >> shift)), step = row_distance(filling);
    const auto first = static_cast<std::size_t>(frame.data[plane] - buffer->data);
    for (std::size_t y = (step - first / row % step) % step; y < rows; y += step) {
      const std::size_t begin = first + y * row, end = begin + static_cast<std::size_t>(bytes);
      for (std::size_t at = (begin + distance - 1) / distance * distance; at + mark_bytes <= end; at += distance) {
        std::uint64_t found;
        std::memcpy(&found, buffer->data + at, mark_bytes);
        if (found == mark_at(at)) return true;
      }
    }
  }
  return false;
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"

// Frames of which a damaged packet left a part as it was in memory: no picture of the video, and another every time.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Whether the decoder writes every pixel of every frame, where nothing is damaged. Others add to what they find, and
/// are given zeros to begin with, as the ffmpeg program gives them.
inline bool writes_whole_frames(AVCodecID codec) {
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
      return true;
    default:
      return false;
  }
}

// Every eighth row is marked: damage spares whole rows of blocks, which are at least as high.
inline constexpr std::size_t marked_row = 8, marked_bytes = sizeof(std::uint64_t);

// What no picture has by chance.
inline std::uint64_t mark_at(std::size_t offset) {
  std::uint64_t value = (offset + 1) * 0x9E3779B97F4A7C15;
  value ^= value >> 29;
  return value * 0xBF58476D1CE4E5B9;
}

/// Fills the memory of a frame that is to be decoded with a value, and with marks if `marked`.
inline void clear_memory(AVFrame& frame, bool marked, int value) {
  for (int plane = 0; plane < AV_NUM_DATA_POINTERS && frame.buf[plane]; ++plane) {
    AVBufferRef& buffer = *frame.buf[plane];
    const auto size = static_cast<std::size_t>(buffer.size);
    std::memset(buffer.data, value, size);
    if (!marked || frame.linesize[plane] <= 0) continue;
    const auto row = static_cast<std::size_t>(frame.linesize[plane]);
    for (std::size_t begin = 0; begin + row <= size; begin += marked_row * row)
      for (std::size_t at = begin; at + marked_bytes <= begin + row; at += marked_bytes) {
        const std::uint64_t mark = mark_at(at);
        std::memcpy(buffer.data + at, &mark, marked_bytes);
      }
  }
}

/// Whether marks are left in what is to be shown of a frame.
inline bool has_unwritten_parts(const AVFrame& frame) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const AVPixFmtDescriptor* const description = av_pix_fmt_desc_get(format);
  if (!description || (description->flags & AV_PIX_FMT_FLAG_PAL) != 0) return false;
  const int planes = av_pix_fmt_count_planes(format);
  for (int plane = 0; plane < planes; ++plane) {
    const AVBufferRef* const buffer = frame.buf[plane];
    const int bytes = av_image_get_linesize(format, frame.width, plane);
    if (!buffer || frame.linesize[plane] <= 0 || bytes <= 0 || frame.data[plane] < buffer->data) continue;
    const int shift = plane == 1 || plane == 2 ? description->log2_chroma_h : 0;
    const auto rows = static_cast<std::size_t>(-((-frame.height) >> shift));
    const auto row = static_cast<std::size_t>(frame.linesize[plane]);
    const auto first = static_cast<std::size_t>(frame.data[plane] - buffer->data);
    for (std::size_t y = (marked_row - first / row % marked_row) % marked_row; y < rows; y += marked_row) {
      const std::size_t begin = first + y * row, end = begin + static_cast<std::size_t>(bytes);
      for (std::size_t at = (begin + marked_bytes - 1) / marked_bytes * marked_bytes; at + marked_bytes <= end;
           at += marked_bytes) {
        std::uint64_t found;
        std::memcpy(&found, buffer->data + at, marked_bytes);
        if (found == mark_at(at)) return true;
      }
    }
  }
  return false;
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"

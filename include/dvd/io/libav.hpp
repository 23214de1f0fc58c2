// FFmpeg's libraries as C++ has them: owners of their objects, and errors as text.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
}

#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "dvd/core/instruction_set.hpp"

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

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

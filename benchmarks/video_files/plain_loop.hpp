// What one writes who reads a clip with libav's functions, and nothing else: open, seek, decode, scale.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace plain_loop {

inline void expect(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// `frames` frames from the one that is shown at `seconds` on, the middle square of each as size x size pixels of RGB.
inline std::vector<std::uint8_t> read(const std::string& path, double seconds, std::int64_t frames, int size) {
  AVFormatContext* input = nullptr;
  expect(avformat_open_input(&input, path.c_str(), nullptr, nullptr) >= 0, "open");
  expect(avformat_find_stream_info(input, nullptr) >= 0, "find_stream_info");
  const AVCodec* codec = nullptr;
  const int number = av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
  expect(number >= 0, "find_best_stream");
  const AVStream& stream = *input->streams[number];
  AVCodecContext* decoder = avcodec_alloc_context3(codec);
  expect(avcodec_parameters_to_context(decoder, stream.codecpar) >= 0, "parameters");
  decoder->thread_count = 1;
  expect(avcodec_open2(decoder, codec, nullptr) >= 0, "open2");
  const auto start = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
  const auto target = start + std::llround(seconds / av_q2d(stream.time_base));
  expect(av_seek_frame(input, number, target, AVSEEK_FLAG_BACKWARD) >= 0, "seek");

  AVPacket* packet = av_packet_alloc();
  AVFrame* frame = av_frame_alloc();
  SwsContext* scaler = nullptr;
  const std::size_t bytes = static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
  std::vector<std::uint8_t> clip(bytes * static_cast<std::size_t>(frames));
  std::int64_t got = 0;
  bool ended = false;
  while (got < frames && !ended) {
    const int status = av_read_frame(input, packet);
    ended = status < 0;
    if (!ended && packet->stream_index != number) {
      av_packet_unref(packet);
      continue;
    }
    avcodec_send_packet(decoder, ended ? nullptr : packet);
    av_packet_unref(packet);
    while (got < frames && avcodec_receive_frame(decoder, frame) >= 0) {
      if (frame->best_effort_timestamp < target) continue;
      const int side = std::min(frame->width, frame->height);
      frame->crop_left = frame->crop_right = static_cast<std::size_t>((frame->width - side) / 2);
      frame->crop_top = frame->crop_bottom = static_cast<std::size_t>((frame->height - side) / 2);
      av_frame_apply_cropping(frame, AV_FRAME_CROP_UNALIGNED);
      if (!scaler)
        scaler =
            sws_getContext(side, side, static_cast<AVPixelFormat>(frame->format), size, size, AV_PIX_FMT_RGB24,
                           SWS_AREA | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT, nullptr, nullptr, nullptr);
      std::uint8_t* const target_data[] = {clip.data() + bytes * static_cast<std::size_t>(got++)};
      const int line[] = {size * 3};
      sws_scale(scaler, frame->data, frame->linesize, 0, side, target_data, line);
    }
  }
  expect(got == frames, "too few frames");
  sws_freeContext(scaler);
  av_frame_free(&frame);
  av_packet_free(&packet);
  avcodec_free_context(&decoder);
  avformat_close_input(&input);
  return clip;
}

}  // namespace plain_loop

// Reading frames out of video files of any container and codec that FFmpeg's libav* libraries know.
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
#include "dvd/io/framing.hpp"
#include "dvd/io/libav.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a video file holds.
struct VideoInfo {
  std::int64_t width = 0;   ///< pixels, as shown: after the rotation that the file asks for
  std::int64_t height = 0;  ///< pixels, as shown
  /// Frames, counted packet by packet without decoding them. A damaged file may hold fewer that can be decoded.
  std::int64_t frames = 0;
  double frames_per_second = 0;  ///< 25 where the file does not say
};

/// A video file's first video track, readable at any frame. It keeps an index of the file and opens it anew for every
/// reading, so that many fit into memory, no file stays open and several threads may read from one object at once.
/// The same call always gives the same pixels.
///
/// Frame i is the i-th in order of presentation, from 0. Pixels are taken to be square. Silences libav's logging.
class VideoFile {
 public:
  /// Indexes the file and decodes its first frame. Throws FileError ("PATH: what is wrong") where the file is missing,
  /// is no regular file, is empty, is in no format that FFmpeg reads, has no video track, one of absurd dimensions, or
  /// no frame that can be decoded.
  explicit VideoFile(std::filesystem::path path) : path_(std::move(path)) {
    detail::silence_libav();
    const detail::LibavInput input = open();
    find_stream(*input);
    index_packets(*input);
    std::int64_t decoded = 0;
    decode(0, [&](const AVFrame& frame, std::int64_t) {
      const bool lies = quarter_turns_ % 2 != 0;
      info_.width = lies ? frame.height : frame.width;
      info_.height = lies ? frame.width : frame.height;
      ++decoded;
      return false;
    });
    if (decoded == 0) fail("none of its frames can be decoded");
    check_size(info_.width, info_.height);
  }

  const std::filesystem::path& path() const { return path_; }
  const VideoInfo& info() const { return info_; }

  /// `frames` frames of the file's own size: first, first + stride, first + 2 * stride, ... A frame whose size differs
  /// from the file's first one is stretched to it.
  ///
  /// A frame that the file skips, or that is too damaged to be decoded, repeats the one before it, as players do.
  /// Throws FileError where this concerns more than half of the frames asked for, where the file has no such frames or
  /// ends before the last one, and ArgumentError for a negative `first`, `frames` or `stride` below one.
  Clip read(std::int64_t first, std::int64_t frames, std::int64_t stride = 1) const {
    return read({first, frames, stride}, {frames, info_.height, info_.width}, [](const AVFrame&) { return true; });
  }

  /// The same frames cut and scaled as `framing` says, whose `validate` it calls.
  Clip read(std::int64_t first, std::int64_t frames, std::int64_t stride, const Framing& framing) const {
    framing.validate();
    return read({first, frames, stride},
                {frames, framing.image_height(), framing.image_width(), framing.image_channels},
                [&](AVFrame& frame) { return detail::cut_frame(frame, framing, quarter_turns_); });
  }

 private:
  struct Packet {
    std::int32_t frame;  // in order of presentation; -1: decoded but not shown
    bool key;            // decoding can start here
  };
  struct Range {
    std::int64_t first, frames, stride;
    std::int64_t at(std::int64_t i) const { return first + i * stride; }
  };

  [[noreturn]] void fail(const std::string& what) const { throw FileError(concat(path_.string(), ": ", what)); }

  void check_is_file() const {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path_, error);
    if (!std::filesystem::exists(status)) fail("no such file");
    if (std::filesystem::is_directory(status)) fail("is a folder, not a video file");
    if (!std::filesystem::is_regular_file(status)) fail("is not a regular file");
    if (std::filesystem::file_size(path_, error) == 0) fail("is empty");
  }

  void check_size(std::int64_t width, std::int64_t height) const {
    if (width < 1 || height < 1 || height > detail::most_pixels / width)
      fail(concat("claims to hold frames of ", width, " x ", height, " pixels"));
  }

  // "file:" and the whitelist keep a name or a playlist from being taken for an address on the network.
  detail::LibavInput open() const {
    check_is_file();
    AVFormatContext* input = nullptr;
    AVDictionary* options = nullptr;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    const int status = avformat_open_input(&input, ("file:" + path_.string()).c_str(), nullptr, &options);
    av_dict_free(&options);
    if (status < 0) fail(concat("cannot be read as a video (", detail::libav_error_text(status), ")"));
    return detail::LibavInput(input);
  }

  void find_stream(AVFormatContext& input) {
    using namespace std::string_view_literals;
    if (input.iformat->name == "tty"sv) fail("is text, not a video");  // which FFmpeg would show as a terminal does
    std::vector<AVDictionary*> options(input.nb_streams);
    for (AVDictionary*& each : options) av_dict_set_int(&each, "max_pixels", detail::most_pixels, 0);
    const int status = avformat_find_stream_info(&input, options.data());
    for (AVDictionary*& each : options) av_dict_free(&each);
    if (status < 0) fail(concat("cannot be read as a video (", detail::libav_error_text(status), ")"));

    stream_ = av_find_best_stream(&input, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (stream_ < 0) fail("has no video track");
    AVStream* const stream = input.streams[stream_];
    if (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) fail("has no video track, only a cover picture");
    if (stream->codecpar->width != 0) check_size(stream->codecpar->width, stream->codecpar->height);
    parameters_.reset(detail::libav_allocated(avcodec_parameters_alloc()));
    if (avcodec_parameters_copy(parameters_.get(), stream->codecpar) < 0) throw std::bad_alloc();
    quarter_turns_ = detail::quarter_turns(*stream);
    const double rate = av_q2d(av_guess_frame_rate(&input, stream, nullptr));
    info_.frames_per_second = is_finite(rate) && rate > 0 ? rate : 25;
  }

  // Calls visit(packet) for the track's packets in the file's order until it answers false.
  template <class Visit>
  void for_each_packet(AVFormatContext& input, Visit&& visit) const {
    const detail::LibavPacket packet(detail::libav_allocated(av_packet_alloc()));
    bool wanted = true;
    while (wanted && av_read_frame(&input, packet.get()) >= 0) {
      if (packet->stream_index == stream_) wanted = visit(*packet);
      av_packet_unref(packet.get());
    }
  }

  // Packets stand in order of decoding, their time stamps tell the order of presentation. Some containers (AVI) have
  // no stamps for codecs that reorder frames; then only decoding from the start tells.
  void index_packets(AVFormatContext& input) {
    std::vector<std::pair<std::int64_t, std::size_t>> shown;  // time stamp, index of the packet
    bool stamped = true;
    for_each_packet(input, [&](const AVPacket& packet) {
      const bool hidden_vp8 = parameters_->codec_id == AV_CODEC_ID_VP8 && packet.size > 0 && !(packet.data[0] & 0x10);
      if (!(packet.flags & AV_PKT_FLAG_DISCARD) && !hidden_vp8) {
        shown.emplace_back(packet.pts, packets_.size());
        stamped = stamped && packet.pts != AV_NOPTS_VALUE;
      }
      packets_.push_back({-1, (packet.flags & AV_PKT_FLAG_KEY) != 0});
      return true;
    });
    packets_.shrink_to_fit();
    info_.frames = static_cast<std::int64_t>(shown.size());
    std::sort(shown.begin(), shown.end());
    const auto same_time = [](const auto& a, const auto& b) { return a.first == b.first; };
    order_known_ = stamped && std::adjacent_find(shown.begin(), shown.end(), same_time) == shown.end();
    if (!order_known_) return;
    for (std::size_t i = 0; i < shown.size(); ++i) packets_[shown[i].second].frame = static_cast<std::int32_t>(i);
  }

  // The last packet from which a decoder gets at `frame` and all that follow.
  std::size_t packet_before(std::int64_t frame) const {
    for (std::size_t i = packets_.size(); i-- > 0;)
      if (packets_[i].key && packets_[i].frame >= 0 && packets_[i].frame <= frame) return i;
    return 0;
  }

  detail::LibavCodec open_decoder() const {
    const AVCodec* const codec = avcodec_find_decoder(parameters_->codec_id);
    if (!codec) fail(concat("FFmpeg has no decoder for its codec, ", avcodec_get_name(parameters_->codec_id)));
    detail::LibavCodec decoder(detail::libav_allocated(avcodec_alloc_context3(codec)));
    int status = avcodec_parameters_to_context(decoder.get(), parameters_.get());
    decoder->thread_count = 1;  // who reads many files does so in parallel
    decoder->max_pixels = detail::most_pixels;
    if (status >= 0) status = avcodec_open2(decoder.get(), codec, nullptr);
    if (status < 0) fail(concat("its decoder cannot be opened (", detail::libav_error_text(status), ")"));
    return decoder;
  }

  // Decodes from packet `start` on and calls visit(frame, its index), in order of presentation, until it answers false.
  // The packets before `start` are read and dropped: next to decoding that costs nothing, and unlike a seek it is exact
  // in every container.
  template <class Visit>
  void decode(std::size_t start, Visit&& visit) const {
    const detail::LibavInput input = open();
    const detail::LibavCodec decoder = open_decoder();
    const detail::LibavFrame frame = detail::make_frame();
    std::int64_t decoded = 0;
    // Passes on the frames that the decoder has ready.
    const auto drain = [&] {
      while (avcodec_receive_frame(decoder.get(), frame.get()) >= 0) {
        if (frame->pts < 0 || frame->pts >= static_cast<std::int64_t>(packets_.size())) continue;
        const std::int64_t index = order_known_ ? packets_[static_cast<std::size_t>(frame->pts)].frame : decoded++;
        if (index >= 0 && !visit(*frame, index)) return false;
      }
      return true;
    };
    std::size_t number = 0;
    bool wanted = true;
    for_each_packet(*input, [&](AVPacket& packet) {
      const std::size_t current = number++;
      if (current < start || packet.size == 0) return true;  // to a decoder, an empty packet means the end
      // A decoder hands a packet's time stamp on to the frame: with numbers for stamps, frames tell where they are
      // from.
      packet.pts = static_cast<std::int64_t>(current);
      packet.dts = AV_NOPTS_VALUE;
      avcodec_send_packet(decoder.get(), &packet);  // where it fails, the frame will be missing
      return wanted = drain();
    });
    if (!wanted) return;
    avcodec_send_packet(decoder.get(), nullptr);
    drain();
  }

  // A clip of this size, made from what `cut` leaves of the file's frames.
  template <class Cut>
  Clip read(const Range& range, const ClipSize& size, Cut&& cut) const {
    require(range.first >= 0 && range.frames >= 1 && range.stride >= 1, "VideoFile: cannot read ", range.frames,
            " frames at stride ", range.stride, " from frame ", range.first, " on");
    if (range.first >= info_.frames || range.frames - 1 > (info_.frames - 1 - range.first) / range.stride)
      fail(concat("has ", info_.frames, " frames, too few for ", range.frames, " at stride ", range.stride,
                  " from frame ", range.first, " on"));
    Clip clip(size.frames, size.height, size.width, size.channels);
    // Where decoding from the nearest key frame leaves a gap, the key frame may not have been one: again from the
    // start.
    const std::size_t start = order_known_ ? packet_before(range.first) : 0;
    if (start == 0 || !fill(clip, range, start, cut)) fill(clip, range, 0, cut);
    return clip;
  }

  // False where frames are missing or damaged; with `start` at 0 it makes do with them, or throws.
  template <class Cut>
  bool fill(Clip& clip, const Range& range, std::size_t start, Cut& cut) const {
    detail::FrameScaler scaler(clip.channels);
    const bool lies = quarter_turns_ % 2 != 0;
    const detail::LibavFrame last = detail::make_frame();  // the last frame decoded so far
    std::int64_t filled = 0, repeated = 0;
    bool damaged = false;
    const auto put = [&](const AVFrame& source) {
      const detail::LibavFrame frame(detail::libav_allocated(av_frame_clone(&source)));
      if (!cut(*frame) || !scaler.scale(*frame, lies ? clip.height : clip.width, lies ? clip.width : clip.height,
                                        quarter_turns_, clip.frame(filled)))
        fail("its pixel format cannot be turned into RGB or grey");
    };
    decode(start, [&](const AVFrame& frame, std::int64_t index) {
      damaged = damaged || frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0;
      for (; filled < range.frames && range.at(filled) <= index; ++filled) {
        const bool skipped = range.at(filled) < index;
        repeated += skipped;
        put(skipped && last->buf[0] ? *last : frame);
      }
      av_frame_unref(last.get());
      if (av_frame_ref(last.get(), &frame) < 0) throw std::bad_alloc();
      return filled < range.frames;
    });
    if (start > 0) return filled == range.frames && repeated == 0 && !damaged;
    if (filled < range.frames) fail(concat("ends before its frame ", range.at(filled), " could be decoded"));
    if (repeated * 2 > range.frames)
      fail(concat("only ", range.frames - repeated, " of the ", range.frames, " frames from ", range.first,
                  " on can be decoded"));
    return true;
  }

  std::filesystem::path path_;
  VideoInfo info_;
  int stream_ = -1;
  int quarter_turns_ = 0;
  detail::LibavParameters parameters_;
  std::vector<Packet> packets_;  // in order of decoding
  bool order_known_ = false;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The video track of a file: its packets, and its frames as a decoder gives them, from the start or from a packet on.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/orientation.hpp"
#include "dvd/io/unwritten_parts.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

[[noreturn]] inline void fail_file(const std::filesystem::path& path, const std::string& what) {
  throw FileError(concat(path.string(), ": ", what));
}

// Throws FileError for frames of no pixels, and of more than any video has.
inline void check_frame_size(const std::filesystem::path& path, std::int64_t width, std::int64_t height) {
  if (width < 1 || height < 1 || height > most_pixels / width)
    fail_file(path, concat("claims to hold frames of ", width, " x ", height, " pixels"));
}

/// What must be known of a track to read it again.
struct TrackFormat {
  int stream = -1;  ///< its number in the file
  LibavParameters parameters;
  AVRational time_base{1, 25};
  double frames_per_second = 25;
  std::optional<DisplayMatrix> matrix;  ///< of the container
};

/// An opened file. `read` gives the packets of its video track, or of all tracks as long as none is chosen.
class VideoInput {
 public:
  /// Throws FileError where there is no such file, or none that libavformat can read.
  explicit VideoInput(const std::filesystem::path& path) : path_(path) {
    silence_libav();
    check_is_file();
    // "file:" and the whitelist keep a name or a playlist from being taken for an address on the network.
    AVFormatContext* input = nullptr;
    AVDictionary* options = nullptr;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    av_dict_set(&options, "pattern_type", "none", 0);  // nor one of a picture for a pattern
    av_dict_set(&options, "scan_all_pmts", "1", 0);    // as the ffmpeg program does; MPEG-TS alone knows it
    const int status = avformat_open_input(&input, ("file:" + path.string()).c_str(), nullptr, &options);
    av_dict_free(&options);
    if (status < 0) fail(concat("cannot be read as a video (", libav_error_text(status), ")"));
    input_.reset(input);
  }

  /// The same file again, at its start, with the track that is known already.
  VideoInput(const std::filesystem::path& path, const TrackFormat& track) : VideoInput(path) { choose(track.stream); }

  /// Looks into the file for the video track that the ffmpeg program would take, and chooses it. Throws FileError.
  TrackFormat find_track() {
    using namespace std::string_view_literals;
    if (input_->iformat->name == "tty"sv) fail("is text, not a video");  // which FFmpeg would show as a terminal does
    std::vector<AVDictionary*> options(input_->nb_streams);
    for (AVDictionary*& each : options) av_dict_set_int(&each, "max_pixels", most_pixels, 0);
    const int status = avformat_find_stream_info(input_.get(), options.data());
    for (AVDictionary*& each : options) av_dict_free(&each);
    if (status < 0) fail(concat("cannot be read as a video (", libav_error_text(status), ")"));

    TrackFormat track;
    track.stream = best_stream();
    AVStream& stream = *input_->streams[track.stream];
    if (stream.codecpar->width != 0) check_frame_size(path_, stream.codecpar->width, stream.codecpar->height);
    track.parameters.reset(libav_allocated(avcodec_parameters_alloc()));
    if (avcodec_parameters_copy(track.parameters.get(), stream.codecpar) < 0) throw std::bad_alloc();
    track.time_base = stream.time_base;
    track.matrix = display_matrix(stream);
    const double rate = av_q2d(av_guess_frame_rate(input_.get(), &stream, nullptr));
    if (is_finite(rate) && rate > 0) track.frames_per_second = rate;
    choose(track.stream);
    return track;
  }

  /// The track's next packet into `packet`; false behind the last one.
  bool read(AVPacket& packet) {
    av_packet_unref(&packet);
    while (av_read_frame(input_.get(), &packet) >= 0) {
      if (packet.stream_index == stream_) return true;
      av_packet_unref(&packet);
    }
    return false;
  }

  /// To a packet at or before this time stamp, as far as the container's index is right. False where it has none.
  /// `packet` serves on the way.
  bool seek(std::int64_t time_stamp, AVPacket& packet) {
    // Some formats learn of their tracks from the packets alone.
    if (!has_track() && !read(packet)) return false;
    return has_track() && av_seek_frame(input_.get(), stream_, time_stamp, AVSEEK_FLAG_BACKWARD) >= 0;
  }

  [[noreturn]] void fail(const std::string& what) const { fail_file(path_, what); }

 private:
  void check_is_file() const {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path_, error);
    if (!std::filesystem::exists(status)) fail("no such file");
    if (std::filesystem::is_directory(status)) fail("is a folder, not a video file");
    if (!std::filesystem::is_regular_file(status)) fail("is not a regular file");
    if (std::filesystem::file_size(path_, error) == 0) fail("is empty");
  }

  bool has_track() const { return stream_ >= 0 && static_cast<unsigned>(stream_) < input_->nb_streams; }

  // Other tracks need not be read.
  void choose(int stream) {
    stream_ = stream;
    for (unsigned i = 0; i < input_->nb_streams; ++i)
      if (static_cast<int>(i) != stream) input_->streams[i]->discard = AVDISCARD_ALL;
  }

  // The ffmpeg program's choice: the largest picture, one that is marked as the default before others.
  int best_stream() const {
    int best = -1;
    std::int64_t best_score = -1;
    bool cover = false;
    for (unsigned i = 0; i < input_->nb_streams; ++i) {
      const AVStream& stream = *input_->streams[i];
      if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
      if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
        cover = true;
        continue;
      }
      std::int64_t score = std::int64_t{stream.codecpar->width} * stream.codecpar->height;
#ifdef AVSTREAM_EVENT_FLAG_NEW_PACKETS
      if ((stream.event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS) != 0) score += 100000000;
#endif
      if ((stream.disposition & AV_DISPOSITION_DEFAULT) != 0) score += 5000000;
      if (score > best_score) best_score = score, best = static_cast<int>(i);
    }
    if (best < 0) fail(cover ? "has no video track, only a cover picture" : "has no video track");
    return best;
  }

  static std::optional<DisplayMatrix> display_matrix(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
    const AVPacketSideData* const data = av_packet_side_data_get(
        stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    const std::uint8_t* const bytes = data ? data->data : nullptr;
    const std::size_t size = data ? data->size : 0;
#else
    std::size_t size = 0;
#if LIBAVFORMAT_VERSION_MAJOR >= 59
    const std::uint8_t* const bytes = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#else
    const std::uint8_t* const bytes = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
    if (bytes) size = sizeof(DisplayMatrix);
#endif
#endif
    if (!bytes || size < sizeof(DisplayMatrix)) return std::nullopt;
    DisplayMatrix matrix;
    std::memcpy(matrix.data(), bytes, sizeof matrix);
    return matrix;
  }

  std::filesystem::path path_;
  LibavInput input_;
  int stream_ = -1;
};

/// Decodes a track's packets, as the ffmpeg program does: what fails is left out, and decoding goes on.
class FrameDecoder {
 public:
  /// `fill` is what the memory of frames is filled with before they are decoded into it.
  FrameDecoder(const std::filesystem::path& path, const TrackFormat& track, int fill = 0)
      : frame_(make_frame()), fill_(std::make_unique<int>(fill)) {
    const AVCodecParameters& parameters = *track.parameters;
    const AVCodec* const codec = avcodec_find_decoder(parameters.codec_id);
    if (!codec) fail_file(path, concat("FFmpeg has no decoder for its codec, ", avcodec_get_name(parameters.codec_id)));
    decoder_.reset(libav_allocated(avcodec_alloc_context3(codec)));
    int status = avcodec_parameters_to_context(decoder_.get(), &parameters);
    decoder_->thread_count = 1;  // who reads many files does so in parallel
    decoder_->max_pixels = most_pixels;
    decoder_->pkt_timebase = track.time_base;
    decoder_->get_buffer2 = prepared_buffer;
    decoder_->opaque = fill_.get();
    if (status >= 0) status = avcodec_open2(decoder_.get(), codec, nullptr);
    if (status < 0) fail_file(path, concat("its decoder cannot be opened (", libav_error_text(status), ")"));
  }

  /// Whether frames that no other builds on may be left out from now on. The others are the same.
  void leave_out_unneeded(bool leave_out) {
    switch (decoder_->codec_id) {
      case AV_CODEC_ID_H264:
      case AV_CODEC_ID_MPEG1VIDEO:
      case AV_CODEC_ID_MPEG2VIDEO:
      case AV_CODEC_ID_MPEG4:
        decoder_->skip_frame = leave_out ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
        break;
      default:  // others' marks are not as strict
        break;
    }
  }

  /// A packet, whose number its frames will have for a time stamp: so they tell where they are from. False where the
  /// decoder refuses it.
  bool send(AVPacket& packet, std::int64_t number) {
    if (packet.size == 0) return true;  // which a decoder would take for the end
    packet.pts = number;
    packet.dts = AV_NOPTS_VALUE;
    return avcodec_send_packet(decoder_.get(), &packet) >= 0;
  }
  void send_end() { avcodec_send_packet(decoder_.get(), nullptr); }

  /// The next frame that is ready, valid until the next call; null where there is none yet. `failed` becomes true where
  /// decoding fails on the way, or gives a part of a frame alone.
  const AVFrame* receive(bool& failed) {
    // A decoder may report a failure and still have frames; one that only ever fails is not asked for ever.
    for (int attempt = 0; attempt < 64; ++attempt) {
      const int status = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (status >= 0 && is_whole(*frame_)) return frame_.get();
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return nullptr;
      failed = true;
    }
    return nullptr;
  }

 private:
  // Frames that build on one of which a part is missing have what was in memory, too.
  bool is_whole(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_KEY
    const bool key = (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
    const bool key = frame.key_frame != 0;
#endif
    if (key) part_missing_ = false;
    if (has_unwritten_parts(frame, filling_of(decoder_->codec_id))) part_missing_ = true;
    return !part_missing_;
  }

  static int prepared_buffer(AVCodecContext* decoder, AVFrame* frame, int flags) {
    const int status = avcodec_default_get_buffer2(decoder, frame, flags);
    if (status >= 0) prepare_memory(*frame, filling_of(decoder->codec_id), *static_cast<const int*>(decoder->opaque));
    return status;
  }

  LibavCodec decoder_;
  LibavFrame frame_;
  std::unique_ptr<int> fill_;  // where the decoder finds it
  bool part_missing_ = false;  // of a frame since the last key frame
};

/// How a frame is to be shown: its own display matrix, which may stand in the video stream itself, goes before the
/// container's. Throws FileError for a turn by other angles than quarters.
inline Orientation shown_orientation(const AVFrame& frame, const TrackFormat& track) {
  std::optional<DisplayMatrix> matrix = track.matrix;
  if (const AVFrameSideData* const own = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
      own && own->size >= sizeof(DisplayMatrix)) {
    matrix.emplace();
    std::memcpy(matrix->data(), own->data, sizeof(DisplayMatrix));
  }
  if (!matrix) return {};
  const std::optional<Orientation> shown = orientation_of(*matrix);
  if (!shown) throw FileError("is to be turned by an angle that is no multiple of 90 degrees");
  return *shown;
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"

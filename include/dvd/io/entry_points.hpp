// Where in a stream decoding can begin: told by the coded pictures themselves, because what files say of them is often
// wrong (AVI without an index, MP4 without a table of key frames).
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "dvd/io/bitstream.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/libav.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// What a packet holds.
enum class PacketKind {
  plain,     ///< one picture that builds on others
  entry,     ///< one picture from which decoding gives all that is shown after it, whatever was before
  recovery,  ///< one picture at which, by its own word, decoding recovers; plain as far as exact frames are wanted
  hidden,    ///< one picture that others build on and that is not shown
  header,    ///< no picture
  doubtful,  ///< anything else: a field, several pictures or none, parameters that change, a codec that is not known
};

/// Tells the packets of a track apart, in their order.
class EntryPoints {
 public:
  explicit EntryPoints(const AVCodecParameters& parameters) : codec_(parameters.codec_id) {
    const CodedBytes extra(parameters.extradata,
                           parameters.extradata ? static_cast<std::size_t>(parameters.extradata_size) : 0);
    if (codec_ == AV_CODEC_ID_H264) {
      if (extra.size() > 4 && extra[0] == 1) length_bytes_ = (extra[4] & 3u) + 1;
      // An early x264 coded 4:4:4 wrongly, and the decoder knows it by a remark in the first packet alone.
      constexpr int high_444 = 244;
      if (parameters.profile != high_444) start_parser(parameters);
    }
    if (codec_ == AV_CODEC_ID_HEVC && extra.size() > 21 && extra[0] == 1) length_bytes_ = (extra[21] & 3u) + 1;
  }

  PacketKind inspect(const AVPacket& packet) {
    if (packet.size <= 0 || changes_the_decoder(packet)) return PacketKind::doubtful;
    const CodedBytes bytes(packet.data, static_cast<std::size_t>(packet.size));
    switch (codec_) {
      case AV_CODEC_ID_H264:
        return is_whole_frame(packet) ? inspect_h264(bytes) : PacketKind::doubtful;
      case AV_CODEC_ID_HEVC:
        return inspect_hevc(bytes);
      case AV_CODEC_ID_MPEG1VIDEO:
      case AV_CODEC_ID_MPEG2VIDEO:
        return inspect_mpeg2(bytes);
      case AV_CODEC_ID_MPEG4:
        return inspect_mpeg4(bytes);
      case AV_CODEC_ID_VP8:
        return (bytes[0] & 0x10) == 0 ? PacketKind::hidden
               : (bytes[0] & 1) == 0  ? PacketKind::entry
                                      : PacketKind::plain;
      case AV_CODEC_ID_VP9:
        return inspect_vp9(bytes);
      case AV_CODEC_ID_AV1:
        return inspect_av1(bytes);
      case AV_CODEC_ID_THEORA:
        return (bytes[0] & 0x80) != 0   ? PacketKind::header
               : (bytes[0] & 0x40) == 0 ? PacketKind::entry
                                        : PacketKind::plain;
      case AV_CODEC_ID_MJPEG:
        return inspect_mjpeg(bytes);
      default:
        return holds_whole_pictures() ? PacketKind::entry : PacketKind::doubtful;
    }
  }

 private:
  struct ParserDeleter {
    void operator()(AVCodecParserContext* parser) const { av_parser_close(parser); }
  };

  // Codecs of which every packet is a picture by itself, whatever came before.
  bool holds_whole_pictures() const {
    switch (codec_) {
      case AV_CODEC_ID_RAWVIDEO:
      case AV_CODEC_ID_DVVIDEO:
      case AV_CODEC_ID_HUFFYUV:
      case AV_CODEC_ID_FFVHUFF:
      case AV_CODEC_ID_UTVIDEO:
      case AV_CODEC_ID_MAGICYUV:
      case AV_CODEC_ID_DNXHD:
      case AV_CODEC_ID_PRORES:
      case AV_CODEC_ID_JPEG2000:
      case AV_CODEC_ID_JPEGLS:
      case AV_CODEC_ID_V210:
      case AV_CODEC_ID_V308:
      case AV_CODEC_ID_V408:
      case AV_CODEC_ID_V410:
      case AV_CODEC_ID_R210:
        return true;
      default:
        return false;
    }
  }

  // New parameters or a new palette beside the data, which a decoder that begins later would miss.
  static bool changes_the_decoder(const AVPacket& packet) {
    return av_packet_get_side_data(&packet, AV_PKT_DATA_NEW_EXTRADATA, nullptr) ||
           av_packet_get_side_data(&packet, AV_PKT_DATA_PALETTE, nullptr) ||
           av_packet_get_side_data(&packet, AV_PKT_DATA_PARAM_CHANGE, nullptr);
  }

  void start_parser(const AVCodecParameters& parameters) {
    parser_.reset(av_parser_init(codec_));
    if (!parser_) return;
    parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    parser_context_.reset(libav_allocated(avcodec_alloc_context3(nullptr)));
    if (avcodec_parameters_to_context(parser_context_.get(), &parameters) < 0) throw std::bad_alloc();
  }

  // Not one field of two, which only libavcodec's parser of H.264 can tell.
  bool is_whole_frame(const AVPacket& packet) {
    if (!parser_) return false;
    std::uint8_t* ignored = nullptr;
    int ignored_size = 0;
    av_parser_parse2(parser_.get(), parser_context_.get(), &ignored, &ignored_size, packet.data, packet.size,
                     AV_NOPTS_VALUE, AV_NOPTS_VALUE, packet.pos);
    return parser_->picture_structure == AV_PICTURE_STRUCTURE_FRAME;
  }

  // Parameter sets and headers must be the same wherever they stand, and stand at every entry if they stand anywhere:
  // else what is decoded depends on where decoding begins.
  PacketKind with_headers(PacketKind kind, const std::optional<ContentHash>& headers) {
    if (headers) {
      const std::string text = headers->text();
      if (without_headers_ || (!headers_.empty() && headers_ != text)) return PacketKind::doubtful;
      headers_ = text;
    } else if (kind == PacketKind::entry) {
      if (!headers_.empty()) return PacketKind::doubtful;
      without_headers_ = true;
    }
    return kind;
  }

  static void add(std::optional<ContentHash>& hash, CodedBytes bytes) {
    if (!hash) hash.emplace();
    while (!bytes.empty() && bytes.back() == 0) bytes = bytes.first(bytes.size() - 1);  // zeros before a start code
    hash->add(std::as_bytes(bytes));
  }

  PacketKind inspect_h264(CodedBytes bytes) {
    bool entry = false, other = false, odd = false;
    std::optional<ContentHash> headers;
    const bool whole = for_each_unit(bytes, length_bytes_, [&](CodedBytes unit) {
      const unsigned type = unit[0] & 31u;
      if (type == 5) entry = true;
      if (type == 1) other = true;
      if (type >= 2 && type <= 4) odd = true;
      if (type == 7 || type == 8) add(headers, unit);
    });
    if (!whole || odd || entry == other) return PacketKind::doubtful;
    const PacketKind other_kind = parser_->key_frame == 1 ? PacketKind::recovery : PacketKind::plain;
    return with_headers(entry ? PacketKind::entry : other_kind, headers);
  }

  PacketKind inspect_hevc(CodedBytes bytes) {
    bool entry = false, other = false;
    std::optional<ContentHash> headers;
    const bool whole = for_each_unit(bytes, length_bytes_, [&](CodedBytes unit) {
      const unsigned type = unit[0] >> 1 & 63u;
      const unsigned layer = (unit[0] & 1u) << 5 | (unit.size() > 1 ? unit[1] >> 3 : 0u);
      if (layer != 0) return;
      if (type >= 16 && type <= 23) entry = true;
      if (type < 16) other = true;
      if (type >= 32 && type <= 34) add(headers, unit);
    });
    if (!whole || entry == other) return PacketKind::doubtful;
    return with_headers(entry ? PacketKind::entry : PacketKind::plain, headers);
  }

  // Every picture by itself that has a sequence header before it, which brings all parameters to their first state.
  static PacketKind inspect_mpeg2(CodedBytes bytes) {
    int pictures = 0;
    bool sequence = false, intra = false, field = false;
    for_each_start_code(bytes, [&](CodedBytes unit) {
      BitReader bits(unit.subspan(1));
      if (unit[0] == 0xB3) sequence = true;
      if (unit[0] == 0x00) {
        ++pictures;
        bits.skip(10);  // the picture's place in its group
        intra = bits.take(3) == 1;
      }
      constexpr unsigned picture_coding_extension = 8, whole_frame = 3;
      if (unit[0] == 0xB5 && bits.take(4) == picture_coding_extension) {
        bits.skip(4 * 4 + 2);
        field = field || bits.take(2) != whole_frame;
      }
    });
    if (pictures != 1 || field) return PacketKind::doubtful;
    return intra && sequence ? PacketKind::entry : PacketKind::plain;
  }

  // Behind the headers stands a remark of the encoder's name, by which the decoder chooses how to decode.
  PacketKind inspect_mpeg4(CodedBytes bytes) {
    constexpr std::size_t largest_empty_picture = 19;  // which means "as before"; libavcodec goes by the size, too
    int pictures = 0;
    bool intra = false;
    std::optional<ContentHash> headers;
    for_each_start_code(bytes, [&](CodedBytes unit) {
      if (unit[0] == 0xB6) {
        ++pictures;
        intra = unit.size() > 1 && unit[1] >> 6 == 0;
      } else if (unit[0] == 0xB0 || unit[0] == 0xB2 || unit[0] == 0xB5 || (unit[0] >= 0x20 && unit[0] < 0x30)) {
        add(headers, unit);
      }
    });
    if (pictures != 1 || bytes.size() <= largest_empty_picture) return PacketKind::doubtful;
    return with_headers(intra ? PacketKind::entry : PacketKind::plain, headers);
  }

  static PacketKind inspect_vp9(CodedBytes bytes) {
    BitReader bits(bytes);
    if (bits.take(2) != 2) return PacketKind::doubtful;
    const unsigned profile = bits.take(1) + 2 * bits.take(1);
    if (profile == 3) bits.skip(1);
    if (bits.take(1) == 1) return PacketKind::plain;  // shows a picture that is there already
    const bool key = bits.take(1) == 0, shown = bits.take(1) == 1;
    const bool several = (bytes.back() & 0xE0) == 0xC0;  // hidden pictures, and behind them one that is shown
    if (!shown && !several) return PacketKind::doubtful;
    return key && shown ? PacketKind::entry : PacketKind::plain;
  }

  PacketKind inspect_av1(CodedBytes bytes) {
    constexpr unsigned sequence_header = 1, frame_header = 3, frame = 6;
    bool first = true, entry = false;
    std::optional<ContentHash> headers;
    const bool whole = for_each_av1_unit(bytes, [&](unsigned type, CodedBytes content) {
      if (type == sequence_header) add(headers, content);
      if ((type != frame && type != frame_header) || !first) return;
      first = false;
      BitReader bits(content);
      const bool again = bits.take(1) == 1, key = bits.take(2) == 0, shown = bits.take(1) == 1;
      entry = !again && key && shown;
    });
    if (!whole || first) return PacketKind::doubtful;
    return with_headers(entry ? PacketKind::entry : PacketKind::plain, headers);
  }

  // Some files have the tables in their first pictures alone.
  PacketKind inspect_mjpeg(CodedBytes bytes) {
    bool quantisation = false, huffman = false;
    const bool picture = for_each_jpeg_marker(bytes, [&](unsigned marker) {
      quantisation = quantisation || marker == 0xDB;
      huffman = huffman || marker == 0xC4;
    });
    if (!picture || !quantisation) return PacketKind::doubtful;
    const bool ends = ends_as_jpeg(bytes);
    if (huffman_tables_.value_or(huffman) != huffman || ends_.value_or(ends) != ends) return PacketKind::doubtful;
    huffman_tables_ = huffman;
    ends_ = ends;
    return PacketKind::entry;
  }

  AVCodecID codec_;
  std::size_t length_bytes_ = 0;               // before each unit of H.264 and HEVC; 0: start codes
  std::string headers_;                        // a hash of those seen so far
  bool without_headers_ = false;               // an entry has been seen that has none
  std::optional<bool> huffman_tables_, ends_;  // whether the pictures of JPEG have them
  std::unique_ptr<AVCodecParserContext, ParserDeleter> parser_;
  LibavCodec parser_context_;
};

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"

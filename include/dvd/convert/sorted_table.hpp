// LevelDB's table of keys and values, which is what the index of a TensorFlow checkpoint is. LevelDB's own library
// reads such a file, too, but believes the sizes in it.
//
//     blocks of data | index block | footer of 48 bytes: where the index block is, and a magic number
//     block: entries | restart points | their number | compression: 1 byte | checksum of all before: 4 bytes
//     entry: shared, new, value: lengths | the key without what it shares with the one before | the value
//
// Source: https://github.com/google/leveldb/blob/main/doc/table_format.md
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <snappy.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/convert/crc32c.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/wire_format.hpp"
#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Reads a whole table. Blocks may be compressed by Snappy; their checksums are compared. Everything that departs from
/// the format throws FileError with one line that begins with the path, before it can cost memory or time.
class SortedTable : FileChecks {
 public:
  using Visitor = std::function<void(const std::string& key, std::span<const std::byte> value)>;

  explicit SortedTable(const SourceFile& file) : FileChecks(file.path()) {
    check(file.size() >= footer_size && file.size() <= largest_file, "has ", file.size(),
          " bytes (expected the index of a TensorFlow checkpoint, of ", footer_size, " to ", largest_file, " bytes)");
    bytes_ = file.read(0, file.size());
  }

  /// Whether the file ends as such tables do.
  static bool is_table(const SourceFile& file) {
    if (file.size() < footer_size) return false;
    std::uint64_t end = 0;
    file.read(file.size() - sizeof end, std::as_writable_bytes(std::span(&end, 1)));
    return end == magic;
  }

  /// Calls `visit` for every key, in ascending order.
  void for_each(const Visitor& visit) const {
    WireReader footer(path_, std::span(bytes_).last(footer_size));
    const std::span<const std::byte> end = std::span(bytes_).last(sizeof magic);
    check(std::memcmp(end.data(), &magic, sizeof magic) == 0,
          "is no index of a TensorFlow checkpoint, or is cut short (its last 8 bytes are not those of a table)");
    read_handle(footer);  // of the block of statistics, which there may be
    const Handle index = read_handle(footer);
    std::uint64_t position = 0, entries = 0;
    std::string last;
    for_each_entry(block(index), "", [&](const std::string&, std::span<const std::byte> value) {
      WireReader reader(path_, value);
      const Handle handle = read_handle(reader);
      // So that no block is read twice.
      check(handle.offset >= position, "is damaged (its blocks overlap)");
      position = handle.offset + handle.size + trailer_size;
      last = for_each_entry(block(handle), last, [&](const std::string& key, std::span<const std::byte> data) {
        check(++entries <= most_entries, "holds more than ", most_entries,
              " names (expected the weights of one network)");
        visit(key, data);
      });
    });
  }

 private:
  struct Handle {
    std::uint64_t offset = 0, size = 0;
  };

  static constexpr std::uint64_t magic = 0xDB4775248B80FB57;
  static constexpr std::size_t footer_size = 48, trailer_size = 5;
  static constexpr std::uint64_t largest_file = std::uint64_t{64} << 20, largest_block = std::uint64_t{16} << 20;
  static constexpr std::uint64_t longest_key = 1024, most_entries = 100'000;

  // Where a block is. It lies within the file.
  Handle read_handle(WireReader& reader) const {
    Handle handle;
    handle.offset = reader.varint();
    handle.size = reader.varint();
    const std::uint64_t room = bytes_.size() - footer_size;
    check(handle.offset <= room && handle.size <= room - handle.offset, "is damaged (a block of ", handle.size,
          " bytes at ", handle.offset, " lies outside)");
    return handle;
  }

  std::vector<std::byte> block(Handle handle) const {
    check(bytes_.size() - handle.offset - handle.size >= trailer_size, "is damaged (a block lies outside)");
    const std::span<const std::byte> stored = std::span(bytes_).subspan(handle.offset, handle.size);
    const std::span<const std::byte> trailer = std::span(bytes_).subspan(handle.offset + handle.size, trailer_size);
    std::uint32_t stated = 0;
    std::memcpy(&stated, trailer.data() + 1, sizeof stated);
    Crc32c sum;
    sum.add(stored);
    sum.add(trailer.first(1));
    check(sum.masked() == stated, "is damaged: the block at ", handle.offset, " does not fit its checksum");
    const int compression = static_cast<int>(trailer[0]);
    if (compression == 0) return {stored.begin(), stored.end()};
    check(compression == 1, "has a block of compression ", compression, " (expected 0: none, or 1: Snappy)");
    const auto* const source = reinterpret_cast<const char*>(stored.data());
    std::size_t size = 0;
    check(snappy::GetUncompressedLength(source, stored.size(), &size), "is damaged: the block at ", handle.offset,
          " is not Snappy's");
    check(size <= largest_block, "has a block that would have ", size, " bytes (expected at most ", largest_block, ")");
    std::vector<std::byte> bytes(size);
    check(snappy::RawUncompress(source, stored.size(), reinterpret_cast<char*>(bytes.data())),
          "is damaged: the block at ", handle.offset, " is not Snappy's");
    return bytes;
  }

  // Returns the last key. All must come after `last`, but that the very first one may be empty.
  std::string for_each_entry(const std::vector<std::byte>& block, const std::string& last, const Visitor& visit) const {
    std::uint32_t restarts = 0;
    check(block.size() >= sizeof restarts, "is damaged (an empty block)");
    std::memcpy(&restarts, block.data() + block.size() - sizeof restarts, sizeof restarts);
    const std::uint64_t end = (std::uint64_t{restarts} + 1) * sizeof restarts;
    check(end <= block.size(), "is damaged (a block of ", block.size(), " bytes with ", restarts, " restart points)");
    WireReader reader(path_, std::span(block).first(block.size() - end));
    std::string key = last;
    for (bool first = true; !reader.done(); first = false) {
      const std::uint64_t shared = reader.varint(), added = reader.varint(), value = reader.varint();
      check(shared <= (first ? 0 : key.size()) && added <= longest_key && shared + added <= longest_key,
            "is damaged (a name of ", added, " letters after ", shared, " of the one before)");
      const std::span<const std::byte> letters = reader.take(added);
      std::string next = key.substr(0, shared);
      next.append(reinterpret_cast<const char*>(letters.data()), letters.size());
      check(next > key || (first && last.empty()), "is damaged (its names are not in order)");
      key = std::move(next);
      visit(key, reader.take(value));
    }
    return key;
  }

  std::vector<std::byte> bytes_;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

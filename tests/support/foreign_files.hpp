// Files of weights as NumPy, PyTorch and TensorFlow write them, byte by byte.
#pragma once

#include <snappy.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/convert/crc32c.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Anew: file systems wait for the disk where the content of a file is replaced.
inline void write_text(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A number as it lies in memory.
template <class Number>
std::string bytes_of(Number value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

template <class Number>
std::string bytes_of(const std::vector<Number>& values) {
  std::string bytes(values.size() * sizeof(Number), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class... Numbers>
std::string fixed_bytes(Numbers... values) {
  return (bytes_of(values) + ...);
}

// --- NumPy

// A .npy file with any header.
inline std::string npy_with(const std::string& header, const std::string& data, int version = 1) {
  std::string text = header;
  text.resize((text.size() + 10 + 64) / 64 * 64 - 10 - 1 + (version > 1 ? 62 : 0), ' ');
  text += '\n';
  std::string bytes("\x93NUMPY");
  bytes += static_cast<char>(version);
  bytes += '\0';
  bytes += version == 1 ? bytes_of(static_cast<std::uint16_t>(text.size()))
                        : bytes_of(static_cast<std::uint32_t>(text.size()));
  return bytes + text + data;
}

inline std::string tuple_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += concat(size, ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  if (shape.size() == 1) text.resize(text.size() - 1);
  return text + ")";
}

inline std::string npy_bytes(const std::vector<std::int64_t>& shape, const std::string& data,
                             const std::string& type = "<f4", bool column_major = false) {
  return npy_with(concat("{'descr': '", type, "', 'fortran_order': ", column_major ? "True" : "False",
                         ", 'shape': ", tuple_text(shape), ", }"),
                  data);
}

// --- zip

struct ZipEntry {
  std::string name = {}, data = {};
  bool deflated = false;    // in blocks that are stored, which is deflate's simplest form
  bool zip64 = false;       // sizes in an extra field
  bool descriptor = false;  // sizes behind the data, as PyTorch writes them
  std::uint16_t flags = 0;
  std::int64_t claimed = -1;  // a size that is stated instead of the data's
  std::uint32_t crc_change = 0;
  std::int64_t offset = -1;  // where the directory says that it is
};

inline std::uint32_t crc32_of(std::string_view bytes) {
  static const std::vector<std::uint32_t> table = [] {
    std::vector<std::uint32_t> entries(256);
    for (std::uint32_t i = 0; i < 256; ++i) {
      entries[i] = i;
      for (int bit = 0; bit < 8; ++bit) entries[i] = entries[i] >> 1 ^ (entries[i] & 1 ? 0xEDB88320 : 0);
    }
    return entries;
  }();
  std::uint32_t state = 0xFFFFFFFF;
  for (const char letter : bytes) state = table[(state ^ static_cast<unsigned char>(letter)) & 0xFF] ^ state >> 8;
  return ~state;
}

inline std::string deflate_stored(std::string_view data) {
  std::string bytes;
  do {
    const std::string_view block = data.substr(0, 65535);
    data.remove_prefix(block.size());
    bytes += data.empty() ? '\1' : '\0';
    bytes += fixed_bytes(static_cast<std::uint16_t>(block.size()), static_cast<std::uint16_t>(~block.size()));
    bytes += block;
  } while (!data.empty());
  return bytes;
}

inline std::string zip_bytes(const std::vector<ZipEntry>& entries) {
  using u16 = std::uint16_t;
  using u32 = std::uint32_t;
  std::string bytes, directory;
  for (const ZipEntry& entry : entries) {
    const std::uint64_t offset = bytes.size();
    const std::string stored = entry.deflated ? deflate_stored(entry.data) : entry.data;
    const std::uint64_t size = entry.claimed < 0 ? entry.data.size() : static_cast<std::uint64_t>(entry.claimed);
    const u32 crc = crc32_of(entry.data) ^ entry.crc_change;
    const auto method = static_cast<u16>(entry.deflated ? 8 : 0);
    const auto flags = static_cast<u16>(entry.flags | (entry.descriptor ? 8 : 0));
    const u32 short_size = entry.zip64 ? 0xFFFFFFFF : static_cast<u32>(size);
    const u32 short_stored = entry.zip64 ? 0xFFFFFFFF : static_cast<u32>(stored.size());
    const std::string extra = entry.zip64 ? fixed_bytes(u16{1}, u16{16}, size, std::uint64_t{stored.size()}) : "";
    const bool behind = entry.descriptor;
    bytes += fixed_bytes(u32{0x04034B50}, u16{45}, flags, method, u32{0}, behind ? u32{0} : crc,
                         behind ? u32{0} : short_stored, behind ? u32{0} : short_size,
                         static_cast<u16>(entry.name.size()), static_cast<u16>(behind ? 0 : extra.size()));
    bytes += entry.name + (behind ? "" : extra) + stored;
    if (behind) bytes += fixed_bytes(u32{0x08074B50}, crc, static_cast<u32>(stored.size()), static_cast<u32>(size));
    directory +=
        fixed_bytes(u32{0x02014B50}, u16{45}, u16{45}, flags, method, u32{0}, crc, short_stored, short_size,
                    static_cast<u16>(entry.name.size()), static_cast<u16>(extra.size()), u16{0}, u16{0}, u16{0}, u32{0},
                    static_cast<u32>(entry.offset < 0 ? offset : static_cast<std::uint64_t>(entry.offset)));
    directory += entry.name + extra;
  }
  const auto count = static_cast<u16>(entries.size());
  return bytes + directory +
         fixed_bytes(u32{0x06054B50}, u16{0}, u16{0}, count, count, static_cast<u32>(directory.size()),
                     static_cast<u32>(bytes.size()), u16{0});
}

// --- PyTorch

// Writes pickles as PyTorch does, of protocol 2.
class PickleWriter {
 public:
  std::string bytes = "\x80\x02";

  PickleWriter& add(std::string_view codes) { return bytes += codes, *this; }
  PickleWriter& text(const std::string& value) {
    return add("X").add(bytes_of(static_cast<std::uint32_t>(value.size()))).add(value);
  }
  PickleWriter& integer(std::int64_t value) {
    if (value >= 0 && value < 256) return add("K").add(bytes_of(static_cast<std::uint8_t>(value)));
    if (value >= 0 && value < 65536) return add("M").add(bytes_of(static_cast<std::uint16_t>(value)));
    if (value == static_cast<std::int32_t>(value)) return add("J").add(bytes_of(static_cast<std::int32_t>(value)));
    return add("\x8a\x08").add(bytes_of(value));
  }
  PickleWriter& global(const std::string& module, const std::string& name) {
    return add("c").add(module).add("\n").add(name).add("\n");
  }
  PickleWriter& tuple(const std::vector<std::int64_t>& values) {
    add("(");
    for (const std::int64_t value : values) integer(value);
    return add("t");
  }
  // One more item where the old format has it.
  PickleWriter& storage(const std::string& type, const std::string& key, std::int64_t elements, bool old = false) {
    add("(").text("storage").global("torch", type).text(key).text("cpu").integer(elements);
    return add(old ? "NtQ" : "tQ");
  }
  PickleWriter& tensor(const std::string& type, const std::string& key, std::int64_t elements, std::int64_t offset,
                       const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                       bool old = false) {
    global("torch._utils", "_rebuild_tensor_v2").add("(").storage(type, key, elements, old).integer(offset);
    tuple(shape).tuple(strides).add("\x89");
    return global("collections", "OrderedDict").add(")RtR");
  }
};

// A tensor for state_dict_bytes.
struct TorchTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string data;
  std::string type = "FloatStorage";
  std::size_t element = 4;
};

inline std::vector<std::int64_t> contiguous(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) strides[axis] = stride;
  return strides;
}

// An OrderedDict of tensors with `before` and `after` it in the pickle, such as a dictionary around it.
inline std::string state_dict_pickle(const std::vector<TorchTensor>& tensors, const std::string& before = "",
                                     const std::string& after = "", bool old = false) {
  PickleWriter pickle;
  pickle.add(before).global("collections", "OrderedDict").add(")Rq\x01(");
  for (std::size_t i = 0; i < tensors.size(); ++i)
    pickle.text(tensors[i].name)
        .tensor(tensors[i].type, concat(i), static_cast<std::int64_t>(tensors[i].data.size() / tensors[i].element), 0,
                tensors[i].shape, contiguous(tensors[i].shape), old);
  // As PyTorch leaves it: the dictionary has an attribute.
  pickle.add("u}").text("_metadata").global("collections", "OrderedDict").add(")Rsb").add(after).add(".");
  return pickle.bytes;
}

// A file of torch.save.
inline std::string torch_zip_bytes(const std::string& pickle, const std::vector<std::string>& storages,
                                   const std::string& folder = "archive/") {
  std::vector<ZipEntry> entries = {{.name = folder + "data.pkl", .data = pickle, .descriptor = true},
                                   {.name = folder + "version", .data = "3\n"}};
  for (std::size_t i = 0; i < storages.size(); ++i)
    entries.push_back({.name = concat(folder, "data/", i), .data = storages[i], .descriptor = true});
  return zip_bytes(entries);
}

inline std::string torch_zip_bytes(const std::vector<TorchTensor>& tensors) {
  std::vector<std::string> storages;
  for (const TorchTensor& tensor : tensors) storages.push_back(tensor.data);
  return torch_zip_bytes(state_dict_pickle(tensors), storages);
}

// A file of torch.save before PyTorch 1.6.
inline std::string torch_legacy_bytes(const std::vector<TorchTensor>& tensors) {
  std::string bytes("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  bytes += PickleWriter().integer(1001).add(".").bytes;
  bytes += PickleWriter().add("}(").text("little_endian").add("\x88").text("type_sizes").add("}u.").bytes;
  bytes += state_dict_pickle(tensors, "", "", true);
  PickleWriter keys;
  keys.add("](");
  for (std::size_t i = 0; i < tensors.size(); ++i) keys.text(concat(i));
  bytes += keys.add("e.").bytes;
  for (const TorchTensor& tensor : tensors)
    bytes += bytes_of(static_cast<std::int64_t>(tensor.data.size() / tensor.element)) + tensor.data;
  return bytes;
}

// --- TensorFlow

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string number_field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
inline std::string bytes_field(int number, const std::string& value) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(value.size()) + value;
}

inline std::uint32_t masked_crc(std::string_view bytes) {
  detail::Crc32c sum;
  sum.add(std::as_bytes(std::span(bytes)));
  return sum.masked();
}

// Pairs in the order of their names, in blocks of a few, with restart points and Snappy.
inline std::string table_bytes(const std::vector<std::pair<std::string, std::string>>& pairs,
                               std::size_t block_size = 16, std::size_t restart_interval = 4, bool compressed = true) {
  std::string bytes, index;
  std::vector<std::uint32_t> index_restarts;
  const auto add_block = [&](const std::string& plain) {
    std::string stored = plain;
    if (compressed) snappy::Compress(plain.data(), plain.size(), &stored);
    const std::string handle = varint(bytes.size()) + varint(stored.size());
    stored += compressed ? '\1' : '\0';
    bytes += stored + bytes_of(masked_crc(stored));
    return handle;
  };
  for (std::size_t begin = 0; begin < pairs.size(); begin += block_size) {
    std::string block, last;
    std::vector<std::uint32_t> restarts;
    const std::size_t end = std::min(begin + block_size, pairs.size());
    for (std::size_t i = begin; i < end; ++i) {
      const auto& [key, value] = pairs[i];
      std::size_t shared = 0;
      if ((i - begin) % restart_interval == 0)
        restarts.push_back(static_cast<std::uint32_t>(block.size()));
      else
        while (shared < std::min(key.size(), last.size()) && key[shared] == last[shared]) ++shared;
      block += varint(shared) + varint(key.size() - shared) + varint(value.size()) + key.substr(shared) + value;
      last = key;
    }
    block += bytes_of(restarts) + bytes_of(static_cast<std::uint32_t>(restarts.size()));
    const std::string handle = add_block(block);
    index_restarts.push_back(static_cast<std::uint32_t>(index.size()));
    index += varint(0) + varint(last.size()) + varint(handle.size()) + last + handle;
  }
  const std::string statistics = add_block(bytes_of(std::uint32_t{0}) + bytes_of(std::uint32_t{1}));
  index += bytes_of(index_restarts) + bytes_of(static_cast<std::uint32_t>(index_restarts.size()));
  std::string footer = statistics + add_block(index);
  footer.resize(40, '\0');
  return bytes + footer + bytes_of(std::uint64_t{0xDB4775248B80FB57});
}

struct TensorflowTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string data;
  int type = 1;  // float
};

inline std::string bundle_entry(const TensorflowTensor& tensor, std::uint64_t shard, std::uint64_t offset) {
  std::string shape;
  for (const std::int64_t size : tensor.shape)
    shape += bytes_field(2, number_field(1, static_cast<std::uint64_t>(size)));
  return number_field(1, static_cast<std::uint64_t>(tensor.type)) + bytes_field(2, shape) + number_field(3, shard) +
         number_field(4, offset) + number_field(5, tensor.data.size()) + varint(6 << 3 | 5) +
         bytes_of(masked_crc(tensor.data));
}

inline std::string shard_name(const std::string& prefix, std::size_t shard, std::size_t shards) {
  char ending[64];
  std::snprintf(ending, sizeof ending, ".data-%05d-of-%05d", static_cast<int>(shard), static_cast<int>(shards));
  return prefix + ending;
}

// PREFIX.index and its files of data.
inline void write_bundle(const std::filesystem::path& prefix, std::vector<TensorflowTensor> tensors,
                         std::size_t shards = 1, bool compressed = true) {
  std::ranges::sort(tensors, {}, &TensorflowTensor::name);
  std::vector<std::string> data(shards);
  std::vector<std::pair<std::string, std::string>> pairs = {
      {"", number_field(1, shards) + bytes_field(3, number_field(1, 1))}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string& shard = data[i % shards];
    pairs.emplace_back(tensors[i].name, bundle_entry(tensors[i], i % shards, shard.size()));
    shard += tensors[i].data;
  }
  for (std::size_t i = 0; i < shards; ++i) write_text(shard_name(prefix.string(), i, shards), data[i]);
  write_text(prefix.string() + ".index", table_bytes(pairs, 16, 4, compressed));
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::testing

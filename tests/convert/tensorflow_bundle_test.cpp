// TensorFlow's checkpoints, as they are and as they should not be.
#include "dvd/convert/tensorflow_bundle.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dvd/convert/open_foreign_file.hpp"
#include "dvd/core/bfloat16.hpp"
#include "support/error_of.hpp"
#include "support/foreign_files.hpp"
#include "support/temporary_folder.hpp"

using namespace dvd::testing;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::vector<float> six = {1, -2, 3.5, 4, 5, 6};
const std::string header = number_field(1, 1) + bytes_field(3, number_field(1, 1));

std::vector<TensorflowTensor> forty_tensors() {
  std::vector<TensorflowTensor> tensors;
  for (int i = 0; i < 40; ++i)
    tensors.push_back({dvd::concat("module/layer_", i, "/w"), {2, 3}, bytes_of(std::vector<float>(6, float(i)))});
  return tensors;
}

// What reading all of a checkpoint says.
std::string refusal_of(const std::filesystem::path& prefix) {
  return error_of([&] {
    const auto file = dvd::open_foreign_file(prefix);
    for (std::size_t i = 0; i < file->tensors().size(); ++i) file->read(i);
  });
}

std::string refusal(const Pairs& pairs, const std::string& data = "", bool compressed = true) {
  const TemporaryFolder folder;
  write_text(folder.path() / "model.index", table_bytes(pairs, 16, 4, compressed));
  write_text(folder.path() / "model.data-00000-of-00001", data);
  return refusal_of(folder.path() / "model");
}

std::string index_refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  write_text(folder.path() / "model.index", bytes);
  return refusal_of(folder.path() / "model");
}

}  // namespace

TEST_CASE("the checksum is the standard's") {
  dvd::detail::Crc32c sum;
  const std::string text = "123456789";
  sum.add(std::as_bytes(std::span(text)));
  CHECK(sum.value() == 0xE3069283);
}

TEST_CASE("a checkpoint is read by its prefix or any of its files, whatever its blocks and files of data") {
  for (const std::size_t shards : {1u, 3u})
    for (const bool compressed : {false, true}) {
      const TemporaryFolder folder;
      const auto prefix = folder.path() / "model.ckpt";
      write_bundle(prefix, forty_tensors(), shards, compressed);
      for (const auto& path : {prefix, folder.path() / "model.ckpt.index",
                               std::filesystem::path(shard_name(prefix.string(), shards - 1, shards))}) {
        const auto file = dvd::open_foreign_file(path);
        CHECK(holds(file->format(), "TensorFlow checkpoint (V2, "));
        REQUIRE(file->tensors().size() == 40);
        CHECK(file->tensors()[0].name == "module/layer_0/w");
        CHECK(file->tensors()[1].name == "module/layer_1/w");
        CHECK(file->tensors()[2].name == "module/layer_10/w");
        CHECK(file->tensors()[2].shape == std::vector<std::int64_t>{2, 3});
        CHECK(file->read(2) == std::vector<float>(6, 10));
        CHECK(file->content_hash().size() == 16);
      }
    }
}

TEST_CASE("a saved model's folder is taken for the checkpoint in it; other folders are not") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "variables");
  CHECK(holds(refusal_of(folder.path()), "is a folder (expected a file of weights, or the prefix"));
  write_bundle(folder.path() / "variables" / "variables", forty_tensors());
  CHECK(dvd::open_foreign_file(folder.path())->tensors().size() == 40);
}

TEST_CASE("tensors of any type are listed, floating ones are read") {
  const TemporaryFolder folder;
  const auto prefix = folder.path() / "model";
  std::vector<std::uint16_t> brains;
  for (const float value : six) brains.push_back(dvd::bfloat16(value).bits());
  write_bundle(prefix, {{"a", {6}, bytes_of(std::vector<double>(six.begin(), six.end())), 2},
                        {"b", {3, 2}, bytes_of(brains), 14},
                        {"c", {}, bytes_of(std::int64_t{5}), 9},
                        {"d", {}, "\x02hi", 7},
                        {"e", {0, 3}, "", 1}});
  const auto file = dvd::open_foreign_file(prefix);
  REQUIRE(file->tensors().size() == 5);
  CHECK(file->read(0) == six);
  CHECK(file->read(1) == six);
  CHECK(holds(error_of([&] { file->read(2); }), "tensor 'c' holds I64 (expected floating-point numbers)"));
  CHECK(holds(error_of([&] { file->read(3); }), "tensor 'd' holds texts"));
  CHECK(file->read(4).empty());
}

TEST_CASE("a checkpoint that is wrong is refused in words") {
  const TensorflowTensor right{"w", {2, 3}, bytes_of(six)};
  const std::string entry = bundle_entry(right, 0, 0);
  CHECK(refusal({{"", header}, {"w", entry}}, right.data).empty());
  CHECK(refusal({{"", header}, {"w", entry}}, right.data, false).empty());
  CHECK(holds(refusal({{"", header}, {"w", entry}}, right.data.substr(1)), "is cut short: it has 23 bytes"));
  std::string damaged = right.data;
  damaged[3] ^= 1;
  CHECK(holds(refusal({{"", header}, {"w", entry}}, damaged), "tensor 'w' does not fit its checksum"));
  CHECK(holds(refusal({{"w", entry}}, right.data), "it begins without a header"));
  CHECK(holds(refusal({{"", ""}}, ""), "has 0 files of data"));
  CHECK(holds(refusal({{"", number_field(1, 1) + number_field(2, 1)}}), "big-endian"));
  CHECK(holds(refusal({{"", number_field(1, 1) + bytes_field(3, number_field(2, 7))}}), "is of version 7"));
  CHECK(holds(refusal({{"", number_field(1, std::uint64_t{1} << 60)}}), "files of data (expected 1 to 100)"));
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry(right, 1, 0)}}, right.data), "lies in file 1 of 1"));
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry(right, 0, ~std::uint64_t{0})}}, right.data), "is cut short"));
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry({"w", {2, 4}, right.data}, 0, 0)}}, right.data),
              "has 24 bytes (expected 8 elements of 4 bytes)"));
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry({"w", {-2, -3}, right.data}, 0, 0)}}, right.data),
              "has an axis of -2"));
  const std::int64_t much = std::int64_t{1} << 62;
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry({"w", {much, much}, right.data}, 0, 0)}}, right.data),
              "too large"));
  CHECK(holds(refusal({{"", header}, {"w", bundle_entry({"w", std::vector<std::int64_t>(65, 1), "1234"}, 0, 0)}}),
              "more than 64 axes"));
  CHECK(holds(refusal({{"", header}, {"w", entry + bytes_field(7, "")}}, right.data), "in parts"));
  CHECK(holds(refusal({{"", header}, {"w", entry.substr(0, 5)}}, right.data), "is damaged (it ends within a field)"));
  CHECK(holds(refusal({{"", header}, {"w", std::string("\x0b")}}, right.data), "a field of kind 3"));
  CHECK(
      holds(refusal({{"", header}, {"w", std::string(11, '\xff')}}, right.data), "is damaged (a number of more than"));
  CHECK(holds(refusal({{"", header}, {"w", entry}, {"v", entry}}, right.data), "its names are not in order"));
  CHECK(holds(refusal({{"", header}, {std::string(2000, 'w'), entry}}, right.data), "a name of 2000 letters"));
}

TEST_CASE("an index that is wrong is refused in words") {
  const std::string right = table_bytes({{"", header}});
  CHECK(index_refusal(right).empty());
  CHECK(holds(index_refusal("short"), "has 5 bytes (expected the index of a TensorFlow checkpoint"));
  CHECK(holds(index_refusal(right.substr(0, right.size() - 1)), "is no index of a TensorFlow checkpoint, or is cut"));
  std::string other = right;
  other[2] ^= 4;
  CHECK(holds(index_refusal(other), "the block at 0 does not fit its checksum"));
  const auto footer = [&](std::uint64_t offset, std::uint64_t size) {
    std::string bytes = right.substr(0, right.size() - 48), end = varint(0) + varint(0) + varint(offset) + varint(size);
    end.resize(40, '\0');
    return bytes + end + right.substr(right.size() - 8);
  };
  CHECK(holds(index_refusal(footer(right.size() - 40, 4)), "lies outside"));
  CHECK(holds(index_refusal(footer(~std::uint64_t{0}, 5)), "lies outside"));
  CHECK(holds(index_refusal(footer(3, ~std::uint64_t{0})), "lies outside"));
  // Blocks with right checksums and wrong content, as the index block.
  const auto block = [&](std::string stored, char compression) {
    const std::size_t size = stored.size();
    stored += compression;
    std::string bytes = stored + bytes_of(masked_crc(stored)), end = varint(0) + varint(0) + varint(0) + varint(size);
    end.resize(40, '\0');
    return index_refusal(bytes + end + right.substr(right.size() - 8));
  };
  CHECK(holds(block("", 0), "an empty block"));
  CHECK(holds(block(bytes_of(~std::uint32_t{0}), 0), "with 4294967295 restart points"));
  CHECK(holds(block(bytes_of(std::uint32_t{1}), 0), "with 1 restart points"));
  CHECK(holds(block(bytes_of(std::uint32_t{0}), 2), "a block of compression 2"));
  CHECK(holds(block("\xff\xff\xff\xff\x0f", 1), "a block that would have 4294967295 bytes"));
  CHECK(holds(block("\x10"
                    "abc",
                    1),
              "is not Snappy's"));
  CHECK(holds(block("\xff\xff\xff\xff\xff\xff", 1), "is not Snappy's"));
  // An index whose blocks are one and the same, again and again.
  const std::string inner = bytes_of(std::uint32_t{0}), stored = inner + '\0';
  std::string bytes = stored + bytes_of(masked_crc(stored)), index;
  for (const char* const key : {"a", "b"}) index += varint(0) + varint(1) + varint(2) + key + varint(0) + varint(4);
  index += bytes_of(std::uint32_t{0});
  std::string end = varint(0) + varint(0) + varint(bytes.size()) + varint(index.size());
  end.resize(40, '\0');
  index += '\0';
  bytes += index + bytes_of(masked_crc(index)) + end + right.substr(right.size() - 8);
  CHECK(holds(index_refusal(bytes), "its blocks overlap"));
}

// Files of weights with random damage: each is read, or refused in one line, in little time and memory.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dvd/convert/match_tensors.hpp"
#include "dvd/convert/open_foreign_file.hpp"
#include "dvd/core/random.hpp"
#include "support/foreign_files.hpp"
#include "support/fuzz.hpp"
#include "support/temporary_folder.hpp"

using namespace dvd::testing;

namespace {

using Index = dvd::Index;

class Damage {
 public:
  explicit Damage(const std::string& name) : fuzz_(name) {}

  // The bytes with one to three changes: bits, numbers that are used as sizes, pieces cut out, repeated or moved.
  std::string operator()(std::string bytes) {
    for (Index changes = 1 + fuzz_.below(3); changes > 0 && !bytes.empty(); --changes) change(bytes);
    return bytes;
  }

 private:
  std::size_t place(const std::string& bytes) {
    return static_cast<std::size_t>(fuzz_.below(static_cast<Index>(bytes.size())));
  }

  void change(std::string& bytes) {
    const std::size_t at = place(bytes), length = 1 + static_cast<std::size_t>(fuzz_.below(16));
    switch (fuzz_.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << fuzz_.below(8));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(place(bytes), length));
        break;
      case 4:
        bytes.replace(at, std::min(length, bytes.size() - at), std::string(length, '\xff'));
        break;
      default: {
        const std::string number =
            bytes_of(fuzz_.one_of<std::int64_t>({0, -1, INT64_MAX, INT64_MIN, 1 << 20, 0x7fffffff}));
        bytes.replace(at, std::min<std::size_t>(8, bytes.size() - at), number);
      }
    }
  }

  Fuzz fuzz_;
};

// Reads all tensors that a program would want, which has looked at their shapes.
void read_all(const std::filesystem::path& path) {
  const auto file = dvd::open_foreign_file(path);
  try {
    dvd::match_tensors(path.string(), *file, dvd::guess_network(path.string(), *file));
    FAIL_CHECK("these are no whole networks");
  } catch (const dvd::Error&) {
  }
  for (std::size_t i = 0; i < file->tensors().size(); ++i)
    if (dvd::detail::element_count(file->tensors()[i].shape).value() <= 1000) file->read(i);
}

// How many of the files were refused.
int refused(const std::string& name, int count, const std::function<std::filesystem::path(Damage&)>& make) {
  Damage damage(name);
  int result = 0;
  for (int i = 0; i < count; ++i) {
    const auto path = make(damage);
    try {
      read_all(path);
    } catch (const dvd::Error& error) {
      const std::string message = error.what();
      CHECK_MESSAGE(message.find('\n') == std::string::npos, message);
      CHECK_MESSAGE(message.size() < 700, message);
      ++result;
    } catch (const std::exception& error) {
      FAIL_CHECK(name << ", file " << i << " throws something else than a dvd::Error: " << error.what());
    }
  }
  return result;
}

const std::vector<float> six = {1, -2, 3.5, 4, 5, 6};

std::vector<TorchTensor> few_tensors() {
  return {{"Conv3d_1a_7x7.bn.bias", {6}, bytes_of(six)},
          {"b", {2, 3}, bytes_of(six)},
          {"logits.conv3d.bias", {3}, bytes_of(std::vector<double>(3, 1)), "DoubleStorage", 8}};
}

void fuzz_bytes(const std::string& name, const std::string& right) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  const int count = tries(400);
  const int bad = refused(name, count, [&](Damage& damage) {
    write_text(path, damage(right));
    return path;
  });
  CHECK(bad > count / 2);
  for (std::size_t size = 0; size < right.size(); ++size) {  // every place where it can be cut short
    write_text(path, right.substr(0, size));
    CHECK_THROWS_AS(read_all(path), dvd::Error);
  }
}

}  // namespace

TEST_CASE("damaged arrays and archives") {
  const std::string array = npy_bytes({2, 3}, bytes_of(six));
  fuzz_bytes("npy", array);
  fuzz_bytes("npz", zip_bytes({{.name = "conv1a/b.npy", .data = npy_bytes({6}, bytes_of(six))},
                               {.name = "b.npy", .data = array, .deflated = true},
                               {.name = "c.npy", .data = array, .zip64 = true}}));
}

TEST_CASE("damaged files of PyTorch") {
  fuzz_bytes("torch", torch_zip_bytes(few_tensors()));
  fuzz_bytes("torch legacy", torch_legacy_bytes(few_tensors()));
  // Damage within the pickle alone, in an archive whose checksums are right.
  const std::string pickle = state_dict_pickle(few_tensors());
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  refused("pickle", tries(2000), [&](Damage& damage) {
    write_text(path, torch_zip_bytes(damage(pickle), {bytes_of(six), bytes_of(six), bytes_of(six)}));
    return path;
  });
}

TEST_CASE("damaged checkpoints of TensorFlow") {
  const TemporaryFolder folder;
  const auto prefix = folder.path() / "model";
  std::vector<TensorflowTensor> tensors;
  for (int i = 0; i < 20; ++i)
    tensors.push_back({dvd::concat("Mixed_3b/Branch_", i, "/batch_norm/beta"), {1, 6}, bytes_of(six)});
  for (const bool compressed : {false, true}) {
    write_bundle(prefix, tensors, 2, compressed);
    const std::string index = content_of(prefix.string() + ".index");
    const int count = tries(400);
    CHECK(refused("bundle", count, [&](Damage& damage) {
            write_text(prefix.string() + ".index", damage(index));
            return prefix;
          }) > count / 2);
  }
  // Damage within the entries, whose blocks have right checksums.
  const std::string header = number_field(1, 1) + bytes_field(3, number_field(1, 1));
  const TensorflowTensor tensor{"w", {2, 3}, bytes_of(six)};
  write_text(shard_name(prefix.string(), 0, 1), tensor.data);
  refused("entries", tries(1000), [&](Damage& damage) {
    write_text(prefix.string() + ".index",
               table_bytes({{"", damage(header)}, {"w", damage(bundle_entry(tensor, 0, 0))}}));
    return prefix;
  });
  refused("blocks", tries(1000), [&](Damage& damage) {
    std::string block = varint(0) + varint(0) + varint(header.size()) + header;
    block += varint(0) + varint(1) + varint(bundle_entry(tensor, 0, 0).size()) + "w" + bundle_entry(tensor, 0, 0);
    block = damage(block + bytes_of(std::uint32_t{0}) + bytes_of(std::uint32_t{1})) + '\0';
    std::string bytes = block + bytes_of(masked_crc(block));
    std::string index =
        varint(0) + varint(1) + varint(2 + (block.size() > 128)) + "w" + varint(0) + varint(block.size() - 1);
    index += bytes_of(std::uint32_t{0}) + bytes_of(std::uint32_t{1}) + '\0';
    std::string footer = varint(0) + varint(0) + varint(bytes.size()) + varint(index.size() - 1);
    footer.resize(40, '\0');
    bytes += index + bytes_of(masked_crc(index)) + footer + bytes_of(std::uint64_t{0xDB4775248B80FB57});
    write_text(prefix.string() + ".index", bytes);
    return prefix;
  });
}

TEST_CASE("none of it takes much memory") {
  struct rusage usage = {};
  REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(usage.ru_maxrss < 500'000);  // KiB
#endif
}

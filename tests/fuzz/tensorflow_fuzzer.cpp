// Any bytes as the index of a TensorFlow checkpoint. Those that do not end as one does are two entries in an index
// whose checksums are right: the header, whose length is the first byte, and a tensor.
#include "foreign_input.hpp"
#include "support/foreign_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dvd::testing;
  static const std::filesystem::path prefix = [] {
    const auto path = fuzz::folder() / "model";
    fuzz::write(shard_name(path.string(), 0, 1), std::string(24, '\1'));
    return path;
  }();
  std::string index(fuzz::text_of(data, size));
  if (!index.empty() && !index.ends_with(dvd::testing::bytes_of(std::uint64_t{0xDB4775248B80FB57}))) {
    const std::string rest = index.substr(1);
    const std::size_t length = std::min<std::size_t>(data[0], rest.size());
    index = table_bytes({{"", rest.substr(0, length)}, {"w", rest.substr(length)}});
  }
  fuzz::write(prefix.string() + ".index", index);
  fuzz::read_weights(prefix);
  return 0;
}

// Any bytes as the pickle in a file of torch.save whose checksums are right.
#include "foreign_input.hpp"
#include "support/foreign_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = fuzz::folder() / "file.pt";
  static const std::string storage(48, '\1');
  fuzz::write(path, dvd::testing::torch_zip_bytes(std::string(fuzz::text_of(data, size)), {storage, storage, storage}));
  fuzz::read_weights(path);
  return 0;
}

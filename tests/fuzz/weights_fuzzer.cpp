// Any bytes as a file of weights of another framework: npy, npz, PyTorch's zip archives and older files, safetensors.
#include "foreign_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = fuzz::folder() / "file";
  fuzz::write(path, fuzz::text_of(data, size));
  fuzz::read_weights(path);
  return 0;
}

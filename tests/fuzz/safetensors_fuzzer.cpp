// Any bytes as a safetensors file: its header, all of its tensors as every type, its hash, and what is read out of the
// metadata of checkpoints.
#include "dvd/io/safetensors.hpp"

#include "dvd/io/network_file.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::succeeds([&] {
    const dvd::SafetensorsFile file(fuzz::bytes_of(data, size), "file");
    file.content_hash();
    for (const std::string& name : file.names()) {
      fuzz::succeeds([&] { file.read<double>(name); });
      fuzz::succeeds([&] { file.read<std::int64_t>(name); });
      fuzz::succeeds([&] { file.read<std::uint8_t>(name); });
    }
    fuzz::succeeds([&] { dvd::check_checksum(file, "file"); });
    fuzz::succeeds([&] { dvd::read_config(file, "file"); });
  });
  return 0;
}

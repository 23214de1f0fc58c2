// Weights that are in a safetensors file already, under whatever names.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/torch_archive.hpp"
#include "dvd/io/safetensors.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The tensors of a safetensors file under their names. Where the file has this library's checksum it is compared.
class SafetensorsWeights final : public ForeignFile, detail::FileChecks {
 public:
  /// Reads the file. Throws FileError as SafetensorsFile does, and where the checksum does not fit.
  explicit SafetensorsWeights(const std::filesystem::path& path) : FileChecks(path.string()), file_(path) {
    check(file_.checksum_fits(), "is damaged: its content does not fit the checksum in its metadata");
    for (const std::string& name : file_.names())
      tensors_.push_back({name, file_.shape(name), file_.type(name), std::string(name_of(file_.type(name)))});
  }

  /// What the file says of itself.
  const SafetensorsFile& file() const { return file_; }

  std::string format() const override { return "safetensors"; }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }
  std::vector<float> read(std::size_t index) const override {
    detail::check_floating(path_, tensors_.at(index));
    return file_.read<float>(tensors_.at(index).name);
  }
  std::string content_hash() const override {
    detail::ContentHash hash;
    SourceFile(path_).add_to(hash);
    return hash.text();
  }

 private:
  SafetensorsFile file_;
  std::vector<ForeignTensor> tensors_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

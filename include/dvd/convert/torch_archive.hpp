// PyTorch's files since version 1.6: a zip archive with one folder, in it data.pkl, a pickle of everything but
// elements, and for each storage of elements the entry data/KEY. torch.jit.save writes code/ and constants.pkl beside
// them. Source: torch/serialization.py, caffe2/serialize/inline_container.h
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/pickle.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/convert/torch_tensors.hpp"
#include "dvd/convert/zip_archive.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Throws FileError unless the tensor's elements are floating-point numbers.
inline void check_floating(const std::string& path, const ForeignTensor& tensor) {
  if (!tensor.type || !is_floating(*tensor.type))
    throw FileError(concat(path, ": tensor ", Printable{tensor.name}, " holds ", Printable{tensor.type_name},
                           " (expected floating-point numbers)"));
}

}  // namespace detail

/// The tensors of a file of torch.save or torch.jit.save under their names: "Mixed_3b.b1a.conv3d.weight". Nothing of
/// the file is executed, neither its pickle nor its code. For one thread at a time.
class TorchArchive final : public ForeignFile, detail::FileChecks {
 public:
  /// Throws FileError where the file is missing, damaged, or holds more than tensors.
  explicit TorchArchive(const std::filesystem::path& path) : FileChecks(path.string()), archive_(path) {
    for (const auto& entry : archive_.entries())
      if (is_pickle(entry.first)) {
        check(folder_.empty(), "holds two files data.pkl (expected one folder, as torch.save writes it)");
        folder_ = entry.first.substr(0, entry.first.size() - pickle_name.size());
        bytes_ = archive_.read(entry, detail::Pickle::largest);
      }
    check(!folder_.empty(), "holds no data.pkl in a folder (expected a file of torch.save or torch.jit.save)");
    check_byte_order();
    const std::string where = concat(path_, ": ", pickle_name);
    const detail::Pickle pickle(where, bytes_);
    check(pickle.size() == bytes_.size(), pickle_name, " goes on behind its end");
    const detail::TorchTensors found(where, pickle);
    tensors_ = found.tensors;
    places_ = found.places;
    remarks_ = found.remarks;
    is_script_ = found.is_script;
    for (std::size_t i = 0; i < tensors_.size(); ++i) check_storage(i);
    note_constants();
  }

  /// Whether an archive is one of PyTorch's.
  static bool is_torch(const ZipArchive& archive) {
    for (const auto& entry : archive.entries())
      if (is_pickle(entry.first)) return true;
    return false;
  }

  std::string format() const override {
    return is_script_ ? "TorchScript archive (torch.jit.save)" : "PyTorch state dict (torch.save)";
  }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }
  std::vector<std::string> remarks() const override { return remarks_; }

  std::vector<float> read(std::size_t index) const override {
    const ForeignTensor& tensor = tensors_.at(index);
    const detail::TorchPlace& place = places_.at(index);
    detail::check_floating(path_, tensor);
    if (place.extent == 0) return {};
    const std::span<const std::byte> storage = read_storage(place.storage);
    return detail::strided_floats(storage.data() + static_cast<std::size_t>(place.offset) * size_of(*tensor.type),
                                  *tensor.type, tensor.shape, place.strides);
  }

  std::string content_hash() const override {
    detail::ContentHash hash;
    SourceFile(path_).add_to(hash);
    return hash.text();
  }

 private:
  static constexpr std::string_view pickle_name = "data.pkl";
  // PyTorch does not compress; where somebody else has, the largest tensor of the networks known, in double, has half.
  static constexpr std::uint64_t largest_compressed = std::uint64_t{512} << 20;

  static bool is_pickle(std::string_view name) {
    return name.ends_with("/data.pkl") && name.find('/') == name.size() - pickle_name.size() - 1;
  }

  const ZipArchive::Entries::value_type* find(const std::string& name) const {
    const auto found = archive_.entries().find(folder_ + name);
    return found == archive_.entries().end() ? nullptr : &*found;
  }

  void check_byte_order() const {
    const auto* const entry = find("byteorder");
    if (!entry) return;
    const std::vector<std::byte> bytes = archive_.read(*entry, 16);
    const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    check(order == "little", "holds numbers in the byte order ", detail::Printable{order}, " (expected little)");
  }

  void check_storage(std::size_t index) const {
    const detail::Printable name{tensors_[index].name};
    const detail::TorchPlace& place = places_[index];
    const auto* const entry = find("data/" + place.storage);
    if (!entry) fail("lacks the storage ", detail::Printable{place.storage}, " of tensor ", name);
    if (!tensors_[index].type) return;
    const std::size_t each = size_of(*tensors_[index].type);
    const std::uint64_t size = entry->second.size, count = static_cast<std::uint64_t>(place.storage_size);
    check(size % each == 0 && size / each == count, "has a storage of ", size, " bytes for tensor ", name,
          " (expected ", count, " elements of ", each, " bytes)");
    check(!entry->second.compressed || size <= largest_compressed, "has a compressed storage of ", size,
          " bytes for tensor ", name, " (expected at most ", largest_compressed, ")");
  }

  // What torch.jit.freeze makes of parameters: numbers without names.
  void note_constants() {
    std::size_t constants = 0;
    for (const auto& [name, entry] : archive_.entries()) constants += name.starts_with(folder_ + "constants/");
    if (constants > 0) remarks_.push_back(concat(constants, " constants of the code, which have no names"));
  }

  // The last one is kept: all tensors may share one.
  std::span<const std::byte> read_storage(const std::string& key) const {
    if (storage_key_ != key) {
      storage_key_.reset();
      const auto& entry = *archive_.entries().find(concat(folder_, "data/", key));  // which check_storage has found
      storage_ = archive_.read(entry, entry.second.size);
      storage_key_ = key;
    }
    return storage_;
  }

  ZipArchive archive_;
  std::string folder_;
  std::vector<std::byte> bytes_;
  bool is_script_ = false;
  std::vector<ForeignTensor> tensors_;
  std::vector<detail::TorchPlace> places_;
  std::vector<std::string> remarks_;
  mutable std::optional<std::string> storage_key_;
  mutable std::vector<std::byte> storage_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

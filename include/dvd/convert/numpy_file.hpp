// NumPy's files: an array (.npy), and archives of them (.npz), a zip file with an entry NAME.npy each.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/npy_header.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/convert/zip_archive.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

inline ForeignTensor foreign_tensor(std::string name, const NpyHeader& header) {
  return {std::move(name), header.shape, header.type, header.type_name};
}

/// The elements of a whole .npy file.
inline std::vector<float> npy_floats(const std::string& where, std::span<const std::byte> bytes) {
  const NpyHeader header(where, bytes.first(std::min(bytes.size(), NpyHeader::largest)), bytes.size());
  if (!header.type || !is_floating(*header.type))
    throw FileError(concat(where, ": holds ", Printable{header.type_name}, " (expected floating-point numbers)"));
  std::vector<std::int64_t> strides = row_major_strides(header.shape);
  if (header.column_major) {
    std::int64_t stride = 1;
    for (std::size_t axis = 0; axis < strides.size(); stride *= header.shape[axis++]) strides[axis] = stride;
  }
  return strided_floats(bytes.data() + header.size, *header.type, header.shape, strides);
}

}  // namespace detail

/// One array, under the name "array".
class NpyFile final : public ForeignFile {
 public:
  /// Throws FileError where the file is missing or is no such array.
  explicit NpyFile(const std::filesystem::path& path) : file_(path) {
    const detail::NpyHeader header(file_.path(), file_.front(detail::NpyHeader::largest), file_.size());
    tensors_.push_back(detail::foreign_tensor("array", header));
  }

  std::string format() const override { return "NumPy array (npy)"; }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }
  std::vector<float> read(std::size_t) const override {
    return detail::npy_floats(file_.path(), file_.read(0, file_.size()));
  }
  std::string content_hash() const override {
    detail::ContentHash hash;
    file_.add_to(hash);
    return hash.text();
  }

 private:
  SourceFile file_;
  std::vector<ForeignTensor> tensors_;
};

/// The arrays of an archive under their names, which may have slashes: "conv1a/W".
class NpzFile final : public ForeignFile {
 public:
  /// Throws FileError where the file is missing or is no archive of arrays.
  explicit NpzFile(const std::filesystem::path& path) : archive_(path) {
    for (const auto& entry : archive_.entries()) {
      if (!entry.first.ends_with(suffix)) {
        remarks_.push_back(concat("the entry ", detail::Printable{entry.first}, ", which is no array"));
        continue;
      }
      const std::string name = entry.first.substr(0, entry.first.size() - suffix.size());
      const detail::NpyHeader header(where(entry), archive_.front(entry, detail::NpyHeader::largest),
                                     entry.second.size);
      tensors_.push_back(detail::foreign_tensor(name, header));
      entries_.push_back(&entry);
    }
  }

  std::string format() const override { return "NumPy archive (npz)"; }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }
  std::vector<std::string> remarks() const override { return remarks_; }
  std::vector<float> read(std::size_t index) const override {
    // The header has fitted this size to the shape.
    const auto& entry = *entries_.at(index);
    return detail::npy_floats(where(entry), archive_.read(entry, entry.second.size));
  }
  std::string content_hash() const override {
    detail::ContentHash hash;
    SourceFile(archive_.path()).add_to(hash);
    return hash.text();
  }

 private:
  static constexpr std::string_view suffix = ".npy";

  std::string where(const ZipArchive::Entries::value_type& entry) const {
    return concat(archive_.path(), ": ", detail::Printable{entry.first});
  }

  ZipArchive archive_;
  std::vector<ForeignTensor> tensors_;
  std::vector<const ZipArchive::Entries::value_type*> entries_;
  std::vector<std::string> remarks_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Which format a file of weights is in, told by its content.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/npy_header.hpp"
#include "dvd/convert/numpy_file.hpp"
#include "dvd/convert/safetensors_weights.hpp"
#include "dvd/convert/sorted_table.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/tensorflow_bundle.hpp"
#include "dvd/convert/torch_archive.hpp"
#include "dvd/convert/torch_legacy_file.hpp"
#include "dvd/convert/zip_archive.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

// PREFIX of a TensorFlow checkpoint, of which `path` is the prefix itself or one of the files; empty where it is none.
inline std::filesystem::path bundle_prefix(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  const std::string text = path.string();
  std::error_code ignored;
  if (text.ends_with(".index")) return text.substr(0, text.size() - 6);
  const std::size_t data = text.rfind(".data-");
  if (data != text.npos && fs::is_regular_file(text.substr(0, data) + ".index", ignored)) return text.substr(0, data);
  if (!fs::exists(path, ignored) && fs::is_regular_file(text + ".index", ignored)) return path;
  return {};
}

// What else people have, and what to do with it.
inline std::string_view advice_on(std::string_view front) {
  if (front.starts_with("\x89HDF\r\n")) return "it is HDF5; load it with its program and save it by numpy.savez";
  if (front.starts_with("\x1f\x8b")) return "it is compressed by gzip; unpack it first";
  if (front.starts_with("\x80")) return "it is a pickle; load it in Python and save it by numpy.savez or torch.save";
  if (front.starts_with("version https://git-lfs"))
    return "it is a pointer of Git LFS; fetch the file that it stands for (git lfs pull)";
  if (front.starts_with("<")) return "it is a web page; the download went wrong";
  return "if it is a Caffe model, load it with its program and save it by numpy.savez";
}

}  // namespace detail

/// Opens a file of weights: NumPy's .npz or .npy, a PyTorch or TorchScript file, a safetensors file, or a TensorFlow
/// checkpoint, by its prefix or by any of its files. Throws FileError, one line that begins with the path: where there
/// is no such file, where it is none of these, and where it is damaged.
inline std::unique_ptr<ForeignFile> open_foreign_file(const std::filesystem::path& path) {
  const auto refuse = [&](std::string_view why) { throw FileError(concat(path.string(), ": ", why)); };
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    const std::filesystem::path inner = path / "variables" / "variables.index";
    if (std::filesystem::is_regular_file(inner, ignored))
      return std::make_unique<TensorflowBundle>(detail::bundle_prefix(inner));
    refuse("is a folder (expected a file of weights, or the prefix of a TensorFlow checkpoint, as in DIR/model.ckpt)");
  }
  if (const std::filesystem::path prefix = detail::bundle_prefix(path); !prefix.empty())
    return std::make_unique<TensorflowBundle>(prefix);
  const SourceFile file(path);
  const std::vector<std::byte> bytes = file.front(64);
  const std::string_view front(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (front.starts_with("PK")) {
    if (TorchArchive::is_torch(ZipArchive(path))) return std::make_unique<TorchArchive>(path);
    return std::make_unique<NpzFile>(path);
  }
  if (front.starts_with(detail::NpyHeader::magic)) return std::make_unique<NpyFile>(path);
  if (TorchLegacyFile::is_legacy(file)) return std::make_unique<TorchLegacyFile>(path);
  if (front.size() > 8 && front[8] == '{') return std::make_unique<SafetensorsWeights>(path);
  if (detail::SortedTable::is_table(file))
    refuse("is a part of a TensorFlow checkpoint (give its prefix, with PREFIX.index and PREFIX.data-... beside)");
  throw FileError(concat(path.string(), ": is in no format that is known here (expected npz, npy, a PyTorch file, ",
                         "safetensors, or a TensorFlow checkpoint); ", detail::advice_on(front)));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

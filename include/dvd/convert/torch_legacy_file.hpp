// PyTorch's files before version 1.6: five pickles one after the other (a mark, the format's version, the machine, the
// tensors, the keys of their storages), then for each of these keys its number of elements and the elements.
// Source: _legacy_save in torch/serialization.py
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/pickle.hpp"
#include "dvd/convert/source_file.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/convert/torch_archive.hpp"
#include "dvd/convert/torch_tensors.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The tensors of such a file under their names. The format has no checksum.
class TorchLegacyFile final : public ForeignFile, detail::FileChecks {
 public:
  /// Throws FileError where the file is missing, damaged, or holds more than tensors.
  explicit TorchLegacyFile(const std::filesystem::path& path) : FileChecks(path.string()), file_(path) {
    check(is_legacy(file_), "is no file of torch.save");
    const std::vector<std::byte> front = file_.front(detail::Pickle::largest);
    std::span<const std::byte> rest = front;
    const auto next = [&] {
      detail::Pickle pickle(path_, rest);
      rest = rest.subspan(pickle.size());
      return pickle;
    };
    for (int number = 0; number < 3; ++number) next();
    const detail::Pickle pickle = next(), keys = next();
    const detail::TorchTensors found(path_, pickle);
    tensors_ = found.tensors;
    places_ = found.places;
    remarks_ = found.remarks;
    find_storages(pickle, keys, front.size() - rest.size());
  }

  /// Whether the file begins with the mark.
  static bool is_legacy(const SourceFile& file) {
    constexpr std::string_view mark("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    const std::vector<std::byte> front = file.front(mark.size());
    return std::ranges::equal(front, std::as_bytes(std::span(mark)));
  }

  std::string format() const override { return "PyTorch state dict (torch.save before PyTorch 1.6)"; }
  const std::vector<ForeignTensor>& tensors() const override { return tensors_; }
  std::vector<std::string> remarks() const override { return remarks_; }

  std::vector<float> read(std::size_t index) const override {
    const ForeignTensor& tensor = tensors_.at(index);
    const detail::TorchPlace& place = places_.at(index);
    detail::check_floating(path_, tensor);
    if (place.extent == 0) return {};
    const std::uint64_t each = size_of(*tensor.type);
    const std::vector<std::byte> bytes =
        file_.read(storages_.at(place.storage) + static_cast<std::uint64_t>(place.offset) * each,
                   static_cast<std::uint64_t>(place.extent) * each);
    return detail::strided_floats(bytes.data(), *tensor.type, tensor.shape, place.strides);
  }

  std::string content_hash() const override {
    detail::ContentHash hash;
    file_.add_to(hash);
    return hash.text();
  }

 private:
  // Where each storage's elements begin, from `at` on.
  void find_storages(const detail::Pickle& pickle, const detail::Pickle& keys, std::uint64_t at) {
    using Size = std::pair<std::uint64_t, std::uint64_t>;  // elements, bytes of one
    std::map<std::string_view, Size> sizes;
    for (const detail::PickleValue& value : pickle.values()) {
      if (value.kind != detail::PickleValue::Kind::storage) continue;
      const std::string type = pickle.global_name(pickle[value.items[0]]);
      const std::optional<DataType> known = detail::torch_type(type);
      check(known.has_value(), "has a storage of ", detail::Printable{type}, ", whose size is not known");
      const Size size(static_cast<std::uint64_t>(value.number), size_of(*known));
      check(sizes.emplace(value.text, size).first->second == size, "has two sizes for the storage ",
            detail::Printable{value.text});
    }
    const detail::PickleValue& list = keys[keys.root()];
    check(list.kind == detail::PickleValue::Kind::list && list.items.size() == sizes.size(),
          "is damaged (its list of storages does not fit)");
    for (const detail::PickleIndex item : list.items) {
      const std::string key(keys[item].text);
      const auto size = sizes.find(key);
      check(size != sizes.end(), "has a storage ", detail::Printable{key}, " that nothing refers to");
      std::uint64_t count = 0;
      file_.read(at, std::as_writable_bytes(std::span(&count, 1)));
      at += sizeof count;
      check(count == size->second.first, "has a storage of ", count, " elements (expected ", size->second.first, ")");
      check(count <= (file_.size() - at) / size->second.second, "is cut short: a storage should have ", count,
            " elements from ", at, " on");
      check(storages_.emplace(key, at).second, "has the storage ", detail::Printable{key}, " twice");
      at += count * size->second.second;
    }
    check(at == file_.size(), "goes on behind its last storage");
  }

  SourceFile file_;
  std::vector<ForeignTensor> tensors_;
  std::vector<detail::TorchPlace> places_;
  std::vector<std::string> remarks_;
  std::map<std::string, std::uint64_t> storages_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// The bytes of a pickle, taken piece by piece, and the Python names that may be in one: see convert/pickle.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Whether a global, "module name", is a class of TorchScript's, which stands for its attributes.
inline bool is_script_class(std::string_view name) { return name.starts_with("__torch__"); }

/// Whether a pickle of weights may name a global, "module name".
inline bool is_known_global(std::string_view name) {
  static constexpr std::string_view known[] = {"collections OrderedDict",
                                               "torch._utils _rebuild_tensor_v2",
                                               "torch._utils _rebuild_tensor",
                                               "torch._utils _rebuild_parameter",
                                               "torch Size",
                                               "torch.jit._pickle build_intlist",
                                               "torch.jit._pickle build_doublelist",
                                               "torch.jit._pickle build_boollist",
                                               "torch.jit._pickle build_tensorlist",
                                               "torch.jit._pickle restore_type_tag"};
  for (const std::string_view other : known)
    if (name == other) return true;
  return is_script_class(name) || (name.starts_with("torch ") && name.ends_with("Storage"));
}

/// Takes instructions and their arguments off the front of a pickle. FileError where it ends too early.
class PickleBytes : protected FileChecks {
 protected:
  PickleBytes(const std::string& where, std::span<const std::byte> bytes)
      : FileChecks(where), all_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

  /// Bytes so far.
  std::size_t taken() const { return at_; }

  std::string_view take(std::uint64_t size) {
    check(size <= all_.size() - at_, "is cut short (", size, " bytes are wanted, ", all_.size() - at_, " are left)");
    const std::string_view bytes = all_.substr(at_, size);
    at_ += bytes.size();
    return bytes;
  }

  /// What comes before the next end of a line.
  std::string_view take_line() {
    const std::size_t end = all_.find('\n', at_);
    check(end != all_.npos, "is cut short (a line does not end)");
    const std::string_view line = all_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  /// The lowest byte first.
  template <class Number>
  Number number() {
    Number value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  /// A length and as many bytes, the lowest first, the last one's sign being the number's.
  std::int64_t long_number() {
    const std::string_view digits = take(number<std::uint8_t>());
    // PyTorch's own mark at the beginning of its old format is the one number of more than 64 bits.
    if (digits == std::string_view("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10)) return 0x1950A86A;
    check(digits.size() <= 8, "holds an integer of ", digits.size(), " bytes (expected at most 8)");
    std::uint64_t value = !digits.empty() && static_cast<unsigned char>(digits.back()) >= 0x80 ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    return static_cast<std::int64_t>(value);
  }

 private:
  std::string_view all_;
  std::size_t at_ = 0;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

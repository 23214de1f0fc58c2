// A file of weights as another program wrote it, whatever its format: tensors with names, shapes and element types,
// of which any one can be read.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/data_type.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a file of weights says of one tensor.
struct ForeignTensor {
  std::string name;                 ///< the other program's
  std::vector<std::int64_t> shape;  ///< whose product fits 63 bits
  std::optional<DataType> type;     ///< none where the elements are no numbers that this library stores, such as texts
  std::string type_name;            ///< the type in the other program's words
};

/// A file of weights that is open for reading. Opening it reads and checks what it says of its tensors; their elements
/// are read one tensor at a time, so that a file takes no more memory than what is wanted of it.
class ForeignFile {
 public:
  virtual ~ForeignFile() = default;

  /// What it is, for a person: "NumPy archive (npz)".
  virtual std::string format() const = 0;

  /// The tensors, in the file's order. No two have the same name.
  virtual const std::vector<ForeignTensor>& tensors() const = 0;

  /// What the file holds beside these and is not read, a line each, for a person.
  virtual std::vector<std::string> remarks() const { return {}; }

  /// The elements of tensor number `index`, in row-major order, rounded to float. Takes memory for as many as the shape
  /// says: look at that first. Throws FileError where they are no floating-point numbers, and where they are damaged:
  /// whatever checksum the format has is compared.
  virtual std::vector<float> read(std::size_t index) const = 0;

  /// A hash of all bytes of the file, or of its files, as 16 hexadecimal digits (see detail::ContentHash).
  virtual std::string content_hash() const = 0;

 protected:
  ForeignFile() = default;
  ForeignFile(const ForeignFile&) = default;
  ForeignFile& operator=(const ForeignFile&) = default;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

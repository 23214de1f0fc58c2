// What a pickle says, as data: see convert/pickle.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// The number of a value within its pickle: values hold each other by these, so that no depth of nesting and no circle
/// among them matters to who makes or destroys them.
using PickleIndex = std::uint32_t;

/// One value of a pickle.
struct PickleValue {
  enum class Kind {
    none,
    boolean,     // number
    integer,     // number
    real,        // nothing: no weights need it
    text,        // text
    tuple,       // items
    list,        // items
    dictionary,  // items: key, value, key, value, ...
    global,      // text: "module name"
    storage,     // text: its key, number: its elements, items: the global that is its type
    tensor,      // items: storage, integer offset, tuple of sizes, tuple of strides
    object       // of a TorchScript class; items: the global that is its class and, if it has a state, that
  };

  Kind kind = Kind::none;
  std::int64_t number = 0;
  std::string_view text = {};  // within the pickle, or among the texts that it keeps
  std::vector<PickleIndex> items = {};
};

/// What a kind is called in messages.
inline std::string_view name_of(PickleValue::Kind kind) {
  static constexpr std::string_view names[] = {"None",   "a truth value", "an integer", "a number",
                                               "a text", "a tuple",       "a list",     "a dictionary",
                                               "a name", "a storage",     "a tensor",   "an object"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

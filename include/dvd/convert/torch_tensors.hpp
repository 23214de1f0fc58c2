// The tensors among the values of a PyTorch pickle, with their names.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/pickle.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Where the elements of a PyTorch tensor are: at strides in a storage, which tensors may share.
struct TorchPlace {
  std::string storage;                  ///< its key
  std::int64_t storage_size = 0;        ///< elements
  std::int64_t offset = 0, extent = 0;  ///< elements: of the first one, and what they reach over
  std::vector<std::int64_t> strides;
};

/// The element type of a storage, "torch.FloatStorage"; none where this library has no such type.
inline std::optional<DataType> torch_type(std::string_view storage) {
  using Known = std::pair<std::string_view, DataType>;
  static constexpr std::array<Known, 10> known = {{{"torch.FloatStorage", DataType::F32},
                                                   {"torch.DoubleStorage", DataType::F64},
                                                   {"torch.HalfStorage", DataType::F16},
                                                   {"torch.BFloat16Storage", DataType::BF16},
                                                   {"torch.LongStorage", DataType::I64},
                                                   {"torch.IntStorage", DataType::I32},
                                                   {"torch.ShortStorage", DataType::I16},
                                                   {"torch.CharStorage", DataType::I8},
                                                   {"torch.ByteStorage", DataType::U8},
                                                   {"torch.BoolStorage", DataType::BOOL}}};
  for (const auto& [name, type] : known)
    if (name == storage) return type;
  return std::nullopt;
}

/// Finds the tensors of a pickle. Names are the keys and attributes on the way to a tensor, with dots between them.
/// Where the pickle is a checkpoint with a state dict beside other things, only that is looked at.
class TorchTensors : FileChecks {
 public:
  std::vector<ForeignTensor> tensors;
  std::vector<TorchPlace> places;  ///< one a tensor
  std::vector<std::string> remarks;
  bool is_script = false;  ///< an object of TorchScript's with attributes, not a dictionary

  /// `where` begins the messages of FileError.
  TorchTensors(const std::string& where, const Pickle& pickle) : FileChecks(where), pickle_(pickle) {
    PickleIndex root = pickle.root();
    is_script = pickle[root].kind == Kind::object;
    if (pickle[root].kind == Kind::dictionary) root = state_dict(root);
    const Kind kind = pickle[root].kind;
    check(kind == Kind::dictionary || kind == Kind::object, "holds ", name_of(kind), " (expected a state dict)");
    visit(root, "", 0);
  }

 private:
  using Kind = PickleValue::Kind;

  static constexpr std::size_t deepest = 32, longest_name = 1000, most_values = 200'000;
  static constexpr std::size_t most_items = 1'000'000;  // no pickle makes more; one item may be met again and again

  PickleIndex state_dict(PickleIndex root) {
    const std::vector<PickleIndex>& items = pickle_[root].items;
    for (const std::string_view name : {"state_dict", "model_state_dict", "model_state", "model"})
      for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
        if (pickle_[items[i]].kind != Kind::text || pickle_[items[i]].text != name) continue;
        if (pickle_[items[i + 1]].kind != Kind::dictionary) continue;
        for (std::size_t k = 0; k + 1 < items.size() && remarks.size() < 20; k += 2)
          if (k != i) remarks.push_back(concat(Printable{key_text(items[k])}, ", which lies beside ", Printable{name}));
        return items[i + 1];
      }
    return root;
  }

  std::string key_text(PickleIndex key) const {
    const PickleValue& value = pickle_[key];
    if (value.kind == Kind::integer) return concat(value.number);
    check(value.kind == Kind::text, "has a dictionary whose key is ", name_of(value.kind), " (expected a name)");
    return std::string(value.text.substr(0, longest_name + 1));
  }

  static bool may_hold_tensors(const PickleValue& value) {
    return value.kind == Kind::tensor || value.kind == Kind::dictionary || value.kind == Kind::object ||
           value.kind == Kind::list || value.kind == Kind::tuple;
  }

  // Everything within it that holds tensors.
  void visit(PickleIndex index, const std::string& name, std::size_t depth) {
    const PickleValue& value = pickle_[index];
    check(depth <= deepest, "holds values within values, more than ", deepest, " deep, at ", Printable{name});
    check(++visited_ <= most_values, "holds more than ", most_values, " values (expected the weights of one network)");
    check(name.size() <= longest_name, "has a name of more than ", longest_name, " letters, ", Printable{name});
    if (value.kind == Kind::tensor) return add(name, value);
    if (value.kind == Kind::object) {
      // Without a state, or with one that is none of attributes, there are no names.
      if (value.items.size() == 2 && pickle_[value.items[1]].kind == Kind::dictionary)
        visit(value.items[1], name, depth + 1);
      return;
    }
    const bool pairs = value.kind == Kind::dictionary;
    for (std::size_t i = 0; i < value.items.size(); i += pairs ? 2 : 1) {
      const PickleIndex item = value.items[pairs ? i + 1 : i];
      check(++items_ <= most_items, "holds values again and again, more than ", most_items,
            " in all (expected the weights of one network)");
      const std::string key = pairs ? key_text(value.items[i]) : concat(i);
      if (may_hold_tensors(pickle_[item])) visit(item, name.empty() ? key : concat(name, '.', key), depth + 1);
    }
  }

  void add(const std::string& name, const PickleValue& tensor) {
    const PickleValue& storage = pickle_[tensor.items[0]];
    const std::string type = pickle_.global_name(pickle_[storage.items[0]]);
    const Printable shown{name};
    check(names_.insert(name).second, "holds two tensors ", shown);
    ForeignTensor result{.name = name, .shape = integers(tensor.items[2]), .type = torch_type(type), .type_name = type};
    TorchPlace place{.storage = std::string(storage.text),
                     .storage_size = storage.number,
                     .offset = pickle_[tensor.items[1]].number,
                     .strides = integers(tensor.items[3])};
    check(result.shape.size() <= most_axes, "tensor ", shown, " has more than ", most_axes, " axes");
    const std::optional<std::int64_t> extent = strided_extent(result.shape, place.strides);
    check(extent.has_value(), "tensor ", shown, " has sizes and strides that cannot be");
    check(place.offset >= 0 && *extent <= place.storage_size && place.offset <= place.storage_size - *extent, "tensor ",
          shown, " reaches beyond its storage of ", place.storage_size, " elements");
    place.extent = *extent;
    tensors.push_back(std::move(result));
    places.push_back(std::move(place));
  }

  std::vector<std::int64_t> integers(PickleIndex tuple) const {
    std::vector<std::int64_t> result;
    check(pickle_[tuple].items.size() <= most_axes, "has a tensor of more than ", most_axes, " axes");
    for (const PickleIndex item : pickle_[tuple].items) {
      check(pickle_[item].kind == Kind::integer, "has a tensor whose sizes or strides are no integers");
      result.push_back(pickle_[item].number);
    }
    return result;
  }

  const Pickle& pickle_;
  std::set<std::string> names_;
  std::size_t visited_ = 0, items_ = 0;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

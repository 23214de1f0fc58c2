// Python's pickles, as PyTorch writes them: a program for a small machine with a stack, which builds values. Python's
// own machine also calls any function that the pickle names; this one calls nothing. It knows the instructions and the
// names that weights are made of, gives them their meaning as data, and refuses all others by name. Source: Python's
// Lib/pickletools.py; torch/serialization.py, torch/_utils.py; torch/csrc/jit/serialization/pickler.cpp
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/convert/pickle_bytes.hpp"
#include "dvd/convert/pickle_value.hpp"
#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// The values of one pickle. `bytes` may go on behind it and must stay alive.
class Pickle : PickleBytes {
 public:
  using Kind = PickleValue::Kind;

  static constexpr std::uint64_t largest = std::uint64_t{16} << 20;  ///< bytes; weights of networks need far less

  /// Reads it. FileError, beginning with `where`, for what is damaged, unknown, or more than one network's weights
  /// need.
  Pickle(const std::string& where, std::span<const std::byte> bytes) : PickleBytes(where, bytes) {
    for (std::size_t steps = 0; !stopped_; ++steps) {
      check(steps < most_steps, "has more than ", most_steps, " instructions (expected the weights of one network)");
      step();
    }
  }

  const PickleValue& operator[](PickleIndex index) const { return values_[index]; }

  /// All values, those included that the whole does not hold.
  const std::vector<PickleValue>& values() const { return values_; }

  /// The value that the whole pickle stands for.
  PickleIndex root() const { return root_; }

  /// Bytes that it took.
  std::size_t size() const { return taken(); }

  /// The pickle's words on a global: "torch.FloatStorage".
  std::string global_name(const PickleValue& global) const {
    std::string name(global.text);
    if (const std::size_t space = name.find(' '); space != name.npos) name[space] = '.';
    return name;
  }

 private:
  static constexpr std::size_t most_steps = 1'000'000;

  // A byte an instruction, its argument behind it.
  void step() {
    const auto code = static_cast<unsigned char>(take(1)[0]);
    switch (code) {
      case 0x80:
        return check_protocol(number<std::uint8_t>());
      case 0x95:
        return void(number<std::uint64_t>());  // FRAME: how much to read at once
      case '.':
        return stop();
      case '(':
        return marks_.push_back(stack_.size());
      case 'N':
        return push({.kind = Kind::none});
      case 0x88:
        return push({.kind = Kind::boolean, .number = 1});
      case 0x89:
        return push({.kind = Kind::boolean, .number = 0});
      case 'J':
        return push({.kind = Kind::integer, .number = number<std::int32_t>()});
      case 'K':
        return push({.kind = Kind::integer, .number = number<std::uint8_t>()});
      case 'M':
        return push({.kind = Kind::integer, .number = number<std::uint16_t>()});
      case 0x8A:
        return push({.kind = Kind::integer, .number = long_number()});
      case 'G':
        return take(8), push({.kind = Kind::real});
      case 'X':
        return push_text(number<std::uint32_t>());
      case 0x8C:
        return push_text(number<std::uint8_t>());
      case 0x8D:
        return push_text(number<std::uint64_t>());
      case 'T':
        return push_text(number<std::uint32_t>());  // Python 2's
      case 'U':
        return push_text(number<std::uint8_t>());
      case ')':
        return push({.kind = Kind::tuple});
      case ']':
        return push({.kind = Kind::list});
      case '}':
        return push({.kind = Kind::dictionary});
      case 0x85:
        return push_tuple(1);
      case 0x86:
        return push_tuple(2);
      case 0x87:
        return push_tuple(3);
      case 't':
        return push({.kind = Kind::tuple, .items = pop_to_mark()});
      case 'a':
        return append({pop()});
      case 'e':
        return append(pop_to_mark());
      case 's':
        return set_last_item();
      case 'u':
        return set_items(pop_to_mark());
      case 'q':
        return memorize(number<std::uint8_t>());
      case 'r':
        return memorize(number<std::uint32_t>());
      case 0x94:
        return memorize(static_cast<std::uint32_t>(memo_.size()));
      case 'h':
        return recall(number<std::uint8_t>());
      case 'j':
        return recall(number<std::uint32_t>());
      case 'c':
        return push_global_lines();
      case 0x93:
        return push_global_texts();
      case 'Q':
        return push_storage();
      case 'R':
        return call();
      case 0x81:
        return make_object();
      case 'b':
        return build();
      default:
        fail("has the instruction ", static_cast<int>(code), " at byte ", taken() - 1,
             ", which weights do not need (expected a file of torch.save or torch.jit.save)");
    }
  }

  void check_protocol(int protocol) const {
    check(protocol >= 2 && protocol <= 5, "is a pickle of protocol ", protocol, " (expected 2 to 5)");
  }

  void stop() {
    check(stack_.size() == 1 && marks_.empty(), "is damaged (it ends with ", stack_.size(), " values, expected 1)");
    root_ = stack_.front();
    stopped_ = true;
  }

  void push(PickleValue value) {
    stack_.push_back(static_cast<PickleIndex>(values_.size()));
    values_.push_back(std::move(value));
  }

  void push_text(std::uint64_t size) { push({.kind = Kind::text, .text = take(size)}); }

  // Items behind the last mark belong to who will take them, which is no instruction for the items before it.
  PickleIndex pop() {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "is damaged (an instruction lacks its values)");
    const PickleIndex index = stack_.back();
    stack_.pop_back();
    return index;
  }

  std::vector<PickleIndex> pop_to_mark() {
    check(!marks_.empty(), "is damaged (an instruction lacks its mark)");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleIndex> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  PickleIndex top() const {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "is damaged (an instruction lacks its values)");
    return stack_.back();
  }

  void push_tuple(std::size_t size) {
    std::vector<PickleIndex> items(size);
    for (std::size_t i = size; i-- > 0;) items[i] = pop();
    push({.kind = Kind::tuple, .items = std::move(items)});
  }

  void append(const std::vector<PickleIndex>& items) {
    PickleValue& list = values_[top()];
    check(list.kind == Kind::list, "appends to ", name_of(list.kind), " (expected a list)");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_last_item() {
    const PickleIndex value = pop();
    const PickleIndex key = pop();
    set_items({key, value});
  }

  void set_items(const std::vector<PickleIndex>& items) {
    PickleValue& dictionary = values_[top()];
    check(dictionary.kind == Kind::dictionary && items.size() % 2 == 0, "sets items of ", name_of(dictionary.kind),
          " (expected pairs for a dictionary)");
    dictionary.items.insert(dictionary.items.end(), items.begin(), items.end());
  }

  void memorize(std::uint32_t number) { memo_[number] = top(); }

  void recall(std::uint32_t number) {
    const auto found = memo_.find(number);
    check(found != memo_.end(), "is damaged (it recalls value ", number, ", which it has not memorized)");
    stack_.push_back(found->second);
  }

  void push_global_lines() {
    const std::string_view module = take_line();
    push_global(module, take_line());
  }

  void push_global_texts() {
    const PickleIndex name = pop();
    const PickleIndex module = pop();
    check(values_[name].kind == Kind::text && values_[module].kind == Kind::text, "is damaged (a name is no text)");
    push_global(values_[module].text, values_[name].text);
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string shown = concat(module.substr(0, 60), '.', name.substr(0, 60));
    check(module.size() + name.size() <= 1000, "names a Python object of ", module.size() + name.size(), " letters");
    texts_.push_back(concat(module, ' ', name));
    check(is_known_global(texts_.back()), "names ", Printable{shown},
          ", which is none of what weights are made of; nothing in it was executed (save the state_dict alone: "
          "torch.save(model.state_dict(), FILE))");
    push({.kind = Kind::global, .text = texts_.back()});
  }

  // ('storage', type, key, location, elements), and in the old format a view of another storage, or None.
  void push_storage() {
    const std::vector<PickleIndex>& id = items_of(pop(), Kind::tuple, "a storage");
    check((id.size() == 5 || id.size() == 6) && values_[id[0]].text == "storage" &&
              values_[id[1]].kind == Kind::global && values_[id[2]].kind == Kind::text &&
              values_[id[4]].kind == Kind::integer,
          "refers to a storage in an unknown way (expected storage, type, key, location, size)");
    check(id.size() == 5 || values_[id[5]].kind == Kind::none,
          "has a storage that is a view of another (load and save it with a newer PyTorch)");
    const std::int64_t elements = values_[id[4]].number;
    check(elements >= 0, "has a storage of ", elements, " elements");
    push({.kind = Kind::storage, .number = elements, .text = values_[id[2]].text, .items = {id[1]}});
  }

  const std::vector<PickleIndex>& items_of(PickleIndex index, Kind kind, std::string_view what) const {
    check(values_[index].kind == kind, "makes ", what, " from ", name_of(values_[index].kind), " (expected ",
          name_of(kind), ")");
    return values_[index].items;
  }

  // Calls a function in name only: what it would return is known.
  void call() {
    const PickleIndex arguments_index = pop();
    const PickleValue callee = values_[pop()];
    check(callee.kind == Kind::global, "calls ", name_of(callee.kind), " (expected a function)");
    const std::size_t count = items_of(arguments_index, Kind::tuple, "a call").size();
    check(count <= 10, "calls ", Printable{global_name(callee)}, " with ", count, " arguments");
    const std::vector<PickleIndex> arguments = values_[arguments_index].items;
    if (callee.text == "collections OrderedDict") return make_dictionary(arguments);
    const bool from_storage =
        callee.text == "torch._utils _rebuild_tensor_v2" || callee.text == "torch._utils _rebuild_tensor";
    if (from_storage) return make_tensor(arguments);
    check(!is_script_class(callee.text) && !callee.text.ends_with("Storage") && !arguments.empty(), "calls ",
          Printable{global_name(callee)}, " in an unknown way");
    stack_.push_back(arguments[0]);  // the others return what they are given, with another type
  }

  // Of nothing, or, as Python 2 wrote it, of a list of pairs.
  void make_dictionary(const std::vector<PickleIndex>& arguments) {
    PickleValue dictionary{.kind = Kind::dictionary};
    check(arguments.size() <= 1, "makes an OrderedDict of ", arguments.size(), " arguments");
    if (!arguments.empty()) {
      for (const PickleIndex pair : items_of(arguments[0], Kind::list, "an OrderedDict")) {
        check(++pairs_ <= most_steps, "makes OrderedDicts of more than ", most_steps, " pairs");
        const PickleValue& value = values_[pair];
        check((value.kind == Kind::list || value.kind == Kind::tuple) && value.items.size() == 2,
              "makes an OrderedDict of ", name_of(value.kind), " (expected pairs)");
        dictionary.items.insert(dictionary.items.end(), value.items.begin(), value.items.end());
      }
    }
    push(std::move(dictionary));
  }

  // (storage, offset, sizes, strides, requires_grad, hooks, ...)
  void make_tensor(const std::vector<PickleIndex>& arguments) {
    check(arguments.size() >= 4 && values_[arguments[0]].kind == Kind::storage &&
              values_[arguments[1]].kind == Kind::integer && values_[arguments[2]].kind == Kind::tuple &&
              values_[arguments[3]].kind == Kind::tuple,
          "makes a tensor in an unknown way (expected a storage, an offset, sizes and strides)");
    push({.kind = Kind::tensor, .items = {arguments.begin(), arguments.begin() + 4}});
  }

  void make_object() {
    pop();  // the arguments, which TorchScript's classes have none of
    const PickleIndex callee = pop();
    check(values_[callee].kind == Kind::global && is_script_class(values_[callee].text), "makes an object of ",
          Printable{global_name(values_[callee])}, " (expected a TorchScript class)");
    push({.kind = Kind::object, .items = {callee}});
  }

  // Gives the object on the stack its state. A dictionary's attributes say nothing of weights.
  void build() {
    const PickleIndex state = pop();
    PickleValue& value = values_[top()];
    if (value.kind == Kind::dictionary) return;
    check(value.kind == Kind::object && value.items.size() == 1, "gives a state to ", name_of(value.kind));
    value.items.push_back(state);
  }

  std::vector<PickleValue> values_;
  std::deque<std::string> texts_;
  std::vector<PickleIndex> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleIndex> memo_;
  PickleIndex root_ = 0;
  std::size_t pairs_ = 0;  // given to OrderedDict, as one list may be again and again
  bool stopped_ = false;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"

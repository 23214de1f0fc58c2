// Which tensor of a file of weights is which of a network's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/convert/foreign_file.hpp"
#include "dvd/convert/network_tensors.hpp"
#include "dvd/convert/strided_floats.hpp"
#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How a file's tensors become a network's.
struct TensorMatch {
  /// A tensor of the network, and what it is made from.
  struct Assignment {
    NetworkTensor tensor;
    std::optional<std::size_t> source;       ///< its number in the file; none: ones
    bool depth_height_width_in_out = false;  ///< see ForeignName
  };
  /// What is left out, and why.
  struct Skipped {
    std::size_t source = 0;
    std::string reason;
  };

  ClipNetwork network = ClipNetwork::i3d;
  std::int64_t classes = 0;
  std::string prefix;  ///< what the file has in front of every name, with dots: "RGB.inception_i3d."
  std::vector<Assignment> assignments;
  std::vector<Skipped> skipped;
};

namespace detail {

inline std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += concat(text.empty() ? "" : ", ", size);
  return concat('[', text, ']');
}

// The first few of many, and how many there are more.
inline std::string some_of(const std::vector<std::string>& texts) {
  constexpr std::size_t shown = 3;
  std::string all;
  for (std::size_t i = 0; i < std::min(shown, texts.size()); ++i) all += concat(i == 0 ? "" : ", ", texts[i]);
  return texts.size() > shown ? concat(all, " and ", texts.size() - shown, " more") : all;
}

// Compares a file's names with a network's.
class TensorMatcher : FileChecks {
 public:
  TensorMatcher(const std::string& path, const ForeignFile& file, ClipNetwork network)
      : FileChecks(path), file_(file), network_(network), tensors_(network_tensors(network, 0)) {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      for (std::size_t k = 0; k < tensors_[i].foreign.size(); ++k)
        known_.emplace(tensors_[i].foreign[k].text, std::pair(i, k));
    std::map<std::string, std::size_t> prefixes;
    for (const ForeignTensor& tensor : file.tensors()) {
      found_.push_back(find(tensor.name));
      if (found_.back()) ++prefixes[found_.back()->prefix];
    }
    for (const auto& [prefix, count] : prefixes)
      if (count > recognized_) {
        recognized_ = count;
        prefix_ = prefix;
      }
  }

  /// How many of the file's tensors have names of the network's.
  std::size_t recognized() const { return recognized_; }

  TensorMatch match() {
    TensorMatch result{.network = network_, .prefix = prefix_, .assignments = {}, .skipped = {}};
    sources_.assign(tensors_.size(), {});
    std::vector<std::string> extra;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const std::string reason = found_[i] ? use(i) : reason_to_skip(file_.tensors()[i]);
      if (reason.empty() && !found_[i]) extra.push_back(concat(Printable{file_.tensors()[i].name}));
      if (!reason.empty()) result.skipped.push_back({i, reason});
    }
    check(recognized_ > 0, "holds no tensor of ", title(), "'s",
          extra.empty() ? std::string() : concat(" (it holds ", some_of(extra), ")"));
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (!sources_[i] && !tensors_[i].ones_if_missing) missing.push_back(tensors_[i].name);
    check(missing.empty(), "lacks ", missing.size(), " of ", title(), "'s ", tensors_.size(),
          " tensors: ", some_of(missing));
    check(extra.empty(), "holds ", extra.size(), extra.size() == 1 ? " tensor" : " tensors", " that ", title(),
          " does not have: ", some_of(extra));
    set_classes(result);
    check_shapes();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      TensorMatch::Assignment assignment{.tensor = tensors_[i], .source = {}};
      if (sources_[i]) assignment.source = sources_[i]->first;
      assignment.depth_height_width_in_out = sources_[i] && sources_[i]->second;
      result.assignments.push_back(std::move(assignment));
    }
    return result;
  }

 private:
  struct Found {
    std::size_t tensor, name;  // which of the network's, and by which of its names
    std::string prefix;
  };

  std::string_view title() const { return network_ == ClipNetwork::i3d ? "I3D" : "C3D"; }

  // A file's name with dots, and without what TensorFlow 2 adds to its variables'.
  static std::string plain_name(const std::string& name) {
    constexpr std::string_view attribute = "/.ATTRIBUTES/VARIABLE_VALUE";
    std::string plain = name.substr(0, name.size() - (name.ends_with(attribute) ? attribute.size() : 0));
    std::ranges::replace(plain, '/', '.');
    return plain;
  }

  // The name is known if it is so from any of its parts on; what comes before is the prefix.
  std::optional<Found> find(const std::string& name) const {
    const std::string plain = plain_name(name);
    constexpr int most_parts = 5;  // of a known name
    std::size_t begin = 0, end = plain.size();
    for (int part = 0; part < most_parts && end != plain.npos && end > 0; ++part) {
      end = plain.rfind('.', end - 1);
      begin = end == plain.npos ? 0 : end + 1;
    }
    for (;; ++begin) {
      const auto known = known_.find(std::string_view(plain).substr(begin));
      if (known != known_.end()) return Found{known->second.first, known->second.second, plain.substr(0, begin)};
      begin = plain.find('.', begin);
      if (begin == plain.npos) return std::nullopt;
    }
  }

  // Takes a tensor whose name is known. Returns why not.
  std::string use(std::size_t index) {
    const Found& found = *found_[index];
    const Printable name{file_.tensors()[index].name};
    if (found.prefix != prefix_) return concat("of another network in the same file");
    auto& source = sources_[found.tensor];
    check(!source, "holds ", tensors_[found.tensor].name, " twice, as ",
          source ? concat(Printable{file_.tensors()[source->first].name}) : std::string(), " and ", name);
    source.emplace(index, tensors_[found.tensor].foreign[found.name].depth_height_width_in_out);
    return "";
  }

  // Of a tensor whose name is not known; empty: there is none.
  std::string reason_to_skip(const ForeignTensor& tensor) const {
    const std::string plain = plain_name(tensor.name);
    const std::size_t dot = plain.rfind('.');
    const std::string last = dot == plain.npos ? plain : plain.substr(dot + 1);
    if (last == "num_batches_tracked") return "a norm's counter of training steps";
    if (dot != plain.npos && find(plain.substr(0, dot))) return "an optimizer's or average's copy";
    if (!tensor.type) return concat("no numbers: ", tensor.type_name);
    if (!is_floating(*tensor.type) && element_count(tensor.shape) == 1) return "a counter";
    if (last == "learning_rate" || last == "global_step") return "a setting of the training";
    if (network_ == ClipNetwork::c3d && (last == "mean" || last == "std")) return "its input's; give it by --mean";
    return "";
  }

  void set_classes(TensorMatch& result) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].name != classes_tensor(network_)) continue;
      const ForeignTensor& source = file_.tensors()[sources_[i]->first];
      result.classes = source.shape.empty() ? 0 : source.shape.back();
      const bool known =
          network_ == ClipNetwork::i3d ? result.classes == 400 || result.classes == 600 : result.classes == 101;
      check(known, "is of a network of ", result.classes, " classes (tensor ", Printable{source.name}, "; expected ",
            network_ == ClipNetwork::i3d ? "Kinetics' 400 or 600)" : "UCF-101's 101)");
    }
    const std::vector<NetworkTensor> sized = network_tensors(network_, result.classes);
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].shape = sized[i].shape;
  }

  // The shape that a file must have for a tensor: kernels may have their axes in another order, and what has one axis
  // may have others of 1 before it.
  bool fits(const ForeignTensor& source, const NetworkTensor& tensor, bool other_order) const {
    std::vector<std::int64_t> shape = source.shape;
    const std::vector<std::int64_t>& wanted = tensor.shape;
    if (other_order && shape.size() == 5) shape = {shape[4], shape[3], shape[0], shape[1], shape[2]};
    if (wanted.size() == 1 && std::ranges::count(shape, 1) >= static_cast<std::ptrdiff_t>(shape.size()) - 1 &&
        !shape.empty())
      shape = {shape.back()};
    return shape == wanted;
  }

  void check_shapes() const {
    std::vector<std::string> wrong;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (!sources_[i]) continue;
      const ForeignTensor& source = file_.tensors()[sources_[i]->first];
      check(source.type && is_floating(*source.type), "tensor ", Printable{source.name}, " holds ",
            Printable{source.type_name}, " (expected floating-point numbers)");
      if (fits(source, tensors_[i], sources_[i]->second)) continue;
      std::vector<std::int64_t> wanted = tensors_[i].shape;
      if (sources_[i]->second) wanted = {wanted[2], wanted[3], wanted[4], wanted[1], wanted[0]};
      wrong.push_back(
          concat(Printable{source.name}, " is ", shape_text(source.shape).substr(0, 80), ", not ", shape_text(wanted)));
    }
    check(wrong.empty(), "holds ", wrong.size(), wrong.size() == 1 ? " tensor" : " tensors",
          " of a wrong shape: ", some_of(wrong));
  }

  const ForeignFile& file_;
  ClipNetwork network_;
  std::vector<NetworkTensor> tensors_;
  std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> known_;
  std::vector<std::optional<Found>> found_;                           // one a tensor of the file
  std::vector<std::optional<std::pair<std::size_t, bool>>> sources_;  // one a tensor of the network
  std::string prefix_;
  std::size_t recognized_ = 0;
};

}  // namespace detail

/// Finds a network's tensors in a file, which `path` names in messages: by their names, with whatever prefix all have
/// in common, and their shapes. FileError where one is missing, is there twice or has another shape, and where there
/// are others than are known to be of no use.
inline TensorMatch match_tensors(const std::string& path, const ForeignFile& file, ClipNetwork network) {
  return detail::TensorMatcher(path, file, network).match();
}

/// The network that most of the file's names are of. FileError where they are of none.
inline ClipNetwork guess_network(const std::string& path, const ForeignFile& file) {
  const std::size_t i3d = detail::TensorMatcher(path, file, ClipNetwork::i3d).recognized();
  const std::size_t c3d = detail::TensorMatcher(path, file, ClipNetwork::c3d).recognized();
  if (i3d == 0 && c3d == 0) {
    std::string others = concat(file.format(), ", ", file.tensors().size(), " tensors");
    if (!file.tensors().empty()) others += concat(", such as ", detail::Printable{file.tensors()[0].name});
    for (const std::string& remark : file.remarks()) others += concat("; ", remark);
    throw FileError(concat(path, ": holds no tensor that has a name of I3D's or C3D's (", others.substr(0, 400), ")"));
  }
  return i3d >= c3d ? ClipNetwork::i3d : ClipNetwork::c3d;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

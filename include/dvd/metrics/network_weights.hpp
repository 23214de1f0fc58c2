// Weights of the networks that look at clips, out of safetensors files.
//
// Beside the tensors, under the names that a network visits, a file's metadata hold
//
//     network            "i3d", "c3d"; where it is missing, the tensors' names tell
//     variant            what it was trained on: "k400-scratch", "k600-scratch", "rgb-imagenet"; "ucf101"
//     epsilon            what the norms add to a variance, a number as text; 0.001 where it is missing
//     source_hash        of the file that the weights were converted from; may be missing
//     tensor_checksums   JSON, from every tensor's name to the hash of its bytes, 16 hexadecimal digits; may be missing
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/parameter.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/safetensors.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A file of network weights, read and checked as a whole when constructed. Nothing in it is trusted: every problem
/// throws FileError, one line that begins with the path.
class NetworkWeights : detail::FileChecks {
 public:
  /// Reads the weights of `network`. FileError for a file that is no such file, is damaged, or is of another network.
  NetworkWeights(const std::filesystem::path& path, std::string_view network) : FileChecks(path.string()), file_(path) {
    std::string found = metadata("network");
    if (found.empty()) found = contains("Conv3d_1a_7x7.conv3d.weight") ? "i3d" : contains("conv1a.W") ? "c3d" : "";
    check(!found.empty(), "does not say of which network it holds weights (expected metadata with \"network\": \"",
          network, "\", as convert_weights writes them)");
    check(found == network, "holds weights of the network ", detail::Printable{found}, " (expected ", network, ")");
    check(file_.checksum_fits(),
          "is damaged: its content does not fit the checksum in its metadata (convert the weights "
          "again)");
    check_tensors();
    if (const std::string text = metadata("epsilon"); !text.empty()) {
      const char* const end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data(), end, epsilon_);
      check(error == std::errc() && stop == end && is_finite(epsilon_) && epsilon_ > 0 && epsilon_ < 1,
            "says that its norms' epsilon is ", detail::Printable{text}, " (expected a number between 0 and 1)");
    }
    hash_ = file_.content_hash();
  }

  std::string variant() const { return metadata("variant"); }
  double epsilon() const { return epsilon_; }
  std::string source_hash() const { return metadata("source_hash"); }
  /// Of all that the file holds, 16 hexadecimal digits.
  const std::string& hash() const { return hash_; }

  bool contains(std::string_view name) const { return file_.contains(name); }

  /// Throws FileError unless the variant is one of these.
  void expect_variant(const std::vector<std::string_view>& known) const {
    std::string all;
    for (const std::string_view one : known) {
      if (variant() == one) return;
      all += concat(all.empty() ? "" : ", ", one);
    }
    fail("is of the variant ", detail::Printable{variant()}, " (expected one of ", all, ")");
  }

  /// The elements of a tensor of this shape, which is `what`. FileError unless there is one, of finite floating-point
  /// values.
  template <std::floating_point T>
  std::vector<T> read(const std::string& name, const Shape& shape, const char* what = "a weight") const {
    check(file_.contains(name), "has no tensor ", name, " (expected ", what, ", ", shape, ")");
    check_shape(name, shape);
    std::vector<T> values = file_.read<T>(name);
    for (const T& value : values) check(is_finite(value), "tensor ", name, " holds a value that is not finite");
    return values;
  }

  /// Assigns all that `network` visits. Counters of a norm's training steps, which PyTorch saves, are passed over.
  /// FileError for tensors that are missing, of another shape, not known to the
  /// network (but for those in `others`), not finite or, as variances, below 0; the network is then unchanged.
  template <class Network>
  void load(Network& network, const std::set<std::string>& others = {}) const {
    using P = FullPrecision<typename Network::scalar_type>;
    auto all = contents(network);
    std::vector<std::pair<std::string, Tensor<P, typename Network::device_type>*>> tensors;
    for (auto& [name, parameter] : all.parameters) tensors.emplace_back(name, &parameter->value);
    for (auto& [name, buffer] : all.buffers) tensors.emplace_back(name, &buffer->value);

    std::set<std::string> known = others;
    std::vector<std::string> missing, unknown;
    for (const auto& [name, tensor] : tensors) {
      known.insert(name);
      if (!file_.contains(name)) missing.push_back(name);
    }
    for (const std::string& name : file_.names())
      if (!known.contains(name) && !name.ends_with(".num_batches_tracked")) unknown.push_back(name);
    check(missing.empty(), "has no tensor ", some(missing), " (expected the ", tensors.size(), " of the network)");
    check(unknown.empty(), "has a tensor ", some(unknown), ", which is none of the network's");
    for (const auto& [name, tensor] : tensors) check_shape(name, tensor->shape());
    for (const bool assigning : {false, true})  // checks everything first, and holds one tensor at a time
      for (const auto& [name, tensor] : tensors) {
        const std::vector<P> values = read<P>(name, tensor->shape());
        if (name.ends_with("running_var"))
          for (const P value : values)
            check(value >= 0, "tensor ", name, " holds ", value, " (a variance is not below 0)");
        if (assigning) tensor->assign(values);
      }
  }

 private:
  /// Empty where there is none.
  std::string metadata(const char* key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? "" : found->second;
  }

  /// Compares the tensors' checksums, if there are any, with the tensors.
  void check_tensors() const {
    const std::string text = metadata("tensor_checksums");
    if (text.empty()) return;
    const nlohmann::json checksums = nlohmann::json::parse(text, nullptr, false);
    check(checksums.is_object(), "its tensor_checksums are not a JSON object");
    for (const std::string& name : file_.names()) {
      const auto stated = checksums.find(name);
      check(stated != checksums.end() && stated->is_string(), "has no checksum of tensor ", detail::Printable{name});
      detail::ContentHash hash;
      hash.add(file_.bytes(name));
      check(stated->get<std::string>() == hash.text(), "is damaged: tensor ", detail::Printable{name},
            " does not fit its checksum (convert the weights again)");
    }
  }

  void check_shape(const std::string& name, const Shape& shape) const {
    const std::vector<std::int64_t>& found = file_.shape(name);
    if (std::equal(found.begin(), found.end(), shape.begin(), shape.end())) return;
    std::string text;
    for (const std::int64_t extent : found) text += concat(text.empty() ? "" : ", ", extent);
    fail("tensor ", name, " has shape [", text, "] (expected ", shape, ")");
  }

  /// The first of some names, and how many there are.
  static std::string some(const std::vector<std::string>& names) {
    if (names.empty()) return "";
    return names.size() == 1 ? concat(detail::Printable{names[0]})
                             : concat(detail::Printable{names[0]}, ", and ", names.size() - 1, " more");
  }

  SafetensorsFile file_;
  double epsilon_ = 1e-3;
  std::string hash_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// Reference values computed by another implementation, and the comparison with them.
//
// A file holds a case: inputs `in.X`, parameters `param.X`, buffers `buffer.X`, `upstream.y` = dL/dy, and the results
// `RUN.out.y`, `RUN.grad.in.X`, `RUN.grad.param.X`, `RUN.after.X` (buffers afterwards). All sizes come from the file,
// so a folder of other files under the same names, named by DVD_PARITY_DIR, tests other sizes.
//
// In float and double the largest difference counts. In bfloat16 and TF32 what is allowed is derived from what PyTorch
// does to the same arrays (tests/data/parity/make_rounding_errors.py): an array may be off by 1.5 times as much, by the
// root of the mean square, since where a ReLU's input or two inputs of a maximum nearly tie, single elements of
// gradients come from another piece, which is as right.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/frame_sampler.hpp"
#include "dvd/models/config_json.hpp"
#include "support/layouts.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

inline std::filesystem::path parity_file(const std::string& name) {
  if (const char* folder = std::getenv("DVD_PARITY_DIR"))
    if (const auto other = std::filesystem::path(folder) / name; std::filesystem::exists(other)) return other;
  return std::filesystem::path(DVD_TEST_DATA) / "parity" / name;
}

// What D rounds the factors of its products to: "bfloat16", "tf32" or, if it keeps them, nothing.
template <class T, class D>
std::string rounding_of() {
  if (std::same_as<T, bfloat16>) return "bfloat16";
  if constexpr (requires { D::tf32_allowed(); })
    if (D::tf32_allowed()) return "tf32";
  return "";
}

// How far PyTorch is off in the arrays of one file when it rounds so.
class RoundingErrors {
 public:
  RoundingErrors(const std::string& name, const std::filesystem::path& folder, std::string rounding)
      : rounding_(std::move(rounding)) {
    if (rounding_.empty()) return;
    // A set of files that comes without errors of its own is held to the largest that other sets have.
    const bool own = std::filesystem::exists(folder / file_name);
    std::ifstream file(own ? folder / file_name : std::filesystem::path(DVD_TEST_DATA) / "parity" / file_name);
    const nlohmann::json all = nlohmann::json::parse(file);
    by_kind_ = !own;
    if (const auto& errors = all.at(own ? "arrays" : "worst"); errors.contains(name)) errors_ = errors.at(name);
  }

  // Whether there are any for this file.
  bool known() const { return !errors_.empty(); }

  // What an array may be off by.
  //
  // What PyTorch computes in float32 all along is held to float's tolerance. In all else the input of a product, its
  // weight, the gradient from above and the result are each rounded, which puts an array off by 2^-9 in bfloat16 (half
  // a unit in the last place is 2^-9 to 2^-8 of a number, and its root of the mean square about 2^-9) and 2^-12 in
  // TF32. Where these cancel in PyTorch, or it keeps some of them in float32, the sum of the four is allowed.
  double allowed(const std::string& array, double in_float) const {
    const double error = errors_.at(key(array)).at(rounding_).template get<double>();
    const double one_rounding = rounding_ == "tf32" ? 0x1p-12 : 0x1p-9;
    return error < 1e-5 ? in_float : std::max(1.5 * error, 4 * one_rounding);
  }

 private:
  static constexpr const char* file_name = "rounding_errors.json";

  // train.grad.param.conv1.weight is of the kind grad, train.after.conv1.u of the kind after.u.
  std::string key(const std::string& array) const {
    if (!by_kind_) return array;
    const auto run = array.find('.') + 1;
    const std::string what = array.substr(run, array.find('.', run) - run);
    return what == "after" ? what + array.substr(array.rfind('.')) : what;
  }

  std::string rounding_;
  bool by_kind_ = false;
  nlohmann::json errors_;
};

// One reference file, read for a library that computes in T on D. Remembers which of its tensors a test has looked at.
template <class T, class D = Cpu>
class Reference {
 public:
  using P = FullPrecision<T>;

  explicit Reference(const std::string& name)
      : name_(name),
        rounding_(rounding_of<T, D>()),
        file_(parity_file(name + ".safetensors")),
        rounding_errors_(name, parity_file(name + ".safetensors").parent_path(), rounding_),
        attributes_(nlohmann::json::parse(file_.metadata().at("attributes"))) {
    for (const auto& zero : nlohmann::json::parse(file_.metadata().at("zero_gradients")))
      zero_gradients_.insert(zero.get<std::string>());
    bool single = false;
    for (const std::string& tensor : file_.names()) {
      unread_.insert(tensor);
      single = single || file_.type(tensor) == DataType::F32;
      if (tensor.ends_with(".out.y"))
        largest_result_ = std::max(largest_result_, root_mean_square(file_.read<double>(tensor)));
      if (tensor.find(".grad.") == std::string::npos) continue;
      const std::vector<double> gradient = file_.read<double>(tensor);
      LargestGradient& largest = largest_gradient_[run_of(tensor)];
      largest.element = std::max(largest.element, largest_of(gradient));
      largest.root_mean_square = std::max(largest.root_mean_square, root_mean_square(gradient));
    }
    // The largest absolute difference over the largest absolute value; in bfloat16 of a file without rounding errors,
    // which holds one layer, five roundings, each to half a unit in the last place of what is largest.
    tolerance_ = sizeof(P) == 4 ? float_tolerance : single ? 1e-6 : 1e-9;
    if (std::same_as<T, bfloat16>) tolerance_ = 5 * 0x1p-8;
  }

  // All that is compared is in float32 for whatever T.
  void expect_full_precision() {
    if (std::same_as<T, bfloat16>) tolerance_ = float_tolerance;
  }

  const std::string& name() const { return name_; }
  double tolerance() const { return tolerance_; }
  const nlohmann::json& attributes() const { return attributes_; }
  // A size among the attributes.
  Index size(const char* attribute) const { return attributes_.at(attribute).get<Index>(); }

  DvdGanConfig config() const { return config_from_json(Json::parse(file_.metadata().at("config"))); }

  static Upsampling upsampling(const std::string& kind) {
    require(kind == "bilinear" || kind == "nearest", "unknown upsampling ", kind);
    return kind == "bilinear" ? Upsampling::bilinear : Upsampling::nearest;
  }

  Tensor<T, D> tensor(const std::string& name, Layout layout = as_stored) {
    return cast<T>(precise_tensor(name, layout)).clone();
  }

  Tensor<P, D> precise_tensor(const std::string& tensor, Layout layout = as_stored) {
    Shape shape = shape_of(tensor);
    const std::vector<P> values = reordered(file_.read<P>(tensor), shape, layout.stored, layout.held);
    unread_.erase(tensor);
    return Tensor<P, D>(shape, values);
  }

  // None, where a model without classes has none.
  Labels labels(const std::string& tensor) {
    if (!file_.contains(tensor) && config().classes == 0) return {};
    unread_.erase(tensor);
    return file_.read<Index>(tensor);
  }

  FrameIndices frames(const std::string& tensor) {
    const Shape shape = shape_of(tensor);
    unread_.erase(tensor);
    return {shape[0], shape[1], file_.read<Index>(tensor)};
  }

  // Sets parameters and buffers to those of the file, and gradients to 0. Both must hold the same names.
  void load(Contents<P, D> contents, const std::string& parameters = "param.", const std::string& buffers = "buffer.") {
    for (auto& [name, parameter] : contents.parameters) assign(parameter->value, parameters + name);
    for (auto& [name, buffer] : contents.buffers) assign(buffer->value, buffers + name);
    contents.clear_gradients();
  }

  // In bfloat16, where no errors of PyTorch are known: gradients are compared by the root of the mean square, relative
  // to that of the expected values or, where a sum cancels, to a tenth of the run's largest.
  void expect_ties(double gradients) {
    if (std::same_as<T, bfloat16>) gradient_tolerance_ = gradients;
  }

  // Compares a result. `slack` widens the tolerance.
  template <Scalar U>
  void check(const std::string& tensor, const Tensor<U, D>& actual, Layout layout = as_stored, double slack = 1) {
    const auto [expected, differences] = differences_of(tensor, actual, layout);
    const bool is_gradient = tensor.find(".grad.") != std::string::npos;
    const bool rounds = rounding_errors_.known();
    if (rounds || (is_gradient && gradient_tolerance_)) {
      double scale = root_mean_square(expected);
      if (is_gradient) scale = std::max(scale, 0.1 * largest_gradient_.at(run_of(tensor)).root_mean_square);
      if (tensor.ends_with(".out.y") && actual.shape().rank() == 1)  // scores, which may cancel
        scale = std::max(largest_result_, 1.0);
      report(tensor, root_mean_square(differences) / scale,
             rounds ? rounding_errors_.allowed(tensor, float_tolerance) : *gradient_tolerance_);
      return;
    }
    double scale = largest_of(expected);
    if (zero_gradients_.contains(tensor)) scale = 0.1 * largest_gradient_.at(run_of(tensor)).element;
    const double difference = largest_of(differences);
    report(tensor, scale > 0 ? difference / (scale * slack) : difference > 0 ? INFINITY : 0, tolerance_);
  }

  // Compares a single number.
  void check(const std::string& tensor, double actual) {
    check(tensor, Tensor<P, D>(Shape{}, std::vector<P>{static_cast<P>(actual)}));
  }

  // Compares the gradients of all parameters of `contents`. One that no backward pass touched counts as 0. Where
  // rounding may put single ones off by all their size, in networks of many layers, they are compared as one vector.
  void check_gradients(const std::string& prefix, const Contents<P, D>& contents) {
    const bool as_one = rounding_errors_.known() && name_.starts_with("generator");
    std::vector<double> all_expected, all_differences;
    for (const auto& [name, parameter] : contents.parameters) {
      const Tensor<P, D> gradient =
          parameter->gradient ? parameter->gradient : Tensor<P, D>::zeros(parameter->value.shape());
      if (!as_one) {
        check(prefix + name, gradient);
        continue;
      }
      const auto [expected, differences] = differences_of(prefix + name, gradient, as_stored);
      all_expected.insert(all_expected.end(), expected.begin(), expected.end());
      all_differences.insert(all_differences.end(), differences.begin(), differences.end());
    }
    if (as_one)
      report(prefix + "*", root_mean_square(all_differences) / root_mean_square(all_expected),
             rounding_errors_.allowed(prefix + "*", float_tolerance));
  }

  // Compares the buffers of `contents`.
  void check_buffers(const std::string& prefix, const Contents<P, D>& contents) {
    for (const auto& [name, buffer] : contents.buffers) check(prefix + name, buffer->value);
  }

  // The expected values and the largest absolute difference from them; the test decides.
  template <Scalar U>
  std::pair<std::vector<double>, double> difference_of(const std::string& tensor, const Tensor<U, D>& actual,
                                                       Layout layout = as_stored) {
    const auto [expected, differences] = differences_of(tensor, actual, layout);
    return {expected, largest_of(differences)};
  }

  // Takes down a relative error.
  void report(const std::string& tensor, double error, double tolerance) {
    CHECK_MESSAGE(error <= tolerance, name_, ": ", tensor, " is off by ", error, ", more than ", tolerance);
    if (detailed_) std::printf("%s %s %s %.3g %.3g\n", name_.c_str(), precision(), tensor.c_str(), error, tolerance);
    if (!(error / tolerance <= worst_ / worst_tolerance_)) {
      worst_ = error;
      worst_tolerance_ = tolerance;
      worst_name_ = tensor;
    }
  }

  // Whether the gradient of this parameter is zero in exact arithmetic, in some run.
  bool has_zero_gradient(const std::string& parameter) const {
    for (const std::string& zero : zero_gradients_)
      if (zero.ends_with(".grad." + parameter)) return true;
    return false;
  }

  // Fails unless every tensor of the file was used or compared.
  void finish() {
    for (const std::string& tensor : unread_) FAIL_CHECK(name_ << ": nothing looked at " << tensor);
    if (std::getenv("DVD_PARITY_REPORT"))
      std::printf("%-28s %-8s  %.1e of %.0e  %s\n", name_.c_str(), precision(), worst_, worst_tolerance_,
                  worst_name_.c_str());
  }

  std::vector<std::string> names() const { return file_.names(); }

 private:
  // Of all tensors of a run.
  struct LargestGradient {
    double element = 0, root_mean_square = 0;
  };

  const char* precision() const { return !rounding_.empty() ? rounding_.c_str() : sizeof(T) == 4 ? "float" : "double"; }

  // What stands before `.grad.` or, in other names, before the first dot.
  static std::string run_of(const std::string& tensor) {
    const auto gradient = tensor.find(".grad.");
    return tensor.substr(0, gradient != std::string::npos ? gradient : tensor.find('.'));
  }

  // What is no number is larger than any.
  static double largest_of(const std::vector<double>& values) {
    double largest = 0;
    for (const double value : values) largest = std::isnan(value) ? INFINITY : std::max(largest, std::abs(value));
    return largest;
  }

  static double root_mean_square(const std::vector<double>& values) {
    double squares = 0;
    for (const double value : values) squares += value * value;
    return std::isnan(squares) ? INFINITY : std::sqrt(squares / static_cast<double>(values.size()));
  }

  // The expected values and the differences from them.
  template <Scalar U>
  std::pair<std::vector<double>, std::vector<double>> differences_of(const std::string& tensor,
                                                                     const Tensor<U, D>& actual, Layout layout) {
    Shape shape = shape_of(tensor);
    const std::vector<double> expected = reordered(file_.read<double>(tensor), shape, layout.stored, layout.held);
    unread_.erase(tensor);
    CHECK_MESSAGE(actual.shape() == shape, tensor);
    if (actual.size() != shape.size()) return {expected, {INFINITY}};
    const std::vector<U> values = actual.to_vector();
    std::vector<double> differences;
    for (std::size_t i = 0; i < values.size(); ++i) differences.push_back(static_cast<double>(values[i]) - expected[i]);
    return {expected, differences};
  }

  Shape shape_of(const std::string& tensor) const {
    Shape shape;
    for (const Index extent : file_.shape(tensor)) shape.append(extent);
    return shape;
  }

  void assign(Tensor<P, D>& to, const std::string& name) {
    const Tensor<P, D> from = precise_tensor(name);
    REQUIRE_MESSAGE(from.shape() == to.shape(), name);
    to.copy_from(from);
  }

  static constexpr double float_tolerance = 1e-4;

  std::string name_, rounding_;
  SafetensorsFile file_;
  RoundingErrors rounding_errors_;
  nlohmann::json attributes_;
  std::set<std::string> zero_gradients_, unread_;
  std::map<std::string, LargestGradient> largest_gradient_;
  double tolerance_ = 0, largest_result_ = 0, worst_ = 0, worst_tolerance_ = 1;
  std::optional<double> gradient_tolerance_;
  // DVD_PARITY_REPORT=1 prints what is nearest to its tolerance, =all every array.
  const bool detailed_ = std::getenv("DVD_PARITY_REPORT") && std::getenv("DVD_PARITY_REPORT") == std::string("all");
  std::string worst_name_;
};

}  // namespace dvd::testing

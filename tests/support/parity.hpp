// Reference values computed by another implementation, and the comparison with them.
//
// A file holds a case: inputs `in.X`, parameters `param.X`, buffers `buffer.X`, `upstream.y` = dL/dy, and the results
// `RUN.out.y`, `RUN.grad.in.X`, `RUN.grad.param.X`, `RUN.after.X` (buffers afterwards). All sizes come from the file,
// so a folder of other files under the same names, named by DVD_PARITY_DIR, tests other sizes.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
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

// One reference file, read for a library that computes in T on D. Remembers which of its tensors a test has looked at.
template <class T, class D = Cpu>
class Reference {
 public:
  using P = FullPrecision<T>;

  explicit Reference(const std::string& name)
      : name_(name),
        file_(parity_file(name + ".safetensors")),
        attributes_(nlohmann::json::parse(file_.metadata().at("attributes"))) {
    for (const auto& zero : nlohmann::json::parse(file_.metadata().at("zero_gradients")))
      zero_gradients_.insert(zero.get<std::string>());
    bool single = false;
    for (const std::string& tensor : file_.names()) {
      unread_.insert(tensor);
      single = single || file_.type(tensor) == DataType::F32;
      if (tensor.find(".grad.") == std::string::npos) continue;
      const std::vector<double> gradient = file_.read<double>(tensor);
      LargestGradient& largest = largest_gradient_[run_of(tensor)];
      largest.element = std::max(largest.element, largest_of(gradient));
      largest.root_mean_square = std::max(largest.root_mean_square, root_mean_square(gradient));
    }
    // The largest absolute difference over the largest absolute value.
    tolerance_ = sizeof(T) == 2 ? 2e-2 : sizeof(T) == 4 ? 1e-4 : single ? 1e-6 : 1e-9;
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

  // In bfloat16, what decides between pieces, a ReLU or a pooling of maxima, decides otherwise where rounding lets a
  // near tie fall to the other side. Those elements of a gradient are then of another piece, which is as right, and are
  // all that the largest difference would see. So gradients are compared by the root of the mean square: of
  // differences, relative to that of the expected values or, where a sum cancels, to a tenth of the run's largest. The
  // same layer in double, its inputs and weights off by a bfloat16's rounding, misses by as much; a wrong sign or place
  // misses by more than 1.
  void expect_ties(double gradients) {
    if (std::same_as<T, bfloat16>) gradient_tolerance_ = gradients;
  }

  // The same where many such layers follow one another: results, too, are compared by mean squares, and the gradients
  // of parameters as one long vector, since single ones may be off by all their size, in double with inputs as above
  // too.
  void expect_ties_in_sequence(double gradients, double results) {
    expect_ties(gradients);
    if (std::same_as<T, bfloat16>) result_tolerance_ = results;
  }

  // Compares a result. `slack` widens the tolerance.
  template <Scalar U>
  void check(const std::string& tensor, const Tensor<U, D>& actual, Layout layout = as_stored, double slack = 1) {
    const auto [expected, differences] = differences_of(tensor, actual, layout);
    const bool is_gradient = tensor.find(".grad.") != std::string::npos;
    if (const auto& tolerance = is_gradient ? gradient_tolerance_ : result_tolerance_) {
      double scale = root_mean_square(expected);
      if (is_gradient) scale = std::max(scale, 0.1 * largest_gradient_.at(run_of(tensor)).root_mean_square);
      report(tensor, root_mean_square(differences) / scale, *tolerance);
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

  // Compares the gradients of all parameters of `contents`. One that no backward pass touched counts as 0.
  void check_gradients(const std::string& prefix, const Contents<P, D>& contents) {
    std::vector<double> all_expected, all_differences;
    for (const auto& [name, parameter] : contents.parameters) {
      const Tensor<P, D> gradient =
          parameter->gradient ? parameter->gradient : Tensor<P, D>::zeros(parameter->value.shape());
      if (!result_tolerance_) {
        check(prefix + name, gradient);
        continue;
      }
      const auto [expected, differences] = differences_of(prefix + name, gradient, as_stored);
      all_expected.insert(all_expected.end(), expected.begin(), expected.end());
      all_differences.insert(all_differences.end(), differences.begin(), differences.end());
    }
    if (result_tolerance_)
      report(prefix + "*", root_mean_square(all_differences) / root_mean_square(all_expected), *gradient_tolerance_);
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
      std::printf("%-28s %s  %.1e of %.0e  %s\n", name_.c_str(),
                  sizeof(T) == 2   ? "bf16  "
                  : sizeof(T) == 4 ? "float "
                                   : "double",
                  worst_, worst_tolerance_, worst_name_.c_str());
  }

  std::vector<std::string> names() const { return file_.names(); }

 private:
  // Of all tensors of a run.
  struct LargestGradient {
    double element = 0, root_mean_square = 0;
  };

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

  std::string name_;
  SafetensorsFile file_;
  nlohmann::json attributes_;
  std::set<std::string> zero_gradients_, unread_;
  std::map<std::string, LargestGradient> largest_gradient_;
  double tolerance_ = 0, worst_ = 0, worst_tolerance_ = 1;
  std::optional<double> gradient_tolerance_, result_tolerance_;
  std::string worst_name_;
};

}  // namespace dvd::testing

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
#include <set>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/frame_sampler.hpp"
#include "dvd/models/config.hpp"
#include "support/layouts.hpp"

namespace dvd::testing {

inline std::filesystem::path parity_file(const std::string& name) {
  if (const char* folder = std::getenv("DVD_PARITY_DIR"))
    if (const auto other = std::filesystem::path(folder) / name; std::filesystem::exists(other)) return other;
  return std::filesystem::path(DVD_TEST_DATA) / "parity" / name;
}

// One reference file, read for a library that computes in T. Remembers which of its tensors a test has looked at.
template <class T>
class Reference {
 public:
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
      double& largest = largest_gradient_[run_of(tensor)];
      largest = std::max(largest, largest_of(file_.read<double>(tensor)));
    }
    // The largest absolute difference over the largest absolute value.
    tolerance_ = sizeof(T) == 4 ? 1e-4 : single ? 1e-6 : 1e-9;
  }

  const std::string& name() const { return name_; }
  double tolerance() const { return tolerance_; }
  const nlohmann::json& attributes() const { return attributes_; }
  // A size among the attributes.
  Index size(const char* attribute) const { return attributes_.at(attribute).get<Index>(); }

  DvdGanConfig config() const {
    const auto fields = nlohmann::json::parse(file_.metadata().at("config"));
    const auto size = [&](const char* field) { return fields.at(field).get<Index>(); };
    DvdGanConfig config;
    config.frames = size("frames");
    config.resolution = size("resolution");
    config.channels = size("channels");
    config.classes = size("classes");
    config.latent_dim = size("latent_dim");
    config.embed_dim = size("embed_dim");
    config.spatial_frames = size("spatial_frames");
    config.condition_frames = size("condition_frames");
    config.upsample = upsampling(fields.at("upsample").get<std::string>());
    return config;
  }

  static Upsampling upsampling(const std::string& kind) {
    require(kind == "bilinear" || kind == "nearest", "unknown upsampling ", kind);
    return kind == "bilinear" ? Upsampling::bilinear : Upsampling::nearest;
  }

  Tensor<T> tensor(const std::string& tensor, Layout layout = as_stored) {
    Shape shape = shape_of(tensor);
    const std::vector<T> values = reordered(file_.read<T>(tensor), shape, layout.stored, layout.held);
    unread_.erase(tensor);
    return Tensor<T>(shape, values);
  }

  Labels labels(const std::string& tensor) {
    unread_.erase(tensor);
    return file_.read<Index>(tensor);
  }

  FrameIndices frames(const std::string& tensor) {
    const Shape shape = shape_of(tensor);
    unread_.erase(tensor);
    return {shape[0], shape[1], file_.read<Index>(tensor)};
  }

  // Sets parameters and buffers to those of the file, and gradients to 0. Both must hold the same names.
  void load(Contents<T> contents, const std::string& parameters = "param.", const std::string& buffers = "buffer.") {
    for (auto& [name, parameter] : contents.parameters) assign(parameter->value, parameters + name);
    for (auto& [name, buffer] : contents.buffers) assign(buffer->value, buffers + name);
    contents.clear_gradients();
  }

  // Compares a result. `slack` widens the tolerance.
  void check(const std::string& tensor, const Tensor<T>& actual, Layout layout = as_stored, double slack = 1) {
    const auto [expected, difference] = difference_of(tensor, actual, layout);
    double scale = largest_of(expected);
    if (zero_gradients_.contains(tensor)) scale = 0.1 * largest_gradient_.at(run_of(tensor));
    report(tensor, scale > 0 ? difference / (scale * slack) : difference > 0 ? INFINITY : 0);
  }

  // Compares a single number.
  void check(const std::string& tensor, double actual) {
    check(tensor, Tensor<T>(Shape{}, std::vector<T>{static_cast<T>(actual)}));
  }

  // Compares the gradients of all parameters of `contents`. One that no backward pass touched counts as 0.
  void check_gradients(const std::string& prefix, const Contents<T>& contents) {
    for (const auto& [name, parameter] : contents.parameters)
      check(prefix + name, parameter->gradient ? parameter->gradient : Tensor<T>::zeros(parameter->value.shape()));
  }

  // Compares the buffers of `contents`.
  void check_buffers(const std::string& prefix, const Contents<T>& contents) {
    for (const auto& [name, buffer] : contents.buffers) check(prefix + name, buffer->value);
  }

  // The expected values and the largest absolute difference from them; the test decides.
  std::pair<std::vector<double>, double> difference_of(const std::string& tensor, const Tensor<T>& actual,
                                                       Layout layout = as_stored) {
    Shape shape = shape_of(tensor);
    const std::vector<double> expected = reordered(file_.read<double>(tensor), shape, layout.stored, layout.held);
    unread_.erase(tensor);
    CHECK_MESSAGE(actual.shape() == shape, tensor);
    if (actual.size() != shape.size()) return {expected, INFINITY};
    const std::vector<T> values = actual.to_vector();
    double difference = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double here = std::abs(static_cast<double>(values[i]) - expected[i]);
      difference = std::isnan(here) ? INFINITY : std::max(difference, here);
    }
    return {expected, difference};
  }

  // Takes down a relative error.
  void report(const std::string& tensor, double error) {
    CHECK_MESSAGE(error <= tolerance_, name_, ": ", tensor, " is off by ", error, ", more than ", tolerance_);
    if (!(error <= worst_)) {
      worst_ = error;
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
      std::printf("%-28s %s  %.1e of %.0e  %s\n", name_.c_str(), sizeof(T) == 4 ? "float " : "double", worst_,
                  tolerance_, worst_name_.c_str());
  }

  std::vector<std::string> names() const { return file_.names(); }

 private:
  // What stands before `.grad.` or, in other names, before the first dot.
  static std::string run_of(const std::string& tensor) {
    const auto gradient = tensor.find(".grad.");
    return tensor.substr(0, gradient != std::string::npos ? gradient : tensor.find('.'));
  }

  static double largest_of(const std::vector<double>& values) {
    double largest = 0;
    for (const double value : values) largest = std::max(largest, std::abs(value));
    return largest;
  }

  Shape shape_of(const std::string& tensor) const {
    Shape shape;
    for (const Index extent : file_.shape(tensor)) shape.append(extent);
    return shape;
  }

  void assign(Tensor<T>& to, const std::string& name) {
    const Tensor<T> from = tensor(name);
    REQUIRE_MESSAGE(from.shape() == to.shape(), name);
    to.copy_from(from);
  }

  std::string name_;
  SafetensorsFile file_;
  nlohmann::json attributes_;
  std::set<std::string> zero_gradients_, unread_;
  std::map<std::string, double> largest_gradient_;
  double tolerance_ = 0, worst_ = 0;
  std::string worst_name_;
};

}  // namespace dvd::testing

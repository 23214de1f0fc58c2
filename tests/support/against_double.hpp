// A layer on some device against the same on the CPU in double: results, gradients and what is remembered, from the
// same weights and inputs.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/gradient_check.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

template <class L>
using TensorsOf = std::vector<TensorOf<L>>;

// Ways of running a layer on its inputs, and of the gradients of the inputs.

struct Plainly {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.forward(x[0], pass, cache);
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    return {layer.backward(dy, cache, Gradients::all)};
  }
};

// What a layer makes of a pass: the result, gradients, buffers.
struct NamedValues {
  std::string name;
  std::vector<double> values;
  bool is_gradient;
};

template <class Way, class L>
std::vector<NamedValues> run(L& layer, const TensorsOf<L>& inputs, Pass pass) {
  const auto doubles = [](const auto& x) {
    const auto values = x ? x.to_vector() : decltype(x.to_vector())();
    return std::vector<double>(values.begin(), values.end());
  };
  auto all = contents(layer);
  for (auto& [name, parameter] : all.parameters) parameter->gradient = {};
  typename L::Cache cache;
  const auto y = Way::forward(layer, inputs, pass, &cache);
  std::vector<NamedValues> results{{"the result", doubles(y), false}};

  using Y = std::remove_cvref_t<decltype(y)>;
  std::vector<typename Y::value_type> upstream;
  for (Index i = 0; i < y.size(); ++i)
    upstream.push_back(static_cast<typename Y::value_type>(
        static_cast<double>(bfloat16(Random(99).normal(static_cast<std::uint64_t>(i))))));  // the same in every scalar
  const auto gradients = Way::backward(layer, Y(y.shape(), upstream), cache);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    results.push_back({concat("the gradient of input ", i), doubles(gradients[i]), true});
  for (const auto& [name, parameter] : all.parameters)
    results.push_back({"the gradient of " + name, doubles(parameter->gradient), true});
  for (const auto& [name, buffer] : all.buffers) results.push_back({name, doubles(buffer->value), false});
  return results;
}

inline double largest_of(const std::vector<double>& x) {
  double largest = 0;
  for (const double value : x) largest = std::isnan(value) ? INFINITY : std::max(largest, std::abs(value));
  return largest;
}

inline double largest_difference(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> differences = x;
  for (std::size_t i = 0; i < x.size(); ++i) differences[i] -= y[i];
  return largest_of(differences);
}

// The comparison, of differences relative to the largest value of each tensor: within 1e-4 in float and 2e-2 in
// bfloat16.
//
// But what a network computes may change by more than that if its inputs and weights change in the last digit of a
// bfloat16: where a ReLU's input is as good as 0, an element of a gradient is there or not, and what is normalised by
// small deviations or summed with mixed signs follows. So in bfloat16 a tensor may also be off by `sensitivity` times
// as much as the network in double is for such changes of all that it is given, at the worst of some; and not even this
// tells of a pooling of maxima, which picks another pixel where rounding makes two equal: `pooling` is granted to
// gradients behind one.
//
// In the generators that allowance is more than the whole of many a tensor. So the result of every layer must also be
// within 0.1 in bfloat16 by the root of the mean square, and all gradients together, as one vector, within 0.75; most
// layers are a hundred times better, the worst generator is at 0.48.
template <class Way, class L, class OnCpu>
class AgainstDouble {
 public:
  using T = typename L::scalar_type;
  using D = typename L::device_type;
  static constexpr bool coarse = std::same_as<T, bfloat16>;
  static constexpr double bound = coarse ? 2e-2 : 1e-4;
  // A network rounds some dozens of times on the way there and back, each time as the changes below do once: errors add
  // up like the square root of that.
  static constexpr double sensitivity = 6;

  AgainstDouble(std::string name, L& layer, OnCpu& on_cpu, const std::vector<Shape>& inputs, double pooling)
      : name_(std::move(name)), layer_(layer), on_cpu_(on_cpu), cpu_contents_(contents(on_cpu)), pooling_(pooling) {
    randomize(cpu_contents_, Random(3));
    auto device_contents = contents(layer);
    REQUIRE(device_contents.parameters.size() == cpu_contents_.parameters.size());
    REQUIRE(device_contents.buffers.size() == cpu_contents_.buffers.size());
    for (std::size_t i = 0; i < cpu_contents_.parameters.size(); ++i)
      make_equal(device_contents.parameters[i].parameter->value, cpu_contents_.parameters[i].parameter->value);
    for (std::size_t i = 0; i < cpu_contents_.buffers.size(); ++i)
      make_equal(device_contents.buffers[i].buffer->value, cpu_contents_.buffers[i].buffer->value);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      cpu_inputs_.push_back(random_tensor(inputs[i], Random(2).stream(i)));
      device_inputs_.push_back(TensorOf<L>(inputs[i]));
      make_equal(device_inputs_.back(), cpu_inputs_.back());
    }
  }

  void check(Pass pass) {
    const std::vector<Doubles> before = all_given();
    const auto expected = run<Way>(on_cpu_, cpu_inputs_, pass), actual = run<Way>(layer_, device_inputs_, pass);
    const std::vector<Doubles> after = all_given();
    std::vector<double> changes(expected.size());
    double gradient_changes = 0;  // the largest, of all gradients together: a sum of squares
    for (std::uint64_t trial = 0; coarse && trial < 40; ++trial) {
      give(before, [&](std::size_t tensor, std::size_t i, double value) {
        return value * (1 + Random(trial).stream(tensor).uniform(i, -1.0, 1.0) / 256);
      });
      const auto changed = run<Way>(on_cpu_, cpu_inputs_, pass);
      double squares = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        changes[i] = std::max(changes[i], largest_difference(changed[i].values, expected[i].values));
        for (std::size_t k = 0; expected[i].is_gradient && k < expected[i].values.size(); ++k)
          squares += (changed[i].values[k] - expected[i].values[k]) * (changed[i].values[k] - expected[i].values[k]);
      }
      gradient_changes = std::max(gradient_changes, squares);
    }
    give(after, [](std::size_t, std::size_t, double value) { return value; });

    double largest_gradient = 0;
    for (const NamedValues& each : expected)
      if (each.is_gradient) largest_gradient = std::max(largest_gradient, largest_of(each.values));
    REQUIRE(actual.size() == expected.size());
    double squares[2] = {}, error_squares[2] = {};  // of the result and of gradients
    for (std::size_t i = 0; i < expected.size(); ++i) {
      REQUIRE_MESSAGE(actual[i].values.size() == expected[i].values.size(), name_, ": ", expected[i].name);
      double scale = largest_of(expected[i].values);
      if (expected[i].is_gradient) {
        // Of a bias before a batch norm the gradient is 0 but for the rounding of all that cancels in it.
        const bool is_zero = scale <= 1e-9 * largest_gradient;
        scale = std::max(scale, (is_zero ? 0.25 : 1e-3) * largest_gradient);
      }
      const double granted = coarse && expected[i].is_gradient ? std::max(bound, pooling_) : bound;
      const double limit = std::max(granted * scale, sensitivity * changes[i]);
      const double difference = largest_difference(actual[i].values, expected[i].values);
      CHECK_MESSAGE(difference <= limit, name_, ": ", expected[i].name, " is off by ", difference / scale,
                    ", more than ", limit / scale);
      for (std::size_t k = 0; (i == 0 || expected[i].is_gradient) && k < expected[i].values.size(); ++k) {
        const double error = actual[i].values[k] - expected[i].values[k];
        squares[expected[i].is_gradient] += expected[i].values[k] * expected[i].values[k];
        error_squares[expected[i].is_gradient] += error * error;
      }
    }
    if (!coarse) return;
    CHECK_MESSAGE(error_squares[0] <= 0.1 * 0.1 * squares[0], name_, ": the result as a whole is off by ",
                  std::sqrt(error_squares[0] / squares[0]));
    // Where a ReLU's input lies beside 0, the least change of what is given is a large one of the gradients.
    CHECK_MESSAGE(error_squares[1] <= std::max(0.75 * 0.75 * squares[1], sensitivity * sensitivity * gradient_changes),
                  name_, ": gradients as a whole are off by ", std::sqrt(error_squares[1] / squares[1]));
  }

 private:
  // Both become the second, rounded to the first's scalar.
  template <class U>
  static void make_equal(Tensor<U, D>& on_device, Doubles& on_cpu) {
    std::vector<U> rounded;
    std::vector<double> back;
    for (const double value : on_cpu.to_vector()) {
      rounded.push_back(static_cast<U>(value));
      back.push_back(static_cast<double>(rounded.back()));
    }
    on_device.assign(rounded);
    on_cpu.assign(back);
  }

  // Calls `f(tensor)` for all that goes into a pass on the CPU.
  template <class F>
  void for_given(const F& f) {
    for (auto& [name, parameter] : cpu_contents_.parameters) f(parameter->value);
    for (auto& [name, buffer] : cpu_contents_.buffers) f(buffer->value);
    for (Doubles& input : cpu_inputs_) f(input);
  }

  std::vector<Doubles> all_given() {
    std::vector<Doubles> result;
    for_given([&](const Doubles& tensor) { result.push_back(tensor.clone()); });
    return result;
  }

  // Sets all that to `change(tensor, element, value)` of `values`.
  template <class F>
  void give(const std::vector<Doubles>& values, const F& change) {
    std::size_t number = 0;
    for_given([&](Doubles& tensor) {
      std::vector<double> changed = values[number].to_vector();
      for (std::size_t i = 0; i < changed.size(); ++i) changed[i] = change(number, i, changed[i]);
      tensor.assign(changed);
      ++number;
    });
  }

  std::string name_;
  L& layer_;
  OnCpu& on_cpu_;
  Contents<double> cpu_contents_;
  double pooling_;
  TensorsOf<L> device_inputs_;
  std::vector<Doubles> cpu_inputs_;
};

// Compares L on O's device, made from `arguments`, in passes of both kinds.
template <class O, template <class, class> class L, class Way = Plainly, class... Arguments>
void check_against_double(const std::string& name, const std::vector<Shape>& inputs, double pooling,
                          const Arguments&... arguments) {
  using OnDevice = L<typename O::T, typename O::D>;
  using OnCpu = L<double, Cpu>;
  OnDevice on_device(arguments...);
  OnCpu on_cpu(arguments...);
  AgainstDouble<Way, OnDevice, OnCpu> comparison(name, on_device, on_cpu, inputs, pooling);
  const Random random(12);
  Pass train = Pass::train();
  train.random = &random;
  comparison.check(Pass::evaluate());
  comparison.check(train);
}

}  // namespace dvd::testing

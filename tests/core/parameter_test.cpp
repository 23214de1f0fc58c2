// The visitor over what a layer holds: names and order, gradients that are there only once wanted.
#include "dvd/core/parameter.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dvd/device/cpu.hpp"

namespace {

using dvd::Shape;

// Two parameters and a buffer, the smallest thing that can be visited.
struct Leaf {
  using scalar_type = float;
  using device_type = dvd::Cpu;
  dvd::Parameter<float> weight{Shape{2, 3}}, bias{Shape{2}};
  dvd::Buffer<float> u{dvd::Tensor<float>::zeros(Shape{2})};

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", weight);
    f(prefix + "bias", bias);
    f(prefix + "u", u);
  }
};

struct Tree {
  using scalar_type = float;
  using device_type = dvd::Cpu;
  Leaf first, second;

  template <class F>
  void visit(const std::string& prefix, F& f) {
    first.visit(prefix + "first.", f);
    second.visit(prefix + "second.", f);
  }
};

}  // namespace

TEST_CASE("a parameter starts as zeros, without a gradient") {
  dvd::Parameter<float> parameter(Shape{2});
  CHECK(parameter.value.to_vector() == std::vector<float>{0, 0});
  CHECK(!parameter.gradient);
}

TEST_CASE("the accumulator is zeros at first and stays") {
  dvd::Parameter<float> parameter(Shape{2});
  parameter.accumulator().data()[1] = 3;
  CHECK(parameter.accumulator().to_vector() == std::vector<float>{0, 3});
  CHECK(parameter.gradient.to_vector() == std::vector<float>{0, 3});
}

TEST_CASE("contents lists everything by name, in the order of visit") {
  Tree tree;
  const auto all = dvd::contents(tree, "net.");
  std::vector<std::string> parameters, buffers;
  for (const auto& [name, parameter] : all.parameters) parameters.push_back(name);
  for (const auto& [name, buffer] : all.buffers) buffers.push_back(name);
  CHECK(parameters ==
        std::vector<std::string>{"net.first.weight", "net.first.bias", "net.second.weight", "net.second.bias"});
  CHECK(buffers == std::vector<std::string>{"net.first.u", "net.second.u"});
  CHECK(all.size() == 16);
  CHECK(all.parameters[3].parameter == &tree.second.bias);
  CHECK(all.buffers[0].buffer == &tree.first.u);
}

TEST_CASE("clear_gradients sets those that are there to zero") {
  Tree tree;
  auto all = dvd::contents(tree);
  CHECK_NOTHROW(all.clear_gradients());
  tree.first.bias.accumulator().data()[0] = 5;
  all.clear_gradients();
  CHECK(tree.first.bias.gradient.to_vector() == std::vector<float>{0, 0});
  CHECK(!tree.second.bias.gradient);
}

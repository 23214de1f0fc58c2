// Calls with inputs drawn at random: each either works or throws a dvd::Error and has changed nothing.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// How often to try: `usual` times, or DVD_FUZZ times as often.
inline int tries(int usual) {
  const char* const factor = std::getenv("DVD_FUZZ");
  return factor ? usual * std::max(std::atoi(factor), 1) : usual;
}

// Draws, always the same ones: sizes that fit and sizes that do not.
class Fuzz {
 public:
  explicit Fuzz(const std::string& name) : random_(Random(20).stream(name)) {}

  // 0 .. count - 1
  Index below(Index count) { return random_.below(draws_++, count); }
  bool chance(Index percent) { return below(100) < percent; }
  template <class Value>
  Value one_of(std::initializer_list<Value> values) {
    return values.begin()[below(static_cast<Index>(values.size()))];
  }

  // A shape: `right`, or like it but for an extent, or any.
  Shape shape(const Shape& right) {
    if (chance(60)) return right;
    Shape result;
    if (chance(30)) {
      for (Index rank = below(Shape::max_rank + 1); rank > 0; --rank) result.append(below(6));
      return result;
    }
    const Index other = below(std::max(right.rank(), 1));
    const bool longer = chance(10) && right.rank() < Shape::max_rank, shorter = !longer && chance(10);
    if (longer) result.append(1 + below(2));
    for (int axis = 0; axis < right.rank(); ++axis) {
      if (shorter && axis == other) continue;
      const Index extent = right[axis];
      result.append(axis != other || longer || shorter
                        ? extent
                        : one_of<Index>({extent + 1, std::max<Index>(extent - 1, 0), 0, 1}));
    }
    return result;
  }

  // A view of numbers in memory of the user's own, not a byte longer than needed, or of a tensor; of `right`, or of
  // another shape; sometimes empty.
  template <class T>
  ConstTensorView<T> view(const Shape& right) {
    return chance(4) ? ConstTensorView<T>() : exact_view<T>(shape(right));
  }

  template <class T>
  ConstTensorView<T> exact_view(const Shape& shape) {
    Tensor<T> values(shape);
    Cpu::random_normal(values.size(), random_.stream("values").stream(draws_++), T{1}, values.data());
    if (chance(30)) return values;
    const std::vector<T> copied = values.to_vector();
    const std::shared_ptr<T[]> memory(new T[copied.size()]);
    std::copy(copied.begin(), copied.end(), memory.get());
    own_.push_back(memory);
    return ConstTensorView<T>(memory.get(), shape);
  }

  // Labels of `count` videos, of `classes` classes; or too many, too few, below 0, or too large.
  std::vector<Index> labels(Index count, Index classes) {
    if (chance(10)) count = one_of<Index>({count + 1, std::max<Index>(count - 1, 0), 0, 100});
    std::vector<Index> result;
    for (Index i = 0; i < count; ++i) result.push_back(below(classes));
    if (!result.empty() && chance(15))
      result[static_cast<std::size_t>(below(count))] =
          one_of<Index>({-1, classes, Index{1} << 40, INT64_MIN, INT64_MAX, -classes});
    return result;
  }

  Pass pass() {
    return one_of({Pass::evaluate(), Pass::train(), Pass::train(), Pass::train_further(), Pass::standing(1)});
  }
  Gradients gradients() { return one_of({Gradients::inputs, Gradients::parameters, Gradients::all}); }

 private:
  Random random_;
  std::uint64_t draws_ = 0;
  std::vector<std::shared_ptr<void>> own_;
};

// Every bit that a network holds: parameters, gradients, buffers.
template <class L>
std::string bits_of(L& layer) {
  std::string bits;
  const auto add = [&](const auto& tensor) {
    bits += bool{tensor} ? '+' : '-';
    bits.append(reinterpret_cast<const char*>(tensor.data()),
                static_cast<std::size_t>(tensor.size()) * sizeof(*tensor.data()));
  };
  const auto all = contents(layer);
  for (const auto& [name, parameter] : all.parameters) {
    add(parameter->value);
    add(parameter->gradient);
  }
  for (const auto& [name, buffer] : all.buffers) add(buffer->value);
  return bits;
}

template <class X>
bool all_finite(const X& x) {
  for (const auto value : x.to_vector())
    if (!std::isfinite(static_cast<double>(value))) return false;
  return true;
}

// Makes a call that must work exactly if `fits`, and returns what it gives. If it throws, that must be a dvd::Error of
// one line, and `layer` must be what it was.
template <class L, class Call>
auto attempt(const std::string& name, L& layer, bool fits, const Call& call) -> std::optional<decltype(call())> {
  const std::string before = bits_of(layer);
  try {
    std::optional<decltype(call())> result(call());
    CHECK_MESSAGE(fits, name, " works, though its inputs do not fit");
    return result;
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MESSAGE(!fits, name, " is refused, though its inputs fit: ", message);
    CHECK_MESSAGE((!message.empty() && message.find('\n') == std::string::npos), name, " says: ", message);
    CHECK_MESSAGE(bits_of(layer) == before, name, " changed something, then threw: ", message);
  } catch (const std::exception& error) {
    FAIL_CHECK(name << " throws something else than a dvd::Error: " << error.what());
  }
  return std::nullopt;
}

// A result must be of this shape and finite.
template <class X>
void check_result(const std::string& name, const X& y, const Shape& shape) {
  CHECK_MESSAGE(bool{y}, name, " gives nothing");
  CHECK_MESSAGE(y.shape() == shape, name);
  CHECK_MESSAGE(all_finite(y), name, " gives something that is not finite");
}

// A gradient: of this shape, or empty if it may be.
template <class X>
void check_gradient_of(const std::string& name, const X& dx, const Shape& shape, bool wanted) {
  if (wanted || dx) check_result(name, dx, shape);
}

}  // namespace dvd::testing

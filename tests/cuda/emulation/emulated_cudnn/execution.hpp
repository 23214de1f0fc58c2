// A plan's work as loops on the host: sums in double, rounded only where a tensor that is not virtual is stored.
#pragma once

#include "../emulated_numbers.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "engines.hpp"

namespace emulated_cudnn {

using namespace emulated_numbers;

inline Type type_of(const Tensor& tensor) { return tensor.type == CUDNN_DATA_FLOAT ? Type::float32 : Type::bfloat16; }

/// A convolution's input, as the engine reads it.
inline Numbers numbers(const Tensor& tensor, const void* array, int fraction) {
  Numbers result(static_cast<std::size_t>(tensor.size()));
  if (tensor.type == CUDNN_DATA_BFLOAT16 && fraction >= 7) fraction = 23;  // it has no more
  dvd::cpu::parallel_chunks(tensor.size(), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      result[static_cast<std::size_t>(i)] = rounded(load(type_of(tensor), array, i), fraction);
  });
  return result;
}

/// Sizes of a convolution over frames, of which there is one if it is over images.
struct Geometry {
  Index images = 0, x[3] = {1, 1, 1}, y[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, padding[3] = {0, 0, 0},
        stride[3] = {1, 1, 1}, inputs, outputs;

  explicit Geometry(const Operation& operation) {
    const Tensor from(*operation.x), to(*operation.y), weight(*operation.other);
    const auto before = operation.convolution->values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
               strides = operation.convolution->values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    images = from.extents[0];
    inputs = weight.extents[1];
    outputs = weight.extents[0];
    for (std::size_t axis = 0; axis < before.size(); ++axis) {
      const std::size_t place = axis + 3 - before.size();
      x[place] = from.extents[axis + 2];
      y[place] = to.extents[axis + 2];
      kernel[place] = weight.extents[axis + 2];
      padding[place] = before[axis];
      stride[place] = strides[axis];
    }
  }

  Index taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  Index y_lines() const { return images * y[0] * y[1]; }
  Index x_lines() const { return images * x[0] * x[1]; }

  /// Calls f(x's position, y's position, tap) for all that meet in a line of y or, if `backward`, of x.
  template <class F>
  void for_taps(Index line, bool backward, const F& f) const {
    const auto& here = backward ? x : y;
    const auto& there = backward ? y : x;
    const Index image = line / (here[0] * here[1]), frame = line / here[1] % here[0], row = line % here[1];
    // Where `place` meets the other side through tap `tap`, or -1.
    const auto met = [&](int axis, Index place, Index tap) {
      if (!backward) {
        const Index from = place * stride[axis] + tap - padding[axis];
        return from >= 0 && from < there[axis] ? from : Index{-1};
      }
      const Index to = place + padding[axis] - tap;
      return to >= 0 && to % stride[axis] == 0 && to / stride[axis] < there[axis] ? to / stride[axis] : Index{-1};
    };
    for (Index dt = 0; dt < kernel[0]; ++dt)
      for (Index dh = 0; dh < kernel[1]; ++dh) {
        const Index t = met(0, frame, dt), h = met(1, row, dh);
        if (t < 0 || h < 0) continue;
        const Index other = ((image * there[0] + t) * there[1] + h) * there[2];
        for (Index dw = 0; dw < kernel[2]; ++dw)
          for (Index w = 0; w < here[2]; ++w) {
            const Index column = met(2, w, dw);
            if (column < 0) continue;
            const Index own = line * here[2] + w, tap = (dt * kernel[1] + dh) * kernel[2] + dw;
            f(backward ? own : other + column, backward ? other + column : own, tap);
          }
      }
  }
};

/// Calls work(begin, sums) for all pieces of the result, in its order in memory, on any thread.
template <class Work>
void convolve(const Operation& operation, const Numbers& first, const Numbers& second, const Work& work) {
  const Geometry g(operation);
  const Index inputs = g.inputs, outputs = g.outputs, taps = g.taps();
  const auto at = [](const Numbers& all, Index i) { return all.data() + i; };
  if (operation.kind == Kind::forward) {
    Numbers weight(second.size());  // [taps, inputs, outputs]
    for (Index o = 0; o < outputs; ++o)
      for (Index i = 0; i < taps * inputs; ++i)
        weight[static_cast<std::size_t>(i * outputs + o)] = *at(second, o * taps * inputs + i);
    dvd::cpu::parallel_for(g.y_lines(), [&](Index line) {
      const Index begin = line * g.y[2] * outputs;
      Numbers sums(static_cast<std::size_t>(g.y[2] * outputs));
      g.for_taps(line, false, [&](Index from, Index to, Index tap) {
        for (Index i = 0; i < inputs; ++i)
          add_multiple(outputs, *at(first, from * inputs + i), at(weight, (tap * inputs + i) * outputs),
                       sums.data() + to * outputs - begin);
      });
      work(begin, sums);
    });
  } else if (operation.kind == Kind::backward_data) {
    dvd::cpu::parallel_for(g.x_lines(), [&](Index line) {
      const Index begin = line * g.x[2] * inputs;
      Numbers sums(static_cast<std::size_t>(g.x[2] * inputs));
      g.for_taps(line, true, [&](Index to, Index from, Index tap) {
        for (Index o = 0; o < outputs; ++o)
          add_multiple(inputs, *at(second, from * outputs + o), at(first, (o * taps + tap) * inputs),
                       sums.data() + to * inputs - begin);
      });
      work(begin, sums);
    });
  } else {
    dvd::cpu::parallel_for(outputs, [&](Index o) {
      Numbers sums(static_cast<std::size_t>(taps * inputs));
      for (Index line = 0; line < g.y_lines(); ++line)
        g.for_taps(line, false, [&](Index from, Index to, Index tap) {
          add_multiple(inputs, *at(second, to * outputs + o), at(first, from * inputs), sums.data() + tap * inputs);
        });
      work(o * taps * inputs, sums);
    });
  }
}

/// A graph and the arrays of its tensors.
struct Run {
  const Engine* engine;
  DescriptorPointer graph;
  std::map<std::int64_t, void*> arrays;

  void operator()() const {
    static int runs = 0;
    // What an engine that adds in any order does, made large.
    const double drift = engine->steady ? 1 : 1 + std::ldexp(++runs % 100, -10);
    const auto operations = operations_of(*graph);
    const Operation& convolution = operations.front();
    Numbers inputs[2];
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor input(*convolution.inputs()[i]);
      inputs[i] = numbers(input, arrays.at(input.name), engine->fraction);
    }
    const Index channels = Tensor(*convolution.result()).extents[1];
    convolve(convolution, inputs[0], inputs[1], [&](Index begin, Numbers& sums) {
      for (double& sum : sums) sum *= drift;
      std::map<std::int64_t, Numbers> made;  // virtual tensors
      const auto read = [&](const Descriptor& part) {
        const Tensor tensor(part);
        if (tensor.is_virtual) return made.at(tensor.name);
        Numbers values(sums.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
          const Index place = begin + static_cast<Index>(i);
          values[i] = load(type_of(tensor), arrays.at(tensor.name), tensor.per_channel() ? place % channels : place);
        }
        return values;
      };
      for (const Operation& operation : operations) {
        Numbers values = operation.convolves() ? sums : read(*operation.x);
        if (operation.kind == Kind::relu) {
          for (double& value : values)
            if (value < 0 || (value != value && !operation.keeps_nan)) value = 0;
        } else {
          for (double& value : values) value *= static_cast<double>(operation.alpha);
          if (operation.kind == Kind::add || operation.beta != 0)
            add_multiple(static_cast<Index>(values.size()), static_cast<double>(operation.beta),
                         read(operation.convolves() ? *operation.result() : *operation.other).data(), values.data());
        }
        const Tensor y(*operation.result());
        if (y.is_virtual) {
          made[y.name] = std::move(values);
          continue;
        }
        for (std::size_t i = 0; i < values.size(); ++i)
          store(type_of(y), arrays.at(y.name), begin + static_cast<Index>(i), values[i]);
      }
    });
  }
};

}  // namespace emulated_cudnn

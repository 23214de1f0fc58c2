// The average of weights over training, which samples are made from (Karras et al. 2018; BigGAN).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/recording_key.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Settings of the moving average; the defaults are the paper's.
struct MovingAverageOptions {
  double decay = 0.9999;
  Index start = 20000;  ///< up to and including this update the average equals the weights
};

/// Follows a network with its average. Parameters are averaged, buffers copied.
template <Scalar T, Device D = Cpu>
class MovingAverage {
 public:
  /// Both must be of the same kind and stay where they are. Throws ArgumentError if they differ.
  MovingAverage(const Contents<T, D>& source, const Contents<T, D>& average, const MovingAverageOptions& options)
      : source_(source), average_(average), options_(options) {
    require(source.parameters.size() == average.parameters.size() && source.buffers.size() == average.buffers.size(),
            "a moving average needs two networks of the same kind");
  }

  /// Makes ready for update number `update` (1, 2, ...).
  void advance(Index update) {
    const T decays[] = {update <= options_.start ? T{0} : static_cast<T>(options_.decay), T{0}};
    decays_.assign(decays);
  }

  /// Adds what `step` depends on to the key of a recording.
  void add_to(RecordingKey& key) const {
    key.add(source_, false);
    key.add(average_, false);
  }

  /// Follows, unless the number `apply` is 0. Kernels alone: the same work every time.
  void step(const ConstTensorView<T, D>& apply) {
    std::vector<ArrayPair<T>> parameters, buffers;
    for (std::size_t i = 0; i < source_.parameters.size(); ++i)
      parameters.push_back(pair(source_.parameters[i].parameter->value, average_.parameters[i].parameter->value));
    for (std::size_t i = 0; i < source_.buffers.size(); ++i)
      buffers.push_back(pair(source_.buffers[i].buffer->value, average_.buffers[i].buffer->value));
    D::follow(parameters, decays_.data(), apply.data());
    D::follow(buffers, decays_.data() + 1, apply.data());
  }

 private:
  static ArrayPair<T> pair(const Tensor<T, D>& source, Tensor<T, D>& average) {
    require(source.shape() == average.shape(), "a moving average of shape ", average.shape(), " cannot follow ",
            source.shape());
    return {source.size(), source.data(), average.data()};
  }

  Contents<T, D> source_, average_;
  MovingAverageOptions options_;
  Tensor<T, D> decays_{Shape{2}};  ///< of parameters and of buffers
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

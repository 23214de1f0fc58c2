// The grid-cell regulariser of nowcasting GANs (Ravuri et al., "Skilful precipitation nowcasting using deep generative
// models of radar", Nature 2021, methods: the generator's objective).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/cell_weights.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/tensor_losses.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// weight * mean over all cells of w(x) * |m - x|, m being the mean of several videos made under the same condition and
/// x the video that this condition is of: samples may differ, but their mean is to be the mean of what can follow. A
/// GeneratorRegularizer (training/regularizer.hpp). With one video for each true one it is a plain reconstruction loss.
/// w is a function of the true value, `Weight`; that of a GPU is LinearCellWeight or has a kernel of its own, see
/// device/cuda/map.cuh, for WeightedSign<Weight>.
template <class Weight = LinearCellWeight>
requires requires(const Weight& weight, float value) {
  { weight(value) } -> std::convertible_to<float>;
}
struct GridCellRegularizer {
  /// 0 or more. DGMR's is 20 for errors in mm/h; pixels y = 2 r / R - 1 of rain rates r make it 10 R.
  double weight = 20;
  Index samples_per_video = 6;  ///< that the mean is taken of, at least 1
  Weight cell_weight = {};

  /// Throws ArgumentError unless there is at least one.
  Index samples() const {
    require(samples_per_video >= 1 && samples_per_video <= 1024,
            "a grid-cell regularizer takes between 1 and 1024 samples a video, not ", samples_per_video);
    return samples_per_video;
  }

  /// See settings_of.
  std::vector<double> settings() const {
    std::vector<double> all = settings_of(cell_weight);
    all.push_back(weight);
    return all;
  }

  /// The loss and its gradient by `made` `[T, samples N, H, W, C]`, number k N + n of which is sample k for video n of
  /// `truth` `[T, N, H, W, C]`. Throws ArgumentError where shapes do not fit, and for a weight below 0.
  template <AnyTensor X>
  auto operator()(const X& made, const ConstViewOf<X>& truth) const {
    using T = typename X::value_type;
    using D = typename X::device_type;
    require(is_finite(weight) && weight >= 0, "the weight of a grid-cell regularizer must be 0 or more, not ", weight);
    const Shape &shape = truth.shape(), &of_made = made.shape();
    require(shape.rank() == 5 && truth.size() > 0 && of_made.rank() == 5 &&
                of_made.size() == samples() * truth.size() && of_made[0] == shape[0] &&
                of_made[1] == samples() * shape[1] && of_made[2] == shape[2] && of_made[3] == shape[3],
            "a grid-cell regularizer expects ", samples(), " videos for each of some true ones [T, N, H, W, C], not ",
            of_made, " for ", shape);
    const Index size = truth.size(), frame = size / shape[0];
    Tensor<T, D> error(shape), slope(shape), dmade(of_made);
    D::sum_rows(shape[0], samples(), frame, made.data(), frame, error.data(), false);
    D::scale(size, static_cast<T>(1 / static_cast<double>(samples())), error.data(), error.data());
    D::map(size, DifferenceFunction{}, error.data(), truth.data(), error.data());
    D::map(size, WeightedSign<Weight>{cell_weight}, truth.data(), error.data(), slope.data());
    const double factor = weight / static_cast<double>(size);
    auto [loss, dmean] = detail::loss_of(error, std::move(slope), factor, factor / static_cast<double>(samples()));
    D::broadcast_rows(shape[0], samples(), frame, dmean.data(), dmade.data());
    return TensorLoss<T, D>{std::move(loss), std::move(dmade)};
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

// A model that makes clips, whatever its device and its recurrent unit.
#pragma once

#include <dvd/core/tensor.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/layers/embedding.hpp>
#include <dvd/models/config.hpp>
#include <string>
#include <vector>

namespace examples {

/// Which weights of a checkpoint make clips, and how.
struct ClipMakerOptions {
  std::string checkpoint;  ///< a file, or a run's folder for its newest one
  bool live = false;
  std::uint64_t seed = 0;
  double truncation = 1, threshold = 0;
  dvd::Index standing = 0;
};

class ClipMaker {
 public:
  virtual ~ClipMaker() = default;

  /// Clips number `first`, `first + 1`, ... of repeat number `repeat`, one a label, or `count` where there are no
  /// classes: `[frames, N, H, W, C]` in [-1, 1]. What a clip is depends on its number, its label and the options, not
  /// on the others of its batch. `condition` `[condition_frames, N, H, W, C]`, or empty, is what a model continues.
  virtual dvd::Tensor<float> make(dvd::Index repeat, dvd::Index first, dvd::Index count, const dvd::Labels& labels,
                                  const dvd::ConstTensorView<float>& condition) = 0;
  /// Latents are scaled by this from now on.
  virtual void set_truncation(double truncation) = 0;

  dvd::DvdGanConfig config;
  std::vector<std::string> class_names;  ///< none: no classes
  dvd::Index stride = 1;                 ///< of the frames that the model was trained on
  std::string description;               ///< for people
  std::string identity;                  ///< hash of the checkpoint
};

}  // namespace examples

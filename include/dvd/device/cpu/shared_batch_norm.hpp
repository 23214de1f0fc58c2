// Batch norms over a batch whose parts are apart: their statistics, and the sums of their gradients, in a form that
// adds up over all parts.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/batch_norm_gradient.hpp"
#include "dvd/device/cpu/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Kernels of the contract for batch norms over parts of a batch; see core/device.hpp.
struct SharedBatchNorm {
  template <class T>
  static void moment_sums(Index size, Index count, const T* mean, const T* variance, const T* reference, double* sums);
  template <class T>
  static void moments_of_sums(Index size, Index count, const double* sums, const T* reference, T* mean, T* variance);
  template <class T>
  static void batch_norm_gradient_sums(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                       const T* mean, const T* variance, const T* scale, const T* shift, T epsilon,
                                       bool rectify, T* dgain, T* dbias, double* sums);
  template <class T>
  static void batch_norm_gradient(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                  const T* mean, const T* variance, const T* scale, const T* shift, T epsilon,
                                  bool rectify, Index count, const double* sums, T* dx);
};

template <class T>
void SharedBatchNorm::moment_sums(Index size, Index count, const T* mean, const T* variance, const T* reference,
                                  double* sums) {
  for (Index i = 0; i < size; ++i) {
    const double distance = static_cast<double>(mean[i]) - static_cast<double>(reference[i]);
    sums[i] = static_cast<double>(count) * distance;
    sums[size + i] = static_cast<double>(count) * (static_cast<double>(variance[i]) + distance * distance);
  }
}

template <class T>
void SharedBatchNorm::moments_of_sums(Index size, Index count, const double* sums, const T* reference, T* mean,
                                      T* variance) {
  for (Index i = 0; i < size; ++i) {
    const double distance = sums[i] / static_cast<double>(count);
    const double square = sums[size + i] / static_cast<double>(count) - distance * distance;
    mean[i] = static_cast<T>(static_cast<double>(reference[i]) + distance);
    // Rounding may leave less than nothing; but what is not a number stays so, to be noticed.
    variance[i] = static_cast<T>(square < 0 ? 0 : square);
  }
}

template <class T>
void SharedBatchNorm::batch_norm_gradient_sums(Index frames, Index batch, Index rows, Index channels, const T* x,
                                               const T* dy, const T* mean, const T* variance, const T* scale,
                                               const T* shift, T epsilon, bool rectify, T* dgain, T* dbias,
                                               double* sums) {
  const Scratch<T> of_images(frames * batch * 2 * channels);
  image_sums(frames, batch, rows, channels, x, dy, mean, scale, shift, rectify, of_images.data());
  frame_sums(
      frames, batch, channels, of_images.data(), variance, epsilon, dgain, dbias,
      [&](Index t, Index n, Index c) { return static_cast<double>(scale[(t * batch + n) * channels + c]); },
      [&](Index t, Index c, T, double total, double moment) {
        sums[t * channels + c] = total;
        sums[(frames + t) * channels + c] = moment;
      });
}

template <class T>
void SharedBatchNorm::batch_norm_gradient(Index frames, Index batch, Index rows, Index channels, const T* x,
                                          const T* dy, const T* mean, const T* variance, const T* scale, const T* shift,
                                          T epsilon, bool rectify, Index count, const double* sums, T* dx) {
  const Scratch<T> terms(frames * 2 * channels);
  for (Index t = 0; t < frames; ++t)
    for (Index c = 0; c < channels; ++c) {
      const double square = static_cast<double>(variance[t * channels + c]) + static_cast<double>(epsilon);
      T* term = terms.data() + t * 2 * channels + c;
      term[0] = static_cast<T>(sums[(frames + t) * channels + c] / (static_cast<double>(count) * square));
      term[channels] = static_cast<T>(sums[t * channels + c] / static_cast<double>(count));
    }
  input_gradient(frames, batch, rows, channels, x, dy, mean, scale, shift, terms.data(), rectify, dx);
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"

// How a network is run, and what a backward pass is asked for.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/batch_exchange.hpp"
#include "dvd/core/random.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Remembers the first layer of a pass whose result is not finite, by the address of its weight.
class LayerWatch;

/// Knows sigma of a network's spectrally normalised weights.
class SpectralEstimates;

/// Keeps what is made of weights that no longer change.
class PreparedWeights;

/// What a pass over a network does beside computing its result.
struct Pass {
  // How a training pass's statistics enter the running ones.
  static constexpr double default_momentum = 0.1;

  bool batch_statistics;  ///< batch norms use (and record) the batch's statistics instead of the running ones
  bool power_iteration;   ///< spectral norms advance their u by one iteration
  double momentum;        ///< weight of the batch's statistics in the running ones
  /// Told by every layer that holds weights what it has computed; null but for looking for a fault.
  LayerWatch* watch = nullptr;
  /// What layers draw from that do something random; null where nothing is to be left to chance.
  const Random* random = nullptr;
  /// What spectral norms divide their weights by; those that are not in it, all where it is null, find out themselves.
  const SpectralEstimates* estimates = nullptr;
  /// Where layers keep what they make of their weights alone, for the next pass; null where weights may change.
  const PreparedWeights* prepared = nullptr;
  /// Adds up statistics where others work on parts of the same batch; null where the pass sees all of it.
  const BatchExchange* exchange = nullptr;
  /// Which part of its batch the pass sees.
  BatchPlace place = {};

  /// Every pass during training: G's in an update of D and D's in an update of G too.
  static constexpr Pass train() { return {true, true, default_momentum}; }
  /// A training pass over a further part of a batch that is too large for one: u has advanced with the first part.
  static constexpr Pass train_further() { return {true, false, default_momentum}; }
  /// By running statistics; changes nothing.
  static constexpr Pass evaluate() { return {false, false, 0}; }
  /// Pass number `index` (0, 1, ...) of collecting standing statistics: plain averages over passes, u not moving.
  static constexpr Pass standing(int index) { return {true, false, 1.0 / (index + 1)}; }
};

/// What a backward pass leaves of the gradients of weights, to be done for all of them together.
class WeightGradients;

/// Listens to a backward pass: see layers/finished_gradients.hpp.
class FinishedGradients;

/// Which gradients a backward pass computes. Gradients of parameters are added to `Parameter::gradient`.
class Gradients {
 public:
  enum Wanted { inputs, parameters, all };

  Wanted wanted;
  /// Where layers may leave what follows for their weights; null where they add it at once.
  WeightGradients* together = nullptr;
  /// Who is told which gradients are complete; null where nobody asks.
  FinishedGradients* listener = nullptr;

  constexpr Gradients(Wanted these) : wanted(these) {}  // not explicit: `Gradients::all` is what is asked for

  friend constexpr bool operator==(Gradients gradients, Wanted these) { return gradients.wanted == these; }
};

constexpr bool wants_inputs(Gradients gradients) { return gradients.wanted != Gradients::parameters; }
constexpr bool wants_parameters(Gradients gradients) { return gradients.wanted != Gradients::inputs; }

/// The same, and the gradients of inputs: what a whole asks of its parts, each of which needs that of the part behind.
constexpr Gradients with_inputs(Gradients gradients) {
  if (wants_parameters(gradients)) gradients.wanted = Gradients::all;
  return gradients;
}

/// The cache of a part, or null where the whole keeps no cache: `conv1.forward(x, pass, part(cache, &Cache::conv1))`.
template <class Cache, class Part>
Part* part(Cache* cache, Part Cache::*member) {
  return cache ? &(cache->*member) : nullptr;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"

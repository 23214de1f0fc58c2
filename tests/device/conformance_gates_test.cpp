// Gates of recurrent units against loops that read as their definition: a ConvGRU's with a tanh, and a ConvLSTM's.
// Those of DVD-GAN's ConvGRU are in conformance_test.cpp.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

#include "support/gate_layout.hpp"
#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

TEST_CASE_TEMPLATE("gates of a ConvGRU whose candidate is a tanh", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index width : channel_counts)
    for (const Index rows : {Index{1}, Index{35}, Index{900}}) {
      CAPTURE(width);
      const auto state = Array<O>::random(rows * width, 1), doutput = Array<O>::random(rows * width, 2);
      for (const auto& [with_state, apart] : {std::pair(true, false), {false, false}, {true, true}, {false, true}}) {
        const GateLayout layout{rows, width, apart};
        auto gates = Array<O>::random(layout.size(), 4);
        Array<O> output(rows * width, 7);
        Vector activated = gates.before(), outputs = zeros(rows * width);
        for (Index i = 0; i < rows * width; ++i) {
          double &update = at(activated, layout.at(i, 1)), &candidate = at(activated, layout.at(i, 2));
          const double before = with_state ? at(state.before(), i) : 0;
          if (!with_state) update = logistic(update);  // else gru_reset does it
          candidate = std::tanh(candidate);
          at(outputs, i) = update * before + (1 - update) * candidate;
        }
        const T* const no_state = nullptr;
        D::gru_output(rows, width, layout.gates(gates.data()), with_state ? state.data() : no_state, output.data(),
                      true);
        check_close("gates", gates, activated, transcendental);
        check_close("output", output, outputs, transcendental);

        const Vector g = gates.now();
        Vector expected = zeros(layout.size()), expected_state = zeros(rows * width);
        Array<O> dgates(layout.size(), 0), dstate(rows * width, 7);
        for (Index i = 0; i < rows * width; ++i) {
          const double before = with_state ? at(state.before(), i) : 0, upstream = at(doutput.before(), i);
          const double update = at(g, layout.at(i, 1)), candidate = at(g, layout.at(i, 2));
          at(expected, layout.at(i, 1)) = upstream * (before - candidate) * update * (1 - update);
          at(expected, layout.at(i, 2)) = upstream * (1 - update) * (1 - candidate * candidate);
          at(expected_state, i) = upstream * update;
        }
        T* const no_dstate = nullptr;
        D::gru_output_backward(rows, width, layout.gates(std::as_const(gates).data()),
                               with_state ? state.data() : no_state, doutput.data(), no_state,
                               layout.gates(dgates.data()), with_state ? dstate.data() : no_dstate, true);
        check_close("gradient of the gates", dgates, expected, transcendental, 1);
        if (with_state) check_close("gradient of the state", dstate, expected_state, transcendental, 1);
      }
    }
}

// The bits that `add` before the kernel would give.
TEST_CASE_TEMPLATE("a second gradient of a unit's output", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  using P = FullPrecision<T>;
  for (const Index width : channel_counts) {
    CAPTURE(width);
    const Index rows = 35, size = rows * width;
    const auto state = Array<O>::random(size, 1), doutput = Array<O>::random(size, 2),
               added = Array<O>::random(size, 3);
    auto sum = Array<O>::random(size, 3);
    D::add(size, doutput.data(), sum.data());
    const T* const nothing = nullptr;
    for (const bool apart : {false, true}) {
      const GateLayout layout{rows, width, apart};
      const auto gates = Array<O>::random(layout.size(), 4);
      Array<O> dgates(layout.size(), 0), dstate(size, 0), expected(layout.size(), 0), expected_state(size, 0);
      D::gru_output_backward(rows, width, layout.gates(gates.data()), state.data(), doutput.data(), added.data(),
                             layout.gates(dgates.data()), dstate.data());
      D::gru_output_backward(rows, width, layout.gates(gates.data()), state.data(), std::as_const(sum).data(), nothing,
                             layout.gates(expected.data()), expected_state.data());
      CHECK(dgates.now() == expected.now());
      CHECK(dstate.now() == expected_state.now());
    }
    const auto gates = Array<O>::random(4 * size, 4);
    const auto before = Precise<O>::random(size, 5), cell = Precise<O>::random(size, 6);
    auto dcell = Precise<O>::random(size, 8), expected_cell = Precise<O>::random(size, 8);
    Array<O> dgates(4 * size, 0), expected(4 * size, 0);
    const P* const last = before.data();
    D::lstm_output_backward(rows, width, gates.data(), last, cell.data(), doutput.data(), added.data(), dcell.data(),
                            dgates.data());
    D::lstm_output_backward(rows, width, gates.data(), last, cell.data(), std::as_const(sum).data(), nothing,
                            expected_cell.data(), expected.data());
    CHECK(dgates.now() == expected.now());
    CHECK(dcell.now() == expected_cell.now());
  }
}

TEST_CASE_TEMPLATE("gates of a ConvLSTM", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  using P = FullPrecision<T>;
  const T* const nothing_added = nullptr;
  for (const Index width : channel_counts)
    for (const Index rows : {Index{1}, Index{35}, Index{900}}) {
      CAPTURE(width);
      const Index size = rows * width;
      const auto before = Precise<O>::random(size, 1);
      const auto dy = Array<O>::random(size, 2);
      const P* const nothing = nullptr;
      for (const bool with_state : {true, false}) {
        auto gates = Array<O>::random(4 * size, 4);
        Array<O> y(size, 7);
        Precise<O> cell(size, 7);
        D::lstm_output(rows, width, gates.data(), with_state ? before.data() : nothing, cell.data(), y.data());
        // The gates from their pre-activations, and what follows from the kernel's own gates.
        Vector activated = gates.before(), cells = zeros(size), ys = zeros(size);
        const Vector g = gates.now();
        const auto gate_at = [&](Index i, Index gate) { return i / width * 4 * width + gate * width + i % width; };
        for (Index i = 0; i < size; ++i) {
          for (Index gate = 0; gate < 3; ++gate)
            at(activated, gate_at(i, gate)) = logistic(at(activated, gate_at(i, gate)));
          at(activated, gate_at(i, 3)) = std::tanh(at(activated, gate_at(i, 3)));
          at(cells, i) = at(g, gate_at(i, 0)) * at(g, gate_at(i, 3));
          if (with_state) at(cells, i) += at(g, gate_at(i, 1)) * at(before.before(), i);
          at(ys, i) = at(g, gate_at(i, 2)) * std::tanh(at(cells, i));
        }
        check_close("gates", gates, activated, transcendental);
        check_close("cell", cell, cells, rounded);
        check_close("result", y, ys, transcendental);

        auto dcell = Precise<O>::random(size, 5);
        Array<O> dgates(4 * size, 7);
        Vector expected = zeros(4 * size), expected_cell = zeros(size);
        const Vector c = cell.now();
        for (Index i = 0; i < size; ++i) {
          const double input = at(g, gate_at(i, 0)), forget = at(g, gate_at(i, 1)), output = at(g, gate_at(i, 2)),
                       candidate = at(g, gate_at(i, 3)), shown = std::tanh(at(c, i)), upstream = at(dy.before(), i);
          const double through = at(dcell.before(), i) + upstream * output * (1 - shown * shown);
          at(expected, gate_at(i, 0)) = through * candidate * input * (1 - input);
          at(expected, gate_at(i, 1)) = with_state ? through * at(before.before(), i) * forget * (1 - forget) : 0;
          at(expected, gate_at(i, 2)) = upstream * shown * output * (1 - output);
          at(expected, gate_at(i, 3)) = through * input * (1 - candidate * candidate);
          at(expected_cell, i) = through * forget;
        }
        D::lstm_output_backward(rows, width, gates.data(), with_state ? before.data() : nothing, cell.data(), dy.data(),
                                nothing_added, dcell.data(), dgates.data());
        check_close("gradient of the gates", dgates, expected, transcendental, 1);
        check_close("gradient of the cell before", dcell, expected_cell, transcendental, 1);
      }
    }
}

}  // namespace

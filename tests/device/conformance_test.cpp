// Kernels of the device contract against loops that read as its definition, for each device and scalar: memory, what is
// done element by element, rows, random numbers. The others are in conformance_normalization_test.cpp,
// conformance_images_test.cpp, lists_test.cpp and convolution*_test.cpp.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "dvd/core/rows.hpp"
#include "dvd/training/losses.hpp"
#include "support/gate_layout.hpp"
#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

TEST_CASE_TEMPLATE("memory", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const std::size_t bytes : {0, 1, 63, 4096, 100000}) {
    const auto memory = D::allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0);
  }
  CHECK(D::peak_memory() >= 100000);
  const std::vector<T> values{T(1), T(2), T(3)};
  std::vector<T> back(3);
  const auto memory = D::allocate(3 * sizeof(T));
  D::upload(values.data(), memory.get(), 3 * sizeof(T));
  D::download(memory.get(), back.data(), 3 * sizeof(T));
  CHECK(values == back);
}

TEST_CASE_TEMPLATE("copy_rows", O, DVD_DEVICES) {
  using D = typename O::D;
  struct Size {
    Index blocks, rows, width, x_block, x_row, y_block, y_row;
  };
  for (const Size& s : {Size{1, 1, 40001, 0, 0, 0, 0}, Size{2, 3, 5, 21, 7, 20, 5}, Size{4, 1, 8, 8, 0, 11, 3},
                        Size{9, 16, 16, 512, 16, 768, 48}, Size{1, 300, 77, 0, 80, 0, 77}}) {
    const auto x = Array<O>::random((s.blocks - 1) * s.x_block + (s.rows - 1) * s.x_row + s.width, 1);
    auto y = Array<O>::random((s.blocks - 1) * s.y_block + (s.rows - 1) * s.y_row + s.width, 2);
    Vector expected = y.before();
    for (Index b = 0; b < s.blocks; ++b)
      for (Index r = 0; r < s.rows; ++r)
        for (Index i = 0; i < s.width; ++i)
          at(expected, b * s.y_block + r * s.y_row + i) = at(x.before(), b * s.x_block + r * s.x_row + i);
    D::copy_rows(s.blocks, s.rows, s.width, x.data(), s.x_block, s.x_row, y.data(), s.y_block, s.y_row);
    check_close("copy_rows", y, expected, exact);

    // The same rows from the last to the first, alone and as one of a list.
    const Index x_end = (s.blocks - 1) * s.x_block + (s.rows - 1) * s.x_row,
                y_end = (s.blocks - 1) * s.y_block + (s.rows - 1) * s.y_row;
    for (const bool listed : {false, true}) {
      Array<O> backwards(y.before());
      if (listed)
        D::copy_rows(
            std::vector<RowsToCopy<typename O::T>>{{s.blocks, s.rows, s.width, x.data() + x_end, -s.x_block, -s.x_row,
                                                    backwards.data() + y_end, -s.y_block, -s.y_row}});
      else
        D::copy_rows(s.blocks, s.rows, s.width, x.data() + x_end, -s.x_block, -s.x_row, backwards.data() + y_end,
                     -s.y_block, -s.y_row);
      check_close("copy_rows backwards", backwards, expected, exact);
    }
  }
}

TEST_CASE_TEMPLATE("pointwise", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index size : lengths) {
    CAPTURE(size);
    const auto x = Array<O>::random(size, 1, 3), dy = Array<O>::random(size, 2);
    Array<O> y(size, 7);
    D::fill(size, T(0.5), y.data());
    check_close("fill", y, Vector(static_cast<std::size_t>(size), 0.5), exact);

    auto sum = Array<O>::random(size, 3);
    D::add(size, x.data(), sum.data());
    check_close("add", sum, map(x.before(), sum.before(), [](double a, double b) { return a + b; }), rounded);
    D::scale(size, T(0.25), x.data(), y.data());
    check_close("scale", y, map(x.before(), [](double a) { return 0.25 * a; }), exact);

    struct Nonlinearity {
      const char* name;
      void (*forward)(Index, const T*, T*);
      void (*backward)(Index, const T*, const T*, T*);
      double (*value)(double);
      double (*slope)(double);  // from the value
    };
    const Nonlinearity all[] = {
        {"relu", &D::template relu<T>, &D::template relu_backward<T>, [](double a) { return std::max(a, 0.0); },
         [](double v) { return v > 0 ? 1.0 : 0.0; }},
        {"sigmoid", &D::template sigmoid<T>, &D::template sigmoid_backward<T>, logistic,
         [](double v) { return v * (1 - v); }},
        {"tanh", &D::template tanh<T>, &D::template tanh_backward<T>, [](double a) { return std::tanh(a); },
         [](double v) { return 1 - v * v; }},
    };
    for (const Nonlinearity& f : all) {
      INFO(std::string(f.name));
      f.forward(size, x.data(), y.data());
      check_close("value", y, map(x.before(), f.value), transcendental, 1);
      Array<O> in_place(x.before());
      f.forward(size, in_place.data(), in_place.data());
      check_close("in place", in_place, y.now(), exact);

      const Vector values = y.now();
      Array<O> dx(size, 7);
      f.backward(size, y.data(), dy.data(), dx.data());
      check_close("backward", dx, map(values, dy.before(), [&](double v, double d) { return f.slope(v) * d; }),
                  transcendental);
      Array<O> over(dy.before());
      f.backward(size, y.data(), over.data(), over.data());
      check_close("backward in place", over, dx.now(), exact);
    }
  }
}

TEST_CASE_TEMPLATE("blending", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index size : lengths) {
    const auto gate = Array<O>::random(size, 1), x = Array<O>::random(size, 2), y = Array<O>::random(size, 3),
               dz = Array<O>::random(size, 4);
    Vector z = zeros(size), dgate = zeros(size), dx = zeros(size), dy = zeros(size);
    for (Index i = 0; i < size; ++i) {
      const double share = at(gate.before(), i), gradient = at(dz.before(), i);
      at(z, i) = share * at(x.before(), i) + (1 - share) * at(y.before(), i);
      at(dgate, i) = gradient * (at(x.before(), i) - at(y.before(), i));
      at(dx, i) = gradient * share;
      at(dy, i) = gradient * (1 - share);
    }
    Array<O> result(size, 7), gate_gradient(size, 7), x_gradient(size, 7), y_gradient(size, 7);
    D::blend(size, gate.data(), x.data(), y.data(), result.data());
    D::blend_backward(size, gate.data(), x.data(), y.data(), dz.data(), gate_gradient.data(), x_gradient.data(),
                      y_gradient.data());
    check_close("blend", result, z, rounded);
    check_close("blend backward, gate", gate_gradient, dgate, rounded);
    check_close("blend backward, x", x_gradient, dx, rounded);
    check_close("blend backward, y", y_gradient, dy, rounded);
  }
}

TEST_CASE_TEMPLATE("extreme arguments of the nonlinearities", O, DVD_DEVICES) {
  using D = typename O::D;
  const Array<O> x(Vector{-1e4, -100, -20, 0, 20, 100, 1e4});
  Array<O> y(x.size(), 7);
  D::sigmoid(x.size(), x.data(), y.data());
  check_close("sigmoid", y, map(x.before(), logistic), transcendental);
  D::tanh(x.size(), x.data(), y.data());
  check_close("tanh", y, map(x.before(), [](double a) { return std::tanh(a); }), transcendental);
}

TEST_CASE_TEMPLATE("running average", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1);
    auto a = Array<O>::random(size, 5);
    D::moving_average(size, T(0.75), x.data(), a.data());
    check_close("moving average", a,
                map(x.before(), a.before(), [](double y, double z) { return 0.75 * z + 0.25 * y; }), rounded);
  }
}

TEST_CASE_TEMPLATE("conversion", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1);
    Precise<O> precise(size, 7);
    D::convert(size, x.data(), precise.data());
    check_close("to full precision", precise, x.before(), exact);
    const auto y = Precise<O>::random(size, 2);
    Array<O> coarse(size, 7);
    D::convert(size, y.data(), coarse.data());
    check_close("to the scalar", coarse, Array<O>(y.before()).before(), exact);  // rounded as the host rounds
  }
}

TEST_CASE_TEMPLATE("gates of the ConvGRU", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index width : channel_counts)
    for (const Index rows : {Index{1}, Index{35}, Index{900}}) {
      CAPTURE(width);
      const auto state = Array<O>::random(rows * width, 1), doutput = Array<O>::random(rows * width, 2),
                 dreset_state = Array<O>::random(rows * width, 3);
      for (const auto& [with_state, apart] : {std::pair(true, false), {false, false}, {true, true}, {false, true}}) {
        const GateLayout layout{rows, width, apart};
        auto gates = Array<O>::random(layout.size(), 4);
        Array<O> reset_state(rows * width, 7), output(rows * width, 7);
        Vector activated = gates.before(), reset_states = zeros(rows * width), outputs = zeros(rows * width);
        for (Index i = 0; i < rows * width; ++i) {
          double &reset = at(activated, layout.at(i, 0)), &update = at(activated, layout.at(i, 1)),
                 &candidate = at(activated, layout.at(i, 2));
          const double before = with_state ? at(state.before(), i) : 0;
          if (with_state) reset = logistic(reset);  // without a state nothing asks for the reset gate
          update = logistic(update);
          candidate = std::max(candidate, 0.0);
          at(reset_states, i) = reset * before;
          at(outputs, i) = update * before + (1 - update) * candidate;
        }
        const T* const no_state = nullptr;
        Array<O> reset_state_alone(rows * width, 7), output_alone(rows * width, 7);
        {  // without gates that are kept
          Array<O> passing(gates.before());
          if (with_state)
            D::gru_reset(rows, width, layout.gates(passing.data()), state.data(), reset_state_alone.data(), false);
          D::gru_output(rows, width, layout.gates(passing.data()), with_state ? state.data() : no_state,
                        output_alone.data(), false, false);
        }
        if (with_state) {
          D::gru_reset(rows, width, layout.gates(gates.data()), state.data(), reset_state.data());
          check_close("reset state alone", reset_state_alone, reset_state.now(), exact);
          check_close("reset state", reset_state, reset_states, transcendental);
        }
        if (with_state) {
          Array<O> again(rows * width, 7);
          D::multiply_columns(rows, width, gates.data(), layout.apart ? 2 * width : 3 * width, state.data(),
                              again.data());
          check_close("reset state again", again, reset_state.now(), rounded);
        }
        D::gru_output(rows, width, layout.gates(gates.data()), with_state ? state.data() : no_state, output.data());
        check_close("output alone", output_alone, output.now(), exact);
        check_close("gates", gates, activated, transcendental);
        check_close("output", output, outputs, transcendental);

        // From the kernels' own gates.
        const Vector g = gates.now();
        Vector expected = zeros(layout.size()), expected_state = zeros(rows * width);
        Array<O> dgates(layout.size(), 7), dstate(rows * width, 7);
        for (Index i = 0; i < rows * width; ++i) {
          const double before = with_state ? at(state.before(), i) : 0, upstream = at(doutput.before(), i);
          const double reset = at(g, layout.at(i, 0)), update = at(g, layout.at(i, 1)),
                       candidate = at(g, layout.at(i, 2));
          at(expected, layout.at(i, 1)) = upstream * (before - candidate) * update * (1 - update);
          at(expected, layout.at(i, 2)) = candidate > 0 ? upstream * (1 - update) : 0;
          at(expected_state, i) = upstream * update;
          if (with_state) {
            at(expected, layout.at(i, 0)) = at(dreset_state.before(), i) * before * reset * (1 - reset);
            at(expected_state, i) += at(dreset_state.before(), i) * reset;
          }
        }
        T* const no_dstate = nullptr;
        const GruGates<const T> kept = layout.gates(std::as_const(gates).data());
        const GruGates<T> to = layout.gates(dgates.data());
        D::gru_output_backward(rows, width, kept, with_state ? state.data() : no_state, doutput.data(), no_state, to,
                               with_state ? dstate.data() : no_dstate);
        if (with_state) D::gru_reset_backward(rows, width, kept, state.data(), dreset_state.data(), to, dstate.data());
        check_close("gradient of the gates", dgates, expected, transcendental);
        if (with_state) check_close("gradient of the state", dstate, expected_state, transcendental);
      }
    }
}

TEST_CASE_TEMPLATE("rows", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index width : {Index{1}, Index{3}, Index{17}, Index{64}, Index{100}, Index{3072}}) {
    const std::vector<Index> rows{4, 0, 4, 2, 4};  // one three times, others never
    const Rows<D> on_device(rows);
    const auto table = Array<O>::random(5 * width, 1), dy = Array<O>::random(5 * width, 2);
    auto dtable = Precise<O>::random(5 * width, 3);
    Array<O> picked(5 * width, 7);
    Vector expected = zeros(5 * width), expected_table = dtable.before();
    for (Index i = 0; i < 5; ++i)
      for (Index c = 0; c < width; ++c) {
        const Index row = rows[static_cast<std::size_t>(i)];
        at(expected, i * width + c) = at(table.before(), row * width + c);
        at(expected_table, row * width + c) += at(dy.before(), i * width + c);
      }
    D::gather_rows(5, width, table.data(), on_device.data(), picked.data());
    check_close("gather_rows", picked, expected, exact);
    D::scatter_add_rows(5, width, dy.data(), on_device.data(), dtable.data());
    check_close("scatter_add_rows", dtable, expected_table, rounded);

    Array<O> broadcast(5 * 3 * width, 7);
    Vector repeated = zeros(5 * 3 * width);
    for (Index i = 0; i < 5 * 3 * width; ++i) at(repeated, i) = at(table.before(), i / (3 * width) * width + i % width);
    D::broadcast_rows(5, 3, width, table.data(), broadcast.data());
    check_close("broadcast_rows", broadcast, repeated, exact);

    Precise<O> dots(5, 7);
    Array<O> scaled(5 * width, 7);
    const auto factors = Precise<O>::random(5, 4);
    Vector expected_dots = zeros(5), expected_scaled = zeros(5 * width);
    for (Index i = 0; i < 5 * width; ++i) {
      at(expected_dots, i / width) += at(table.before(), i) * at(dy.before(), i);
      at(expected_scaled, i) = at(factors.before(), i / width) * at(table.before(), i);
    }
    D::row_dots(5, width, table.data(), dy.data(), dots.data());
    check_close("row_dots", dots, expected_dots, summed);
    D::scale_rows(5, width, factors.data(), table.data(), scaled.data());
    check_close("scale_rows", scaled, expected_scaled, rounded);
  }
}

TEST_CASE_TEMPLATE("the mean of a loss", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const Index size : {1, 2, 7, 64, 512}) {
    const auto scores = Precise<O>::random(size, 1);
    Precise<O> loss(1, 2.5), dscores(size, 7);
    double expected = 0;
    for (const double score : scores.before()) expected += (score - 1) * (score - 1) / 2 / static_cast<double>(size);
    const RealTerm<LeastSquaresLoss> term;
    D::mean_loss(size, scores.data(), term, loss.data(), dscores.data());
    check_close("loss", loss, {2.5 + expected}, summed);
    check_close("dscores", dscores, map(scores.before(), [&](double x) { return (x - 1) / static_cast<double>(size); }),
                rounded);
    D::mean_loss(size, scores.data(), term, loss.data(), static_cast<P*>(nullptr));
    check_close("loss alone", loss, {2.5 + 2 * expected}, summed);
  }
}

TEST_CASE_TEMPLATE("transposition", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index count : {1, 3})
    for (const Index rows : {1, 5, 33, 100})
      for (const Index columns : {1, 16, 31, 70}) {
        const auto x = Array<O>::random(count * rows * columns, 1);
        Array<O> y(x.size(), 7);
        Vector expected = zeros(x.size());
        for (Index i = 0; i < x.size(); ++i) {
          const Index batch = i / (rows * columns), row = i / columns % rows, column = i % columns;
          at(expected, (batch * columns + column) * rows + row) = at(x.before(), i);
        }
        D::transpose(count, rows, columns, x.data(), y.data());
        check_close("transposed", y, expected, exact);
      }
}

TEST_CASE_TEMPLATE("random numbers", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  const Random random = Random(11).stream("conformance");
  for (const Index size : lengths) {
    Array<O> y(size, 7);
    Vector expected;
    for (Index i = 0; i < size; ++i) expected.push_back(0.5 * random.normal(static_cast<std::uint64_t>(i)));
    D::random_normal(size, random, T(0.5), y.data());
    check_close("random_normal", y, expected, rounded);
    for (Index i = 0; i < size; ++i) at(expected, i) = random.uniform(static_cast<std::uint64_t>(i), -2, 3);
    D::random_uniform(size, random, T(-2), T(3), y.data());
    check_close("random_uniform", y, expected, rounded);
  }
}

}  // namespace

// Layers for other networks than DVD-GAN against PyTorch's values (tests/data/parity/make_layer_values.py), for each
// device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/global_average_pool.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/layers/pointwise_layer.hpp"
#include "dvd/layers/tensor_losses.hpp"
#include "support/parity.hpp"

namespace {

using namespace dvd;
using dvd::testing::as_stored;
using dvd::testing::Layout;
using dvd::testing::Reference;

template <class T, class D, class L>
void check_run(Reference<T, D>& reference, L& layer, const std::string& run, Pass pass, Layout layout = as_stored,
               Layout of_result = as_stored) {
  reference.load(contents(layer));
  typename L::Cache cache;
  const Tensor<T, D> y = layer.forward(reference.tensor("in.x", layout), pass, &cache);
  reference.check(run + ".out.y", y, of_result);
  const Tensor<T, D> dx = layer.backward(reference.tensor("upstream.y", of_result), cache, Gradients::all);
  reference.check(run + ".grad.in.x", dx, layout);
  reference.check_gradients(run + ".grad.param.", contents(layer));
  if (pass.batch_statistics) reference.check_buffers(run + ".after.", contents(layer));
}

TEST_CASE_TEMPLATE("activations", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  Reference<T, D> reference("activations");
  LeakyReLU<T, D> leaky(reference.attributes().at("slope").template get<double>());
  ELU<T, D> elu(reference.attributes().at("alpha").template get<double>());
  GELU<T, D> gelu;
  Softplus<T, D> softplus;
  check_run(reference, leaky, "leaky_relu", Pass::train());
  check_run(reference, elu, "elu", Pass::train());
  check_run(reference, gelu, "gelu", Pass::train());
  check_run(reference, softplus, "softplus", Pass::train());
  reference.finish();
}

TEST_CASE_TEMPLATE("norms", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  const auto check = [](Reference<T, D>& reference, auto layer, Layout layout) {
    check_run(reference, layer, "train", Pass::train(), layout, layout);
    check_run(reference, layer, "eval", Pass::evaluate(), layout, layout);
    reference.finish();
  };
  Reference<T, D> batch("batchnorm"), group("groupnorm"), layer("layernorm");
  check(batch, BatchNorm<T, D>(batch.size("channels")), dvd::testing::frames_layout);
  check(group, GroupNorm<T, D>(group.size("groups"), group.size("channels")), dvd::testing::frames_layout);
  check(layer, LayerNorm<T, D>(layer.size("channels")), as_stored);
}

TEST_CASE_TEMPLATE("global average pooling", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  Reference<T, D> reference("global_average_pool");
  GlobalAveragePool<T, D> layer;
  check_run(reference, layer, "train", Pass::train(), dvd::testing::videos_layout);
  reference.finish();
}

TEST_CASE_TEMPLATE("distances of tensors", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  Reference<T, D> reference("tensor_losses");
  const Tensor<T, D> x = reference.tensor("in.x"), target = reference.tensor("in.target");
  const auto squared = mean_squared_error(x, target), absolute = mean_absolute_error(x, target);
  reference.check("mse.out.loss", squared.loss);
  reference.check("mse.grad.in.x", squared.dx);
  reference.check("mae.out.loss", absolute.loss);
  reference.check("mae.grad.in.x", absolute.dx);
  reference.finish();
}

template <class Unit>
void check_unit(const char* name) {
  using T = typename Unit::scalar_type;
  using D = typename Unit::device_type;
  Reference<T, D> reference(name);
  // The gradient of a ConvLSTM's input bias is a sum that cancels: in double, too, it misses by a hundredth once inputs
  // and weights are rounded to bfloat16.
  reference.expect_ties(0.05);
  const Layout layout = dvd::testing::videos_layout, of_state = dvd::testing::frames_layout;
  struct Run {
    const char* name;
    Pass pass;
    bool with_state;
  };
  for (const Run& run : {Run{"zero_state", Pass::train(), false}, Run{"given_state", Pass::train(), true},
                         Run{"eval", Pass::evaluate(), true}}) {
    const std::string prefix = run.name;
    Unit unit(reference.size("width"), Random(1));
    reference.load(contents(unit));
    typename Unit::Cache cache;
    const Tensor<T, D> state = run.with_state ? reference.tensor("in.state", of_state) : Tensor<T, D>();
    const Tensor<T, D> y =
        unit.forward(reference.tensor("in.x", layout), reference.size("frames"), state, run.pass, &cache);
    reference.check(prefix + ".out.y", y, layout);
    const auto gradients = unit.backward(reference.tensor("upstream.y", layout), cache, Gradients::all);
    reference.check(prefix + ".grad.in.x", gradients.x, layout);
    CHECK(static_cast<bool>(gradients.state) == run.with_state);
    if (run.with_state) reference.check(prefix + ".grad.in.state", gradients.state, of_state);
    reference.check_gradients(prefix + ".grad.param.", contents(unit));
    if (run.pass.power_iteration) reference.check_buffers(prefix + ".after.", contents(unit));
  }
  reference.finish();
}

TEST_CASE_TEMPLATE("recurrent units", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  check_unit<PlainConvGRU<T, D>>("convgru_plain");
  check_unit<TanhConvGRU<T, D>>("convgru_tanh");
  check_unit<ConvLSTM<T, D>>("convlstm");
  check_unit<PlainConvLSTM<T, D>>("convlstm_plain");
}

}  // namespace

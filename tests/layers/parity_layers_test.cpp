// Every layer against reference values of another implementation, for each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "dvd/layers/attention.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/residual_block.hpp"
#include "support/parity.hpp"

namespace {

using namespace dvd;
using dvd::testing::Layout;
using dvd::testing::Reference;

const Random random_weights(1);  // replaced by the files' before anything is computed

// One run of a map from x to y.
template <class T, class D, class L>
void check_run(Reference<T, D>& reference, L& layer, const std::string& run, Pass pass, Layout layout) {
  reference.load(contents(layer));
  typename L::Cache cache;
  const Tensor<T, D> y = layer.forward(reference.tensor("in.x", layout), pass, &cache);
  reference.check(run + ".out.y", y, layout);
  const Tensor<T, D> dx = layer.backward(reference.tensor("upstream.y", layout), cache, Gradients::all);
  reference.check(run + ".grad.in.x", dx, layout);
  reference.check_gradients(run + ".grad.param.", contents(layer));
  if (pass.power_iteration) reference.check_buffers(run + ".after.", contents(layer));
}

// One run of a map from a video x and a condition c to y.
template <class T, class D, class L>
void check_conditioned_run(Reference<T, D>& reference, L& layer, const std::string& run, Pass pass) {
  reference.load(contents(layer));
  typename L::Cache cache;
  const Layout layout = dvd::testing::videos_layout;
  const Tensor<T, D> y = layer.forward(reference.tensor("in.x", layout), reference.tensor("in.c"), pass, &cache);
  reference.check(run + ".out.y", y, layout);
  const auto gradients = layer.backward(reference.tensor("upstream.y", layout), cache, Gradients::all);
  reference.check(run + ".grad.in.x", gradients.x, layout);
  reference.check(run + ".grad.in.c", gradients.condition);
  reference.check_gradients(run + ".grad.param.", contents(layer));
  if (pass.power_iteration) reference.check_buffers(run + ".after.", contents(layer));
}

template <class T, class D, class L>
void check_train_and_eval(Reference<T, D>& reference, L& layer, Layout layout) {
  check_run(reference, layer, "train", Pass::train(), layout);
  check_run(reference, layer, "eval", Pass::evaluate(), layout);
  reference.finish();
}

TEST_CASE_TEMPLATE("convolutions", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  for (const char* name : {"conv2d_3x3", "conv2d_3x3_wide", "conv2d_1x1"}) {
    Reference<T, D> reference(name);
    Conv2D<T, D> layer(reference.size("inputs"), reference.size("outputs"), reference.size("kernel"), random_weights);
    check_run(reference, layer, "train", Pass::evaluate(), dvd::testing::frames_layout);
    reference.finish();
  }
  for (const char* name : {"conv3d_3x3x3", "conv3d_1x1x1"}) {
    Reference<T, D> reference(name);
    Conv3D<T, D> layer(reference.size("inputs"), reference.size("outputs"), reference.size("kernel"), random_weights);
    check_run(reference, layer, "train", Pass::evaluate(), dvd::testing::volumes_layout);
    reference.finish();
  }
}

TEST_CASE_TEMPLATE("a spectrally normalised convolution", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  Reference<T, D> reference("spectral_conv2d");
  SpectralNorm<Conv2D<T, D>> layer(random_weights, reference.size("inputs"), reference.size("outputs"),
                                   reference.size("kernel"), random_weights);
  check_train_and_eval(reference, layer, dvd::testing::frames_layout);
}

TEST_CASE_TEMPLATE("class-conditional batch norm", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  Reference<T, D> reference("class_batchnorm");
  ClassConditionalBatchNorm<T, D> layer(reference.size("frames"), reference.size("width"), reference.size("condition"),
                                        random_weights);
  check_conditioned_run(reference, layer, "train", Pass::train());
  check_conditioned_run(reference, layer, "eval", Pass::evaluate());
  reference.finish();
}

TEST_CASE_TEMPLATE("ConvGRU", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  Reference<T, D> reference("convgru");
  reference.expect_ties(0.2);
  const Layout layout = dvd::testing::videos_layout;
  struct Run {
    const char* name;
    Pass pass;
    bool with_state;
  };
  for (const Run& run : {Run{"zero_state", Pass::train(), false}, Run{"given_state", Pass::train(), true},
                         Run{"eval", Pass::evaluate(), true}}) {
    const std::string name = run.name;
    ConvGRU<T, D> layer(reference.size("width"), random_weights);
    reference.load(contents(layer));
    typename ConvGRU<T, D>::Cache cache;
    const Tensor<T, D> state =
        run.with_state ? reference.tensor("in.state", dvd::testing::frames_layout) : Tensor<T, D>();
    const Tensor<T, D> y =
        layer.forward(reference.tensor("in.x", layout), reference.size("frames"), state, run.pass, &cache);
    reference.check(name + ".out.y", y, layout);
    const auto gradients = layer.backward(reference.tensor("upstream.y", layout), cache, Gradients::all);
    reference.check(name + ".grad.in.x", gradients.x, layout);
    CHECK(static_cast<bool>(gradients.state) == run.with_state);
    if (run.with_state) reference.check(name + ".grad.in.state", gradients.state, dvd::testing::frames_layout);
    reference.check_gradients(name + ".grad.param.", contents(layer));
    if (run.pass.power_iteration) reference.check_buffers(name + ".after.", contents(layer));
  }
  reference.finish();
}

TEST_CASE_TEMPLATE("the generator's residual block", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  for (const char* name : {"gen_resblock_plain", "gen_resblock_up_bilinear", "gen_resblock_up_nearest"}) {
    Reference<T, D> reference(name);
    reference.expect_ties(0.5);
    const auto& upsample = reference.attributes().at("upsample");
    const std::optional<Upsampling> upsampling =
        upsample.is_null() ? std::nullopt : std::optional(reference.upsampling(upsample.template get<std::string>()));
    GeneratorBlock<T, D> layer(reference.size("inputs"), reference.size("outputs"), reference.size("frames"),
                               reference.size("condition"), upsampling, random_weights);
    check_conditioned_run(reference, layer, "train", Pass::train());
    check_conditioned_run(reference, layer, "eval", Pass::evaluate());
    reference.finish();
  }
}

TEST_CASE_TEMPLATE("attention", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  {
    Reference<T, D> reference("self_attention");
    reference.expect_ties(0.3);
    SelfAttention<T, D> layer(reference.size("width"), random_weights);
    check_train_and_eval(reference, layer, dvd::testing::frames_layout);
  }
  {
    Reference<T, D> reference("separable_attention");
    reference.expect_ties(0.3);
    SeparableAttention<T, D> layer(reference.size("width"), random_weights);
    check_train_and_eval(reference, layer, dvd::testing::videos_layout);
  }
}

template <int Dimensions, class T, class D>
void check_discriminator_block(const char* name) {
  Reference<T, D> reference(name);
  reference.expect_ties(0.1);
  REQUIRE(reference.size("dims") == Dimensions);
  ResBlock<Dimensions, T, D> layer(reference.size("inputs"), reference.size("outputs"),
                                   reference.attributes().at("first").template get<bool>(),
                                   reference.attributes().at("down").template get<bool>(), random_weights);
  check_train_and_eval(reference, layer, Dimensions == 2 ? dvd::testing::frames_layout : dvd::testing::volumes_layout);
}

TEST_CASE_TEMPLATE("the discriminators' residual blocks", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  for (const char* name :
       {"disc_resblock2d_first", "disc_resblock2d_mid", "disc_resblock2d_last", "disc_resblock2d_last_widen"})
    check_discriminator_block<2, T, D>(name);
  for (const char* name : {"disc_resblock3d_first", "disc_resblock3d_odd", "disc_resblock3d_single"})
    check_discriminator_block<3, T, D>(name);
}

}  // namespace

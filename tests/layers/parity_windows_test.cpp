// Convolutions of any kernel, transposed ones, and pooling, against reference values of another implementation, for
// each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include "dvd/layers/general_convolution.hpp"
#include "dvd/layers/pool.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/layers/transposed_convolution.hpp"
#include "support/parity.hpp"

namespace {

using namespace dvd;
using dvd::testing::Layout;
using dvd::testing::Reference;

const Random random_weights(1);  // replaced by the files' before anything is computed

PerAxis per_axis(const nlohmann::json& numbers) {
  const auto values = numbers.get<std::vector<Index>>();
  return values.size() == 2 ? PerAxis(values[0], values[1]) : PerAxis(values[0], values[1], values[2]);
}

Padding padding_of(const nlohmann::json& numbers) {
  if (numbers == "same") return same_padding;
  Padding padding;
  static_cast<PerAxis&>(padding) = per_axis(numbers);
  return padding;
}

ConvolutionOptions convolution_options(const nlohmann::json& file) {
  return {.kernel = per_axis(file.at("kernel")),
          .stride = per_axis(file.at("stride")),
          .padding = padding_of(file.at("padding")),
          .dilation = per_axis(file.at("dilation")),
          .groups = file.at("groups").get<Index>()};
}

template <class T, class D>
Layout layout_of(const Reference<T, D>& reference) {
  return reference.attributes().at("kernel").size() == 2 ? dvd::testing::frames_layout : dvd::testing::volumes_layout;
}

// One run of a map from x to y.
template <class T, class D, class L>
void check_run(Reference<T, D>& reference, L& layer, const std::string& run, Pass pass) {
  const Layout layout = layout_of(reference);
  reference.load(contents(layer));
  typename L::Cache cache;
  const Tensor<T, D> y = layer.forward(reference.tensor("in.x", layout), pass, &cache);
  reference.check(run + ".out.y", y, layout);
  const Tensor<T, D> dx = layer.backward(reference.tensor("upstream.y", layout), cache, Gradients::all);
  reference.check(run + ".grad.in.x", dx, layout);
  reference.check_gradients(run + ".grad.param.", contents(layer));
  if (pass.power_iteration) reference.check_buffers(run + ".after.", contents(layer));
}

// A layer made from the file's channels and `options`, and, of a spectral norm, its passes of both kinds.
template <class L, class T, class D, class Options>
void check_layer(Reference<T, D>& reference, const Options& options) {
  const Index inputs = reference.size("inputs"), outputs = reference.size("outputs");
  bool bias = false;
  for (const std::string& name : reference.names()) bias = bias || name == "param.bias";
  if constexpr (requires(L layer) { layer.u; }) {
    L layer(random_weights, inputs, outputs, options, random_weights, bias);
    check_run(reference, layer, "train", Pass::train());
    check_run(reference, layer, "eval", Pass::evaluate());
  } else {
    L layer(inputs, outputs, options, random_weights, bias);
    check_run(reference, layer, "train", Pass::evaluate());
  }
  reference.finish();
}

TEST_CASE_TEMPLATE("convolutions", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  for (const char* name :
       {"conv2d_4x4_stride2", "conv2d_2x5_dilated_groups", "conv2d_3x4_same", "conv2d_5x5_depthwise"}) {
    Reference<T, D> reference(name);
    check_layer<Conv2D<T, D>>(reference, convolution_options(reference.attributes()));
  }
  for (const char* name : {"conv3d_3x4x4_stride", "conv3d_2x3x1_same_groups", "conv3d_1x3x3"}) {
    Reference<T, D> reference(name);
    check_layer<Conv3D<T, D>>(reference, convolution_options(reference.attributes()));
  }
  Reference<T, D> reference("spectral_conv2d_4x4");
  check_layer<SpectralNorm<Conv2D<T, D>>>(reference, convolution_options(reference.attributes()));
}

TransposedConvolutionOptions transposed_options(const nlohmann::json& file) {
  return {.kernel = per_axis(file.at("kernel")),
          .stride = per_axis(file.at("stride")),
          .padding = padding_of(file.at("padding")),
          .output_padding = per_axis(file.at("output_padding")),
          .dilation = per_axis(file.at("dilation")),
          .groups = file.at("groups").get<Index>()};
}

TEST_CASE_TEMPLATE("transposed convolutions", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  for (const char* name : {"transposed_conv2d_4x4_stride2", "transposed_conv2d_dilated_groups"}) {
    Reference<T, D> reference(name);
    check_layer<TransposedConv2D<T, D>>(reference, transposed_options(reference.attributes()));
  }
  Reference<T, D> videos("transposed_conv3d");
  check_layer<TransposedConv3D<T, D>>(videos, transposed_options(videos.attributes()));
  Reference<T, D> spectral("spectral_transposed_conv2d");
  check_layer<SpectralNorm<TransposedConv2D<T, D>>>(spectral, transposed_options(spectral.attributes()));
}

PoolOptions pool_options(const nlohmann::json& file) {
  return {.kernel = per_axis(file.at("kernel")),
          .stride = per_axis(file.at("stride")),
          .padding = padding_of(file.at("padding"))};
}

template <class L, class T, class D, class... Arguments>
void check_pool(Reference<T, D>& reference, const Arguments&... arguments) {
  L layer(pool_options(reference.attributes()), arguments...);
  check_run(reference, layer, "train", Pass::evaluate());
  reference.finish();
}

TEST_CASE_TEMPLATE("pooling", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  Reference<T, D> largest("max_pool2d"), largest_of_videos("max_pool3d"), average("average_pool2d"),
      inside("average_pool2d_inside"), of_videos("average_pool3d");
  // Two numbers that rounding makes equal may change places.
  largest.expect_ties(0.1);
  largest_of_videos.expect_ties(0.1);
  check_pool<MaxPool2D<T, D>>(largest);
  check_pool<MaxPool3D<T, D>>(largest_of_videos);
  check_pool<AvgPool2D<T, D>>(average);
  check_pool<AvgPool2D<T, D>>(inside, false);
  check_pool<AvgPool3D<T, D>>(of_videos, false);
}

}  // namespace

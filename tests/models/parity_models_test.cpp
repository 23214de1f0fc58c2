// The generator and both discriminators against reference values of another implementation.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#include "dvd/models/generator_networks.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"
#include "support/parity.hpp"

namespace {

using namespace dvd;
using dvd::testing::Reference;
using dvd::testing::videos_layout;

const Random random_weights(1);  // replaced by the files' before anything is computed

// Both runs of a network whose `forward(pass, cache)` and `backward(cache)` are given; the evaluation has no gradients.
template <class T, class Network, class Forward, class Backward>
void check_network(Reference<T>& reference, Network& network, const std::string& prefix, dvd::testing::Layout layout,
                   const Forward& forward, const Backward& backward) {
  reference.load(contents(network, prefix));
  typename Network::Cache cache;
  reference.check("train.out.y", forward(Pass::train(), &cache), layout);
  backward(cache);
  reference.check_gradients("train.grad.param.", contents(network, prefix));
  reference.check_buffers("train.after.", contents(network, prefix));

  reference.load(contents(network, prefix));
  reference.check("eval.out.y", forward(Pass::evaluate(), nullptr), layout);
  reference.finish();
}

TEST_CASE_TEMPLATE("generator", T, double, float) {
  Reference<T> reference("generator");
  Generator<T> network(reference.config(), random_weights);
  const Tensor<T> z = reference.tensor("in.z");
  const Labels labels = reference.labels("in.labels");
  check_network(
      reference, network, "generator.", videos_layout,
      [&](Pass pass, typename Generator<T>::Cache* cache) { return network.forward(z, labels, pass, cache); },
      [&](const typename Generator<T>::Cache& cache) {
        const auto gradients = network.backward(reference.tensor("upstream.y", videos_layout), cache, Gradients::all);
        reference.check("train.grad.in.z", gradients.z);
      });
}

TEST_CASE_TEMPLATE("generator that predicts", T, double, float) {
  using Networks = GeneratorNetworks<Generator<T>>;
  Reference<T> reference("generator_fp");
  Networks networks(reference.config(), random_weights);
  const Tensor<T> z = reference.tensor("in.z"), condition = reference.tensor("in.condition", videos_layout);
  const Labels labels = reference.labels("in.labels");
  check_network(
      reference, networks, "", videos_layout,
      [&](Pass pass, typename Networks::Cache* cache) { return networks.generate(z, labels, condition, pass, cache); },
      [&](const typename Networks::Cache& cache) {
        const auto gradients = networks.backward(reference.tensor("upstream.y", videos_layout), cache, Gradients::all);
        reference.check("train.grad.in.z", gradients.z);
        reference.check("train.grad.in.condition", gradients.condition, videos_layout);
      });
}

TEST_CASE_TEMPLATE("spatial discriminator", T, double, float) {
  using Network = SpatialDiscriminator<T>;
  Reference<T> reference("spatial_discriminator");
  Network network(reference.config(), random_weights);
  const Tensor<T> video = reference.tensor("in.video", videos_layout);
  const Labels labels = reference.labels("in.labels");
  const FrameIndices frames = reference.frames("in.frames");
  check_network(
      reference, network, "", dvd::testing::as_stored,
      [&](Pass pass, typename Network::Cache* cache) { return network.forward(video, labels, frames, pass, cache); },
      [&](const typename Network::Cache& cache) {
        const Tensor<T> dvideo = network.backward(reference.tensor("upstream.y"), cache, Gradients::all);
        reference.check("train.grad.in.video", dvideo, videos_layout);
      });
}

TEST_CASE_TEMPLATE("temporal discriminator", T, double, float) {
  using Network = TemporalDiscriminator<T>;
  for (const char* name : {"temporal_discriminator", "temporal_discriminator_long"}) {
    Reference<T> reference(name);
    Network network(reference.config(), random_weights);
    const Tensor<T> video = reference.tensor("in.video", videos_layout);
    const Labels labels = reference.labels("in.labels");
    check_network(
        reference, network, "", dvd::testing::as_stored,
        [&](Pass pass, typename Network::Cache* cache) { return network.forward(video, labels, pass, cache); },
        [&](const typename Network::Cache& cache) {
          const Tensor<T> dvideo = network.backward(reference.tensor("upstream.y"), cache, Gradients::all);
          reference.check("train.grad.in.video", dvideo, videos_layout);
        });
  }
}

}  // namespace

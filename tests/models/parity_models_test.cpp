// The generator and both discriminators against reference values of another implementation.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <string>

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
template <class T, class D, class Network, class Forward, class Backward>
void check_network(Reference<T, D>& reference, Network& network, const std::string& prefix, dvd::testing::Layout layout,
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

TEST_CASE_TEMPLATE("generator", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  for (const std::string name : {"generator", "generator_rect", "generator_unconditional", "generator_multipliers"}) {
    Reference<T, D> reference(name);
    Generator<T, D> network(reference.config(), random_weights);
    const Tensor<T, D> z = reference.tensor("in.z");
    const Labels labels = reference.labels("in.labels");
    check_network(
        reference, network, "generator.", videos_layout,
        [&](Pass pass, typename Generator<T, D>::Cache* cache) { return network.forward(z, labels, pass, cache); },
        [&](const typename Generator<T, D>::Cache& cache) {
          const auto gradients = network.backward(reference.tensor("upstream.y", videos_layout), cache, Gradients::all);
          reference.check("train.grad.in.z", gradients.z);
        });
  }
}

TEST_CASE_TEMPLATE("generator that predicts", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  using Networks = GeneratorNetworks<Generator<T, D>>;
  for (const char* name : {"generator_fp", "generator_fp_rect"}) {
    Reference<T, D> reference(name);
    Networks networks(reference.config(), random_weights);
    const Tensor<T, D> z = reference.tensor("in.z"), condition = reference.tensor("in.condition", videos_layout);
    const Labels labels = reference.labels("in.labels");
    check_network(
        reference, networks, "", videos_layout,
        [&](Pass pass, typename Networks::Cache* cache) {
          return networks.generate(z, labels, condition, pass, cache);
        },
        [&](const typename Networks::Cache& cache) {
          const auto gradients =
              networks.backward(reference.tensor("upstream.y", videos_layout), cache, Gradients::all);
          reference.check("train.grad.in.z", gradients.z);
          reference.check("train.grad.in.condition", gradients.condition, videos_layout);
        });
  }
}

TEST_CASE_TEMPLATE("spatial discriminator", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  using Network = SpatialDiscriminator<T, D>;
  for (const char* name :
       {"spatial_discriminator", "spatial_discriminator_rect", "spatial_discriminator_unconditional"}) {
    Reference<T, D> reference(name);
    Network network(reference.config(), random_weights);
    const Tensor<T, D> video = reference.tensor("in.video", videos_layout);
    const Labels labels = reference.labels("in.labels");
    const FrameIndices frames = reference.frames("in.frames");
    check_network(
        reference, network, "", dvd::testing::as_stored,
        [&](Pass pass, typename Network::Cache* cache) {
          return network.forward({video, labels, frames}, pass, cache);
        },
        [&](const typename Network::Cache& cache) {
          const Tensor<T, D> dvideo = network.backward(reference.precise_tensor("upstream.y"), cache, Gradients::all);
          reference.check("train.grad.in.video", dvideo, videos_layout);
        });
  }
}

TEST_CASE_TEMPLATE("temporal discriminator", O, DVD_PRECISIONS) {
  using T = typename O::T;
  using D = typename O::D;
  const typename O::Precision precision;
  using Network = TemporalDiscriminator<T, D>;
  for (const char* name : {"temporal_discriminator", "temporal_discriminator_long", "temporal_discriminator_rect"}) {
    Reference<T, D> reference(name);
    Network network(reference.config(), random_weights);
    const Tensor<T, D> video = reference.tensor("in.video", videos_layout);
    const Labels labels = reference.labels("in.labels");
    check_network(
        reference, network, "", dvd::testing::as_stored,
        [&](Pass pass, typename Network::Cache* cache) {
          return network.forward({video, labels}, pass, cache);
        },
        [&](const typename Network::Cache& cache) {
          const Tensor<T, D> dvideo = network.backward(reference.precise_tensor("upstream.y"), cache, Gradients::all);
          reference.check("train.grad.in.video", dvideo, videos_layout);
        });
  }
}

}  // namespace

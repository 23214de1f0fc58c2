// Parts of your own with kernels of your own: an activation, a loss and a layer that also work on a GPU.
//
//     own_kernels --out runs/own [--device cuda]
//
// Read functions.hpp and pixel_norm_kernels.hpp first, then kernels.cu, which is all that nvcc compiles; train.hpp uses
// them like any other part.

#include "options.hpp"

int main(int argc, char** argv) {
  examples::TrainOptions options;
  options.common.out = "runs/own";
  CLI::App app("Trains a GAN whose discriminator has an activation, a layer and a loss of its own.", "own_kernels");
  options.common.add_to(app);
  options.common.add_precision_to(app);
  app.add_option("--steps", options.steps, "steps to train")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  return examples::run(app, argc, argv, [&] {
    return examples::on_device(options.common.device, options.common.precision,
                               [&]<class T, class D>() { return examples::train<T, D>(options); });
  });
}

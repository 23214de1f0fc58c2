// Trains on a GPU, and calls a kernel of its own there; without a GPU, that it was compiled and linked is all.
#include <cstdio>
#include <dvd/device/cuda.hpp>
#include <dvd/dvdgan.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <vector>

#include "cuda_function.hpp"

int main() {
  if (dvd::Cuda::count() == 0) {
    std::puts("no GPU here");
    return 0;
  }
  dvd::PointwiseLayer<Cube, float, dvd::Cuda> cube;
  const dvd::Tensor<float, dvd::Cuda> x(dvd::Shape{3}, std::vector<float>{1, 2, -3});
  if (cube.forward(x, dvd::Pass::evaluate()).to_vector() != std::vector<float>{1, 8, -27}) return 1;

  dvd::DvdGan<dvd::bfloat16, dvd::Cuda> gan({.frames = 2, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 2, .resolution = 16});
  for (int step = 0; step < 3; ++step) trainer.step(data);
  return 0;
}

// Trains on a GPU, and calls a kernel of its own there; without a GPU, that it was compiled and linked is all.
#include <cstdio>
#include <dvd/device/cuda.hpp>  // declarations alone: any C++ compiler reads it, and it needs nothing of CUDA
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

  // What docs/gpu.md shows.
  dvd::DvdGan<dvd::bfloat16, dvd::Cuda> gan({.frames = 8, .resolution = 32, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 8});

  dvd::MovingShapes data({.frames = 8, .resolution = 32});
  for (int step = 0; step < 3; ++step) trainer.step(data);
  return 0;
}

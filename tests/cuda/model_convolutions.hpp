// The distinct convolutions of a training step of DVD-GAN at 64x64 pixels, 48 frames and batches of 8.
#pragma once

#include <vector>

#include "dvd/device/cuda/libraries/libraries.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Widths are multiples of `channels`; 0 stands for the three colours, which are padded to eight.
struct ModelConvolution {
  Index images, frames, extent, inputs, outputs, kernel_frames;
  bool halved = false;
};
inline constexpr ModelConvolution model_convolutions[] = {
    {96, 1, 2, 16, 16, 1},       {192, 1, 2, 16, 16, 1},      {8, 1, 4, 8, 8, 1},
    {8, 1, 4, 8, 16, 1},         {64, 1, 4, 16, 16, 1},       {96, 1, 4, 8, 16, 1},
    {128, 1, 4, 16, 16, 1},      {192, 1, 4, 8, 16, 1},       {376, 1, 4, 8, 8, 1},
    {376, 1, 4, 8, 16, 1},       {384, 1, 4, 8, 8, 1},        {8, 1, 8, 8, 8, 1},
    {8, 1, 8, 8, 16, 1},         {64, 1, 8, 8, 16, 1},        {96, 1, 8, 4, 8, 1},
    {128, 1, 8, 8, 16, 1},       {192, 1, 8, 4, 8, 1},        {376, 1, 8, 8, 8, 1},
    {376, 1, 8, 8, 16, 1},       {384, 1, 8, 8, 8, 1},        {384, 1, 8, 8, 16, 1},
    {8, 1, 16, 8, 8, 1},         {8, 1, 16, 8, 16, 1},        {64, 1, 16, 4, 8, 1},
    {128, 1, 16, 4, 8, 1},       {376, 1, 16, 8, 8, 1},       {376, 1, 16, 8, 16, 1},
    {384, 1, 16, 8, 8, 1},       {384, 1, 16, 8, 16, 1},      {8, 1, 32, 4, 4, 1},
    {8, 1, 32, 4, 8, 1},         {64, 1, 32, 2, 4, 1},        {128, 1, 32, 2, 4, 1},
    {376, 1, 32, 4, 4, 1},       {376, 1, 32, 4, 8, 1},       {384, 1, 32, 4, 4, 1},
    {384, 1, 32, 4, 8, 1},       {384, 1, 32, 8, 4, 1},       {64, 1, 64, 0, 2, 1},
    {128, 1, 64, 0, 2, 1},       {384, 1, 64, 2, 0, 1},       {384, 1, 64, 2, 2, 1},
    {384, 1, 64, 4, 2, 1},       {96, 1, 4, 16, 16, 1, true}, {192, 1, 4, 16, 16, 1, true},
    {64, 1, 8, 16, 16, 1, true}, {96, 1, 8, 8, 8, 1, true},   {128, 1, 8, 16, 16, 1, true},
    {192, 1, 8, 8, 8, 1, true},  {64, 1, 16, 8, 8, 1, true},  {128, 1, 16, 8, 8, 1, true},
    {64, 1, 32, 4, 4, 1, true},  {128, 1, 32, 4, 4, 1, true}, {64, 1, 64, 2, 2, 1, true},
    {128, 1, 64, 2, 2, 1, true}, {8, 24, 16, 2, 4, 3},        {16, 24, 16, 2, 4, 3},
    {8, 48, 32, 0, 2, 3},        {16, 48, 32, 0, 2, 3},       {8, 24, 16, 4, 4, 3, true},
    {16, 24, 16, 4, 4, 3, true}, {8, 48, 32, 2, 2, 3, true},  {16, 48, 32, 2, 2, 3, true}};

/// Those of the model of so many channels: convolution_plans() lists them after a step.
inline std::vector<ConvolutionProblem> model_problems(NumberType type, Index channels) {
  std::vector<ConvolutionProblem> problems;
  for (const ModelConvolution& c : model_convolutions)
    problems.push_back({type, c.images, c.frames, c.extent, c.extent, c.inputs > 0 ? c.inputs * channels : 8,
                        c.outputs > 0 ? c.outputs * channels : 8, c.kernel_frames, c.halved});
  return problems;
}

}  // namespace dvd::cuda

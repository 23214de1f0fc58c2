// What docs/from_pytorch.md shows, and the scripts in examples/from_pytorch. Those need Python: the tests
// docs.from_pytorch.numpy and docs.from_pytorch.torch run the test cases that are skipped here. DVD_PYTHON names an
// interpreter that has NumPy or PyTorch where python3 has not.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <dvd/data/clip_loader.hpp>
#include <dvd/dvdgan.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/io/network_file.hpp>
#include <dvd/layers/tensor_losses.hpp>
#include <string>
#include <vector>

#include "support/made_set.hpp"
#include "support/run_program.hpp"
#include "support/temporary_folder.hpp"

namespace {

auto make_net(const dvd::Random& random) {
  return dvd::Sequential(dvd::Conv2D<float>(3, 8, 3, random.stream("first")), dvd::ReLU<float>(),
                         dvd::Conv2D<float>(8, 3, 3, random.stream("second")));
}
using Net = decltype(make_net(dvd::Random(0)));

void train(Net& net, const dvd::Tensor<float>& x, const dvd::Tensor<float>& target, int steps) {
  auto parameters = dvd::contents(net);
  dvd::Adam<float> optimizer(parameters, {.learning_rate = 1e-2, .beta1 = 0.9});
  const auto apply = dvd::Tensor<float>::full({1}, 1);  // 0 would leave the update out
  for (int step = 0; step < steps; ++step) {
    Net::Cache cache;
    const auto y = net.forward(x, dvd::Pass::train(), &cache);
    const auto [loss, dy] = dvd::mean_squared_error(y, target);
    parameters.clear_gradients();
    net.backward(dy, cache, dvd::Gradients::parameters);
    optimizer.advance();
    optimizer.step(apply);
  }
}

void save(Net& net, const std::string& path) {
  const auto all = dvd::contents(net);  // and all.buffers, of which this one has none
  std::vector<std::vector<float>> values;
  for (const auto& [name, parameter] : all.parameters) values.push_back(parameter->value.to_vector());
  dvd::SafetensorsWriter writer;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const dvd::Shape& shape = all.parameters[i].parameter->value.shape();
    writer.add<float>(all.parameters[i].name, {shape.begin(), shape.end()}, values[i]);
  }
  writer.write(path);
}

void load(Net& net, const std::string& path) { dvd::load_network(dvd::SafetensorsFile(path), path, net, ""); }

/// Images [N, H, W, C].
dvd::Tensor<float> images(const dvd::Random& random) {
  dvd::Tensor<float> x(dvd::Shape{2, 8, 6, 3});
  dvd::Cpu::random_normal(x.size(), random, 1.0f, x.data());
  return x;
}

double error_of(Net& net, const dvd::Tensor<float>& x, const dvd::Tensor<float>& target) {
  return static_cast<double>(dvd::mean_squared_error(net.forward(x, dvd::Pass::evaluate()), target).loss.item());
}

/// How much two networks' weights differ.
double difference(Net& a, Net& b) {
  double most = 0;
  const auto of_a = dvd::contents(a), of_b = dvd::contents(b);
  for (std::size_t i = 0; i < of_a.parameters.size(); ++i) {
    const auto x = of_a.parameters[i].parameter->value.to_vector(), y = of_b.parameters[i].parameter->value.to_vector();
    for (std::size_t k = 0; k < x.size(); ++k) most = std::max(most, static_cast<double>(std::abs(x[k] - y[k])));
  }
  return most;
}

const std::string scripts = DVD_TEST_DATA "/../../examples/from_pytorch/";

/// The one that DVD_PYTHON names, or else one with NumPy, such as the system's where another one comes first.
std::string python() {
  if (const char* const named = std::getenv("DVD_PYTHON")) return named;
  const TemporaryFolder folder;
  for (const char* each : {"python3", "/usr/bin/python3"})
    if (run_command(folder.path(), std::string(each) + " -c 'import numpy'").status == 0) return each;
  return "python3";
}

/// Whether Python has a module; if not, says that the test is not run.
bool has_module(const std::string& name) {
  const TemporaryFolder folder;
  if (run_command(folder.path(), "'" + python() + "' -c 'import " + name + "'").status == 0) return true;
  std::printf("not run: %s has no %s here; DVD_PYTHON may name another\n", python().c_str(), name.c_str());
  return false;
}

/// What a script prints. It must end well.
std::string run_script(const std::filesystem::path& folder, const std::string& script, const std::string& arguments) {
  const ProgramResult result = run_command(folder, "'" + python() + "' -B '" + scripts + script + "' " + arguments);
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  return result.output;
}

/// Samples to FOLDER/OUT/videos.safetensors.
dvd::SafetensorsFile sample(const std::filesystem::path& folder, const std::string& out, const std::string& arguments) {
  const auto result =
      run_program(folder, "sample_videos", "--format safetensors --threads 1 --out " + out + " " + arguments);
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  return dvd::SafetensorsFile(folder / out / "videos.safetensors");
}

const std::string checkpoint = DVD_TEST_DATA "/parity/checkpoint.safetensors";       // with classes, live and averaged
const std::string general = DVD_TEST_DATA "/parity/checkpoint_general.safetensors";  // grey, 20x16, without classes

}  // namespace

TEST_CASE("a network is trained, saved and loaded") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "net.safetensors").string();
  const auto x = images(dvd::Random(1)), target = images(dvd::Random(2));
  Net net = make_net(dvd::Random(3)), other = make_net(dvd::Random(4));
  const double before = error_of(net, x, target);
  train(net, x, target, 20);
  CHECK(error_of(net, x, target) < before);
  save(net, path);
  CHECK(difference(net, other) > 0.1);
  load(other, path);
  CHECK(difference(net, other) == 0);
}

TEST_CASE("a GAN is trained by a trainer, and sampled by its averaged weights") {
  dvd::DvdGan<float> gan({.frames = 3, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  dvd::ClipLoader loader(data, trainer.batch_schedule(), {.batch = 2, .threads = 1});
  for (int step = 0; step < 2; ++step) trainer.step(loader);
  const dvd::Tensor<float> videos = gan.sample({.label = 3, .count = 4, .seed = 7});  // [T, N, H, W, C]
  const std::vector<float> for_python = dvd::to_file_order(videos);                   // [N, T, C, H, W]
  CHECK(trainer.steps() == 2);
  CHECK(trainer.skipped_steps() == 0);
  CHECK(videos.shape() == dvd::Shape{3, 4, 16, 16, 3});
  CHECK(for_python.size() == static_cast<std::size_t>(videos.size()));
  CHECK(for_python[1] == videos.to_vector()[3]);
}

TEST_CASE("files in numpy" * doctest::skip()) {
  if (!has_module("numpy")) return;
  const TemporaryFolder folder;

  dvd::testing::make_set(folder.path() / "set", {{"walk/a.avi", 1, 9, 1}, {"broken", 0, 0, 1}, {"run/c.avi", 0, 2, 3}});
  std::string expected;
  for (const auto& [video, name, label, frames] :
       {std::tuple{0, "walk/a.avi", "walk", 9}, std::tuple{2, "run/c.avi", "run", 2}}) {
    dvd::Index sum = 0;
    for (int t = 0; t < frames; ++t)
      for (int i = 0; i < 4 * 6 * 3; ++i) sum += dvd::testing::made_byte(static_cast<std::size_t>(video), t, i);
    expected += dvd::concat(name, " class ", label, " shape [", frames, ", 4, 6, 3] sum ", sum, "\n");
  }
  CHECK(run_script(folder.path(), "files_in_numpy.py", "set set") == expected);

  run_script(folder.path(), "files_in_numpy.py", "latents latents.safetensors 5 4 3");
  const dvd::SafetensorsFile made =
      sample(folder.path(), "made", "--checkpoint " + checkpoint + " --latents latents.safetensors");
  CHECK(made.read<float>("z") == dvd::SafetensorsFile(folder.path() / "latents.safetensors").read<float>("z"));
  CHECK(made.read<std::int64_t>("labels") == std::vector<std::int64_t>{0, 1, 2, 0, 1});
  const std::vector<float> values = made.read<float>("videos");
  const std::size_t size = values.size() / 5;
  expected.clear();
  for (std::size_t n = 0; n < 5; ++n) {
    dvd::Index sum = 0;
    for (std::size_t i = n * size; i < (n + 1) * size; ++i)
      sum += static_cast<dvd::Index>(std::nearbyint((values[i] + 1) * 127.5f));
    expected += dvd::concat("shape [3, 16, 16, 3] sum ", sum, "\n");
  }
  CHECK(run_script(folder.path(), "files_in_numpy.py", "videos made/videos.safetensors") == expected);

  run_script(folder.path(), "files_in_numpy.py", "alone '" + checkpoint + "' alone.safetensors");
  const dvd::SafetensorsFile alone =
      sample(folder.path(), "alone", "--checkpoint alone.safetensors --latents latents.safetensors");
  CHECK(alone.read<float>("videos") == values);
}

TEST_CASE("checkpoints and weights in torch" * doctest::skip()) {
  if (!has_module("torch, numpy")) return;
  const TemporaryFolder folder;

  // Empty: the model that comes with sample_videos.
  for (const std::string& path : {std::string(), checkpoint, general}) {
    CAPTURE(path);
    const std::string from = path.empty() ? "" : " --checkpoint '" + path + "'";
    const std::vector<float> ours = sample(folder.path(), "ours", "--count 12 --seed 5" + from).read<float>("videos");
    const std::string shipped = DVD_TEST_DATA "/../../examples/sample_videos/demo-64.safetensors";
    run_script(folder.path(), "sample_checkpoint.py",
               "'" + (path.empty() ? shipped : path) + "' ours/videos.safetensors theirs.safetensors");
    const std::vector<float> theirs = dvd::SafetensorsFile(folder.path() / "theirs.safetensors").read<float>("videos");
    REQUIRE(theirs.size() == ours.size());
    float most = 0, spread = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      most = std::max(most, std::abs(ours[i] - theirs[i]));
      spread = std::max(spread, std::abs(ours[i] - ours[0]));
    }
    MESSAGE("videos differ by at most ", most);
    CHECK(most < 1e-4f);
    CHECK(spread > 0.05f);
  }

  // Training goes on there as here, from and to weights under the same names.
  const std::string path = (folder.path() / "net.safetensors").string();
  const auto x = images(dvd::Random(1)), target = images(dvd::Random(2));
  Net net = make_net(dvd::Random(3)), theirs = make_net(dvd::Random(4));
  save(net, path);
  const auto in_file_order = [](const dvd::Tensor<float>& images) {  // [N, C, H, W]: videos of one frame
    return dvd::to_file_order(images.reshaped({1, 2, 8, 6, 3}));
  };
  const std::vector<float> x_values = in_file_order(x), target_values = in_file_order(target);
  dvd::SafetensorsWriter batch;
  batch.add<float>("x", {2, 3, 8, 6}, x_values);
  batch.add<float>("target", {2, 3, 8, 6}, target_values);
  batch.write(folder.path() / "batch.safetensors");
  run_script(folder.path(), "exchange_weights.py", "net.safetensors batch.safetensors 20 trained.safetensors");
  load(theirs, (folder.path() / "trained.safetensors").string());
  CHECK(difference(net, theirs) > 0.05);
  train(net, x, target, 20);
  MESSAGE("weights differ by at most ", difference(net, theirs));
  CHECK(difference(net, theirs) < 1e-3);
}

// Files as NumPy, PyTorch and TensorFlow themselves have written them, small ones, in tests/data/convert. NumPy 1.24's
// and PyTorch's (1.13's; pytorch.pt 2.15's) are by
//
//     net = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 1, bias=False), torch.nn.BatchNorm3d(3)).eval()
//     for i, p in enumerate(net.parameters()): p.data = torch.arange(p.numel()).view(p.shape) * 0.5 + i
//     torch.save(net.state_dict(), "pytorch.pt")
//     torch.save({"epoch": 1, "state_dict": net.state_dict()}, "pytorch_old.pt", _use_new_zipfile_serialization=False)
//     torch.jit.script(net).save("torchscript.pt")
//     w = net[0].weight.detach().numpy()
//     numpy.savez_compressed("numpy.npz", **{"0/weight": w, "columns": numpy.asfortranarray(w[:, :, 0, 0, 0]),
//                                            "half": w.astype("f2")})
//
// and TensorFlow 2.21's, with tf = tensorflow.compat.v1 in a graph, by
//
//     variables = [tf.get_variable("net/layer_%d/w" % i, initializer=numpy.arange(6, dtype="f4").reshape(2, 3) + i)
//                  for i in range(12)]
//     variables += [tf.get_variable("step", initializer=numpy.int64(7)), tf.get_variable("words", initializer=["a",
//     "bc"]),
//                   tf.get_variable("half", initializer=numpy.arange(4, dtype="f2"))]
//     tf.train.Saver(variables).save(session, "tensorflow.ckpt", write_meta_graph=False, write_state=False)
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dvd/convert/open_foreign_file.hpp"
#include "support/error_of.hpp"

using namespace dvd::testing;

namespace {

using Tensors = std::map<std::string, std::vector<float>>;

// All floating tensors of a file.
Tensors all_of(const std::string& name) {
  const auto file = dvd::open_foreign_file(std::filesystem::path(DVD_TEST_DATA) / "convert" / name);
  Tensors tensors;
  for (std::size_t i = 0; i < file->tensors().size(); ++i) {
    const auto type = file->tensors()[i].type;
    if (type && dvd::detail::is_floating(*type)) tensors[file->tensors()[i].name] = file->read(i);
  }
  return tensors;
}

}  // namespace

TEST_CASE("PyTorch's files") {
  const Tensors expected = {{"0.weight", {0, 0.5, 1, 1.5, 2, 2.5}},
                            {"1.weight", {1, 1.5, 2}},
                            {"1.bias", {2, 2.5, 3}},
                            {"1.running_mean", {0, 0, 0}},
                            {"1.running_var", {1, 1, 1}}};
  for (const char* const name : {"pytorch.pt", "pytorch_old.pt", "torchscript.pt"}) {
    CAPTURE(name);
    CHECK(all_of(name) == expected);
  }
}

TEST_CASE("NumPy's files") {
  const std::vector<float> six = {0, 0.5, 1, 1.5, 2, 2.5};
  CHECK(all_of("numpy.npz") == Tensors{{"0/weight", six}, {"columns", six}, {"half", six}});
}

TEST_CASE("TensorFlow's files") {
  Tensors expected = {{"half", {0, 1, 2, 3}}};
  for (int i = 0; i < 12; ++i) {
    std::vector<float>& values = expected[dvd::concat("net/layer_", i, "/w")];
    for (int k = 0; k < 6; ++k) values.push_back(static_cast<float>(i + k));
  }
  CHECK(all_of("tensorflow.ckpt") == expected);
}

// Makes one safetensors file of the public weights of I3D and C3D, the networks that scores of videos look through, as
// their authors published them: no Python is needed, and nothing in a file is executed.
//
//     convert_weights kinetics-i3d/data/checkpoints/rgb_scratch/model.ckpt --out i3d.safetensors
//     convert_weights i3d_pretrained_400.pt --network i3d --variant k400-scratch --out i3d.safetensors
//     convert_weights conv3d_deepnetA_ucf.npz --mean mean2.npz --out c3d.safetensors
//
// Read on in options.hpp (what is asked for), convert.hpp (the conversion) and dvd/convert/open_foreign_file.hpp (the
// formats).

#include "convert.hpp"

int main(int argc, char** argv) {
  examples::ConvertWeightsOptions options;
  CLI::App app("Converts public weights of I3D and C3D to safetensors.", "convert_weights");
  examples::add_options(app, options);
  return examples::run(app, argc, argv, [&] {
    examples::finish_options(options);
    return examples::convert(options);
  });
}

#!/usr/bin/env python3
"""Samples a DVD-GAN in PyTorch: from the same latents the videos that sample_videos makes, but for rounding.

    sample_checkpoint.py CHECKPOINT LATENTS VIDEOS

CHECKPOINT is one that train_ucf101 wrote or a generator alone, without conditioning frames, of which the averaged weights are
taken. LATENTS is a safetensors file with z [N, latent_dim] and, if the model has classes, labels [N], such as
`sample_videos --format safetensors` writes. VIDEOS will hold them and videos [N, frames, C, H, W]. Needs PyTorch and NumPy.
"""
import json
import sys

import torch
import torch.nn.functional as F

import plain_safetensors


def load_generator(path):
    """Its weights, those with a u divided by their largest singular value, and the configuration."""
    tensors, metadata = plain_safetensors.load(path)
    prefix = "ema.generator." if "ema.generator.input.weight" in tensors else "generator."
    w = {name[len(prefix):]: torch.tensor(value, dtype=torch.float32) for name, value in tensors.items()
         if name.startswith(prefix)}
    for name in [name[:-1] + "weight" for name in w if name.endswith(".u")]:
        w[name] /= (w[name[:-6] + "u"] @ w[name].flatten(1)).norm()  # u^T W v, where v = W^T u / |W^T u|
    config = json.loads(metadata.get("config", "{}"))
    if config.get("condition_frames") or "stages.0.gru.reset.weight" not in w or "attention." in "".join(w):
        sys.exit(f"{path}: not a plain DVD-GAN (expected ConvGRUs, no attention and no conditioning frames)")
    return w, config


def generate(w, config, z, labels=None):
    """Videos [N, T, C, H, W] in [-1, 1] of latents [N, latent_dim]. Within, images are [N * T, C, H, W]."""
    def layer(name, x):
        weight, bias = w[name + ".weight"], w.get(name + ".bias")
        return F.conv2d(x, weight, bias, padding=weight.shape[2] // 2) if weight.dim() == 4 else F.linear(x, weight, bias)

    def norm(name, x):  # by running statistics [T, C], gain and bias of every video; then ReLU
        scale = (1 + layer(name + ".gain", c))[:, None] / (w[name + ".running_var"] + 1e-5).sqrt()
        shift = layer(name + ".bias", c)[:, None] - scale * w[name + ".running_mean"]
        return torch.relu(x.unflatten(0, (len(z), -1)) * scale[..., None, None] + shift[..., None, None]).flatten(0, 1)

    def block(name, x, enlarge):
        h = layer(name + ".conv1", enlarge(norm(name + ".norm1", x)))
        h = layer(name + ".conv2", norm(name + ".norm2", h))
        return h + (enlarge(layer(name + ".skip", x)) if name + ".skip.weight" in w else x)

    def gru(name, x):  # the first one's x is one image, which stands for all frames
        images = x.unflatten(0, (len(z), -1)).expand(-1, config["frames"], -1, -1, -1).unbind(1)
        states = [torch.zeros_like(images[0])]
        for x in images:
            h = states[-1]
            r, u = (torch.sigmoid(layer(name + gate, torch.cat([h, x], 1))) for gate in (".reset", ".update"))
            states.append(u * h + (1 - u) * torch.relu(layer(name + ".candidate", torch.cat([r * h, x], 1))))
        return torch.stack(states[1:], 1).flatten(0, 1)

    def enlarged(x):
        if config.get("upsample") == "nearest":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    c = torch.cat([z, w["embedding.weight"][labels]], 1) if config["classes"] else z
    stages = sum(name.endswith(".gru.reset.weight") for name in w)
    height, width = ((config.get(side) or config["resolution"]) >> stages for side in ("height", "width"))
    x = layer("input", c).view(len(z), -1, height, width)
    for stage in (f"stages.{i}" for i in range(stages)):
        x = block(stage + ".blocks.1", block(stage + ".blocks.0", gru(stage + ".gru", x), lambda same: same), enlarged)
    return torch.tanh(layer("output.conv", norm("output.norm", x))).unflatten(0, (len(z), -1))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    given, _ = plain_safetensors.load(sys.argv[2])
    given = {name: given[name] for name in ("z", "labels") if name in given}
    w, config = load_generator(sys.argv[1])
    with torch.no_grad():
        videos = generate(w, config, **{name: torch.tensor(value) for name, value in given.items()})
    plain_safetensors.save(sys.argv[3], {"videos": videos.numpy(), **given})

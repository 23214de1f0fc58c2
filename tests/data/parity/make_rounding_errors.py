#!/usr/bin/env python3
"""What rounding does to every array of the reference files when PyTorch computes it: the scale of what the tests allow.

    make_rounding_errors.py FOLDER...              writes FOLDER/rounding_errors.json; needs torch and numpy
    make_rounding_errors.py --worst FOLDER...      puts the largest of all folders into the first one's file

Networks are written down here once more, read all from the files, and are first evaluated in float64, which must give
the files' values. Then they are evaluated as PyTorch does on a GPU

  bfloat16   under autocast: convolutions and products take bfloat16, sum in float32 and give bfloat16; what is
             pointwise, pools and resamples keeps its input's type; softmax, sums over pixels, statistics and spectral
             normalisation are float32; gradients have the type of what they are gradients of. Inputs and upstream
             gradients are rounded to bfloat16, as a layer before or after would give them.
  tf32       convolutions and products round what they read to ten bits of fraction, forward and backward.

The error of an array is the root of the mean square of differences from the file's values over that of the values
themselves. So that sums which cancel have a scale, that is at least a tenth of the largest in its run for a gradient,
and for scores the largest of all runs and 1, with which losses compare them. One evaluation is one draw of errors that
add up by chance, so that half of all others are worse: given here is the largest of several, of the file and of
neighbours whose inputs and weights are off by up to an eighth of what rounding takes away: 2^-11, and 2^-14 for tf32.
In the generators, rounding puts single gradients of parameters off by all their size, so they count as one vector,
`RUN.grad.param.*`.

A file holds `arrays`, by case and name, and in this folder `worst`, by case and kind of array: the largest of 25 sets
(this folder's and, with --draws 3, 24 of other values and sizes), for sets that come without errors of their own. Where
an input of a ReLU nearly ties, gradients jump, and where a score cancels, little is left of it; that is rare and large,
so for gradients and scores it is the largest of all cases that are alike, and for gradients in tf32, where such jumps
are as large, only rarer, that of bfloat16.
"""
import argparse
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F


def load(path):
    types = {"F64": np.float64, "F32": np.float32, "I64": np.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = torch.from_numpy(np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"]).copy())
        arrays[name] = array.double() if array.is_floating_point() else array
    return arrays, metadata


class Round(torch.autograd.Function):
    """To ten bits of fraction, ties to even; the gradient passes."""

    @staticmethod
    def forward(_, x):
        bits = x.view(torch.int32)
        return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)

    @staticmethod
    def backward(_, dy):
        return dy


class RoundGradient(torch.autograd.Function):
    @staticmethod
    def forward(_, x):
        return x.view_as(x)

    @staticmethod
    def backward(_, dy):
        return Round.apply(dy.contiguous())


def in_precision(precision, compute, a, b):
    """compute(a, b), a convolution or a product."""
    if precision == "bfloat16":  # with sums in float32, whatever this processor's libraries do
        return compute(a.bfloat16().float(), b.bfloat16().float()).bfloat16()
    if precision == "tf32":
        return RoundGradient.apply(compute(Round.apply(a.contiguous()), Round.apply(b.contiguous())))
    return compute(a, b)


def unit(x):
    return x / x.norm().clamp_min(1e-12)


def precisely(f, x):
    """f(x), computed in float32 where x is coarser."""
    return f(x.float()).to(x.dtype) if x.dtype == torch.bfloat16 else f(x)


class Networks:
    """Parameters and buffers by their names in a file, and what is computed with them."""

    def __init__(self, precision, parameters, buffers, training):
        self.precision, self.parameters, self.buffers, self.training = precision, parameters, buffers, training

    def convolve(self, x, weight, bias=None):
        convolution = F.conv3d if weight.dim() == 5 else F.conv2d
        y = in_precision(self.precision, lambda x, w: convolution(x, w, padding=w.shape[-1] // 2), x, weight)
        if bias is None:
            return y
        return precisely(lambda y: y + bias.view(-1, *[1] * (y.dim() - 2)), y)

    def multiply(self, a, b):
        return in_precision(self.precision, torch.matmul, a, b)

    def weight(self, name):
        weight = self.parameters[name + "weight"]
        if name + "u" not in self.buffers:
            return weight
        matrix, u = weight.flatten(1), self.buffers[name + "u"]
        with torch.no_grad():
            v = unit(matrix.T @ u)
            if self.training:
                u = self.buffers[name + "u"] = unit(matrix @ v)
        return weight / (u @ (matrix @ v))

    def conv(self, name, x):
        return self.convolve(x, self.weight(name), self.parameters.get(name + "bias"))

    def linear(self, name, x):
        y, bias = self.multiply(x, self.weight(name).T), self.parameters.get(name + "bias")
        return y if bias is None else precisely(lambda y: y + bias, y)

    def norm(self, name, x, c):  # x [N, T, C, H, W]
        kind, number = x.dtype, torch.float32 if x.dtype == torch.bfloat16 else x.dtype
        full = x.to(number)
        mean, variance = self.buffers[name + "running_mean"], self.buffers[name + "running_var"]
        if self.training:
            before, count = (mean, variance), x.numel() / mean.numel()
            variance, mean = torch.var_mean(full, (0, 3, 4), unbiased=False)
            with torch.no_grad():
                self.buffers[name + "running_mean"] = before[0].lerp(mean, 0.1)
                self.buffers[name + "running_var"] = before[1].lerp(variance * (count / (count - 1)), 0.1)
        normal = ((full - mean[..., None, None]) * (variance[..., None, None] + 1e-5).rsqrt()).to(kind)
        gain, shift = (self.linear(f"{name}{part}.", c)[:, None, :, None, None] for part in ("gain", "bias"))
        return torch.addcmul(shift, normal, 1 + gain)

    def generator_block(self, name, x, c, upsample):
        def each(f, x):
            return f(x.flatten(0, 1)).unflatten(0, x.shape[:2])

        def resample(x):
            if not upsample:
                return x
            options = {} if upsample == "nearest" else {"align_corners": False}
            return precisely(lambda x: F.interpolate(x, scale_factor=2, mode=upsample, **options), x)

        h = each(lambda x: self.conv(name + "conv1.", resample(x)), torch.relu(self.norm(name + "norm1.", x, c)))
        h = each(lambda x: self.conv(name + "conv2.", x), torch.relu(self.norm(name + "norm2.", h, c)))
        if name + "skip.weight" in self.parameters:
            x = each(lambda x: resample(self.conv(name + "skip.", x)), x)
        return h + x

    def gru(self, name, x, frames, h=None):  # x [N, T or 1, C, H, W]
        width = x.shape[2]
        weights = [self.weight(f"{name}{gate}.") for gate in ("reset", "update", "candidate")]
        biases = torch.cat([self.parameters[f"{name}{gate}.bias"] for gate in ("reset", "update", "candidate")])
        given = self.convolve(x.flatten(0, 1), torch.cat([w[:, width:] for w in weights]), biases)
        given = given.unflatten(0, x.shape[:2])
        states = []
        for t in range(frames):
            gates, candidate = given[:, min(t, x.shape[1] - 1)].split([2 * width, width], 1)
            if h is None:
                c = torch.relu(candidate)
                h = c - torch.sigmoid(gates[:, width:]) * c
            else:
                gates = gates + self.convolve(h, torch.cat([w[:, :width] for w in weights[:2]]))
                r, u = torch.sigmoid(gates).chunk(2, 1)
                c = torch.relu(candidate + self.convolve(r * h, weights[2][:, :width]))
                h = torch.lerp(c, h, u)
            states.append(h)
        return torch.stack(states, 1)

    def generator(self, config, z, labels, states):
        name, stages = "generator.", stages_of(config)
        if labels is not None:
            z = torch.cat([z, F.embedding(labels, self.parameters[name + "embedding.weight"]).to(z.dtype)], 1)
        height, width = (side >> stages for side in sides_of(config))
        x = self.linear(name + "input.", z).view(len(z), 1, -1, height, width)
        for stage in range(stages):
            at = f"{name}stages.{stage}."
            x = self.gru(at + "gru.", x, config["frames"], states and states[stage])
            x = self.generator_block(at + "blocks.0.", x, z, None)
            x = self.generator_block(at + "blocks.1.", x, z, config["upsample"])
        x = torch.relu(self.norm(name + "output.norm.", x, z))
        return torch.tanh(self.conv(name + "output.conv.", x.flatten(0, 1))).unflatten(0, x.shape[:2])

    def conditioning(self, config, condition):
        name, features, stages = "conditioning.", [], stages_of(config)
        x = condition.flatten(0, 1)
        for block in range(stages + 1):
            x = self.block(f"{name}blocks.{block}.", x, block == 0, block < stages)
            features.append(x)
        order = [stages, *range(stages - 2, -1, -1)]
        return [torch.relu(self.conv(f"{name}projections.{stage}.", features[source].unflatten(0, condition.shape[:2])
                                     .flatten(1, 2))) for stage, source in enumerate(order)]

    def block(self, name, x, first, down):
        def pool(x):
            if not down:
                return x
            if x.dim() == 4:
                return precisely(lambda x: F.avg_pool2d(x, 2), x)
            return precisely(lambda x: F.avg_pool3d(x, (2 if x.shape[2] > 1 else 1, 2, 2)), x)

        h = self.conv(name + "conv1.", x if first else torch.relu(x))
        h = pool(self.conv(name + "conv2.", torch.relu(h)))
        return h + (self.conv(name + "skip.", pool(x)) if name + "skip.weight" in self.parameters else x)

    def discriminator(self, config, video, labels, frames):
        n, stages = len(video), stages_of(config)
        if frames is not None:
            x, volumes = video[torch.arange(n)[:, None], frames].flatten(0, 1), 0
        else:
            x = precisely(lambda x: F.avg_pool2d(x, 2), video.flatten(0, 1)).unflatten(0, video.shape[:2])
            x, volumes = x.transpose(1, 2), 2
        for block in range(stages + 1):
            if block == volumes and volumes:
                x = x.transpose(1, 2).flatten(0, 1)
            x = self.block(f"blocks.{block}.", x, block == 0, block < stages)
        if x.dim() == 5:
            x = x.transpose(1, 2).flatten(0, 1)
        number = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
        phi = torch.relu(x).to(number).sum((2, 3)).unflatten(0, (n, -1)).sum(1)
        direction = self.weight("linear.")
        if labels is not None:
            direction = direction + self.weight("embedding.")[labels]
        return (phi * direction).sum(1) + len(x) // n * self.parameters["linear.bias"]

    def attention(self, name, x):  # [N, C, H, W]
        def pooled(part):
            return precisely(lambda x: F.max_pool2d(x, 2), self.conv(name + part, x)).flatten(2)

        logits = self.multiply(self.conv(name + "query.", x).flatten(2).transpose(1, 2), pooled("key."))
        return x + self.parameters[name + "scale"] * self.conv(name + "output.", self.multiply(
            pooled("value."), self.softmax(logits).transpose(1, 2)).unflatten(2, x.shape[2:]))

    def axis_attention(self, name, x, axis):  # [N, T, C, H, W]
        def lines(part):
            return self.conv(name + part, x.flatten(0, 1)).unflatten(0, x.shape[:2]).movedim((axis, 2), (3, 4))

        weights = self.softmax(self.multiply(lines("query."), lines("key.").transpose(-1, -2)))
        mixed = self.multiply(weights, lines("value.")).movedim((3, 4), (axis, 2))
        return x + self.parameters[name + "scale"] * self.conv(name + "output.", mixed.flatten(0, 1)).unflatten(
            0, x.shape[:2])

    @staticmethod
    def softmax(x):
        return torch.softmax(x.float() if x.dtype == torch.bfloat16 else x, -1)


def sides_of(config):
    return config.get("height") or config["resolution"], config.get("width") or config["resolution"]


def stages_of(config):
    (height, width), stages = sides_of(config), 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 8:
        height, width, stages = height // 2, width // 2, stages + 1
    return stages


def evaluate(case, networks, given, attributes, config, with_state):
    x = given.get("x")
    if case.startswith(("conv2d", "conv3d", "spectral_conv")):
        return networks.conv("", x)
    if case == "class_batchnorm":
        return networks.norm("", x, given["c"])
    if case == "convgru":
        return networks.gru("", x, attributes["frames"], given["state"] if with_state else None)
    if case.startswith("gen_resblock"):
        return networks.generator_block("", x, given["c"], attributes["upsample"])
    if case.startswith("disc_resblock"):
        return networks.block("", x, attributes["first"], attributes["down"])
    if case == "self_attention":
        return networks.attention("", x)
    if case == "separable_attention":
        for name, axis in ("height", 3), ("width", 4), ("time", 1):
            x = networks.axis_attention(name + ".", x, axis)
        return x
    if case.startswith("generator"):
        states = networks.conditioning(config, given["condition"]) if "condition" in given else None
        return networks.generator(config, given["z"], given.get("labels"), states)
    return networks.discriminator(config, given["video"], given.get("labels"), given.get("frames"))


def results_of(case, arrays, attributes, config, precision, random=None):
    """All results of a file, in a precision; with `random`, of a neighbour."""
    kind = torch.float64 if precision == "float64" else torch.float32

    def part(prefix, activations):
        values = {}
        for name, value in arrays.items():
            if name.startswith(prefix):
                if value.is_floating_point():
                    if random is not None:
                        off = 2.0 ** (-14 if precision == "tf32" else -11)
                        value = value * (1 + off * (2 * torch.rand(value.shape, generator=random).double() - 1))
                    value = value.to(kind)
                    if activations and precision == "bfloat16":
                        value = value.bfloat16()
                values[name[len(prefix):]] = value.clone()
        return values

    scores = case.startswith(("spatial", "temporal"))
    results = {}
    for run in sorted({name.split(".")[0] for name in arrays} - {"in", "param", "buffer", "upstream"}):
        given, parameters = part("in.", True), part("param.", False)
        leaves = {"in." + name: value for name, value in given.items() if value.is_floating_point()}
        leaves.update({"param." + name: value for name, value in parameters.items()})
        for value in leaves.values():
            value.requires_grad_()
        networks = Networks(precision, parameters, part("buffer.", False), run != "eval")
        y = evaluate(case, networks, given, attributes, config, run != "zero_state")
        results[run + ".out.y"] = y
        wanted = {name: leaf for name, leaf in leaves.items() if f"{run}.grad.{name}" in arrays}
        if wanted:
            upstream = part("upstream.", not scores)["y"].to(y.dtype)
            gradients = torch.autograd.grad(y, list(wanted.values()), upstream, allow_unused=True)
            results.update({f"{run}.grad.{name}": torch.zeros_like(leaf) if gradient is None else gradient
                            for (name, leaf), gradient in zip(wanted.items(), gradients)})
        if run != "eval":
            results.update({f"{run}.after.{name}": value for name, value in networks.buffers.items()})
    return {name: value.detach().double() for name, value in results.items() if name in arrays}


def root_mean_square(x):
    return float(x.square().mean().sqrt())


def errors_of(case, arrays, results):
    largest = {}
    for name, value in arrays.items():
        if ".grad." in name:
            run = name.split(".")[0]
            largest[run] = max(largest.get(run, 0), root_mean_square(value))
    errors, together = {}, {}
    for name, result in results.items():
        difference, scale = result - arrays[name], root_mean_square(arrays[name])
        if case.startswith("generator") and ".grad.param." in name:
            pair = together.setdefault(name.split(".param.")[0] + ".param.*", ([], []))
            pair[0].append(difference.flatten())
            pair[1].append(arrays[name].flatten())
            continue
        if ".grad." in name:
            scale = max(scale, 0.1 * largest[name.split(".")[0]])
        elif name.endswith(".out.y") and result.dim() == 1:
            scale = max(1, *(root_mean_square(value) for other, value in arrays.items() if other.endswith(".out.y")))
        errors[name] = root_mean_square(difference) / scale
    for name, (differences, values) in together.items():
        errors[name] = root_mean_square(torch.cat(differences)) / root_mean_square(torch.cat(values))
    return errors


CASES = ("conv2d_3x3", "conv2d_3x3_wide", "conv2d_1x1", "conv3d_3x3x3", "conv3d_1x1x1", "spectral_conv2d",
         "class_batchnorm", "convgru", "gen_resblock_plain", "gen_resblock_up_bilinear", "gen_resblock_up_nearest",
         "disc_resblock2d_first", "disc_resblock2d_mid", "disc_resblock2d_last", "disc_resblock2d_last_widen",
         "disc_resblock3d_first", "disc_resblock3d_odd", "disc_resblock3d_single", "self_attention",
         "separable_attention", "generator", "generator_rect", "generator_unconditional", "generator_multipliers",
         "generator_fp", "generator_fp_rect", "spatial_discriminator", "spatial_discriminator_rect",
         "spatial_discriminator_unconditional", "temporal_discriminator", "temporal_discriminator_long",
         "temporal_discriminator_rect")


def kind_of(array):
    """train.grad.param.conv1.weight: grad; train.after.conv1.u: after.u"""
    words = array.split(".")
    return f"after.{words[-1]}" if words[1] == "after" else words[1]


def family_of(case):
    families = {"conv2d": "conv", "conv3d": "conv", "spectral": "conv", "gen_": "block", "disc_": "block",
                "self": "attention", "separable": "attention", "generator": "generator", "spatial": "discriminator",
                "temporal": "discriminator"}
    return next((family for start, family in families.items() if case.startswith(start)), case)


def worst_of(files):
    worst = {case: {} for case in CASES}
    for case, arrays in (pair for file in files for pair in file["arrays"].items()):
        for name, errors in arrays.items():
            kind = kind_of(name)
            rare = kind == "grad" or kind == "out" and family_of(case) == "discriminator"
            for other in CASES:
                if other == case or rare and family_of(other) == family_of(case):
                    place = worst[other].setdefault(kind, {"bfloat16": 0, "tf32": 0})
                    for precision in place:
                        place[precision] = max(place[precision], errors[precision])
    for kinds in worst.values():
        kinds["grad"]["tf32"] = kinds["grad"]["bfloat16"]
    return worst


def largest_of_draws(folder, case, draws):
    arrays, metadata = load(os.path.join(folder, case + ".safetensors"))
    attributes, config = json.loads(metadata["attributes"]), json.loads(metadata.get("config", "{}"))
    exact = results_of(case, arrays, attributes, config, "float64")
    assert set(exact) == {name for name in arrays if name.split(".")[1] in ("out", "grad", "after")}
    for name, error in errors_of(case, arrays, exact).items():
        assert error < 1e-5, f"{case}: {name} is off by {error} in float64"
    largest = {}
    for precision in ("bfloat16", "tf32"):
        for draw in range(draws):
            random = torch.Generator().manual_seed(draw) if draw else None
            results = results_of(case, arrays, attributes, config, precision, random)
            for name, error in errors_of(case, arrays, results).items():
                if draw and name.endswith(".u"):
                    continue  # made of weights alone, of which those of the file count
                errors = largest.setdefault(name, {})
                errors[precision] = max(errors.get(precision, 0), float(f"{error:.2e}"))
    return largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--worst", action="store_true", help="of files that are there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = [os.path.join(folder, "rounding_errors.json") for folder in options.folders]
    if options.worst:
        files = [json.load(open(path)) for path in paths]
        write(paths[0], {"arrays": files[0]["arrays"], "worst": worst_of(files)})
        return
    for folder, path in zip(options.folders, paths):
        write(path, {"arrays": {case: largest_of_draws(folder, case, options.draws) for case in CASES}})


def write(path, content):
    with open(path, "w") as file:
        lines = [f'"{part}": {{\n' + ",\n".join(f'"{case}": {json.dumps(errors, separators=(",", ":"))}'
                                               for case, errors in cases.items()) + "}"
                 for part, cases in content.items()]
        file.write("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""DVD-GAN in PyTorch, to compare speed with: takes the flags of `train_step` and prints the same JSON line.

The model of the paper with the rewrites that pay in PyTorch too (one convolution for what the input adds to a ConvGRU's
gates, shortcuts at the smaller size), plain autograd, Adam and spectral normalisation as the library does them. Needs
nothing but PyTorch: Debian's python3-torch or a current release.
"""
import argparse
import contextlib
import json
import os
import resource
import statistics
import time

WIDTHS = {16: ([8, 4, 2], [2, 4, 8]), 32: ([8, 8, 4, 2], [2, 4, 8, 16]), 64: ([8, 8, 8, 4, 2], [2, 4, 8, 16, 16]),
          128: ([8, 8, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16])}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--resolution", type=int, default=64)
parser.add_argument("--frames", type=int, default=12)
parser.add_argument("--channels", type=int, default=8)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--warmup", type=int, default=2)
parser.add_argument("--threads", type=int, default=0, help="0: what PyTorch chooses")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
parser.add_argument("--sample-batch", type=int, default=0, help="videos to sample at a time; 0: as many as --batch")
parser.add_argument("--amp", action="store_true", help="on a GPU: autocast to bfloat16")
parser.add_argument("--tf32", action="store_true", help="on a GPU: products of float32 may keep 10 bits of fraction")
parser.add_argument("--compile", action="store_true", help="torch.compile of the networks")
options = parser.parse_args()
if options.threads:
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
# Threads that spin at barriers lose several times their speed as soon as another program takes one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

on_gpu = options.device != "cpu"
if (options.amp or options.tf32) and not on_gpu:
    parser.error("--amp and --tf32 need --device cuda")
if on_gpu and not torch.cuda.is_available():
    parser.error("PyTorch finds no GPU; use --device cpu")
if options.compile and not hasattr(torch, "compile"):
    parser.error(f"--compile needs PyTorch 2, not {torch.__version__}")


def unit(x):
    return x / x.norm().clamp_min(1e-12)


def autocast(enabled):
    """The precision of what is inside, on a GPU with --amp."""
    if not options.amp:
        return contextlib.nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16, enabled=enabled)


class Spectral(nn.Module):
    """A weight [out, ...] divided by its largest singular value, estimated by one power iteration a pass."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u", unit(torch.randn(shape[0])))

    def normalized(self):
        matrix = self.weight.flatten(1)
        with autocast(False):
            with torch.no_grad():
                v = unit(matrix.t() @ self.u)
                if self.training:
                    self.u.copy_(unit(matrix @ v))
                u = self.u.clone()
            return self.weight / torch.dot(u, matrix @ v)

    def forward(self, x):
        weight = self.normalized()
        if weight.dim() == 2:
            return F.linear(x, weight, self.bias)
        convolution = F.conv2d if weight.dim() == 4 else F.conv3d
        return convolution(x, weight, self.bias, padding=weight.shape[-1] // 2)


class Norm(nn.Module):
    """Class-conditional batch norm of [N, T, C, H, W], statistics of every frame on its own."""

    def __init__(self, frames, width, condition):
        super().__init__()
        self.gain = Spectral(width, condition, bias=False)
        self.bias = Spectral(width, condition, bias=False)
        self.register_buffer("mean", torch.zeros(frames, width))
        self.register_buffer("variance", torch.ones(frames, width))

    def forward(self, x, c):
        if self.training:
            variance, mean = torch.var_mean(x, dim=(0, 3, 4), unbiased=False)
            with torch.no_grad():
                count = x.numel() / mean.numel()
                self.mean.lerp_(mean, 0.1)
                self.variance.lerp_(variance * (count / (count - 1)), 0.1)
        else:
            mean, variance = self.mean, self.variance
        scale = (1 + self.gain(c))[:, None] * (variance + 1e-5).rsqrt()
        shift = self.bias(c)[:, None] - mean * scale
        return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def fold(function, x):
    return function(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class GeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs, frames, condition, up):
        super().__init__()
        self.up = up
        self.norm1, self.conv1 = Norm(frames, inputs, condition), Spectral(outputs, inputs, 3, 3)
        self.norm2, self.conv2 = Norm(frames, outputs, condition), Spectral(outputs, outputs, 3, 3)
        self.skip = Spectral(outputs, inputs, 1, 1) if up or inputs != outputs else None

    def enlarge(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) if self.up else x

    def forward(self, x, c):
        h = fold(lambda images: self.conv1(self.enlarge(images)), torch.relu(self.norm1(x, c)))
        h = fold(self.conv2, torch.relu(self.norm2(h, c)))
        shortcut = fold(lambda images: self.enlarge(self.skip(images)), x) if self.skip else x
        return h + shortcut


class ConvGRU(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.reset, self.update, self.candidate = (Spectral(width, 2 * width, 3, 3) for _ in range(3))

    def forward(self, x, frames):
        width, parts = self.width, (self.reset, self.update, self.candidate)
        weights = [part.normalized() for part in parts]  # inputs ordered [h; x]
        given = fold(lambda images: F.conv2d(images, torch.cat([w[:, width:] for w in weights]),
                                             torch.cat([part.bias for part in parts]), padding=1), x)
        gates_weight = torch.cat([w[:, :width] for w in weights[:2]])
        candidate_weight = weights[2][:, :width].contiguous()
        states = []
        for t in range(frames):
            now = given[:, min(t, given.shape[1] - 1)]
            if not states:
                c = torch.relu(now[:, 2 * width:])
                states.append(c - torch.sigmoid(now[:, width:2 * width]) * c)
                continue
            h = states[-1]
            r, u = torch.sigmoid(now[:, :2 * width] + F.conv2d(h, gates_weight, padding=1)).chunk(2, 1)
            c = torch.relu(now[:, 2 * width:] + F.conv2d(r * h, candidate_weight, padding=1))
            states.append(torch.lerp(c, h, u))
        return torch.stack(states, 1)


class Generator(nn.Module):
    def __init__(self, frames, widths, classes, latent=120, embed=120):
        super().__init__()
        self.frames, condition = frames, latent + embed
        self.embedding = nn.Embedding(classes, embed)
        self.input = Spectral(16 * widths[0], condition)
        self.stages = nn.ModuleList(
            nn.ModuleList([ConvGRU(a), GeneratorBlock(a, a, frames, condition, False),
                           GeneratorBlock(a, b, frames, condition, True)]) for a, b in zip(widths, widths[1:]))
        self.norm, self.conv = Norm(frames, widths[-1], condition), Spectral(3, widths[-1], 3, 3)

    def forward(self, z, y):
        c = torch.cat([z, self.embedding(y)], 1)
        x = self.input(c).view(len(z), 1, -1, 4, 4)
        for gru, block0, block1 in self.stages:
            x = block1(block0(gru(x, self.frames), c), c)
        return torch.tanh(fold(self.conv, torch.relu(self.norm(x, c))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, dims, first, down):
        super().__init__()
        self.dims, self.first, self.down = dims, first, down
        self.conv1, self.conv2 = Spectral(outputs, inputs, *[3] * dims), Spectral(outputs, outputs, *[3] * dims)
        self.skip = Spectral(outputs, inputs, *[1] * dims) if down or inputs != outputs else None

    def pool(self, x):
        if not self.down:
            return x
        return F.avg_pool2d(x, 2) if self.dims == 2 else F.avg_pool3d(x, (2 if x.shape[2] > 1 else 1, 2, 2))

    def forward(self, x):
        h = self.conv2(torch.relu(self.conv1(x if self.first else torch.relu(x))))
        shortcut = self.pool(x)
        return self.pool(h) + (self.skip(shortcut) if self.skip else shortcut)


class Discriminator(nn.Module):
    def __init__(self, widths, classes, volumes):
        super().__init__()
        self.volumes = volumes
        inputs = [3] + widths
        self.blocks = nn.ModuleList(Block(inputs[i], widths[i], 3 if i < volumes else 2, i == 0, i + 1 < len(widths))
                                    for i in range(len(widths)))
        self.linear, self.embedding = Spectral(1, widths[-1]), Spectral(classes, widths[-1], bias=False)

    def forward(self, video, y, frames=None):
        n = len(video)
        if self.volumes:
            x = F.avg_pool3d(video.transpose(1, 2), (1, 2, 2))
            for block in self.blocks[:self.volumes]:
                x = block(x)
            x = x.transpose(1, 2).flatten(0, 1)
        else:
            x = video[torch.arange(n)[:, None], frames].flatten(0, 1)
            if options.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks[self.volumes:]:
            x = block(x)
        phi = torch.relu(x).sum((2, 3)).unflatten(0, (n, -1)).sum(1)
        count = x.shape[0] // n
        own = self.embedding.normalized()[y]
        return F.linear(phi, self.linear.normalized())[:, 0] + count * self.linear.bias + (own * phi).sum(1)


def main():
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    n, frames, side, classes = options.batch, options.frames, options.resolution, options.classes
    g_widths, d_widths = ([options.channels * m for m in widths] for widths in WIDTHS[side])
    generator = Generator(frames, g_widths, classes)
    average = Generator(frames, g_widths, classes).eval().requires_grad_(False)
    spatial, temporal = Discriminator(d_widths, classes, 0), Discriminator(d_widths, classes, 2)
    if options.channels_last:
        for part in (generator, average, spatial, temporal):
            for name, parameter in part.named_parameters():
                layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(parameter.dim())
                if layout:
                    parameter.data = parameter.data.contiguous(memory_format=layout)
    place = {"device": options.device} if on_gpu else {}
    adam = {"betas": (0.0, 0.999), **({"fused": True} if on_gpu else {})}
    if on_gpu:
        torch.backends.cudnn.benchmark = True  # the fastest algorithm for each size
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
        for part in (generator, average, spatial, temporal):
            part.to(options.device)
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, **adam)
    d_optimizer = torch.optim.Adam([*spatial.parameters(), *temporal.parameters()], 5e-4, **adam)
    if on_gpu:  # as a loader leaves them: 8 bits, in memory that is copied from while the GPU computes
        pool = [(torch.randint(256, (n, frames, 3, side, side), dtype=torch.uint8).pin_memory(),
                 torch.randint(classes, (n,)).pin_memory()) for _ in range(3)]
    else:
        pool = [(torch.rand(n, frames, 3, side, side) * 2 - 1, torch.randint(classes, (n,))) for _ in range(3)]
    generate, judge_frames, judge_videos, sample = generator, spatial, temporal, average
    if options.compile:
        generate, judge_frames, judge_videos, sample = (torch.compile(part, dynamic=False)
                                                        for part in (generator, spatial, temporal, average))

    def draw(count=n):
        chosen = torch.rand(count, frames, **place).argsort(1)[:, :min(8, frames)].sort(1).values
        return torch.randn(count, 120, **place), torch.randint(classes, (count,), **place), chosen

    def real_videos(index):
        real, labels = pool[index % 3]
        if not on_gpu:
            return real, labels
        real, labels = (each.to(options.device, non_blocking=True) for each in (real, labels))
        return real.float() / 127.5 - 1, labels

    def d_update(index):
        real, real_y = real_videos(index)
        z, y, chosen = draw()
        with autocast(True):
            with torch.no_grad():
                fake = generate(z, y)
            videos, labels = torch.cat([real, fake]), torch.cat([real_y, y])
            loss = 0
            for scores in (judge_frames(videos, labels, torch.cat([draw()[2], chosen])), judge_videos(videos, labels)):
                loss = loss + F.relu(1 - scores[:n]).mean() + F.relu(1 + scores[n:]).mean()
        d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        d_optimizer.step()

    def g_update():
        z, y, chosen = draw()
        for part in (spatial, temporal):
            part.requires_grad_(False)
        with autocast(True):
            fake = generate(z, y)
            loss = -(judge_frames(fake, y, chosen).mean() + judge_videos(fake, y).mean())
        g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        g_optimizer.step()
        for part in (spatial, temporal):
            part.requires_grad_(True)
        with torch.no_grad():
            if on_gpu:  # one kernel for many parameters
                own = list(average.parameters())
                torch._foreach_mul_(own, 1 - 1e-4)
                torch._foreach_add_(own, list(generator.parameters()), alpha=1e-4)
            else:
                for own, other in zip(average.parameters(), generator.parameters()):
                    own.lerp_(other, 1e-4)
            for own, other in zip(average.buffers(), generator.buffers()):
                own.copy_(other)

    def now():
        if on_gpu:
            torch.cuda.synchronize(options.device)
        return time.perf_counter()

    def updates(step):
        return lambda: d_update(3 * step), lambda: d_update(3 * step + 1), g_update

    times = {"step_ms": [], "d_step_ms": [], "g_step_ms": [], "sample_ms": []}
    if on_gpu:  # whole steps, in which the host does not wait
        for step in range(options.warmup + options.steps):
            start = now()
            for work in updates(step):
                work()
            if step >= options.warmup:
                times["step_ms"].append(now() - start)
    for step in range(options.warmup + options.steps):
        marks = [now()]
        for work in updates(step):
            work()
            marks.append(now())
        if step >= options.warmup:
            times["d_step_ms"] += [marks[1] - marks[0], marks[2] - marks[1]]
            times["g_step_ms"].append(marks[3] - marks[2])
            if not on_gpu:
                times["step_ms"].append(marks[3] - marks[0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    device_memory = torch.cuda.max_memory_allocated(options.device) / 1048576 if on_gpu else 0
    for step in range(options.warmup + options.steps):
        start = now()
        with torch.no_grad(), autocast(True):
            sample(*draw(options.sample_batch or n)[:2])
        if step >= options.warmup:
            times["sample_ms"].append(now() - start)
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name(options.device) if on_gpu else "cpu",
              "threads": torch.get_num_threads(),
              "resolution": side, "frames": frames, "channels": options.channels, "classes": classes, "batch": n,
              "channels_last": options.channels_last, "steps": options.steps, "peak_rss_mib": round(memory, 1),
              "load_average": round(os.getloadavg()[0], 2)}
    if on_gpu:
        result.update({"precision": "bfloat16" if options.amp else "tf32" if options.tf32 else "float32",
                       "compiled": options.compile, "peak_device_mib": round(device_memory, 1)})
    result.update({name: round(1e3 * statistics.median(values), 3) for name, values in times.items()})
    print(json.dumps(result))


if __name__ == "__main__":
    main()

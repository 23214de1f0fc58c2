#!/usr/bin/env python3
"""DVD-GAN in PyTorch, to compare speed with: takes the flags of `train_step` and prints the same JSON line.

The model of the paper with the rewrites that pay in PyTorch too (one convolution for what the input adds to a ConvGRU's
gates, shortcuts at the smaller size), plain autograd, Adam and spectral normalisation as the library does them. On a
GPU nothing waits for the host within a step, and with --graph each update is one CUDA graph. Needs nothing but PyTorch:
Debian's python3-torch or, on a GPU, a release of 2.1 or later.

    peer_torch.py --check --channels-last    runs one update of each kind and tells what would slow it down: arrays in
                                             the other layout (there is one: what the generator's linear layer makes)
                                             and, on a GPU, synchronisations, which are errors
"""
import argparse
import collections
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
parser.add_argument("--amp", action="store_true", help="autocast to bfloat16")
parser.add_argument("--tf32", action="store_true", help="on a GPU: products of float32 may keep 10 bits of fraction")
parser.add_argument("--compile", action="store_true", help="torch.compile of the networks")
parser.add_argument("--graph", action="store_true", help="updates and sampling as CUDA graphs; on a CPU, "
                    "which has none, the same work on the same static tensors")
parser.add_argument("--check", action="store_true", help="look for slow spots, see above; times nothing")
options = parser.parse_args()
if options.threads:
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
# Threads that spin at barriers lose several times their speed as soon as another program takes one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

on_gpu = options.device != "cpu"
if options.tf32 and not on_gpu:
    parser.error("--tf32 needs --device cuda")
if on_gpu and not torch.cuda.is_available():
    parser.error("PyTorch finds no GPU; use --device cpu")
if options.compile and not hasattr(torch, "compile"):
    parser.error(f"--compile needs PyTorch 2, not {torch.__version__}")


def unit(x):
    return x / x.norm().clamp_min(1e-12)


def autocast(enabled):
    """The precision of what is inside, with --amp."""
    if not options.amp:
        return contextlib.nullcontext()
    # What a graph has captured must not read a cache that was filled outside.
    return torch.autocast("cuda" if on_gpu else "cpu", dtype=torch.bfloat16, enabled=enabled,
                          cache_enabled=not options.graph)


# Videos are [N * T, C, H, W], so that their layout is that of images. Some functions know dense tensors only and would
# drop channels last: they are given the dimensions in the order in which they lie in memory.

def in_layout(x):
    """x, dense in the layout asked for."""
    if not options.channels_last:
        return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)


def as_stored(x):
    return x.movedim(1, -1) if options.channels_last else x


def from_stored(x):
    return x.movedim(-1, 1) if options.channels_last else x


class Spectral(nn.Module):
    """A weight [out, ...] divided by its largest singular value, estimated by one power iteration a pass."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u", unit(torch.randn(shape[0])))

    def normalized(self):
        matrix = as_stored(self.weight).flatten(1)  # a view; the order of columns changes no singular value
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
    """Class-conditional batch norm, statistics of every frame on its own."""

    def __init__(self, frames, width, condition):
        super().__init__()
        self.gain = Spectral(width, condition, bias=False)
        self.bias = Spectral(width, condition, bias=False)
        self.register_buffer("mean", torch.zeros(frames, width))
        self.register_buffer("variance", torch.ones(frames, width))

    def forward(self, x, c):
        x = x.unflatten(0, (len(c), -1))
        if self.training:
            # Summed in float32 whatever x is; only the results are rounded.
            variance, mean = (each.float() for each in torch.var_mean(x, dim=(0, 3, 4), unbiased=False))
            with torch.no_grad():
                count = x.numel() / mean.numel()
                self.mean.lerp_(mean, 0.1)
                self.variance.lerp_(variance * (count / (count - 1)), 0.1)
        else:
            mean, variance = self.mean, self.variance
        scale = (1 + self.gain(c))[:, None] * (variance + 1e-5).rsqrt()
        shift = self.bias(c)[:, None] - mean * scale
        shift, scale = (each.to(x.dtype)[..., None, None] for each in (shift, scale))
        return torch.addcmul(shift, x, scale).flatten(0, 1)


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
        h = self.conv1(self.enlarge(torch.relu(self.norm1(x, c))))
        h = self.conv2(torch.relu(self.norm2(h, c)))
        return h + (self.enlarge(self.skip(x)) if self.skip else x)


class ConvGRU(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.reset, self.update, self.candidate = (Spectral(width, 2 * width, 3, 3) for _ in range(3))

    def forward(self, x, n, frames):
        """x: a frame at a time or, as input of all, one frame."""
        width, parts = self.width, (self.reset, self.update, self.candidate)
        # Split and unbound, not sliced: the gradient of a slice is as large as all of it.
        of_state, of_input = zip(*(part.normalized().split(width, 1) for part in parts))  # inputs ordered [h; x]
        given = F.conv2d(x, torch.cat(of_input), torch.cat([part.bias for part in parts]), padding=1)
        gates, candidates = ([from_stored(frame) for frame in as_stored(part).unflatten(0, (n, -1)).unbind(1)]
                             for part in given.split([2 * width, width], 1))
        if len(x) == n:
            gates, candidates = gates * frames, candidates * frames
        gates_weight, candidate_weight = torch.cat(of_state[:2]), in_layout(of_state[2])
        c = torch.relu(candidates[0])
        states = [c - torch.sigmoid(gates[0].chunk(2, 1)[1]) * c]
        for gate, candidate in zip(gates[1:], candidates[1:]):
            h = states[-1]
            r, u = torch.sigmoid(gate + F.conv2d(h, gates_weight, padding=1)).chunk(2, 1)
            c = torch.relu(candidate + F.conv2d(r * h, candidate_weight, padding=1))
            states.append(torch.lerp(c, h, u))
        return from_stored(torch.stack([as_stored(h) for h in states], 1).flatten(0, 1))


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
        x = in_layout(self.input(c).view(len(z), -1, 4, 4))
        for gru, block0, block1 in self.stages:
            x = block1(block0(gru(x, len(z), self.frames), c), c)
        return torch.tanh(self.conv(torch.relu(self.norm(x, c))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, dims, first, down):
        super().__init__()
        self.dims, self.first, self.down = dims, first, down
        self.conv1, self.conv2 = Spectral(outputs, inputs, *[3] * dims), Spectral(outputs, outputs, *[3] * dims)
        self.skip = Spectral(outputs, inputs, *[1] * dims) if down or inputs != outputs else None

    def pool(self, x):
        if not self.down:
            return x
        if self.dims == 2:
            return F.avg_pool2d(x, 2)
        if not options.channels_last:
            return F.avg_pool3d(x, (2 if x.shape[2] > 1 else 1, 2, 2))
        # On a GPU, avg_pool3d knows no channels last: first images, then pairs of them.
        x = as_stored(F.avg_pool2d(x.transpose(1, 2).flatten(0, 1), 2)).unflatten(0, (len(x), -1))
        if x.shape[1] > 1:
            x = torch.lerp(x[:, 0:-1:2], x[:, 1::2], 0.5)
        return from_stored(x)

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
        """frames [N, k]: those to look at; without them, all."""
        n = len(y)
        if self.volumes:
            x = in_layout(F.avg_pool2d(video, 2).unflatten(0, (n, -1)).transpose(1, 2))
            for block in self.blocks[:self.volumes]:
                x = block(x)
            x = x.transpose(1, 2).flatten(0, 1)
        else:
            first = torch.arange(0, len(video), len(video) // n, device=video.device)
            x = from_stored(as_stored(video).index_select(0, (first[:, None] + frames).flatten()))
        for block in self.blocks[self.volumes:]:
            x = block(x)
        phi = torch.relu(x).sum((2, 3)).unflatten(0, (n, -1)).sum(1)
        direction = self.linear.normalized() + F.embedding(y, self.embedding.normalized())
        return (direction * phi).sum(1) + len(x) // n * self.linear.bias


class LayoutCheck(TorchDispatchMode):
    """Counts what changes the layout of an array, and what reads images in another than the one asked for."""

    def __init__(self):
        super().__init__()
        self.found = collections.Counter()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        name = function.__name__.split(".")[0]
        images = [each for each in arguments if isinstance(each, torch.Tensor) and each.dim() in (4, 5)]

        def strides(x):  # of what has more than one element along each dimension
            return tuple(x.stride(i) for i in range(x.dim()) if x.shape[i] > 1)

        def order(x):
            return sorted(range(len(strides(x))), key=lambda i: -strides(x)[i])

        if name in ("clone", "_to_copy") and images and order(images[0]) != order(result):
            self.found[f"{name} of {tuple(images[0].shape)} from {images[0].stride()} to {result.stride()}"] += 1
        if name.startswith(("convolution", "avg_pool", "mkldnn_convolution", "upsample")):
            for each in images:
                wanted = each.movedim(1, -1) if options.channels_last else each
                if order(wanted) != sorted(order(wanted)):
                    self.found[f"{name} of {tuple(each.shape)} with strides {each.stride()}"] += 1
        return result


def graphed(works):
    """The same works as CUDA graphs, captured as PyTorch's documentation has it, that run again on the same tensors."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            for work in works:
                work()
    torch.cuda.current_stream().wait_stream(side)
    memory = torch.cuda.graph_pool_handle()  # shared: one runs after the other, and none reads what another left there
    return [capture(work, memory) for work in works]


def capture(work, memory):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=memory):
        result = work()

    def replay():
        graph.replay()
        return result
    return replay


def check(*works):
    for work in works:
        work()  # what is made once is made
    if on_gpu:
        torch.cuda.set_sync_debug_mode("error")
    with LayoutCheck() as layout:
        values = [work() for work in works]
    if on_gpu:
        torch.cuda.set_sync_debug_mode("default")
    for what, times in sorted(layout.found.items()):
        print(f"{times} x {what}")
    print("finite" if all(torch.isfinite(value).all() for value in values) else "NOT FINITE")


def main():
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    n, frames, side, classes = options.batch, options.frames, options.resolution, options.classes
    g_widths, d_widths = ([options.channels * m for m in widths] for widths in WIDTHS[side])
    generator = Generator(frames, g_widths, classes)
    average = Generator(frames, g_widths, classes).eval().requires_grad_(False)
    spatial, temporal = Discriminator(d_widths, classes, 0), Discriminator(d_widths, classes, 2)
    networks = generator, average, spatial, temporal
    if options.channels_last:
        for part in networks:
            for parameter in part.parameters():
                if parameter.dim() >= 4:
                    parameter.data = in_layout(parameter.data)
    if options.amp and not on_gpu:  # only to try it; oneDNN's bfloat16 gradients of volumes are wrong in PyTorch 2.15
        torch.backends.mkldnn.enabled = False
    place, adam = {"device": options.device}, {"betas": (0.0, 0.999)}
    if on_gpu:
        torch.cuda.set_device(options.device)
        torch.backends.cudnn.benchmark = True  # the fastest algorithm for each size
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
        adam.update(fused=True, capturable=options.graph)
        for part in networks:
            part.to(options.device)
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, **adam)
    d_optimizer = torch.optim.Adam([*spatial.parameters(), *temporal.parameters()], 5e-4, **adam)

    def clips():  # on a GPU as a loader leaves them: 8 bits, in memory that is copied from while the GPU computes
        if on_gpu:
            video = torch.randint(256, (n * frames, 3, side, side), dtype=torch.uint8)
        else:
            video = torch.rand(n * frames, 3, side, side) * 2 - 1
        clips = as_stored(in_layout(video)), torch.randint(classes, (n,))
        return [each.pin_memory() for each in clips] if on_gpu else clips

    pool = [clips() for _ in range(3)]
    generate, judge_frames, judge_videos, sample = generator, spatial, temporal, average
    if options.compile:
        generate, judge_frames, judge_videos, sample = (torch.compile(part, dynamic=False)
                                                        for part in (generator, spatial, temporal, average))

    def draw_frames():
        return torch.rand(n, frames, **place).argsort(1)[:, :min(8, frames)].sort(1).values

    def draw(count=n):
        return torch.randn(count, 120, **place), torch.randint(classes, (count,), **place)

    def d_update(stored, real_y):
        frames_of_fake = draw_frames()
        z, y = draw()
        real = from_stored(stored)
        if on_gpu:
            real = real.float() / 127.5 - 1
        with autocast(True):
            with torch.no_grad():
                fake = generate(z, y)
            videos, labels = torch.cat([real.to(fake.dtype), fake]), torch.cat([real_y, y])
            loss = 0
            for scores in (judge_frames(videos, labels, torch.cat([draw_frames(), frames_of_fake])),
                           judge_videos(videos, labels)):
                loss = loss + F.relu(1 - scores[:n]).mean() + F.relu(1 + scores[n:]).mean()
        d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        d_optimizer.step()
        return loss.detach()

    def g_update():
        chosen = draw_frames()
        z, y = draw()
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
                torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), 1e-4)
                torch._foreach_copy_(list(average.buffers()), list(generator.buffers()))
            else:
                for own, other in zip(average.parameters(), generator.parameters()):
                    own.lerp_(other, 1e-4)
                for own, other in zip(average.buffers(), generator.buffers()):
                    own.copy_(other)
        return loss.detach()

    def sampling():
        with torch.no_grad(), autocast(True):
            return sample(*draw(options.sample_batch or n))

    if options.check:
        check(lambda: d_update(*(each.to(options.device) for each in pool[0])), g_update, sampling)
        return
    if options.graph:
        static = [each.to(options.device, copy=True) for each in pool[0]]
        works = [lambda: d_update(*static), g_update, sampling]
        d_again, g_update, sampling = graphed(works) if on_gpu else works

    def updates(step):
        def d(index):
            given = pool[index % 3]
            if options.graph:
                for to, each in zip(static, given):
                    to.copy_(each, non_blocking=True)
                return d_again()
            return d_update(*(each.to(options.device, non_blocking=True) for each in given))
        return lambda: d(3 * step), lambda: d(3 * step + 1), g_update

    def now():
        if on_gpu:
            torch.cuda.synchronize(options.device)
        return time.perf_counter()

    times = {"step_ms": [], "d_step_ms": [], "g_step_ms": [], "sample_ms": []}
    if on_gpu:  # whole steps, in which the host does not wait
        for step in range(options.warmup + options.steps):
            start = now()
            for work in updates(step):
                work()
            if step >= options.warmup:
                times["step_ms"].append(now() - start)
    for step in range(options.warmup + options.steps):
        marks, losses = [now()], []
        for work in updates(step):
            losses.append(work())
            marks.append(now())
        losses = [float(loss) for loss in losses]
        if step >= options.warmup:
            times["d_step_ms"] += [marks[1] - marks[0], marks[2] - marks[1]]
            times["g_step_ms"].append(marks[3] - marks[2])
            if not on_gpu:
                times["step_ms"].append(marks[3] - marks[0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    device_memory = torch.cuda.max_memory_allocated(options.device) / 1048576 if on_gpu else 0
    for step in range(options.warmup + options.steps):
        start = now()
        sampling()
        if step >= options.warmup:
            times["sample_ms"].append(now() - start)
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name(options.device) if on_gpu else "cpu",
              "threads": torch.get_num_threads(), "compiled": options.compile, "graph": options.graph and on_gpu,
              "channels_last": options.channels_last,
              "precision": "bfloat16" if options.amp else "tf32" if options.tf32 else "float32",
              "resolution": side, "frames": frames, "channels": options.channels, "classes": classes, "batch": n,
              "steps": options.steps, "losses": losses[1:], "peak_rss_mib": round(memory, 1),
              "load_average": round(os.getloadavg()[0], 2)}
    if on_gpu:
        result["peak_device_mib"] = round(device_memory, 1)
    result.update({name: round(1e3 * statistics.median(values), 3) for name, values in times.items()})
    print(json.dumps(result))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""DVD-GAN in PyTorch, to compare speed with: takes the flags of `train_step` and prints the same JSON line.

The model of the paper with the rewrites that pay in PyTorch too (one convolution for what the input adds to a ConvGRU's
gates, shortcuts at the smaller size), plain autograd, Adam and spectral normalisation as the library does them. On a
GPU nothing waits for the host within a step, and with --graph each update is one CUDA graph. Needs nothing but PyTorch:
Debian's python3-torch or, on a GPU, a release of 2.1 or later. Its networks are in peer_networks.py and peer_layers.py.

    peer_torch.py --check --channels-last    runs one update of each kind and tells what would slow it down: arrays in
                                             the other layout (there is one: what the generator's linear layer makes)
                                             and, on a GPU, synchronisations, which are errors
"""
import argparse
import json
import os
import resource
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--resolution", type=int, default=64)
parser.add_argument("--frames", type=int, default=12)
parser.add_argument("--channels", type=int, default=8)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--model", default="dvd-gan", help="as of train_step",
                    choices=["dvd-gan", "prediction", "nearest", "tsru", "tsrus", "self-attention", "separable-attention",
                             "double"])
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

import peer_layers  # noqa: E402
from peer_layers import Norm, as_stored, autocast, from_stored, in_layout  # noqa: E402,F401
from peer_networks import WIDTHS, Discriminator, Generator  # noqa: E402

on_gpu = options.device != "cpu"
if options.tf32 and not on_gpu:
    parser.error("--tf32 needs --device cuda")
if on_gpu and not torch.cuda.is_available():
    parser.error("PyTorch finds no GPU; use --device cpu")
if options.compile and not hasattr(torch, "compile"):
    parser.error(f"--compile needs PyTorch 2, not {torch.__version__}")
if options.model == "double":
    if on_gpu or options.amp:
        parser.error("--model double needs --device cpu, without --amp")
    torch.set_default_dtype(torch.float64)
peer_layers.use(options)


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


def main():
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    n, frames, side, classes = options.batch, options.frames, options.resolution, options.classes
    g_widths, d_widths = ([options.channels * m for m in widths] for widths in WIDTHS[side])
    given = 5 if options.model == "prediction" else 0  # frames that are continued
    generator, average = (Generator(frames, g_widths, classes, given=given, d_widths=d_widths) for _ in range(2))
    average.eval().requires_grad_(False)
    spatial, temporal = Discriminator(d_widths, classes, 0), Discriminator(d_widths, classes, 2)
    networks = generator, average, spatial, temporal
    if options.channels_last:
        for part in networks:
            for parameter in part.parameters():
                if parameter.dim() >= 4:
                    parameter.data = in_layout(parameter.data)
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
            video = torch.randint(256, (n * (given + frames), 3, side, side), dtype=torch.uint8)
        else:
            video = torch.rand(n * (given + frames), 3, side, side) * 2 - 1
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

    def pixels(stored):
        return from_stored(stored).float() / 127.5 - 1 if on_gpu else from_stored(stored)

    def condition_of(stored):
        """The arguments of a generator that are frames to be continued."""
        return [pixels(stored.unflatten(0, (n, -1))[:, :given].flatten(0, 1))] if given else []

    def continued(condition, fake):
        """Whole videos: what was given and what was made."""
        if not given:
            return fake
        return from_stored(torch.cat([as_stored(part).unflatten(0, (n, -1)) for part in (condition[0].to(fake.dtype), fake)],
                                     1).flatten(0, 1))

    def d_update(stored, real_y):
        frames_of_fake = draw_frames()
        z, y = draw()
        real, condition = pixels(stored), condition_of(stored)
        with autocast(True):
            with torch.no_grad():
                fake = continued(condition, generate(z, y, *condition))
            videos, labels = torch.cat([real.to(fake.dtype), fake]), torch.cat([real_y, y])
            loss = 0
            for scores in (judge_frames(videos, labels, given + torch.cat([draw_frames(), frames_of_fake])),
                           judge_videos(videos, labels)):
                loss = loss + F.relu(1 - scores[:n]).mean() + F.relu(1 + scores[n:]).mean()
        d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        d_optimizer.step()
        return loss.detach()

    def g_update(stored):
        chosen = draw_frames()
        z, y = draw()
        for part in (spatial, temporal):
            part.requires_grad_(False)
        condition = condition_of(stored)
        with autocast(True):
            fake = continued(condition, generate(z, y, *condition))
            loss = -(judge_frames(fake, y, given + chosen).mean() + judge_videos(fake, y).mean())
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
            return sample(*draw(options.sample_batch or n), *sampled_from)

    if given and options.sample_batch not in (0, n):
        parser.error("--model prediction samples as many videos as --batch")
    static = []
    if options.graph or options.check or given:
        static = [each.to(options.device, copy=options.graph) for each in pool[0]]
    sampled_from = condition_of(static[0]) if given else []
    works = [lambda: d_update(*static), lambda: g_update(static[0]), sampling]
    if options.check:
        from peer_check import check
        return check(options, *works)
    if options.graph:
        works = graphed(works) if on_gpu else works

    def updates(step):
        def d(index):
            clip = pool[index % 3]
            if options.graph:
                for to, each in zip(static, clip):
                    to.copy_(each, non_blocking=True)
                return works[0]()
            return d_update(*(each.to(options.device, non_blocking=True) for each in clip))

        def g():
            if options.graph:
                return works[1]()
            return g_update(pool[2][0].to(options.device, non_blocking=True) if given else None)
        return lambda: d(3 * step), lambda: d(3 * step + 1), g

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
        works[2]()
        if step >= options.warmup:
            times["sample_ms"].append(now() - start)
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name(options.device) if on_gpu else "cpu",
              "threads": torch.get_num_threads(), "compiled": options.compile, "graph": options.graph and on_gpu,
              "channels_last": options.channels_last,
              "precision": "bfloat16" if options.amp else "tf32" if options.tf32 else
              "float64" if options.model == "double" else "float32", "model": options.model,
              "resolution": side, "frames": frames, "condition_frames": given, "channels": options.channels,
              "classes": classes, "batch": n,
              "steps": options.steps, "losses": losses[1:], "peak_rss_mib": round(memory, 1),
              "load_average": round(os.getloadavg()[0], 2)}
    if on_gpu:
        result["peak_device_mib"] = round(device_memory, 1)
    result.update({name: round(1e3 * statistics.median(values), 3) for name, values in times.items()})
    print(json.dumps(result))


if __name__ == "__main__":
    main()

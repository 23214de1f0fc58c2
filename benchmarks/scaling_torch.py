#!/usr/bin/env python3
"""Compares training on two processes, with a core each, with PyTorch's DistributedDataParallel on the same cores.

    benchmarks/scaling_torch.py                                 64/12/8/4: a batch of 4 videos a process
    benchmarks/scaling_torch.py --python PYTHON                 another interpreter, which has PyTorch
    benchmarks/scaling_torch.py --size 32/8/8/8 --rounds 5      R/T/ch/batch of a process

Both run in turns, round after round: first build/release/bin/scaling under mpirun, then as many processes of PyTorch over
gloo, in both memory layouts, of which each round counts the faster one. A process has one thread, pinned to a core. Prints
medians over the rounds and, of the rounds' ratios, the median, the smallest and the largest.

PyTorch's side is the model of peer_torch.py. Gradients are averaged by DistributedDataParallel. Batch norms' statistics
are of all processes' videos, as SyncBatchNorm has them: that takes arrays of GPUs alone and knows neither frames nor
conditions, so here the norms themselves add up their sums, by torch.distributed.nn.functional.all_reduce, one message
forward and one backward.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))


def median(values):
    return statistics.median(values)


def options_of(size):
    resolution, frames, channels, batch = size.split("/")
    return ["--resolution", resolution, "--frames", frames, "--channels", channels, "--batch", batch]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="64/12/8/4", help="R/T/ch/batch of a process")
    parser.add_argument("--program", default=os.path.join(here, "..", "build", "release", "bin", "scaling"))
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--python", default="python3", help="interpreter that has PyTorch")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="steps timed in a round")
    parser.add_argument("--process", action="store_true", help=argparse.SUPPRESS)  # one of PyTorch's, started by this script
    parser.add_argument("--channels-last", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def fail(reason):
    sys.exit(f"scaling_torch.py: {reason}")


def last_line(command, result):
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        fail(f"{' '.join(command)} failed: {last}")
    try:
        return json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        fail(f"{' '.join(command)} printed no JSON line")


# PyTorch's side.

def run_process(options):
    """One process of PyTorch; that of rank 0 prints the milliseconds of its steps."""
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    sys.argv = ["peer_torch.py", *options_of(options.size), "--threads", "1",
                *(["--channels-last"] if options.channels_last else [])]
    import peer_torch as peer  # which reads its options from there
    import torch
    import torch.distributed as distributed
    import torch.distributed.nn.functional as summed
    import torch.nn.functional as F
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    of_statistics = distributed.new_group()  # so that they do not wait for gradients that are on their way

    def moments_of_all_processes(self, x):
        variance, mean = torch.var_mean(x, dim=(0, 3, 4), unbiased=False)
        mean, square = summed.all_reduce(torch.stack([mean, variance + mean * mean]) / ranks, group=of_statistics)
        return mean, square - mean * mean, ranks * x.numel() / mean.numel()

    peer.Norm.moments = moments_of_all_processes
    n, frames, side, classes = peer.options.batch, peer.options.frames, peer.options.resolution, peer.options.classes
    torch.manual_seed(0)  # the same weights in all processes
    g_widths, d_widths = ([peer.options.channels * m for m in widths] for widths in peer.WIDTHS[side])
    generator = peer.Generator(frames, g_widths, classes)
    average = peer.Generator(frames, g_widths, classes).eval().requires_grad_(False)
    spatial, temporal = peer.Discriminator(d_widths, classes, 0), peer.Discriminator(d_widths, classes, 2)
    if options.channels_last:
        for part in (generator, average, spatial, temporal):
            for parameter in part.parameters():
                if parameter.dim() >= 4:
                    parameter.data = peer.in_layout(parameter.data)
    # Buffers follow from what is the same everywhere, so they need not be sent.
    shared_generator, shared_spatial, shared_temporal = (
        DistributedDataParallel(part, broadcast_buffers=False, gradient_as_bucket_view=True)
        for part in (generator, spatial, temporal))
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, betas=(0.0, 0.999))
    d_optimizer = torch.optim.Adam([*spatial.parameters(), *temporal.parameters()], 5e-4, betas=(0.0, 0.999))
    torch.manual_seed(1 + rank)  # other videos
    pool = [(peer.as_stored(peer.in_layout(torch.rand(n * frames, 3, side, side) * 2 - 1)),
             torch.randint(classes, (n,))) for _ in range(3)]

    def draw_frames():
        return torch.rand(n, frames).argsort(1)[:, :min(8, frames)].sort(1).values

    def draw():
        return torch.randn(n, 120), torch.randint(classes, (n,))

    def d_update(stored, real_y):
        frames_of_fake = draw_frames()
        z, y = draw()
        with torch.no_grad():
            fake = generator(z, y)
        videos, labels = torch.cat([peer.from_stored(stored), fake]), torch.cat([real_y, y])
        loss = 0
        for scores in (shared_spatial(videos, labels, torch.cat([draw_frames(), frames_of_fake])),
                       shared_temporal(videos, labels)):
            loss = loss + F.relu(1 - scores[:n]).mean() + F.relu(1 + scores[n:]).mean()
        d_optimizer.zero_grad()
        loss.backward()
        d_optimizer.step()
        return loss.detach()

    def g_update():
        chosen = draw_frames()
        z, y = draw()
        for part in (spatial, temporal):
            part.requires_grad_(False)
        fake = shared_generator(z, y)
        loss = -(spatial(fake, y, chosen).mean() + temporal(fake, y).mean())
        g_optimizer.zero_grad()
        loss.backward()
        g_optimizer.step()
        for part in (spatial, temporal):
            part.requires_grad_(True)
        with torch.no_grad():
            for own, other in zip(average.parameters(), generator.parameters()):
                own.lerp_(other, 1e-4)
            for own, other in zip(average.buffers(), generator.buffers()):
                own.copy_(other)
        return loss.detach()

    times = []
    for step in range(options.steps + 1):  # of which the first is to warm up
        distributed.barrier()
        start = time.perf_counter()
        losses = [d_update(*pool[0]), d_update(*pool[1]), g_update()]
        distributed.barrier()
        times.append(1e3 * (time.perf_counter() - start))
        if not all(torch.isfinite(loss) for loss in losses):
            fail("a loss of PyTorch's is not finite")
    # What DistributedDataParallel and the norms promise: the same weights and statistics everywhere.
    sums = torch.stack([each.double().sum() for part in (generator, spatial, temporal)
                        for each in (*part.parameters(), *part.buffers())])
    of_all = [torch.zeros_like(sums) for _ in range(ranks)]
    distributed.all_gather(of_all, sums)
    if not all(torch.allclose(each, sums, rtol=1e-6) for each in of_all):
        fail("PyTorch's processes have come apart")
    if rank == 0:
        print(json.dumps({"torch": torch.__version__, "step_ms": round(median(times[1:]), 3)}))
    distributed.destroy_process_group()


def run_torch(options, layout):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [options.python, os.path.abspath(__file__), "--process", "--size", options.size, "--steps", str(options.steps),
               *layout]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(options.ranks),
                                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"})
                 for rank in range(options.ranks)]
    results = []
    for process in processes:
        out, err = process.communicate()
        results.append(subprocess.CompletedProcess(command, process.returncode, out, err))
    for result in results[1:]:
        if result.returncode:
            return last_line(command, result)
    return last_line(command, results[0])


# Ours.

def run_ours(options):
    resolution, frames, channels, batch = options.size.split("/")
    command = [options.mpirun, "-np", str(options.ranks), options.program, "steps", "--pin", "--steps", str(options.steps),
               "--warmup", "1", *options_of(f"{resolution}/{frames}/{channels}/{options.ranks * int(batch)}")]
    # What Open MPI 4, and then 5, wants to be told: ranks choose their cores themselves, and may be root's.
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1",
                   "PRTE_MCA_hwloc_default_binding_policy": "none",
                   "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    return last_line(command, subprocess.run(command, capture_output=True, text=True, env=environment))


def main():
    options = parse()
    if options.process:
        return run_process(options)
    parts = options.size.split("/")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        fail(f"--size wants R/T/ch/batch, such as 64/12/8/4, not '{options.size}'")
    if not os.access(options.program, os.X_OK):
        fail(f"there is no program {options.program}; build it: cmake --build build/release --target scaling")
    ours, theirs = [], []
    for turn in range(options.rounds):
        ours.append(run_ours(options))
        theirs.append({name: run_torch(options, layout) for name, layout in (("NCHW", []), ("NHWC", ["--channels-last"]))})
        print(f"\rround {turn + 1} of {options.rounds} ", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    version = theirs[0]["NCHW"]["torch"]
    fastest = [min(each["step_ms"] for each in turn.values()) for turn in theirs]
    ratios = [other / own["step_ms"] for own, other in zip(ours, fastest)]
    print(f"{options.size} a process, {options.ranks} processes of one thread; PyTorch {version}, gloo; "
          f"load {os.getloadavg()[0]:.1f}\n")
    print("| measured | step ms |")
    print("| --- | --- |")
    print(f"| dvd, MPI | {median([own['step_ms'] for own in ours]):.0f} |")
    for name in ("NCHW", "NHWC"):
        print(f"| PyTorch, DistributedDataParallel, {name} | {median([turn[name]['step_ms'] for turn in theirs]):.0f} |")
    print(f"\ntimes as fast as PyTorch's faster one: {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    main()

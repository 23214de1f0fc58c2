#!/usr/bin/env python3
"""Compares the speed and memory of a training step with a PyTorch implementation on the same cores or the same GPU.

    benchmarks/compare.py                                   the peer script of this folder
    benchmarks/compare.py --peer SCRIPT --python PYTHON     another one, another PyTorch
    benchmarks/compare.py --sizes 32/8/8/8 --rounds 5       R/T/ch/batch, separated by commas
    benchmarks/compare.py --device cuda --precision bfloat16

Both run in turn, round after round, because machines change their speed while one looks away. PyTorch runs with one
thread and with all, in both memory layouts, and each round counts its fastest; on a GPU it runs eagerly, compiled, as
CUDA graphs and as graphs of what is compiled, each in both layouts, with autocast where the precision is bfloat16, and
its first compiled runs take minutes. Prints medians over the rounds, and of the rounds' ratios the median and, in
brackets, the smallest and the largest. Memory is what the process holds or, on a GPU, what its arrays take there at
most.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--peer", default=os.path.join(here, "peer_torch.py"), help="script of the PyTorch side")
parser.add_argument("--python", default="python3", help="interpreter that has PyTorch")
parser.add_argument("--program", default=os.path.join(here, "..", "build", "release", "bin", "train_step"))
parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"],
                    help="tf32 and bfloat16 need a GPU")
parser.add_argument("--no-compile", action="store_true", help="on a GPU: leave out torch.compile")
parser.add_argument("--no-graph", action="store_true", help="on a GPU: leave out CUDA graphs, for a peer without --graph")
parser.add_argument("--sizes", help="R/T/ch/batch; by default four for a CPU or three for a GPU")
parser.add_argument("--threads", type=int, default=0, help="threads of both sides; 0: ours all, PyTorch's best of 1 and all")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--steps", type=int, help="steps timed in a round; 4 by default, 20 on a GPU")
options = parser.parse_args()
on_gpu = options.device != "cpu"
options.sizes = options.sizes or ("64/12/64/32,64/48/128/8,128/12/96/8" if on_gpu
                                  else "32/8/8/8,64/12/8/4,64/16/16/4,32/8/4/16")
options.steps = options.steps or (20 if on_gpu else 4)


def fail(reason):
    sys.exit(f"compare.py: {reason}")


def run(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}")
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        fail(f"{' '.join(command)} failed: {last}")
    try:
        return json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        fail(f"{' '.join(command)} printed no JSON line")


def sizes():
    for text in options.sizes.split(","):
        parts = text.split("/")
        if len(parts) != 4 or not all(part.isdigit() for part in parts):
            fail(f"--sizes wants R/T/ch/batch, such as 32/8/8/8, not '{text}'")
        yield text, [word for pair in zip(("--resolution", "--frames", "--channels", "--batch"), parts) for word in pair]


def ms(values):
    return f"{statistics.median(values):.{1 if on_gpu else 0}f}"


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if not os.access(options.program, os.X_OK):
    fail(f"there is no program {options.program}; build it: cmake --build build/release --target train_step")
if options.precision != "float32" and not on_gpu:
    fail(f"--precision {options.precision} needs a GPU (--device cuda)")
cores = len(os.sched_getaffinity(0))
peer_threads = [options.threads] if options.threads else [0] if on_gpu else sorted({1, cores})
own_flags, peer_flags = [], [[]]
if on_gpu:
    own_flags = ["--device", options.device, "--precision", options.precision]
    peer_precision = {"float32": [], "tf32": ["--tf32"], "bfloat16": ["--amp"]}[options.precision]
    peer_flags = [["--device", options.device, *peer_precision, *compiled, *graph]
                  for compiled in ([], ["--compile"])[:1 if options.no_compile else 2]
                  for graph in ([], ["--graph"])[:1 if options.no_graph else 2]]
memory_field = "peak_device_mib" if on_gpu else "peak_rss_mib"
rows = []
for name, flags in sizes():
    # A GPU's first steps choose algorithms and record; PyTorch's compile.
    flags += ["--steps", str(options.steps), "--warmup", "5" if on_gpu else "1"]
    ours, peers = [], []
    for turn in range(options.rounds):
        ours.append(run([options.program, *flags, *own_flags, "--threads", str(options.threads)]))
        round_of_peer = []
        for threads in peer_threads:
            for more in peer_flags:
                for layout in ([], ["--channels-last"]):
                    round_of_peer.append(run([options.python, options.peer, *flags, *more, "--threads", str(threads),
                                              *layout]))
        peers.append(round_of_peer)
        print(f"\r{name}: round {turn + 1} of {options.rounds} ", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)

    def best(field):
        return [min(one[field] for one in turn) for turn in peers]

    def ratios(field):
        return [other / own[field] for own, other in zip(ours, best(field))]

    def median(values):
        return statistics.median(values)

    fastest = [min(turn, key=lambda one: one["step_ms"]) for turn in peers]
    memory, peer_memory = median([own[memory_field] for own in ours]), median([one[memory_field] for one in fastest])
    chosen = fastest[-1]
    manner = f"{chosen['threads']} thr"
    if on_gpu:
        manner = " ".join(how for how in ("compiled", "graph") if chosen.get(how)) or "eager"
    rows.append([name, ms([own["step_ms"] for own in ours]), ms(best("step_ms")), spread(ratios("step_ms")),
                 ms([own["sample_ms"] for own in ours]), ms(best("sample_ms")), spread(ratios("sample_ms")),
                 f"{memory:.0f}", f"{peer_memory:.0f}", f"{memory / peer_memory:.2f}",
                 f"{manner}, {'NHWC' if chosen['channels_last'] else 'NCHW'}"])

titles = ["R/T/ch/batch", "step ms", "PyTorch", "times as fast", "sample ms", "PyTorch", "times as fast", "MiB", "PyTorch",
          "part", "PyTorch's best"]
widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
computing = f"{ours[0]['device']}, {options.precision}" if on_gpu else f"{ours[0]['threads']} threads"
print(f"dvd {ours[0]['dvd']}, {computing}; PyTorch {chosen['torch']}; load {os.getloadavg()[0]:.1f}\n")
for row in [titles, ["-" * width for width in widths], *rows]:
    print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")

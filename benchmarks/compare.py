#!/usr/bin/env python3
"""Compares the speed and memory of a training step with a PyTorch implementation on the same cores.

    benchmarks/compare.py                                   the peer script of this folder
    benchmarks/compare.py --peer SCRIPT --python PYTHON     another one, another PyTorch
    benchmarks/compare.py --sizes 32/8/8/8 --rounds 5       R/T/ch/batch, separated by commas

Both run in turn, round after round, because machines change their speed while one looks away. PyTorch runs with one
thread and with all, in both memory layouts, and each round counts its fastest. Prints medians over the rounds, and of
the rounds' ratios the median and, in brackets, the smallest and the largest.
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
parser.add_argument("--sizes", default="32/8/8/8,64/12/8/4,64/16/16/4,32/8/4/16")
parser.add_argument("--threads", type=int, default=0, help="threads of both sides; 0: ours all, PyTorch's best of 1 and all")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--steps", type=int, default=4, help="steps timed in a round")
options = parser.parse_args()


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


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if not os.access(options.program, os.X_OK):
    fail(f"there is no program {options.program}; build it: cmake --build build/release --target train_step")
cores = len(os.sched_getaffinity(0))
peer_threads = [options.threads] if options.threads else sorted({1, cores})
rows = []
for name, flags in sizes():
    flags += ["--steps", str(options.steps), "--warmup", "1"]
    ours, peers = [], []
    for turn in range(options.rounds):
        ours.append(run([options.program, *flags, "--threads", str(options.threads)]))
        round_of_peer = []
        for threads in peer_threads:
            for layout in ([], ["--channels-last"]):
                round_of_peer.append(run([options.python, options.peer, *flags, "--threads", str(threads), *layout]))
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
    memory, peer_memory = median([own["peak_rss_mib"] for own in ours]), median([one["peak_rss_mib"] for one in fastest])
    chosen = fastest[-1]
    rows.append([name, f"{median([own['step_ms'] for own in ours]):.0f}", f"{median(best('step_ms')):.0f}",
                 spread(ratios("step_ms")), f"{median([own['sample_ms'] for own in ours]):.0f}",
                 f"{median(best('sample_ms')):.0f}", spread(ratios("sample_ms")), f"{memory:.0f}", f"{peer_memory:.0f}",
                 f"{memory / peer_memory:.2f}",
                 f"{chosen['threads']} thr, {'NHWC' if chosen['channels_last'] else 'NCHW'}"])

titles = ["R/T/ch/batch", "step ms", "PyTorch", "times as fast", "sample ms", "PyTorch", "times as fast", "MiB", "PyTorch",
          "part", "PyTorch's best"]
widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
print(f"dvd {ours[0]['dvd']}, {ours[0]['threads']} threads; PyTorch {chosen['torch']}; load {os.getloadavg()[0]:.1f}\n")
for row in [titles, ["-" * width for width in widths], *rows]:
    print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")

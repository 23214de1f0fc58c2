#!/usr/bin/env python3
"""How the cost of a training step grows with resolution R, frames T, width ch and batch: a table, one line a size.

    benchmarks/costs.py [--program build/release/bin/train_step] [--steps 3]

Every block changes one of the four and keeps the others. Columns: floating-point operations that the step asks for
(convolutions counted directly), steps per second, GFLOP/s, peak memory, and the memory that the model in README.md
expects.
"""
import argparse
import json
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default=os.path.join(here, "..", "build", "release", "bin", "train_step"))
parser.add_argument("--steps", type=int, default=3)
options = parser.parse_args()

blocks = {"R": [(16, 8, 8, 8), (32, 8, 8, 8), (64, 8, 8, 8), (128, 8, 8, 8)],
          "T": [(32, 4, 8, 8), (32, 8, 8, 8), (32, 16, 8, 8), (32, 32, 8, 8)],
          "ch": [(32, 8, 4, 8), (32, 8, 8, 8), (32, 8, 16, 8), (32, 8, 32, 8)],
          "batch": [(32, 8, 8, 4), (32, 8, 8, 8), (32, 8, 8, 16), (32, 8, 8, 32)]}
known = {}


def measure(size):
    if size not in known:
        flags = [word for name, value in zip(("--resolution", "--frames", "--channels", "--batch"), size)
                 for word in (name, str(value))]
        result = subprocess.run([options.program, *flags, "--steps", str(options.steps), "--warmup", "1"],
                                capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"costs.py: {options.program} failed: {result.stderr.strip()}")
        known[size] = json.loads(result.stdout)
    return known[size]


def expected_mib(size, parameters):
    """The model of README.md: what is held when the gradient of the generator begins."""
    resolution, frames, channels, batch = size
    generator = {16: [8, 4, 2], 32: [8, 8, 4, 2], 64: [8, 8, 8, 4, 2], 128: [8, 8, 8, 4, 2, 1]}[resolution]
    spatial = {16: [2, 4, 8], 32: [2, 4, 8, 16], 64: [2, 4, 8, 16, 16], 128: [1, 2, 4, 8, 16, 16]}[resolution]
    images, judged = frames * batch, min(8, frames) * batch
    values = 0
    for stage, (inputs, outputs) in enumerate(zip(generator, generator[1:])):
        pixels = 16 << (2 * stage)
        values += images * pixels * (6 * inputs + 4 * 2 * outputs)
    for stage, width in enumerate(spatial):
        values += judged * (resolution >> stage) ** 2 * width * 1.25
    values += 2 * images * resolution ** 2 * generator[-1]
    weights = 7 * parameters["generator"] + 4 * (parameters["spatial"] + parameters["temporal"])
    return 4 * (values * channels + weights) / 2**20 + 25


if not os.access(options.program, os.X_OK):
    sys.exit(f"costs.py: there is no program {options.program}; build it: cmake --build build/release --target train_step")
print(f"{'R/T/ch/batch':<14} {'GFLOP':>9} {'steps/s':>9} {'GFLOP/s':>9} {'MiB':>7} {'model':>7}")
for name, sizes in blocks.items():
    print(f"growing {name}")
    for size in sizes:
        line = measure(size)
        print(f"{'/'.join(map(str, size)):<14} {line['step_gflop']:>9.1f} {1e3 / line['step_ms']:>9.3f} "
              f"{line['gflop_per_s']:>9.0f} {line['peak_rss_mib']:>7.0f} {expected_mib(size, line['parameters']):>7.0f}",
              flush=True)

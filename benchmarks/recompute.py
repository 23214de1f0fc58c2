#!/usr/bin/env python3
"""What keeping less costs: training steps that compute the generator's stages again (`--recompute`) beside steps that do not.

    benchmarks/recompute.py                                       64/48/16/1 and 128/48/8/1: long clips
    benchmarks/recompute.py --sizes 64/16/16/4 --rounds 5         R/T/ch/batch, separated by commas

Both run in turns, round after round. Prints a line a size: milliseconds of a step and peak memory of the process without and
with, medians over the rounds, and of the rounds' ratios with to without the median and, in brackets, the smallest and the
largest.
"""
import argparse
import statistics

from runs import PROGRAM, RunError, check_program, fail, print_table, run, say, sizes, spread

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default=PROGRAM)
parser.add_argument("--sizes", default="64/48/16/1,128/48/8/1")
parser.add_argument("--threads", type=int, default=0, help="0: all cores")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=2, help="steps timed in a round")
options = parser.parse_args()
check_program(options.program)


def measure(flags):
    try:
        return run([options.program, *flags, "--threads", str(options.threads), "--steps", str(options.steps), "--warmup", "1"])
    except RunError as error:
        fail(error)


rows = []
for size, flags in sizes(options.sizes):
    keep, again = [], []
    for turn in range(options.rounds):
        say(f"{size}: round {turn + 1} of {options.rounds}")
        keep.append(measure(flags))
        again.append(measure([*flags, "--recompute"]))
    cells = []
    for field in ("step_ms", "peak_rss_mib"):
        pairs = [(one[field], other[field]) for one, other in zip(keep, again)]
        cells += [f"{statistics.median(values):.0f}" for values in zip(*pairs)]
        cells.append(spread([other / one for one, other in pairs]))
    rows.append([size, *cells])
say("")
print(f"dvd {keep[0]['dvd']}, {keep[0]['threads']} threads\n")
print_table(["R/T/ch/batch", "step ms", "with --recompute", "times", "MiB", "with --recompute", "times"], rows)

#!/usr/bin/env python3
"""How much of a training step does not become faster by a second thread: the serial part, by Amdahl's law.

    benchmarks/serial_part.py                                     six sizes, from tiny ones on
    benchmarks/serial_part.py --sizes 32/8/8/8 --rounds 9         R/T/ch/batch, separated by commas
    benchmarks/serial_part.py --cores 2,3                         two cores by number; by default the first two

In every round steps run with one thread on either core, which is pinned there, and with two threads on both, in turns, so that
a machine that changes its speed changes it for all. With T1 the milliseconds of the one thread (the mean of both cores, which
may differ) and T2 those of two, the serial part is s = 2 T2 / T1 - 1, since T2 = T1 (s + (1 - s) / 2); below 0 two threads
were more than twice as fast, having two cores' caches. Whatever two threads share and wait for counts as serial: memory, too.

Prints a line a size: T1, T2 and T1 / T2, medians over the rounds, and the serial part: median over the rounds, smallest and
largest in brackets, in per cent of T1.
"""
import argparse
import os
import statistics

from runs import PROGRAM, RunError, check_program, fail, print_table, run, say, sizes, spread

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default=PROGRAM)
parser.add_argument("--sizes", default="16/3/4/2,32/8/4/4,32/8/8/8,64/12/8/4,64/16/16/4,64/8/32/2")
parser.add_argument("--model", default="dvd-gan", help="as of train_step")
parser.add_argument("--cores", help="two numbers, such as 0,1")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--seconds", type=float, default=2, help="that the steps of a run take, about; at least two steps")
options = parser.parse_args()
check_program(options.program)
allowed = sorted(os.sched_getaffinity(0))
try:
    cores = [int(core) for core in options.cores.split(",")] if options.cores else allowed[:2]
except ValueError:
    fail(f"--cores wants two numbers, such as 0,1, not '{options.cores}'")
if len(set(cores)) != 2 or not set(cores) <= set(allowed):
    fail(f"this needs two cores of those that a process may use here, which are {', '.join(map(str, allowed))}")


def milliseconds(flags, on, steps):
    command = [options.program, "--model", options.model, *flags, "--threads", str(len(on)), "--steps", str(steps),
               "--warmup", "2"]
    try:
        return run(command, cores=on)["step_ms"]
    except RunError as error:
        fail(error)


rows = []
for size, flags in sizes(options.sizes):
    say(f"{size}: how long it takes")
    steps = max(2, round(1e3 * options.seconds / milliseconds(flags, cores[:1], 2)))
    one, two = [], []
    for turn in range(options.rounds):
        say(f"{size}: round {turn + 1} of {options.rounds}")
        first = milliseconds(flags, cores[:1], steps)
        two.append(milliseconds(flags, cores, steps))
        one.append((first + milliseconds(flags, cores[1:], steps)) / 2)
    serial = [100 * (2 * both / alone - 1) for alone, both in zip(one, two)]
    rows.append([size, *(f"{statistics.median(values):.1f}" for values in (one, two)),
                 f"{statistics.median(alone / both for alone, both in zip(one, two)):.2f}", spread(serial, 1)])
say("")
print(f"cores {cores[0]} and {cores[1]}; load {os.getloadavg()[0]:.1f}\n")
print_table(["R/T/ch/batch", "one thread, ms", "two, ms", "times as fast", "serial part, %"], rows)

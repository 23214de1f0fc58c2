#!/usr/bin/env python3
"""Measures how training scales from one rank to several on the cores of this machine, and checks the simulator by it.

    benchmarks/scaling.py                               64/12/8/4: one rank with 4 videos, two ranks with 8
    benchmarks/scaling.py --size 32/8/8/8 --rounds 5    R/T/ch/batch of a rank
    benchmarks/scaling.py --keep costs.json             keeps what `scaling predict` predicts from
    benchmarks/scaling.py --check costs.json            only says whether ranks tell each other what was recorded there

One rank and several run in turns, round after round, under mpirun, each rank with one thread on a core of its own, so
that there must be as many cores. The simulator is then given the computing of one rank, measured while the other cores
compute the same, and the latency and bandwidth of sums between the ranks, and predicts what has been measured. In the last
round twice as many ranks run as well, two on a core, which the simulator is told; what all of them say to each other is
compared with what it follows. Prints medians over the rounds and, of the rounds' ratios, the median, the smallest and the
largest; and the ratio of the quickest steps, which others on the machine disturb least.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", default="64/12/8/4", help="R/T/ch/batch of a rank")
parser.add_argument("--program", default=os.path.join(here, "..", "build", "release", "bin", "scaling"))
parser.add_argument("--mpirun", default="mpirun")
parser.add_argument("--ranks", type=int, default=2)
parser.add_argument("--reduce", choices=["fast", "ordered"], default="fast")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--steps", type=int, default=5, help="steps timed in a round")
parser.add_argument("--keep", metavar="FILE", help="where to leave the recorded computing")
parser.add_argument("--check", metavar="FILE", help="recorded computing to check, see above")
options = parser.parse_args()
# What Open MPI 4, and then 5, wants to be told: ranks choose their cores themselves, may be more than there are, and may
# be root's.
environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1",
               "PRTE_MCA_hwloc_default_binding_policy": "none", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}


def fail(reason):
    sys.exit(f"scaling.py: {reason}")


def run(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}")
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        fail(f"{' '.join(command)} failed: {last}")
    return result.stdout.strip().splitlines()


def run_for_json(command):
    try:
        return json.loads(run(command)[-1])
    except (ValueError, IndexError):
        fail(f"{' '.join(command)} printed no JSON line")


if len(options.size.split("/")) != 4 or not all(part.isdigit() for part in options.size.split("/")):
    fail(f"--size wants R/T/ch/batch, such as 64/12/8/4, not '{options.size}'")
if not os.access(options.program, os.X_OK):
    fail(f"there is no program {options.program}; build it: cmake --build build/release --target scaling")
resolution, frames, channels, batch = options.size.split("/")
batch = int(batch)
size = ["--resolution", resolution, "--frames", frames, "--channels", channels]
cores = sorted(os.sched_getaffinity(0))
if len(cores) < options.ranks and not options.check:
    fail(f"{options.ranks} ranks need as many cores, and there are {len(cores)}")


def steps(ranks, count):
    launcher = [options.mpirun, "-np", str(ranks)] if ranks > 1 else []
    return run_for_json([*launcher, options.program, "steps", *size, "--batch", str(ranks * batch), "--steps", str(count),
                         "--warmup", "1", "--reduce", options.reduce, "--pin"])


def record(path):
    """On every core at the same time, of which the first one's counts."""
    def start(core, out):
        return subprocess.Popen([options.program, "record", *size, "--videos", ",".join(map(str, sorted({1, 2, batch}))),
                                 "--steps", str(options.steps), "--out", out], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    with tempfile.TemporaryDirectory() as folder:
        started = [start(core, path if i == 0 else os.path.join(folder, str(i)))
                   for i, core in enumerate(cores[:options.ranks])]
        for process in started:
            _, errors = process.communicate()
            if process.returncode:
                fail(f"scaling record failed: {(errors.strip().splitlines() or ['no reason given'])[-1]}")


def measured_link(ranks):
    return run_for_json([options.mpirun, "-np", str(ranks), options.program, "link", "--pin"])


def predict(path, ranks, link=None):
    flags = ["--latency-us", str(link["latency_us"]), "--bandwidth", str(link["bandwidth"]), "--in-turns"] if link else []
    return run_for_json([options.program, "predict", path, "--videos", str(batch), "--ranks", str(ranks), "--json",
                         "--ranks-per-core", "2" if ranks > options.ranks else "1", *flags])


def messages(measured):
    """Calls in a step that all ranks wait for, and sums of gradients."""
    said = {name: each["calls"] for name, each in measured["said"].items()}
    started = said.pop("start_sum", 0)
    said.pop("finish_sums", 0)
    return round(sum(said.values())), round(started)


def check_messages(path, ranks, measured):
    found, expected = messages(measured), predict(path, ranks)
    expected = expected["messages"], expected["gradient_messages"]
    print(f"{ranks} ranks, a step: {found[0]} messages that all wait for and {found[1]} sums of gradients; predicted "
          f"{expected[0]} and {expected[1]}")
    if found != expected:
        fail("the simulator follows another schedule than the ranks")


def row(ranks, how, milliseconds, communication):
    print(f"| {ranks} | {ranks * batch} | {how} | {milliseconds:.1f} | {1e3 / milliseconds:.2f} | "
          f"{1e3 * ranks * batch / milliseconds:.2f} | {100 * communication:.1f} % |")


def print_both(path, ranks, measured, link):
    row(ranks, "measured", statistics.median(each["step_ms"] for each in measured),
        statistics.median(each["communication"] for each in measured))
    predicted = predict(path, ranks, link)
    talking = sum(predicted[part] for part in ("latency_ms", "statistics_ms", "gradients_ms"))
    row(ranks, "predicted", predicted["step_ms"], talking / predicted["step_ms"])


def compare(path):
    many = 2 * options.ranks
    alone, together = [], []
    for turn in range(options.rounds):
        alone.append(steps(1, options.steps))
        together.append(steps(options.ranks, options.steps))
        print(f"\rround {turn + 1} of {options.rounds} ", end="", file=sys.stderr, flush=True)
    crowded = steps(many, options.steps)
    record(path)
    links = {ranks: measured_link(ranks) for ranks in (options.ranks, many)}
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)

    print(f"dvd {alone[0]['dvd']}, {options.size} a rank, one thread a rank, --reduce {options.reduce}; load "
          f"{os.getloadavg()[0]:.1f}")
    for ranks, link in links.items():
        print(f"sums between {ranks} ranks: {link['latency_us']:.1f} us, {link['bandwidth']:.1f} GB/s")
    print("\n| ranks | batch | | step ms | steps a second | videos a second | communication |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print_both(path, 1, alone, None)
    print_both(path, options.ranks, together, links[options.ranks])
    print_both(path, many, [crowded], links[many])
    ratios = [options.ranks * one["step_ms"] / all_of_them["step_ms"] for one, all_of_them in zip(alone, together)]
    quickest = options.ranks * min(one["step_ms_min"] for one in alone) / min(each["step_ms_min"] for each in together)
    print(f"\n{options.ranks} ranks are {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) times as fast "
          f"as one, {quickest:.2f} times by the quickest step of each; {many} take turns on {options.ranks} cores\n")
    if options.reduce == "fast":  # which is what is recorded
        check_messages(path, options.ranks, together[0])
        check_messages(path, many, crowded)


if options.check:
    check_messages(options.check, options.ranks, steps(options.ranks, 1))
else:
    with tempfile.TemporaryDirectory() as folder:
        compare(options.keep or os.path.join(folder, "costs.json"))

#!/usr/bin/env python3
"""Compares the speed and memory of a training step with a PyTorch implementation on the same cores or the same GPU.

    benchmarks/compare.py                                   the peer script of this folder
    benchmarks/compare.py --python PYTHON,OTHER             several PyTorchs, of which the best counts
    benchmarks/compare.py --sizes 32/8/8/8 --rounds 5       R/T/ch/batch, separated by commas
    benchmarks/compare.py --wide                            models as wide as a CPU trains in patience
    benchmarks/compare.py --model tsru,nearest              variants of the model (train_step --help); all: every one
    benchmarks/compare.py --peer SCRIPT                     another implementation
    benchmarks/compare.py --device cuda --precision bfloat16

On a CPU PyTorch runs in every way that it has: in each PyTorch that is named, in float32 and by autocast in bfloat16, eager
and (where it can, unless --no-compile) compiled, with one thread and with all, in both memory layouts. First each way runs
once, for two steps (--trial-steps), compiled only if its steps took at most 1.5 times as long as the best ones
(--compile-within); those whose steps or sampling took at most 1.25 times as long as the best (--within), and at least two,
then take turns with ours, round after round, because machines change their speed while one looks away, and each round counts
the fastest. A way that fails is named and left out. Compiling takes minutes a way and size. dvd computes in float32 throughout
(--model double: both sides in double).

On a GPU every way runs in every round: eagerly, compiled, as CUDA graphs and as graphs of what is compiled, each in both
layouts, with autocast where the precision is bfloat16.

Prints a line a size: medians over the rounds, and of the rounds' ratios the median and, in brackets, the smallest and the
largest; then the way of PyTorch that had the fastest steps in the median, and the one of sampling. Memory is what the process
holds (PyTorch's: that with the fastest steps) or, on a GPU, what its arrays take there at most.
"""
import argparse
import itertools
import math
import os
import statistics
import sys

from runs import PROGRAM, RunError, check_program, fail, print_table, run, say, sizes, spread

MODELS = ["dvd-gan", "prediction", "nearest", "tsru", "tsrus", "self-attention", "separable-attention", "double"]
CPU_SIZES = "32/8/8/8,64/12/8/4,64/16/16/4,32/8/4/16"
WIDE_SIZES = "64/8/32/2,64/12/64/1,128/12/16/2,128/6/32/1"
GPU_SIZES = "64/12/64/32,64/48/128/8,128/12/96/8"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--peer", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_torch.py"),
                    help="script of the PyTorch side")
parser.add_argument("--python", action="append", help="interpreters that have PyTorch, separated by commas; python3")
parser.add_argument("--program", default=PROGRAM)
parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"],
                    help="on a GPU that of both sides, float32 by default; on a CPU PyTorch's alone, by default the better one")
parser.add_argument("--model", default="dvd-gan", help="variants, separated by commas, or all")
parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
parser.add_argument("--no-graph", action="store_true", help="on a GPU: leave out CUDA graphs, for a peer without --graph")
parser.add_argument("--sizes", help="R/T/ch/batch; by default four for a CPU or three for a GPU")
parser.add_argument("--wide", action="store_true", help=f"these sizes: {WIDE_SIZES}")
parser.add_argument("--threads", type=int, default=0, help="threads of both sides; 0: ours all, PyTorch's best of 1 and all")
parser.add_argument("--rounds", type=int, help="5 by default, 3 on a GPU")
parser.add_argument("--steps", type=int, help="steps timed in a round; 4 by default, 20 on a GPU")
parser.add_argument("--trial-steps", type=int, default=2, help="steps timed when each way runs once")
parser.add_argument("--within", type=float, default=1.25, help="of the best one's time: the ways that go on")
parser.add_argument("--compile-within", type=float, default=1.5,
                    help="of the best one's time: the ways that are tried compiled, too")
parser.add_argument("--patience", type=float, default=1800, help="seconds after which a run of PyTorch counts as failed")
options = parser.parse_args()
on_gpu = options.device != "cpu"
options.python = [name for names in options.python or ["python3"] for name in names.split(",")]
options.sizes = options.sizes or (WIDE_SIZES if options.wide else GPU_SIZES if on_gpu else CPU_SIZES)
options.steps = options.steps or (20 if on_gpu else 4)
options.rounds = options.rounds or (3 if on_gpu else 5)
models = MODELS if options.model == "all" else options.model.split(",")


class Way:
    """One way in which PyTorch runs."""

    def __init__(self, python, compiled, flags):
        self.python, self.compiled, self.flags, self.results = python, compiled, flags, []

    def run(self, flags):
        """Whether it could."""
        command = [self.python, options.peer, *flags, *self.flags, *(["--compile"] if self.compiled else [])]
        try:
            self.results.append(run(command, patience=options.patience))
            return True
        except RunError as error:
            say("")
            print(f"compare.py: left out: {error}", file=sys.stderr)
            return False

    def median(self, field):
        return statistics.median(each[field] for each in self.results)

    def name(self):
        last = self.results[-1]
        how = [word for word in ("compiled", "graph") if last.get(word)] or ["eager"]
        words = [last["torch"].split("+")[0], last.get("precision", "float32"), *how]
        finite = all(math.isfinite(loss) for loss in last.get("losses", []))
        return (" ".join(words) + f", {last['threads']} thr, {'NHWC' if last['channels_last'] else 'NCHW'}"
                + ("" if finite else ", its losses not finite"))


def has_compile(python):
    try:
        return run([python, "-c", "import torch, json; print(json.dumps(hasattr(torch, 'compile')))"])
    except RunError as error:
        fail(error)


def all_ways(model):
    """Those that are not compiled first."""
    layouts = [[], ["--channels-last"]]
    if on_gpu:
        precision = {"float32": [], "tf32": ["--tf32"], "bfloat16": ["--amp"]}[options.precision or "float32"]
        graphs = [[]] if options.no_graph else [[], ["--graph"]]
        choices = [[["--device", options.device, *precision]], graphs, [["--threads", str(options.threads)]], layouts]
    else:
        precisions = {"float32": [[]], "bfloat16": [["--amp"]], None: [[], ["--amp"]]}[options.precision]
        counts = [options.threads] if options.threads else sorted({1, len(os.sched_getaffinity(0))})
        choices = [[[]] if model == "double" else precisions, [["--threads", str(count)] for count in counts], layouts]
    variant = [] if model == "dvd-gan" else ["--model", model]
    return [Way(python, compiled, [*variant, *itertools.chain(*flags)])
            for compiled in (False, True) for python in options.python if not compiled or compilers[python]
            for flags in itertools.product(*choices)]


def finalists(ways, name, flags):
    """The ways that are worth timing, after each has run once."""
    left, step_of = [], {}  # milliseconds of the ways that are not compiled
    for number, way in enumerate(ways):
        say(f"{name}: trial {number + 1} of {len(ways)}: {' '.join([*way.flags, *(['--compile'] if way.compiled else [])])}")
        plain = step_of.get((way.python, *way.flags))
        if way.compiled and (plain is None or plain > options.compile_within * min(step_of.values())):
            continue
        if way.run(flags):
            left.append(way)
            if not way.compiled:
                step_of[way.python, *way.flags] = way.results[0]["step_ms"]
    if not left:
        fail("PyTorch runs in none of its ways")
    steps, samples = (sorted(way.results[0][field] for way in left) for field in ("step_ms", "sample_ms"))
    chosen = [way for way in left if way.results[0]["step_ms"] <= max([options.within * steps[0], *steps[:2]])
              or way.results[0]["sample_ms"] <= options.within * samples[0]]
    for way in chosen:
        way.results = []
    return chosen


def compare(model, size, size_flags):
    """A line of the table."""
    name = size if model == "dvd-gan" else f"{size} {model}"
    # A GPU's first steps choose algorithms and record; PyTorch's compile.
    warmup = ["--warmup", "5" if on_gpu else "1"]
    ways = all_ways(model)
    if not on_gpu and len(ways) > 2:
        ways = finalists(ways, name, [*size_flags, "--steps", str(options.trial_steps), *warmup])
    flags = [*size_flags, "--steps", str(options.steps), *warmup]
    own_flags = ["--threads", str(options.threads), *([] if model == "dvd-gan" else ["--model", model])]
    if on_gpu:
        own_flags += ["--device", options.device, "--precision", options.precision or "float32"]
    ours = []
    for turn in range(options.rounds):
        say(f"{name}: round {turn + 1} of {options.rounds}, PyTorch in {len(ways)} ways")
        try:
            ours.append(run([options.program, *flags, *own_flags]))
        except RunError as error:
            fail(error)
        ways = [way for way in ways if way.run(flags)]
        if not ways:
            fail("PyTorch runs in none of its ways")
    say("")
    cells, best = [], {}
    for field in ("step_ms", "sample_ms"):
        own = [each[field] for each in ours]
        theirs = [min(each[field] for each in turn) for turn in zip(*(way.results for way in ways))]
        best[field] = min(ways, key=lambda way: way.median(field))
        cells += [milliseconds(own), milliseconds(theirs), spread([other / each for each, other in zip(own, theirs)])]
    memory_field = "peak_device_mib" if on_gpu else "peak_rss_mib"
    memory, other = statistics.median(own[memory_field] for own in ours), best["step_ms"].median(memory_field)
    about.update(dvd=ours[0]["dvd"], device=ours[0]["device"], threads=ours[0]["threads"])
    row = [name, *cells, f"{memory:.0f}", f"{other:.0f}", f"{memory / other:.2f}", best["step_ms"].name(),
           best["sample_ms"].name()]
    print(" | ".join(row), file=sys.stderr)  # the table comes at the end, which may be hours away
    return row


def milliseconds(values):
    middle = statistics.median(values)
    return f"{middle:.{0 if middle >= 100 and not on_gpu else 1}f}"


check_program(options.program)
if options.precision == "tf32" and not on_gpu:
    fail("--precision tf32 needs a GPU (--device cuda)")
if unknown := [model for model in models if model not in MODELS]:
    fail(f"--model {unknown[0]} is none of {', '.join(MODELS)}")
if options.rounds < 1 or options.steps < 1 or options.trial_steps < 1:
    fail("--rounds, --steps and --trial-steps must be at least 1")
all_sizes = sizes(options.sizes)
compilers = {python: not options.no_compile and has_compile(python) for python in options.python}
about = {}
rows = [compare(model, *size) for model in models for size in all_sizes]
computing = f"{about['device']}, {options.precision or 'float32'}" if on_gpu else f"{about['threads']} threads"
print(f"dvd {about['dvd']}, {computing}; load {os.getloadavg()[0]:.1f}\n")
print_table(["R/T/ch/batch", "step ms", "PyTorch", "times as fast", "sample ms", "PyTorch", "times as fast", "MiB", "PyTorch",
             "part", "PyTorch's best steps", "best sampling"], rows)

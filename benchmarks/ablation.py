#!/usr/bin/env python3
"""The paper's ablation (section 4.3) on moving shapes: what is best for the discriminators to see, at equal steps and in equal time?

    benchmarks/ablation.py --lines ablation.jsonl --steps 2000 --seeds 0,1,2 --jobs 2
    benchmarks/ablation.py --lines ablation.jsonl --plot ablation.svg       only the table and the plot of what there is

k, the frames that D_S sees, is varied with the paper's phi for D_T, 2x2 averages, and phi with the paper's k, 8. Every line that
the program `ablation` prints is kept in FILE, and what is there is not computed again: the script may be stopped at any time.
Costs of a step are measured first, on all cores, in turns; then models are trained, `--jobs` at a time with a core each, which
changes no bit. In equal time means: after as many steps as take as long as --steps of k = 8 and 2x2, by these costs.
Distances are Fréchet distances by the classifier of moving shapes: medians over the seeds and, in brackets, the smallest and
the largest.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess

from runs import check_program, fail, print_table, spread

HERE = os.path.dirname(os.path.abspath(__file__))
PAPER = (8, "2x2")
VARIANTS = [(1, "2x2"), (2, "2x2"), PAPER, (8, "identity"), (8, "4x4"), (8, "crop")]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default=os.path.join(HERE, "..", "build", "release", "bin", "ablation"))
parser.add_argument("--lines", required=True, metavar="FILE", help="what was printed so far; made if it is not there")
parser.add_argument("--steps", type=int, default=0, help="steps of k = 8 and 2x2; 0: train nothing")
parser.add_argument("--evaluate-every", type=int, default=250)
parser.add_argument("--seeds", default="0,1,2")
parser.add_argument("--jobs", type=int, default=1)
parser.add_argument("--plot", metavar="FILE", help="draw the distances over the time of training, as SVG")
options = parser.parse_args()
seeds = [int(seed) for seed in options.seeds.split(",")]


def read():
    if not os.path.exists(options.lines):
        return []
    with open(options.lines) as file:
        return [json.loads(line) for line in file if line.strip().endswith("}")]


def run(*flags):
    """Keeps what the program prints, line by line."""
    check_program(options.program)
    process = subprocess.Popen([options.program, *flags], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        with open(options.lines, "a") as file:
            file.write(line)
    if process.wait():
        fail(f"{' '.join(process.args)} failed")


def costs():
    return {(line["k"], line["phi"]): line["step_ms"] for line in read() if "step_ms" in line}


def curve(variant, seed):
    """Distances by step."""
    return {line["step"]: line["distance"] for line in read() if (line.get("k"), line.get("phi"), line.get("seed")) == (*variant, seed)}


def steps_in_time(variant):
    """As many as take the time of --steps of the paper's choice, in whole judgements."""
    steps = options.steps * cost[PAPER] / cost[variant]
    return max(1, round(steps / options.evaluate_every)) * options.evaluate_every


if options.steps:
    if set(VARIANTS) - set(costs()):
        run("--k", "1,2,8", "--phi", "identity,2x2,4x4,crop", "--rounds", "20")
    if not any("floor" in line for line in read()):
        run("--rounds", "0", "--floor")
cost = costs()
if set(VARIANTS) - set(cost):
    fail(f"{options.lines} has no costs yet; give --steps")
if not options.steps:
    options.steps = max((line["step"] for line in read() if (line.get("k"), line.get("phi")) == PAPER and "step" in line), default=0)
    if not options.steps:
        fail(f"{options.lines} has no trained model yet; give --steps")
else:
    def train(job):
        variant, seed = job
        last = max(options.steps, steps_in_time(variant))
        if last not in curve(variant, seed):
            run("--k", str(variant[0]), "--phi", variant[1], "--seeds", str(seed), "--rounds", "0", "--threads", "1", "--steps", str(last),
                "--evaluate-every", str(options.evaluate_every))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(train, [(variant, seed) for seed in seeds for variant in VARIANTS]))

rows = []
for variant in VARIANTS:
    curves = [curve(variant, seed) for seed in seeds]
    cells = [str(variant[0]), variant[1], f"{cost[variant]:.0f}", f"{cost[variant] / cost[PAPER]:.2f}"]
    for steps in (options.steps, steps_in_time(variant)):
        values = [one[steps] for one in curves if steps in one]
        cells.append(spread(values) if values else "-")
    cells.insert(5, str(steps_in_time(variant)))
    rows.append(cells)
floor = next((line["floor"] for line in read() if "floor" in line), None)
print(f"seeds {options.seeds}; the data set's own distance (its floor): {floor}\n")
print_table(["k", "phi", "step ms", "against", f"after {options.steps} steps", "steps in equal time", "distance then"], rows)

if options.plot:
    # Medians over the seeds against hours of one machine, both on logarithmic axes where they span much.
    import math
    import statistics

    width, height, left, bottom, top, right = 640, 400, 60, 44, 16, 120
    colours = ["#2f6fde", "#17866b", "#111111", "#d9622b", "#8a4fbf", "#b8860b"]
    lines = []
    for variant in VARIANTS:
        by_step = {}
        for seed in seeds:
            for step, distance in curve(variant, seed).items():
                by_step.setdefault(step, []).append(distance)
        lines.append([(step * cost[variant] / 6e4, statistics.median(values)) for step, values in sorted(by_step.items()) if len(values) == len(seeds)])
    points = [point for line in lines for point in line]
    if not points:
        fail("there is nothing to plot yet")
    most = max(minutes for minutes, _ in points)
    low, high = (math.floor(math.log10(min(d for _, d in points))), math.ceil(math.log10(max(d for _, d in points))))
    x = lambda minutes: left + minutes / most * (width - left - right)
    y = lambda distance: top + (high - math.log10(distance)) / (high - low) * (height - top - bottom)
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for power in range(low, high + 1):
        for factor in (1, 2, 5):
            value = factor * 10.0 ** power
            if value <= 10.0 ** high:
                svg.append(f'<line x1="{left}" x2="{width - right}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
                           f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    stride = max(1, round(most / 6))
    for minutes in range(0, int(most) + 1, stride):
        svg.append(f'<text x="{x(minutes):.1f}" y="{height - bottom + 18}" text-anchor="middle">{minutes}</text>')
    svg.append(f'<text x="{(left + width - right) / 2:.0f}" y="{height - 8}" text-anchor="middle">minutes of training</text>'
               f'<text transform="translate(14 {(top + height - bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">Fréchet distance</text>')
    ends = []
    for variant, line, colour in zip(VARIANTS, lines, colours):
        if not line:
            continue
        path = " ".join(f"{x(minutes):.1f},{y(distance):.1f}" for minutes, distance in line)
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        ends.append([y(line[-1][1]) + 4, colour, f"k = {variant[0]}, {variant[1]}"])
    ends.sort()
    for before, after in zip(ends, ends[1:]):
        after[0] = max(after[0], before[0] + 14)  # names do not lie on each other
    for place, colour, name in ends:
        svg.append(f'<text x="{width - right + 8}" y="{place:.1f}" fill="{colour}">{name}</text>')
    with open(options.plot, "w") as file:
        file.write("\n".join(svg) + "\n</svg>\n")

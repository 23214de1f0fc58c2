"""What the scripts that compare programs share: running them, sizes, medians and tables."""
import json
import os
import statistics
import subprocess
import sys

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "release", "bin", "train_step")


class RunError(Exception):
    """Why a command gave no result, in a line."""


def fail(reason):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {reason}")


def check_program(program):
    if not os.access(program, os.X_OK):
        fail(f"there is no program {program}; build it: cmake --build build/release --target train_step")


def run(command, cores=None, patience=None):
    """What a command prints as its last line, which is JSON, on the cores that are numbered (all, if not given). Throws
    RunError if it takes more than `patience` seconds, too."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    try:
        result = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=patience)
    except OSError as error:
        raise RunError(f"cannot run {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise RunError(f"{' '.join(command)} was stopped after {patience:.0f} s") from None
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        if result.returncode < 0:
            last = f"signal {-result.returncode}; {last}"
        raise RunError(f"{' '.join(command)} failed: {last}")
    try:
        return json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise RunError(f"{' '.join(command)} printed no JSON line") from None


def sizes(texts):
    """Of "R/T/ch/batch,...": pairs of a text and its flags."""
    result = []
    for text in texts.split(","):
        parts = text.split("/")
        if len(parts) != 4 or not all(part.isdigit() for part in parts):
            fail(f"--sizes wants R/T/ch/batch, such as 32/8/8/8, not '{text}'")
        names = "--resolution", "--frames", "--channels", "--batch"
        result.append((text, [word for pair in zip(names, parts) for word in pair]))
    return result


def spread(values, digits=2):
    """The median and, in brackets, the smallest and the largest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def say(what):
    """Tells in the terminal's last line what goes on; nothing clears it."""
    print("\r" + what[:110].ljust(110), end="" if what else "\r", file=sys.stderr, flush=True)


def print_table(titles, rows):
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |", flush=True)

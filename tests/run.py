"""All tests, phase after phase to the end; the exit status is 1 if one of them failed.

Types first; then helpers and exercises, three modules at a time; the brokers' lives, the clinic and the
projects, two modules at a time; then every notebook under strict nbval, three at a time, so two cores are
seldom idle; and a page in a real browser. A seed draws the order and the answers that are tried. It
follows from what is checked out: one content is tested in one way, wherever that is, and the next in
another. ``--all`` tries every answer on the exercises' graders, every repair in the clinic, and every
solution of the projects, the references with twenty seeds; makes the crash matrices anew and compares
them with those that the labs show; and runs the notebooks once more, in another order, so that none leans
on another.

The labs of other systems, which ``make extras`` fetches, are no part of that. ``--extras`` runs them, the
tests of their graders, and all those in a browser. ``--all`` does so too, and has twenty learners at one pair
of brokers.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

from helpers.extras import fetched
from helpers.notebooks import extras as declared
from helpers.notebooks import paths

SEEDS = 10_000
TWO, THREE = (("-n", number, "--dist", "loadscope") for number in "23")
STRICT = (
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"),
    *("--nbval-sanitize-with", "tests/sanitize.cfg"),
)
IN_ORDER = "--no-loadscope-reorder"


def others() -> list[str]:
    """The labs that need a system which ``make extras`` fetches."""
    return [str(path) for path in paths(Path("notebooks")) if fetched(*declared(path))]


def phases(seed: int, all_of_it: bool = False, extras: bool = False) -> dict[str, list[str]]:
    """What is run, in this order: a name, and the arguments of Python."""

    def pytest(*arguments: str, seed: int = seed) -> list[str]:
        return ["-m", "pytest", "-q", "--color=no", "--seed", str(seed), *arguments]

    every = ["--all-answers"] if all_of_it else []
    without = [f"--ignore={path}" for path in others()]
    notebooks = (*STRICT, *THREE, IN_ORDER, *without, "notebooks")
    of_extras = {
        "graders of other systems": pytest(*every, "tests/extras"),
        "labs of other systems": pytest(*STRICT, *TWO, IN_ORDER, *others()),
        "browser": pytest("tests/browser"),
    }
    if extras:
        return of_extras
    found = {
        "types": ["-m", "mypy"],
        "helpers and exercises": pytest(*THREE, *every, "tests/unit", "tests/exercises"),
        "brokers, clinic and projects": pytest(
            *TWO, *every, "tests/brokers", "tests/clinic", "tests/projects"
        ),
        "notebooks": pytest(*notebooks),
        "browser": pytest("-m", "not lengthy", "tests/browser"),
    }
    if all_of_it:
        found |= of_extras
        found["a class"] = pytest("tests/crowd")
        found["crash matrices"] = pytest("tests/matrices")
        found["notebooks in another order"] = pytest(*notebooks, seed=seed + 1)
    return found


def seed_of_the_content() -> int:
    """The same for the same committed files; without git, any."""
    asked = ["git", "rev-parse", "--verify", "HEAD^{tree}"]
    try:
        tree = subprocess.check_output(asked, text=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return random.randrange(SEEDS)
    return int(tree, base=16) % SEEDS


def main() -> int:
    """Run them all; returns 0 if all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats the draws of an earlier run")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every answer, the crash matrices, and the notebooks twice",
    )
    parser.add_argument(
        "--extras", action="store_true", help="the labs of other systems, and nothing else"
    )
    chosen = parser.parse_args()
    seed = seed_of_the_content() if chosen.seed is None else chosen.seed
    every = phases(seed, chosen.all, chosen.extras)
    failed, results = False, []
    print(f"Seed {seed}: `{sys.executable} {sys.argv[0]} --seed {seed}` draws the same.")
    for number, (name, arguments) in enumerate(every.items(), 1):
        print(f"\n[{number}/{len(every)}] {name}: python {' '.join(arguments)}", flush=True)
        began = time.monotonic()
        passed = subprocess.call([sys.executable, *arguments]) == 0
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        result = "passed" if passed else "FAILED"
        results.append(f"{result} in {minutes}:{seconds:02} min: {name}")
        print(f"[{number}/{len(every)}] {results[-1]}", flush=True)
        failed |= not passed
    print("", *results, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

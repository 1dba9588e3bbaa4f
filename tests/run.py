"""All tests, one after the other, to the end; the exit status is 1 if any of them failed.

Helpers and exercises first, two modules at a time; the brokers' lives, alone; then every notebook under
strict nbval, two at a time, and once more in reverse order, so that none leans on what another left.
"""

from __future__ import annotations

import subprocess
import sys

TWO = ("-n", "2", "--dist", "loadscope")
NBVAL = [
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"),
    *("--nbval-sanitize-with", "tests/sanitize.cfg", *TWO, "notebooks"),
]
RUNS = (
    [*TWO, "tests/unit", "tests/exercises"],
    ["tests/brokers"],
    NBVAL,
    [*NBVAL, "--reverse"],
)


def main() -> int:
    """Run them all; returns 0 if all passed."""
    failed = 0
    for arguments in RUNS:
        print(f"\npytest {' '.join(arguments)}", flush=True)
        failed |= (
            subprocess.call([sys.executable, "-m", "pytest", "-q", "--color=no", *arguments]) != 0
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())

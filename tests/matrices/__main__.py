"""Make the crash matrices anew, and store them where the labs read them.

By hand, in the course's folder: .venv/bin/python -m tests.matrices [outbox] [saga]
"""

from __future__ import annotations

import sys
import time

from helpers import clean_up, up

from .tables import MATRICES, store


def main() -> None:
    """Run those that are named, or all."""
    brokers = up()
    for name in sys.argv[1:] or MATRICES:
        began = time.monotonic()
        rows = MATRICES[name].rows(brokers)
        store(name, rows)
        print(f"{name}: {len(rows)} crash points in {time.monotonic() - began:.0f} s")
    clean_up(brokers)


if __name__ == "__main__":
    main()

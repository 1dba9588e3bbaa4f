"""Somebody who reads the shop's view again and again, and remembers what she was told.

For each look she prints "right" or "wrong", and how many orders two tables of the view have. It is
wrong if the two differ, or if there are fewer orders than at an earlier look: orders don't vanish.
POINTER is a file that names the view to be read.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_reader.py POINTER
"""

import sys
import time
from pathlib import Path

from shop_customer import ask

BOTH = "SELECT (SELECT total(placed) FROM customers), (SELECT count(*) FROM orders)"


def main():
    """Read on until SIGTERM."""
    most = 0
    while True:
        [(placed, orders)] = ask(Path(sys.argv[1]).read_text(), BOTH)
        most = max(most, orders)
        print("right" if placed == orders == most else "wrong", int(placed), orders, flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    main()

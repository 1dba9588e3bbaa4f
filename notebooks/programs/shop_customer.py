"""A customer of the shop: places orders, one after the other, and asks for each as soon as it is placed.

For each it prints "ORDER GOT GIVEN TOOK": whether the answer showed her order ("own"), something
older ("older") or was none ("none"); when she gave the command, and how long she then waited for her
answer, in seconds.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_customer.py http://127.0.0.1:PORT VIEW waiting 1 20
"""

import argparse
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen


def perform(desk, command, order, customer="ada"):
    """A command for the desk; its receipt."""
    details = json.dumps({"customer": customer, "cents": 1000}).encode()
    with urlopen(f"{desk}/{command}/{order}", details, timeout=60) as answer:
        return SimpleNamespace(**json.load(answer))


def ask(view, question, *values):
    """The rows that answer a question; the view is opened for reading only."""
    uri = f"{Path(view).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=20)) as reader:
        return reader.execute(question, values).fetchall()


# -- five ways to ask ------------------------------------------------------------------------------


def ask_view(args, receipt):
    """What the view says: state and version."""
    found = ask(args.view, "SELECT state, version FROM orders WHERE order_id = ?", receipt.order_id)
    return found[0] if found else ("unknown", 0)


def write_model(args, receipt):
    """Ask the desk itself."""
    with urlopen(f"{args.desk}/orders/{receipt.order_id}", timeout=60) as answer:
        return json.load(answer)["state"]


def waiting(args, receipt):
    """Wait until the view's position has passed the receipt's offset."""
    passed = "SELECT 1 FROM position WHERE partition = ? AND next > ?"
    deadline = time.monotonic() + args.patience
    while not ask(args.view, passed, receipt.partition, receipt.offset):
        if time.monotonic() > deadline:
            raise TimeoutError("the view does not have it yet")
        time.sleep(0.005)
    return ask_view(args, receipt)[0]


def merging(args, receipt):
    """Lay the receipt over what the view says, if it is newer."""
    state, version = ask_view(args, receipt)
    return state if version >= receipt.version else receipt.state


def refusing(args, receipt):
    """Nothing rather than something older."""
    state, version = ask_view(args, receipt)
    if version < receipt.version:
        raise TimeoutError(f"version {version}, wanted {receipt.version}")
    return state


WAYS = {
    "view": lambda args, receipt: ask_view(args, receipt)[0],
    "write-model": write_model,
    "waiting": waiting,
    "merging": merging,
    "refusing": refusing,
}


def main():
    """Place the orders."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("desk", help="its address")
    parser.add_argument("view", help="the view's file")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("first", type=int, help="the number of the first order")
    parser.add_argument("orders", type=int, help="how many")
    parser.add_argument(
        "--in-front", type=int, default=0, help="other people's orders, before hers"
    )
    parser.add_argument("--every", type=float, default=0.0, help="seconds of rest after an order")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds")
    args = parser.parse_args()
    hers = args.first + args.in_front
    for order in range(args.first, hers):
        perform(args.desk, "place", order)
    for order in range(hers, hers + args.orders):
        given = time.monotonic()
        receipt = perform(args.desk, "place", order)
        began = time.monotonic()
        try:
            got = "own" if WAYS[args.way](args, receipt) == receipt.state else "older"
        except TimeoutError:
            got = "none"
        print(order, got, given, time.monotonic() - began, flush=True)
        time.sleep(args.every)
    print("done", flush=True)


if __name__ == "__main__":
    main()

"""A till that other programs call: it charges the card for an order, and answers with a receipt.

It prints "ready at ADDRESS" when it can be called, and "handled ORDER TIME" for each card charged,
TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/till.py
"""

import argparse
import os
import signal
import time
from functools import partial
from xmlrpc.server import SimpleXMLRPCServer


def charge(args, order):
    """Called over the network for each order."""
    number = int(order)
    print("handled", number, time.monotonic(), flush=True)  # the card is charged here
    if number == args.crash_at:
        os.kill(os.getpid(), signal.SIGKILL)  # it has charged, and gives no receipt
    return f"receipt {number}"


def main():
    """Serve until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crash-at", type=int, help="an order at which it dies; another follows")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
        server.register_function(partial(charge, args), "charge")
        host, port = server.server_address
        print(f"ready at http://{host}:{port}", flush=True)
        if args.crash_at is not None:
            take_over(args)
        server.serve_forever()


def take_over(args):
    """Split in two. One goes on, and dies one day; then the other takes its place at the door."""
    if os.fork():
        os.wait()
        args.crash_at = None
    else:
        signal.alarm(60)  # seconds; in any case, die then


if __name__ == "__main__":
    main()

"""A shop of three services, which log what they do: JSON lines, into a file each.

- ``front`` takes a list of orders by HTTP, has each reserved and paid for, and answers how many were
  sold;
- ``stock`` keeps the goods, and has new ones brought when they run out;
- ``payment`` charges cards. Its provider does not answer between the times of ``--outage``.

What is logged for an order has the order's time: the orders of a morning can be played once more. The
file is begun anew every 20,000 bytes; the old ones are FILE.1 (the youngest), FILE.2 and so on.

By hand: python shop.py stock --port 8001 --log logs/stock/stock.log
"""

import argparse
import json
import logging
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from logging.handlers import RotatingFileHandler
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from helpers.programs import asked_to_end

LARGE, OLD_FILES = 20_000, 200  # bytes of a log file, and how many are kept
SECONDS = 10  # for an answer
LIMIT = 500  # on a card


class JsonLines(logging.Formatter):
    """A line for each entry: an object with time, level and message; with the traceback, if any."""

    def format(self, record):
        """As it stands in the file; a traceback's lines are part of the one line."""
        time = getattr(record, "time", None) or datetime.now().isoformat()
        line = {"time": time, "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Stock:
    """The goods."""

    def __init__(self):
        self._left = {}

    def handle(self, log, order):
        """Reserve what is ordered."""
        goods, number = order["goods"], order["number"]
        if self._left.get(goods, 0) < number:
            log.warning("%s is sold out, 20 more are brought", goods)
            self._left[goods] = self._left.get(goods, 0) + 20
        self._left[goods] -= number
        log.info("order %s: %s of %s reserved", order["order"], number, goods)
        return {"reserved": number}


class Payment:
    """The money. Somebody has left a debugging line in, which says more than it should."""

    def __init__(self, outage):
        self._from, self._to = outage

    def handle(self, log, order):
        """Charge the card."""
        log.debug("order %s: charging card token=%s", order["order"], order["card"])
        try:
            self._ask_provider(order)
        except TimeoutError:
            log.exception("order %s: timeout of the payment provider", order["order"])
            return {"paid": False}
        if order["price"] > LIMIT:
            log.warning("order %s: card declined, %s is too much", order["order"], order["price"])
            return {"paid": False}
        log.info("order %s: %s paid", order["order"], order["price"])
        return {"paid": True}

    def _ask_provider(self, order):
        if self._from <= order["time"] < self._to:
            raise TimeoutError("no answer within 3 s")


class Front:
    """The face of the shop."""

    def __init__(self, stock, payment):
        self._stock, self._payment = stock, payment

    def handle(self, log, order):
        """Sell."""
        log.info("order %s of %s", order["order"], order["customer"])
        try:
            ask(self._stock, [order])
            [answer] = ask(self._payment, [order])
        except (URLError, ConnectionError, TimeoutError) as error:
            log.error("order %s: a service is out of reach: %r", order["order"], error)
            return {"sold": False}
        if not answer["paid"]:
            log.error("order %s could not be paid for", order["order"])
        return {"sold": answer["paid"]}


def ask(port, orders):
    """What a service answers to these orders."""
    request = Request(f"http://127.0.0.1:{port}", json.dumps(orders).encode())
    with urlopen(request, timeout=SECONDS * len(orders)) as answer:
        return json.load(answer)


class Door(BaseHTTPRequestHandler):
    """Where orders come in, a list of them at a time."""

    def __init__(self, service, log, *args):
        self._service, self._log = service, log
        super().__init__(*args)

    def do_POST(self):
        """Handle them, in their order."""
        orders = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [
            self._service.handle(logging.LoggerAdapter(self._log, {"time": order["time"]}), order)
            for order in orders
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answers).encode())

    def log_message(self, *_):
        """The requests themselves are not logged."""


def log_to(file):
    """The log, which goes to a file that is begun anew when it is large."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(file, maxBytes=LARGE, backupCount=OLD_FILES, encoding="utf-8")
    handler.setFormatter(JsonLines())
    log = logging.getLogger(file.stem)
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    return log


def main():
    """Serve until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("service", choices=["front", "stock", "payment"])
    parser.add_argument("--port", type=int, required=True, help="where it listens")
    parser.add_argument("--log", type=Path, required=True, help="its file")
    parser.add_argument("--ask", type=int, nargs=2, help="front: ports of stock and payment")
    parser.add_argument("--outage", nargs=2, default=["", ""], help="payment: from and to")
    args = parser.parse_args()
    asked = asked_to_end()
    if args.service == "front":
        service = Front(*args.ask)
    else:
        service = Stock() if args.service == "stock" else Payment(args.outage)
    log = log_to(args.log)
    server = HTTPServer(("127.0.0.1", args.port), partial(Door, service, log))
    server.timeout = 0.2
    print("listening", args.port, flush=True)
    while not asked.is_set():
        server.handle_request()


if __name__ == "__main__":
    main()

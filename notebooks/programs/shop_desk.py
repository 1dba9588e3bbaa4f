"""The shop's desk: the write model, which decides about orders. It speaks HTTP, and prints where.

POST /pay/7 is a command, with details as JSON. The answer is a receipt, or 409 if it is refused.
GET /orders/7 asks the write model itself. With a topic, each event is published to it. With --view,
the desk also keeps a view up to date, in the same database.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_desk.py DATABASE --view one-transaction
    curl --data '{"customer": "ada", "cents": 1000}' http://127.0.0.1:PORT/place/7
"""

import argparse
import json
import os
import signal
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer

import shop_projector
from kafka import KafkaProducer

from helpers import up

EVENTS = """
    CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, order_id INTEGER,
        version INTEGER, event TEXT, sent INTEGER DEFAULT 0, UNIQUE (order_id, version));
"""
COMMANDS = {  # command: the state that it needs, and the state that it leads to
    "place": ("new", "placed"),
    "pay": ("placed", "paid"),
    "ship": ("paid", "shipped"),
    "cancel": ("placed", "cancelled"),
}


class RefusedError(Exception):
    """A command that the order's state does not allow."""


def decide(last, command, details):
    """The event that a command leads to. `last` is the order's last event."""
    needed, leads_to = COMMANDS[command]
    state = last["type"].removeprefix("order.")
    if state != needed:
        raise RefusedError(f"{command} an order that is {state}")
    data = last["data"] | details
    return {"type": f"order.{leads_to}", "version": last["version"] + 1, "data": data}


def load(database, order):
    """The last event of an order: the write model needs no more to decide."""
    last = "SELECT event FROM events WHERE order_id = ? ORDER BY version DESC LIMIT 1"
    found = database.execute(last, [order]).fetchone()
    return json.loads(found[0]) if found else {"type": "order.new", "version": 0, "data": {}}


def append(database, event):
    """Two who decided on the same version: the second is refused, by UNIQUE."""
    add = "INSERT INTO events (order_id, version, event) VALUES (?, ?, ?)"
    database.execute(add, [event["data"]["order"], event["version"], json.dumps(event)])


# -- three ways to save an event -----------------------------------------------------------------


def events_only(args, database, event):
    """The views are somebody else's."""
    with database:
        append(database, event)


def one_transaction(args, database, event):
    """Event and view change together."""
    with database:
        append(database, event)
        die_at(args.die_at, event)
        shop_projector.project(database, event)


def two_transactions(args, database, event):
    """The event first, then the view."""
    with database:
        append(database, event)
    die_at(args.die_at, event)
    with database:
        shop_projector.project(database, event)


WAYS = {
    None: events_only,
    "one-transaction": one_transaction,
    "two-transactions": two_transactions,
}


def die_at(order, event):
    """The worst moment to be killed."""
    if event["data"]["order"] == order:
        os.kill(os.getpid(), signal.SIGKILL)


def publish(database, producer, topic):
    """Send what the log does not have yet; where the last event is in it."""
    unsent = "SELECT number, event FROM events WHERE NOT sent ORDER BY number"
    where = {}
    for number, event in database.execute(unsent).fetchall():
        key = str(json.loads(event)["data"]["order"]).encode()
        record = producer.send(topic, key=key, value=event.encode()).get(timeout=20)
        where = {"partition": record.partition, "offset": record.offset}
        with database:
            database.execute("UPDATE events SET sent = 1 WHERE number = ?", [number])
    return where


# -- HTTP ----------------------------------------------------------------------------------------


class Desk(HTTPServer):
    """One customer after the other."""

    def __init__(self, args):
        """Open the books, and a port that is free."""
        super().__init__(("127.0.0.1", 0), Customer)
        self.args = args
        self.database = sqlite3.connect(args.database, timeout=20)
        self.database.executescript(shop_projector.TABLES + EVENTS)
        self.producer = KafkaProducer(**up("kafka", quiet=True).kafka) if args.topic else None

    def perform(self, command, order, details):
        """Decide, save, publish; the receipt says what happened, and where in the log it is.

        What was saved when the desk died, and not published, is published with the next command.
        """
        event = decide(load(self.database, order), command, {"order": order, **details})
        WAYS[self.args.view](self.args, self.database, event)
        where = publish(self.database, self.producer, self.args.topic) if self.producer else {}
        return receipt(order, event) | where


def receipt(order, event):
    """What the write model knows of an order."""
    state = event["type"].removeprefix("order.")
    return {"order_id": order, "version": event["version"], "state": state}


class Customer(BaseHTTPRequestHandler):
    """What a customer says, and is answered."""

    def do_POST(self):
        """A command."""
        _, command, order = self.path.split("/")
        details = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.answer(200, self.server.perform(command, int(order), details))
        except (RefusedError, sqlite3.IntegrityError) as refusal:  # or another desk was first
            self.answer(409, {"refused": str(refusal)})

    def do_GET(self):
        """A question to the write model."""
        order = int(self.path.rpartition("/")[2])
        self.answer(200, receipt(order, load(self.server.database, order)))

    def answer(self, status, body):
        """As JSON."""
        self.send_response(status, body.get("refused"))
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        """Print nothing for each request."""


def main():
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("database", help="a file of its own")
    parser.add_argument("--topic", help="where to publish events")
    parser.add_argument("--view", choices=[way for way in WAYS if way])
    parser.add_argument("--die-at", type=int, help="the order between whose two steps it dies")
    desk = Desk(parser.parse_args())
    print(f"ready http://127.0.0.1:{desk.server_port}", flush=True)
    desk.serve_forever()


if __name__ == "__main__":
    main()

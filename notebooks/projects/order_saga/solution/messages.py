"""What the services have in common: how a message comes in, and how another goes out.

A message is handled in one transaction of the service's database: its id is noted in the inbox, the
work is done, and what is to be said of it is put into the outbox. Only then it is published, and only
then the message is acknowledged. Whatever dies in between, the message comes again, and nothing of it
is done again.
"""

import argparse
import json
import sqlite3
import uuid

import pika

from helpers.programs import asked_to_end

LISTENS_TO = {  # the queue of each service, and what the exchange puts into it
    "orders": ["order.placed", "stock.*", "payment.*", "parcel.*"],
    "inventory": ["reserve.stock", "release.stock"],
    "payment": ["charge.card", "refund.card"],
    "shipping": ["ship.parcel"],
}
FIELDS = {"order": int, "customer": str, "item": str, "pieces": int, "cents": int, "address": str}
MOST = 10**9  # of a number: ten million in cents
TABLES = """
    CREATE TABLE IF NOT EXISTS inbox (message_id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS outbox
        (position INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, kind TEXT, body TEXT);
"""


class BadMessageError(Exception):
    """A message that can never be handled."""


def arguments(service):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=f"The shop's {service} service.")
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="the exchange; all queues begin with it")
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    return parser


def open_database(path, tables):
    """The database of a service. `with database:` is a transaction."""
    database = sqlite3.connect(path, timeout=60)
    database.executescript(TABLES + tables)
    return database


def connect(addresses):
    """A channel at the first node that answers."""
    nodes = [pika.URLParameters(address) for address in addresses]
    for node in nodes:
        node.socket_timeout = 5  # seconds
    nodes[-1].connection_attempts, nodes[-1].retry_delay = 5, 1  # the others may need a moment
    return pika.BlockingConnection(nodes).channel()


def declare(channel, name):
    """All queues, not only one's own: what is sent to a service waits there until it runs.

    Quorum queues outlive a node. What came back a hundred times, since a service died each time, is
    parked by the broker itself. A low limit would park sound orders: a death counts for all in hand.
    """
    quorum, parked = {"x-queue-type": "quorum"}, f"{name}.parked"
    last_resort = {
        "x-delivery-limit": 100,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": parked,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # without it, at-least-once is not to be had
    }
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_declare(parked, durable=True, arguments=quorum)
    for service, kinds in LISTENS_TO.items():
        queue = f"{name}.{service}"
        channel.queue_declare(queue, durable=True, arguments=quorum | last_resort)
        for kind in kinds:
            channel.queue_bind(queue, name, kind)


def read(body):
    """The order in a message.

    Raises:
        BadMessageError: there is none, or one that cannot be.
    """
    try:
        order = json.loads(body)
        wrong = [field for field, kind in FIELDS.items() if type(order[field]) is not kind]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadMessageError(f"no order: {error!r}") from error
    for field in FIELDS.keys() - wrong:
        value = order[field]
        can_be = value.isprintable() and value if isinstance(value, str) else 0 < value <= MOST
        wrong += [] if can_be else [field]
    if wrong:
        raise BadMessageError(f"an order that can't be: see {', '.join(sorted(wrong))}")
    return order


def handle(database, reactions, method, properties, body):
    """Do what a message says, unless that was done: all of it, or nothing.

    Raises:
        BadMessageError: it says nothing that this service can do.
    """
    kind, message_id = method.routing_key, properties.message_id
    if kind not in reactions or not message_id:
        raise BadMessageError(f"no message for this service: {kind!r} with id {message_id!r}")
    order = read(body)
    with database:
        note = "INSERT OR IGNORE INTO inbox VALUES (?)"
        is_new = database.execute(note, [message_id]).rowcount
        if is_new and (answer := reactions[kind](database, order)):
            row = [str(uuid.uuid4()), answer, json.dumps(order)]
            put = "INSERT INTO outbox (message_id, kind, body) VALUES (?, ?, ?)"
            database.execute(put, row)


def send_outbox(database, channel, name):
    """Publish what is in the outbox, and strike each out once the broker has it.

    Commands have a queue, since each service declares all. Of an order's end nobody need want to know.
    """
    find = "SELECT position, message_id, kind, body FROM outbox ORDER BY position"
    for position, message_id, kind, body in database.execute(find).fetchall():
        channel.basic_publish(name, kind, body, persistent(message_id=message_id))
        with database:
            database.execute("DELETE FROM outbox WHERE position = ?", [position])


def persistent(**properties):
    """Properties of a message that is to outlive the broker's end."""
    return pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent, **properties)


def serve(service, args, database, reactions):
    """Handle messages until we are asked to end; end also when the broker does."""
    asked = asked_to_end()
    channel = connect(args.brokers)
    declare(channel, args.name)
    channel.confirm_delivery()
    send_outbox(database, channel, args.name)  # what an earlier life left behind

    def react(channel, method, properties, body):
        try:
            handle(database, reactions, method, properties, body)
        except BadMessageError as error:
            why = persistent(headers={"reason": str(error)})
            channel.basic_publish("", f"{args.name}.parked", body, why, mandatory=True)
        send_outbox(database, channel, args.name)
        channel.basic_ack(method.delivery_tag)

    channel.basic_qos(prefetch_count=10)
    channel.basic_consume(f"{args.name}.{service}", react)
    while not asked.is_set():
        channel.connection.process_data_events(time_limit=0.2)
    channel.connection.close()

"""What the programs of the shop share: the shape of an event, the database, and how a service works.

A service reads events from a topic, changes its own database, and publishes what it did. There are
three ways to join the last two; each is a function below.
"""

import argparse
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator

import pika
from kafka import KafkaConsumer, KafkaProducer

from helpers import clients, up
from helpers.programs import asked_to_end, pause

Event = dict
# Changes the database, and names what happened, if anything did.
Work = Callable[[sqlite3.Connection, Event], str | None]

TABLES = """
    CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, state TEXT, email TEXT, cents INTEGER);
    CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, pieces INTEGER);
    CREATE TABLE IF NOT EXISTS charges (order_id INTEGER, cents INTEGER);
    CREATE TABLE IF NOT EXISTS parcels (order_id INTEGER);
    CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS outbox (position INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT);
"""


def connect(path: str) -> sqlite3.Connection:
    """A service's database, with its tables. `with database:` is a transaction."""
    database = sqlite3.connect(path, timeout=60)
    database.executescript(TABLES)
    return database


def new_event(kind: str, data: dict, source: str = "shop", cause: Event | None = None) -> Event:
    """What happened to an order, in the envelope of CloudEvents 1.0; `cause` is what led to it."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/shop/{source}",
        "type": kind,
        "subject": f"order-{data['order']}",
        "causationid": cause["id"] if cause else None,
        "data": data,
    }


# -- the topic -------------------------------------------------------------------------------


def publish(producer: KafkaProducer, topic: str, event: Event) -> None:
    """Send an event, keyed by its order, and wait for the broker's word."""
    key, value = event["subject"].encode(), json.dumps(event).encode()
    producer.send(topic, key=key, value=value).get(timeout=20)


def listen(
    topic: str,
    group: str | None,
    handle: Callable[[Event], None],
    at_rest: Callable[[], None] = lambda: None,
) -> None:
    """Handle each event, then commit, until SIGTERM; without a group, only what comes from now on.

    When nothing has come for 0.2 seconds, and at least once a second, `at_rest` is called.
    """
    leaving = asked_to_end()
    options = {"enable_auto_commit": False, "consumer_timeout_ms": 200}
    if group is not None:  # a member with a name: started again, it has its partitions at once
        options |= {"group_id": group, "group_instance_id": group, "auto_offset_reset": "earliest"}
    with KafkaConsumer(topic, **options, **up("kafka", quiet=True).kafka) as consumer:
        consumer.partitions_for_topic(topic)
        ready = False
        while not leaving.is_set():
            began = time.monotonic()
            for record in consumer:
                event = json.loads(record.value)
                handle(event)
                if group is not None:
                    consumer.commit()
                print("handled", event["data"]["order"], time.monotonic(), flush=True)
                if leaving.is_set() or time.monotonic() - began > 1:
                    break  # though there is more
            at_rest()
            owned = consumer.assignment()
            if not ready and owned and all(consumer.position(p) is not None for p in owned):
                ready = True
                print("ready", flush=True)


class Kafka:
    """The shop's messages in topics; each service is a consumer group."""

    def __init__(self) -> None:
        self.producer = KafkaProducer(acks="all", **up("kafka", quiet=True).kafka)

    def publish(self, topic: str, event: Event) -> None:
        """Return when the broker has it."""
        publish(self.producer, topic, event)

    def listen(
        self, topic: str, group: str, handle: Callable[[Event], None], at_rest: Callable[[], None]
    ) -> None:
        """Handle each event until SIGTERM."""
        listen(topic, group, handle, at_rest)


class RabbitMQ:
    """The same in RabbitMQ: a topic is an exchange, a group the queue that it copies to."""

    def __init__(self) -> None:
        self.connection = pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.basic_qos(prefetch_count=1)

    def publish(self, exchange: str, event: Event) -> None:
        """Return when the broker has it."""
        body = json.dumps(event).encode()
        self.channel.basic_publish(exchange, "", body, clients.PERSISTENT, mandatory=True)

    def listen(
        self,
        _exchange: str,
        queue: str,
        handle: Callable[[Event], None],
        at_rest: Callable[[], None],
    ) -> None:
        """Handle each event, then acknowledge it, until SIGTERM."""
        leaving, rested = asked_to_end(), time.monotonic()
        for method, _, body in self.channel.consume(queue, inactivity_timeout=0.2):
            if method is not None:
                event = json.loads(body)
                handle(event)
                self.channel.basic_ack(method.delivery_tag)
                print("handled", event["data"]["order"], time.monotonic(), flush=True)
            if leaving.is_set():
                break
            if method is None or time.monotonic() - rested > 1:
                at_rest()
                rested = time.monotonic()
        self.connection.close()


# -- a service -------------------------------------------------------------------------------

BROKERS = {"kafka": Kafka, "rabbitmq": RabbitMQ}
COMMANDS = ("reserve", "release", "charge", "refund", "ship")  # verbs; events are in the past tense


class Service:
    """A service: its database, its way to publish, and where it is to stop and wait for its death."""

    def __init__(self, source: str, args: argparse.Namespace) -> None:
        self.source, self.args = source, args
        self.database = connect(args.database)
        self.broker = BROKERS[args.broker]()

    def send(self, event: Event) -> None:
        """To the topic of events; or to that of commands, if it says what somebody is to do."""
        is_command = event["type"].split(".")[0] in COMMANDS
        self.broker.publish(self.args.commands if is_command else self.args.topic, event)

    def new(self, event: Event, work: Work) -> Iterator[Event]:
        """Do the work for an event, unless it was done before; and the event that it makes."""
        mark = "INSERT OR IGNORE INTO handled VALUES (?)"
        is_new = self.database.execute(mark, [event["id"]]).rowcount
        if is_new and (kind := work(self.database, event)):
            self.between("work", event)
            yield new_event(kind, event["data"], self.source, cause=event)

    def between(self, step: str, event: Event) -> None:
        """Stop after this step, if we were told so, until somebody kills us."""
        at = {str(event["data"]["order"]), event["type"]}
        if self.args.pause_after == step and at.issuperset(self.args.pause_at):
            pause()


def commit_first(service: Service, event: Event, work: Work) -> None:
    """Save what was done; then publish it."""
    with service.database:
        made = list(service.new(event, work))
    service.between("commit", event)
    for one in made:
        service.send(one)


def publish_first(service: Service, event: Event, work: Work) -> None:
    """Publish what was done; then save it."""
    with service.database:
        for one in service.new(event, work):
            service.send(one)
        service.between("publish", event)


def with_outbox(service: Service, event: Event, work: Work) -> None:
    """Save what was done, and in the same transaction the event that is to be published."""
    with service.database:
        for one in service.new(event, work):
            service.database.execute("INSERT INTO outbox (event) VALUES (?)", [json.dumps(one)])
    service.between("commit", event)
    relay(service)


def relay(service: Service) -> None:
    """Publish what is in the outbox, in its order; strike each out once the broker has it."""
    rows = service.database.execute(
        "SELECT position, event FROM outbox ORDER BY position"
    ).fetchall()
    for position, text in rows:
        event = json.loads(text)
        service.send(event)
        service.between("publish", event)
        with service.database:
            service.database.execute("DELETE FROM outbox WHERE position = ?", [position])


WAYS = {"commit-first": commit_first, "publish-first": publish_first, "outbox": with_outbox}


def arguments(source: str) -> argparse.ArgumentParser:
    """What every service is told."""
    parser = argparse.ArgumentParser(description=f"The shop's {source} service.")
    parser.add_argument("topic", help="events are published here")
    parser.add_argument("group")
    parser.add_argument("database", help="a file of its own")
    parser.add_argument("--commands", help="a topic on which somebody directs the services")
    parser.add_argument("--broker", choices=BROKERS, default="kafka")
    parser.add_argument("--way", choices=WAYS, default="outbox")
    parser.add_argument("--pause-after", choices=["work", "commit", "publish", "end"])
    parser.add_argument(
        "--pause-at",
        nargs="+",
        default=(),
        help="the order at which to pause, the kind of event, or both",
    )
    return parser


def serve(
    source: str,
    reactions: dict[str, Work],
    listens_to: str = "commands",
    args: argparse.Namespace | None = None,
    at_rest: Callable[[Service], None] = relay,
) -> None:
    """Run a service until SIGTERM: `reactions` says which work follows which event.

    With a topic of commands it does what it is told there, unless `listens_to` is "topic". When
    nothing has come for a while, and at least once a second, `at_rest` is called.
    """
    args = args or arguments(source).parse_args()
    service = Service(source, args)
    relay(service)  # what an earlier life left behind

    def handle(event: Event) -> None:
        if event["type"] in reactions:
            WAYS[args.way](service, event, reactions[event["type"]])
            service.between("end", event)  # before the event's offset is committed

    topic = vars(args)[listens_to] or args.topic
    service.broker.listen(topic, args.group, handle, lambda: at_rest(service))

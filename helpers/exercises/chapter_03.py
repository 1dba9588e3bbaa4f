"""Graders of chapter 3: who gets a copy, and what a duplicate may do."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from .answers import Wrong
from .grading import grader
from .lives import KILLED, Journal, die, live, mortal
from .places import amqp, count, delete, new_exchange, new_queue, publish, shaky, take
from .proxy import Proxy

# -- 3.1: a subscription -------------------------------------------------------------------------

SERVICES = ("stock", "stockroom", "stock-taking", "Stock")
STEPS = ("queue_declare", "queue_bind", "queue_unbind", "queue_delete", "queue_purge")
Subscribe = Callable[[BlockingChannel, str, str], str]


@grader("3.1", needs=("rabbitmq",))
def subscriptions(subscribe: Subscribe, data: Random) -> str:
    """Instances of four services, of one a second; messages come while they are up and down."""
    services = data.sample(SERVICES, len(SERVICES))
    one = services[0]
    orders = [f"order-{data.randrange(10**6)}" for _ in range(data.randint(15, 40))]
    early, late = orders[:5], orders[5:]
    queues: list[str] = []
    with amqp() as connection, new_exchange(channel := connection.channel(), "fanout") as exchange:
        try:
            for service in services:
                queues.append(_instance(subscribe, exchange, service))
            _expect_own_copies(dict(zip(services, queues, strict=True)))
            publish(channel, exchange, "", early)
            meanwhile = Journal()
            queues.append(_instance(subscribe, exchange, one, meanwhile))
            early += [body for (body,) in meanwhile.read()]
            _expect_shared(queues, one)
            for service, queue in zip(services[:2], queues, strict=False):
                _serve_and_leave(queue, service, early)
            publish(channel, exchange, "", late)
            for service, queue in zip(services[:2], queues, strict=False):
                _expect_waiting(queue, service, early[1:] + late)
        finally:
            delete(queues)
    return "each service has its copy, two instances share one, and it waits while they are down."


def _instance(
    subscribe: Subscribe, exchange: str, service: str, meanwhile: Journal | None = None
) -> str:
    """One instance: a process and a connection of its own, which then close. Returns its queue.

    With a journal, a message is published after each step of it, and noted there."""

    def start() -> str:
        with amqp() as connection, amqp() as another:

            def step(original: Callable, *arguments: Any, **options: Any) -> Any:
                done = original(*arguments, **options)
                if meanwhile is not None:
                    body = f"order-during-{channel.calls.total()}"
                    publish(another.channel(), exchange, "", [body])
                    meanwhile.note(body)
                return done

            channel = Proxy(connection.channel(), **dict.fromkeys(STEPS, step))
            return subscribe(channel, exchange, service)

    queue = live(subscribe, start)
    if not isinstance(queue, str) or not queue:
        raise Wrong(
            "no_name", "the function did not return a queue's name.", "End it with `return queue`."
        )
    return queue


def _expect_own_copies(queues: dict[str, str]) -> None:
    owners = {queue: service for service, queue in queues.items()}
    if alike := [name for name, queue in queues.items() if owners[queue] != name]:
        raise Wrong(
            "shared_queue",
            f"{alike[0]} and {owners[queues[alike[0]]]} share a queue, so each message reaches only "
            "one of them.",
            "A copy for each service means a queue for each service.",
        )
    for service, queue in queues.items():
        if count(queue) is None:
            raise Wrong(
                "queue_gone",
                f"the queue of {service} was gone when its connection closed.",
                "Exclusive queues die with their connection; declare it durable only.",
            )
        if found := shaky(queue):
            raise Wrong(
                "queue_does_not_last",
                f"the queue of {service} {found[1]}. The setting is `{found[0]}`.",
                "What is published while the service is down must wait, however long that is.",
            )


def _expect_shared(queues: list[str], service: str) -> None:
    if queues[-1] != queues[0]:
        raise Wrong(
            "queue_for_each_instance",
            f"two instances of {service} got two queues, so each order would be handled twice.",
            "Build the queue's name from the service, so that the second call finds the first's.",
        )


def _serve_and_leave(queue: str, service: str, early: list[str]) -> None:
    """Two instances each take a message, as consumers; one handles its own, and both go down."""
    with amqp() as connection, amqp() as another:
        channel, tag, body = _take_one(connection, queue)
        if body != early[0]:
            raise Wrong(
                "messages_missing",
                f"{len(early)} messages were published, and the first of them does not come "
                f"out of the queue of {service}.",
                "Is the queue bound to the exchange, `queue_bind(queue, exchange)`? And the "
                "start of a second instance must leave what waits for the first.",
            )
        if not _take_one(another, queue)[1]:
            raise Wrong(
                "work_not_shared",
                f"one instance of {service} had a message in hand, {len(early) - 1} others waited, "
                "and a second instance got none of them.",
                "Two consumers of one queue share the work, unless the queue says otherwise.",
            )
        channel.basic_ack(tag)


def _take_one(connection: BlockingConnection, queue: str) -> tuple[BlockingChannel, int, str]:
    """A consumer, and what it has in hand: tag and body of a message; 0 and nothing if none came."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    for method, _, body in channel.consume(queue, inactivity_timeout=2):
        return (channel, method.delivery_tag, body.decode()) if method else (channel, 0, "")
    raise AssertionError("not reached")


def _expect_waiting(queue: str, service: str, expected: list[str]) -> None:
    if count(queue) is None:
        raise Wrong(
            "queue_gone",
            f"the queue of {service} was gone when its last consumer went.",
            "Auto-delete queues die with their consumers; declare it durable only.",
        )
    with amqp() as connection:
        found = [body for body, _ in take(connection.channel(), queue)]
    if Counter(found) != Counter(expected):
        missing = [body for body in expected if body not in found]
        raise Wrong(
            "messages_missing" if missing else "messages_doubled",
            f"{len(found)} messages wait in the queue of {service}, where {len(expected)} should"
            + (f": {missing[0]} is missing." if missing else "."),
            "Each message once for each service: a binding that is there all the time, and nothing "
            "that drops messages, also if a consumer dies with one in hand.",
        )


# -- 3.2: charge once ----------------------------------------------------------------------------

AMOUNT = 10
MEANWHILE = 500  # charges, between two deliveries of an order
MOST_STATEMENTS = 12  # of one call, before each of which the process is killed once
Charge = Callable[[sqlite3.Connection, str], None]


@grader("3.2", needs=("rabbitmq",))
def charge_once(charge: Charge, data: Random) -> str:
    """Orders by a real queue, some published twice; the worker is killed, again and again."""
    numbers = data.sample(range(10**6), data.randint(9, 12))
    orders = [f"order-{number}" for number in numbers]
    orders += [orders[0][:-1], orders[1].replace("-", "_"), orders[2].upper()]  # others, and alike
    orders += [orders[3] + " "]
    again = [orders[0], *data.sample(orders[1:], 2)]
    with tempfile.TemporaryDirectory() as folder, amqp() as connection:
        channel = connection.channel()
        books = _books(Path(folder, "charges.db"))
        _deliver(channel, charge, books, orders, die_after=data.randint(1, len(orders)))
        others = [f"other-{number}" for number in range(MEANWHILE)]
        _charge(books, others)
        _deliver(channel, charge, books, again)
        _expect_charged(books, orders + others, "the worker was killed after a charge")
        for statement in range(1, MOST_STATEMENTS + 1):
            books = _books(Path(folder, f"{statement}.db"))
            survived = _deliver(channel, charge, books, orders[:1], die_before=statement)
            day = f"the worker was killed before its statement {statement}"
            _expect_charged(books, orders[:1], day)
            if survived:
                break
    return "each order charged once, whatever was delivered twice and wherever the worker died."


def _books(path: Path) -> Path:
    """A database with the table, and a watch on what is put into it."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            CREATE TABLE charges (order_id TEXT, amount INTEGER);
            CREATE TABLE check_seen (order_id TEXT);
            CREATE TRIGGER check_watch AFTER INSERT ON charges
                BEGIN INSERT INTO check_seen VALUES (new.order_id); END;
            """
        )
    return path


def _charge(books: Path, orders: list[str]) -> None:
    """What other workers charge meanwhile."""
    with closing(sqlite3.connect(books)) as database, database:
        rows = [(order, AMOUNT) for order in orders]
        database.executemany("INSERT INTO charges VALUES (?, ?)", rows)


def _deliver(
    channel: BlockingChannel,
    charge: Charge,
    books: Path,
    orders: list[str],
    die_after: int = 0,
    die_before: int = 0,
) -> bool:
    """Have a worker charge orders from a queue; if it is killed, another. False if it was.

    It dies after the charge of a delivery, before the acknowledgement; or before a statement."""
    with new_queue(channel) as queue:
        publish(channel, "", queue, orders)
        first = live(charge, lambda: _work(queue, books, charge, die_after, die_before))
        if first is KILLED:
            live(charge, lambda: _work(queue, books, charge))
        return first is not KILLED


def _work(queue: str, books: Path, charge: Charge, die_after: int = 0, die_before: int = 0) -> None:
    with amqp() as connection:
        channel, delivered = connection.channel(), 0
        while (message := channel.basic_get(queue))[0]:
            delivered += 1
            with mortal(books, die_before) as database:
                charge(database, message[2].decode())
            if delivered == die_after:
                die()
            channel.basic_ack(message[0].delivery_tag)


def _expect_charged(books: Path, orders: list[str], day: str) -> None:
    with closing(sqlite3.connect(books)) as database:
        rows = database.execute("SELECT order_id, amount FROM charges").fetchall()
        times = Counter(order for (order,) in database.execute("SELECT order_id FROM check_seen"))
    charged = Counter(order for order, _ in rows)
    if missing := [order for order in orders if not charged[order]]:
        raise Wrong(
            "never_charged",
            f"{day}, and {missing[0]} was never charged.",
            "Insert a row for an order that is new, however much like another one it looks, and "
            "commit it before you return. Whatever else "
            "you write down belongs into the same transaction.",
        )
    if doubled := [order for order in orders if charged[order] > 1]:
        raise Wrong(
            "charged_twice",
            f"{day}, and {doubled[0]} has {charged[doubled[0]]} rows: it was delivered twice.",
            "Before inserting, ask the database whether this very order is there, in the same "
            "transaction. "
            "The second delivery may come long after the first, and to another process.",
        )
    if again := [order for order in orders if times[order] > 1]:
        raise Wrong(
            "charged_again",
            f"{day}, and {again[0]} has one row, which was put there {times[again[0]]} times.",
            "An order that was charged before is to be left alone: deleting its row and inserting "
            "it again charges the customer again.",
        )
    if wrong := [row for row in rows if row[1] != AMOUNT or row[0] not in orders]:
        raise Wrong(
            "wrong_row",
            f"{day}, and there is a row {wrong[0]!r}.",
            f"A row is the order as it came, and {AMOUNT}.",
        )

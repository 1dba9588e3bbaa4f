"""The course's model programs, in situations where no page puts them, on live brokers."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pika
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pika.adapters.blocking_connection import BlockingChannel

from helpers import clients, nodes
from helpers.names import fresh
from helpers.programs import Program, module
from helpers.waiting import wait_until

Start = Callable[..., Program]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program; it ends with the test."""
    started: list[Program] = []

    def begin(name: str, *arguments: object) -> Program:
        started.append(Program(name, *arguments))
        return started[-1]

    yield begin
    for program in started:
        program.close()


@pytest.fixture
def channel(live) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(live.rabbitmq) as connection:
        yield connection.channel()


@pytest.fixture
def producer(live) -> Iterator[KafkaProducer]:
    with KafkaProducer(**live.kafka) as one:
        yield one


def wait_for_end(program: Program) -> None:
    wait_until(lambda: not program.running(), f"{program.name} to end", timeout=30)


def stop_amid(worker: Program, channel: BlockingChannel, queue: str, orders: int) -> None:
    """Ask a worker at its first order to end: it does, and leaves the rest of them to others."""
    worker.wait_for("handled 1 ")
    worker.stop()
    handled = len(worker.handled())
    assert worker.errors() == []
    assert handled < orders
    wait_until(lambda: clients.ready(channel, queue) == orders - handled, "the rest to be back")


# -- what is acknowledged is where it belongs ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "order"), [("translator.py", "7;1250"), ("shop_splitter.py", "7")]
)
def test_an_order_whose_result_has_no_queue_is_not_acknowledged(channel, start, name, order):
    orders = clients.declare_queue(channel, fresh("orders"))
    clients.publish(channel, orders, [order])
    worker = start(name, orders, fresh("nowhere"))
    wait_for_end(worker)
    assert "UnroutableError" in worker.errors()[-1]
    wait_until(lambda: clients.take_all(channel, orders) == [order], "the order to be back")


def test_dead_letters_of_all_partitions_are_replayed_as_they_came(live, producer, start):
    dead, topic, group = fresh("dead"), fresh("changes"), fresh("replay")
    clients.make_topic(live, dead, partitions=3)
    clients.make_topic(live, topic)
    for n in range(6):
        headers = [("traceparent", b"%d" % n), ("error", b"ValueError")]
        sent = producer.send(dead, b"%d" % n, key=b"ada", headers=headers, partition=n % 3)
        sent.get(timeout=20)
    start("replay_kafka.py", dead, topic, group).wait_for("done")
    replayed = {record.value: record for record in clients.read_topic(live, topic)}
    assert sorted(replayed) == [b"%d" % n for n in range(6)]
    assert {record.key for record in replayed.values()} == {b"ada"}
    assert dict(replayed[b"4"].headers) == {"traceparent": b"4", "error": b"ValueError"}
    assert clients.lag(live, dead, group) == 0


def test_what_is_set_aside_keeps_its_headers(live, producer, start):
    topic, dead = fresh("changes"), fresh("dead")
    clients.make_topic(live, topic)
    clients.make_topic(live, dead)
    producer.send(topic, b"ben", key=b"ben", headers=[("traceparent", b"1")]).get(timeout=20)
    book, payment = fresh("book"), fresh("payment")
    start("address_book.py", topic, book, "--next", dead)
    start("payment_policy.py", topic, payment, dead, "set-aside").wait_for("set-aside")
    wait_until(lambda: clients.lag(live, topic, book) == 0, "the book to be done")
    [one, other] = clients.read_topic(live, dead)
    for record in (one, other):
        assert ("traceparent", b"1") in record.headers


def test_an_order_on_the_ladder_keeps_its_properties(channel, start):
    jobs, parking = (clients.declare_queue(channel, fresh(name)) for name in ("jobs", "parking"))
    known = pika.BasicProperties(message_id="one", headers={"traceparent": "1"})
    channel.basic_publish("", jobs, "7", known)
    start("retry_worker.py", jobs, parking, "--fail", "7:1").wait_for("tried 7")
    wait_until(lambda: clients.ready(channel, parking) == 1, "the order to be parked")
    _, found, _ = channel.basic_get(parking, auto_ack=True)
    assert (found.message_id, found.delivery_mode) == ("one", 2)
    assert found.headers["traceparent"] == "1"
    assert found.headers["tries"] == 1


# -- a gap is an error ---------------------------------------------------------------------------


def test_a_projector_does_not_jump_over_what_the_log_has_lost(live, start, tmp_path):
    topic, view = fresh("events"), tmp_path / "view.db"
    clients.make_topic(live, topic)
    data = {"customer": "ada", "cents": 100}
    events = [
        json.dumps({"type": "order.placed", "version": 1, "data": data | {"order": n}})
        for n in range(1, 7)
    ]
    clients.send(live, topic, events[:2])
    first = start("shop_projector.py", topic, view)
    first.wait_for("handled 2 ")
    first.stop()
    clients.send(live, topic, events[2:])
    with KafkaAdminClient(**live.kafka) as admin:
        admin.delete_records({TopicPartition(topic, 0): 4})  # as retention does
    second = start("shop_projector.py", topic, view)
    wait_for_end(second)
    assert "OffsetOutOfRangeError" in second.errors()[-1]
    assert second.handled() == []


# -- under load -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("worker_kafka.py", ["--seconds", 0.01]),
        ("keyed_payment.py", ["payments.db", "place"]),
        ("shop_inventory.py", ["stock.db"]),
    ],
)
def test_a_member_that_is_asked_to_end_does_so_though_there_is_more(
    live, start, tmp_path, monkeypatch, name, more
):
    topic, group = fresh("orders"), fresh("workers")
    clients.make_topic(live, topic)
    monkeypatch.chdir(tmp_path)
    orders = [*range(1, 1001)]
    if name != "worker_kafka.py":
        data = [{"order": n, "item": "pen", "pieces": 1, "cents": 100} for n in orders]
        orders = [json.dumps({"id": str(n["order"]), "type": "news", **n, "data": n}) for n in data]
    clients.send(live, topic, orders)
    worker = start(name, topic, group, *more)
    wait_until(lambda: clients.committed(live, group), "a commit", timeout=30)
    worker.stop()
    assert worker.errors() == []
    assert 0 < clients.lag(live, topic, group) < 1000


@pytest.mark.parametrize(
    ("name", "more"), [("worker_rabbitmq.py", ["--seconds", 0.05]), ("translator.py", ["out"])]
)
def test_a_worker_that_is_asked_to_end_does_so_though_there_is_more(channel, start, name, more):
    queue = clients.declare_queue(channel, fresh("orders"))
    if name == "translator.py":
        more = [clients.declare_queue(channel, fresh("out"))]
    orders = [f"{n};1250" if name == "translator.py" else n for n in range(1, 201)]
    clients.publish(channel, queue, orders)
    stop_amid(start(name, queue, *more), channel, queue, 200)


@pytest.mark.parametrize("name", ["till_rabbitmq.py", "forwarder_rabbitmq.py", "inbox_rabbitmq.py"])
def test_one_that_has_one_order_in_hand_is_asked_to_end_though_there_is_more(
    live, channel, start, tmp_path, name
):
    queue, results = (clients.declare_queue(channel, fresh(of)) for of in ("orders", "results"))
    for order in map(str, range(1, 5001)):
        known = pika.BasicProperties(message_id=order, correlation_id="1", reply_to=results)
        channel.basic_publish("", queue, order, known)
    book = tmp_path / "charges.db"
    with closing(sqlite3.connect(book)) as database, database:
        database.execute("CREATE TABLE charges (number INTEGER)")
        database.execute("CREATE TABLE unique_inbox (id TEXT PRIMARY KEY)")
    arguments = {
        "till_rabbitmq.py": [queue],
        "forwarder_rabbitmq.py": [live.rabbitmq.port, queue, results, "two"],
        "inbox_rabbitmq.py": [queue, book, "insert-first"],
    }
    stop_amid(start(name, *arguments[name]), channel, queue, 5000)


def test_a_packer_whose_queue_is_deleted_ends(live, channel, start):
    queue = clients.declare_queue(channel, fresh("orders"))
    clients.publish(channel, queue, [1])
    url = f"amqp://guest:guest@{live.rabbitmq.host}:{live.rabbitmq.port}/"
    packer = start("clinic_packer_rabbitmq.py", url, queue)
    packer.wait_for("handled 1 ")
    channel.queue_delete(queue)
    wait_for_end(packer)
    assert packer.errors() == []


def test_a_worker_whose_orders_are_acknowledged_when_sent_takes_order_0(channel, start):
    queue = clients.declare_queue(channel, fresh("orders"))
    clients.publish(channel, queue, [0, 1])
    worker = start("worker_rabbitmq.py", queue, "--automatic")
    worker.wait_for("handled 1 ")
    worker.stop()
    assert worker.errors() == []


@pytest.mark.parametrize("broker", ["kafka", "rabbitmq"])
def test_an_order_that_waits_too_long_is_given_up_though_others_keep_coming(
    live, channel, producer, start, tmp_path, broker
):
    events, commands, group = fresh("events"), fresh("commands"), fresh("orders")
    if broker == "kafka":
        clients.make_topic(live, events)
        clients.make_topic(live, commands)
        send = lambda event: producer.send(events, event.encode()).get(timeout=20)  # noqa: E731
    else:
        for exchange, queue in ((events, group), (commands, fresh("done"))):
            channel.exchange_declare(exchange, "fanout")
            channel.queue_bind(clients.declare_queue(channel, queue), exchange)
        send = lambda event: clients.publish(channel, "", [event], exchange=events)  # noqa: E731
    deadline = "--commands", commands, "--patience", 1, "--when-late", "release.stock"
    where = events, group, tmp_path / "orders.db", "--broker", broker
    orders = start("shop_sagas.py", *where, *deadline)
    numbers = itertools.count()

    def happens(kind: str) -> None:
        send(json.dumps({"id": str(next(numbers)), "type": kind, "data": {"order": 7}}))

    def given_up() -> bool:
        happens("news")  # sooner than the 0.2 seconds after which nothing has come
        return "gave up 7" in orders.lines()

    happens("order.placed")
    happens("stock.reserved")  # and now the card is to be charged
    wait_until(given_up, "the order to be given up", timeout=20, every=0.05)


def test_a_publisher_without_the_right_to_publish_waits_for_no_answer(own_ports, start):
    with nodes.RabbitMQ({}) as node:
        node.ctl("set_permissions", "guest", ".*", "", ".*")
        publisher = start("publisher_rabbitmq.py", node.port, fresh("orders"))
        wait_for_end(publisher)
        assert publisher.said("attempt")
        assert publisher.said("acknowledge") == []
        assert publisher.errors() == []


def test_any_name_of_a_group_is_written_as_prometheus_reads_it():
    labels = module("kafka_exporter.py").labels(TopicPartition("orders", 0), 'a"b\\c\nd')
    assert labels == r'{consumergroup="a\"b\\c\nd",topic="orders",partition="0"}'

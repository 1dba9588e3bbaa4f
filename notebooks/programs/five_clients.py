"""The same orders through five clients of Kafka, each used as its own first example has it.

A function for each client sends orders, pairs of a key and an order as texts: all are stored when it
returns. `murmur2=True` has the client hash keys as Java's does. `member` starts a member of a group.
"""

import subprocess

import confluent_kafka
import kafka

from helpers import Ledger, Program, clients, fresh, pipeline, wait_until
from helpers.brokers import tool
from helpers.extras import go_clients

READER = "org.apache.kafka.tools.consumer.ConsoleConsumer"


def java(servers, topic, orders, murmur2=True):
    """Java's own producer, within the tool that Kafka brings for the keyboard. Murmur2 is its hash."""
    where = ["--bootstrap-server", servers, "--topic", topic]
    command, environment = tool(
        "kafka", "console-producer", [*where, "--reader-property", "parse.key=true"]
    )
    feed(command, orders, environment)


def kafka_python(servers, topic, orders, murmur2=True):
    """Murmur2 is its hash, too."""
    with kafka.KafkaProducer(bootstrap_servers=servers) as producer:
        sent = [producer.send(topic, order.encode(), key.encode()) for key, order in orders]
        for promise in sent:
            promise.get(timeout=20)


def librdkafka(servers, topic, orders, murmur2=False):
    """It calls a function for each order, with an error or with none."""

    def check(error, _record):
        if error is not None:
            raise confluent_kafka.KafkaException(error)  # out of poll() or flush()

    settings = {"bootstrap.servers": servers}
    if murmur2:
        settings["partitioner"] = "murmur2_random"
    producer = confluent_kafka.Producer(settings)
    for key, order in orders:
        producer.produce(topic, key=key, value=order, on_delivery=check)
        producer.poll(0)
    if producer.flush(20):
        raise TimeoutError("not all are stored")


def franz_go(servers, topic, orders, murmur2=True, plain=True):
    """Go; murmur2 is its hash, too. `produceFranz` in helpers/extras/go/clients/main.go is its part."""
    more = ["plain"] if plain else []  # not compressed
    feed(go_clients.command("produce", "franz-go", servers, topic, *more), orders)


def kafka_go(servers, topic, orders, murmur2=False):
    """Go; `produceKafkaGo` in helpers/extras/go/clients/main.go is its part."""
    more = ["murmur2"] if murmur2 else []
    feed(go_clients.command("produce", "kafka-go", servers, topic, *more), orders)


def feed(command, orders, environment=None):
    """Run a program that reads orders from its input, each in a line: key, tab, order."""
    lines = "".join(f"{key}\t{order}\n" for key, order in orders)
    subprocess.run(
        command, env=environment, input=lines, text=True, check=True, capture_output=True
    )


CLIENTS = {
    "Java": java,
    "kafka-python": kafka_python,
    "franz-go": franz_go,
    "librdkafka": librdkafka,
    "kafka-go": kafka_go,
}


def member(client, servers, topic, group, *more):
    """Start a member of a group with this client; `more` may be an order at which it gets stuck."""
    if client == "Java":
        where = ["--bootstrap-server", servers, "--topic", topic, "--group", group]
        return pipeline.java("java", READER, *where)
    if client.endswith("-go"):
        return go_clients.GoClient("consume", client, servers, topic, group, *more)
    return Program("stuck_member.py", client, topic, group, *more)


def orders_of(reader):
    """The orders that a member has handled so far, as numbers."""
    if isinstance(reader, Program):
        return [int(order) for _, order in reader.handled()]
    return [int(line) for line in reader.log.read_text().splitlines() if line.isdigit()]


def wait_for_commits(brokers, groups, offset):
    """Wait until each of the groups has committed that offset, in a topic with one partition."""

    def have():
        return all(offset in clients.committed(brokers, group).values() for group in groups)

    wait_until(have, f"{groups} to commit {offset}", timeout=30)


def senders(brokers, names):
    """For each name a producer that has sent order 0 to a topic of its own and stopped itself, and that
    topic. Let go on, it sends 1 to 100. Behind a client's name, "told" has it wait for all replicas."""
    found, topics = {}, {name: fresh("orders") for name in names}
    for name, topic in topics.items():
        clients.make_topic(brokers, topic)
        client, servers = name.removesuffix(" told"), brokers.kafka["bootstrap_servers"]
        if client.endswith("-go"):
            more = ["all"] if client != name else []
            one = go_clients.GoClient("send-through", client, servers, topic, *more)
        else:
            one = Program("frozen_broker_producer.py", client, servers, topic)
        one.wait_for("paused")
        found[name] = one
    return found, topics


def account(title, attempted, acknowledged, read):
    """A finished ledger; `read` has for each reader the orders that it has read or handled."""
    ledger = Ledger(title)
    for order in attempted:
        ledger.attempt(order)
    for order in acknowledged:
        ledger.acknowledge(order)
    for reader, orders in read.items():
        for order in orders:
            ledger.read(order, consumer=reader)
    ledger.finish("all were waited for")
    return ledger

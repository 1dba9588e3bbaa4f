"""`make bench`: how fast the brokers start, fail over and stop; medians, and ratios within one run.

Seconds depend on the machine and are there for scale. The ratios are what is promised.
Run it on a quiet machine, with no other broker of the course running.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

import pika
from kafka import KafkaAdminClient, KafkaProducer

from conftest import _use_own_ports
from helpers import brokers, fresh, settings
from helpers.brokers import (
    clients,
    files,
    java,
    kafka,
    lifecycle,
    native,
    ports,
    process,
    rabbitmq,
    rabbitmq_install,
)
from helpers.brokers.places import every_place, single

ROUNDS = 7
QUORUM = {"x-queue-type": "quorum"}
SESSION = kafka.COMMON["broker.session.timeout.ms"] / 1000
DISTRIBUTION_JVM = (  # kafka-server-start.sh and kafka-run-class.sh of 4.3.1
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)  # fmt: skip


def seconds(deed: Callable[[], object]) -> float:
    """How long a deed takes."""
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


def produce(options: dict, replicas: int = 1) -> None:
    """Create a topic and have one record acknowledged by all of its replicas."""
    topic = fresh("bench")
    with KafkaAdminClient(**options) as admin:
        shape = {"num_partitions": 1, "replication_factor": replicas}
        admin.create_topics({topic: shape}, wait_for_metadata=True)
    with KafkaProducer(**options, acks="all") as producer:
        producer.send(topic, b"x").get(timeout=30)


def publish(parameters: pika.URLParameters, arguments: dict | None = None) -> None:
    """Declare a queue and have one message confirmed."""
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = fresh("bench")
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.basic_publish("", queue, b"x", pika.BasicProperties(delivery_mode=2))


def cold(*names: str) -> float:
    """From nothing to the brokers up and the first message confirmed by each."""
    brokers.down(delete_data=True)

    def start() -> None:
        found = brokers.up(*names, quiet=True)
        if found.kafka:
            produce(found.kafka)
        if found.rabbitmq:
            publish(found.rabbitmq)

    return seconds(start)


def distribution_kafka() -> float:
    """Kafka's own way: format, then start, with the options of its start script."""
    place = settings.run_dir() / "bench-kafka"
    shutil.rmtree(place, ignore_errors=True)
    properties, at = place / "server.properties", single("kafka")
    kafka.write_properties(properties, at, place / "data")
    program, class_path = java.java(), f"@{kafka.class_path()}"
    log4j = f"-Dlog4j2.configurationFile={java.LOG4J}"
    tool = [program, "-Xmx256M", log4j, class_path, "kafka.tools.StorageTool", "format"]

    def command(_token: str) -> tuple[list, dict]:
        return [program, *DISTRIBUTION_JVM, log4j, class_path, "kafka.Kafka", properties], {}

    node = process.Node("kafka", place, command, main="java")

    def start() -> None:
        formatting = [*tool, "--cluster-id", kafka.CLUSTER_ID, "--config", properties]
        subprocess.run([str(part) for part in formatting], check=True, capture_output=True)
        node.start()
        lifecycle.wait_ready(node, lambda: kafka.brokers_known(at.port) == 1)
        produce(clients.kafka_options(at.port))

    try:
        return seconds(start)
    finally:
        node.kill()


def distribution_rabbitmq() -> float:
    """RabbitMQ's own start script, with the same plugins, ports and directories and nothing else."""
    place, at = settings.run_dir() / "bench-rabbitmq", single("rabbitmq")
    shutil.rmtree(place, ignore_errors=True)
    environment = rabbitmq.environment(at, place)
    files.write(place / "enabled_plugins", f"[{','.join(rabbitmq.PLUGINS)}].\n")
    files.write(
        place / "rabbitmq.conf",
        f"listeners.tcp.1 = 127.0.0.1:{at.port}\nmanagement.tcp.port = {at.management}\n",
    )
    node = process.Node(
        "rabbitmq",
        place,
        lambda _token: ([rabbitmq_install.scripts() / "rabbitmq-server"], environment),
        main="beam.smp",
    )

    def start() -> None:
        node.start()
        lifecycle.wait_ready(node, lambda: rabbitmq.answers(at.port))
        publish(clients.rabbitmq_parameters(at.port))

    try:
        return seconds(start)
    finally:
        node.kill()


def three_kafka() -> float:
    """Three nodes, from nothing to a record acknowledged by three replicas."""
    brokers.down(delete_data=True)
    return seconds(lambda: produce(brokers.kafka_cluster().kafka, replicas=3))


def three_rabbitmq() -> float:
    """Three nodes, from nothing to a message confirmed by a quorum."""
    brokers.down(delete_data=True)
    return seconds(lambda: publish(brokers.rabbitmq_cluster().rabbitmq(1), QUORUM))


def one_rabbitmq() -> float:
    """One node, from nothing to a message confirmed by a quorum queue of one."""
    brokers.down(delete_data=True)
    return seconds(lambda: publish(brokers.up("rabbitmq", quiet=True).rabbitmq, QUORUM))


def failover() -> float:
    """From the SIGKILL of a partition's leader to the next write acknowledged by two replicas."""
    cluster = brokers.kafka_cluster()
    cluster.heal()
    topic = fresh("bench")
    with KafkaAdminClient(**cluster.kafka) as admin:
        shape = {"assignments": {0: [2, 3, 1]}, "configs": {"min.insync.replicas": 2}}
        admin.create_topics({topic: shape}, wait_for_metadata=True)
    with KafkaProducer(**cluster.kafka, acks="all", request_timeout_ms=1000) as producer:
        producer.send(topic, b"before").get(timeout=10)

        def kill_and_write() -> None:
            cluster.kill(2)
            producer.send(topic, b"after").get(timeout=30)

        return seconds(kill_and_write)


def set_up_cell() -> float:
    """A set-up cell with the brokers up: interpreter start taken off."""
    cell = (
        "import pika\nfrom kafka import KafkaConsumer, KafkaProducer\n"
        "from helpers import Ledger, charts, check, fresh, up, verdict\nup()"
    )

    def run(code: str) -> float:
        return seconds(
            lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        )

    return run(cell) - run("pass")


def lab(*command: str) -> float:
    """From the command to an answer of JupyterLab's server."""
    port = ports.free(1)[0]
    environment = {**os.environ, "JUPYTER_PORT": str(port), "JUPYTER_TOKEN": "bench"}
    environment.pop("DISPLAY", None)
    server = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        cwd=settings.CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=1)
        except OSError:
            return False
        return True

    def wait() -> None:
        while not answers():
            time.sleep(0.02)

    try:
        return seconds(wait)
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def resident(*names: str) -> float:
    """Megabytes resident, of the nodes whose name begins so."""
    nodes = [native.node(place) for name, place in every_place().items() if name.startswith(names)]
    return sum(node.memory() for node in nodes) / 1e6


def chapter_3() -> float:
    """Strict nbval of chapter 3, brokers up before."""
    notebook = "notebooks/03_queue_vs_pubsub.ipynb"
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", notebook]
    sanitise = ["--nbval-sanitize-with", "tests/sanitize.cfg", "-p", "no:cacheprovider"]
    environment = {**os.environ, "BREAKING_BROKERS_BACKEND": "native"}
    return seconds(
        lambda: subprocess.run(
            [*command, *sanitise, "--noconftest"],
            check=True,
            capture_output=True,
            env=environment,
            cwd=settings.CHECKOUT,
        )
    )


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    """The median of several rounds, told as they come."""
    values = []
    for n in range(rounds):
        values.append(measure())
        print(f"\r{n + 1}/{rounds} {values[-1]:6.2f} s ", end="", file=sys.stderr, flush=True)
    return statistics.median(values)


def row(what: str, value: float, against: float | None, at_most: float, unit: str = "s") -> None:
    """Print one line of the table."""
    measured = value / against if against else value
    mark = "ok" if measured <= at_most else "OVER"
    scale = f"{value:.2f} {unit}" + (f" against {against:.2f} {unit}" if against else "")
    shown = f"{measured:.2f} ×" if against else f"{measured:.2f} {unit}"
    print(f"\r| {what} | {shown} | {at_most:g} | {mark} | {scale} |", flush=True)


def main() -> None:
    """Measure everything, a row at a time."""
    _use_own_ports()
    print("| what | measured | at most | | for scale |\n|---|---|---|---|---|")
    try:
        brokers.rabbitmq_cluster()  # forms the template, once on each machine
        kafka_alone = median(lambda: cold("kafka"))
        brokers.down(delete_data=True)
        row("Kafka against the distribution's way", kafka_alone, median(distribution_kafka), 0.5)
        rabbitmq_alone = median(lambda: cold("rabbitmq"))
        brokers.down(delete_data=True)
        rabbitmq.epmd().start()
        row("RabbitMQ against its own script", rabbitmq_alone, median(distribution_rabbitmq), 1.15)
        both = median(lambda: cold("kafka", "rabbitmq"))
        row("both against the slower one", both, max(kafka_alone, rabbitmq_alone), 1.25)
        row("resident: Kafka", resident("kafka"), None, 200, "MB")
        row("resident: RabbitMQ", resident("rabbitmq"), None, 160, "MB")
        row("set-up cell, brokers up", median(set_up_cell), None, 0.7)
        row("chapter 3 under nbval", median(chapter_3, 3), None, 25)
        alone = median(lambda: lab("jupyterlab", "--no-browser", "--allow-root"))
        with_course = median(lambda: lab("helpers", "lab"))
        row("lab, second run, beyond jupyter lab alone", with_course - alone, None, 2)
        brokers.up(quiet=True)
        row("clean stop of both", seconds(brokers.down), None, 7)
        row("three Kafka nodes against one", median(three_kafka), kafka_alone, 2.5)
        row("resident: three Kafka", resident("kafka-"), None, 550, "MB")
        row("failover against the session time", median(failover), SESSION, 1.5)
        one = median(one_rabbitmq)
        row("three RabbitMQ nodes against one", median(three_rabbitmq), one, 1.3)
        row("resident: three RabbitMQ", resident("rabbitmq-"), None, 430, "MB")
    finally:
        brokers.down(delete_data=True)
        shutil.rmtree(settings.run_dir(), ignore_errors=True)


if __name__ == "__main__":
    main()

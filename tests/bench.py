"""`make bench`: how fast the brokers start, fail over and stop; what each notebook takes; a page of both.

Medians, and ratios within one run. Seconds depend on the machine and are there for scale; the ratios are
what is promised. Run it on a quiet machine, with no other broker of the course running: half an hour.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

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
from helpers.notebooks import in_reading_order
from tests.run import IN_ORDER, STRICT, TWO, others

ROUNDS = 7
COURSE = settings.CHECKOUT / "notebooks"
PAGE = COURSE / "NUMBERS.md"
BUILT = settings.CHECKOUT / "build"
HEADING = "| what | measured | at most | reached? | for scale |\n|---|---|---|---|---|"
QUORUM = {"x-queue-type": "quorum"}
SESSION = kafka.COMMON["broker.session.timeout.ms"] / 1000
TEMPLATE = Path(__file__).with_name("footprint.md")
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


def row(what: str, value: float, against: float | None, at_most: float, unit: str = "s") -> str:
    """One line of the table, which is printed, too."""
    measured = value / against if against else value
    mark = "ok" if measured <= at_most else "**over**"
    scale = f"{value:.2f} {unit}" + (f" against {against:.2f} {unit}" if against else "")
    shown = f"{measured:.2f} ×" if against else f"{measured:.2f} {unit}"
    line = f"| {what} | {shown} | {at_most:g} | {mark} | {scale} |"
    print(f"\r{line}", flush=True)
    return line


def of_brokers() -> list[str]:
    """The lines of the brokers' table, measured one after the other."""
    brokers.rabbitmq_cluster()  # forms the template, once on each machine
    kafka_alone = median(lambda: cold("kafka"))
    brokers.down(delete_data=True)
    distribution = median(distribution_kafka)
    lines = [row("Kafka against the distribution's way", kafka_alone, distribution, 0.5)]
    rabbitmq_alone = median(lambda: cold("rabbitmq"))
    brokers.down(delete_data=True)
    rabbitmq.epmd().start()
    own_script = median(distribution_rabbitmq)
    lines.append(row("RabbitMQ against its own script", rabbitmq_alone, own_script, 1.15))
    both = median(lambda: cold("kafka", "rabbitmq"))
    lines += [
        row("both against the slower one", both, max(kafka_alone, rabbitmq_alone), 1.25),
        row("resident: Kafka", resident("kafka"), None, 200, "MB"),
        row("resident: RabbitMQ", resident("rabbitmq"), None, 160, "MB"),
        row("set-up cell, brokers up", median(set_up_cell), None, 0.7),
        row("chapter 3 under nbval", median(chapter_3, 3), None, 35),
    ]
    alone = median(lambda: lab("jupyterlab", "--no-browser", "--allow-root"))
    with_course = median(lambda: lab("helpers", "lab"))
    lines.append(row("lab, second run, beyond jupyter lab alone", with_course - alone, None, 2))
    brokers.up(quiet=True)
    lines += [
        row("clean stop of both", seconds(brokers.down), None, 7),
        row("three Kafka nodes against one", median(three_kafka), kafka_alone, 2.3),
        row("resident: three Kafka", resident("kafka-"), None, 550, "MB"),
        row("failover against the session time", median(failover), SESSION, 1.5),
    ]
    one = median(one_rabbitmq)
    return [
        *lines,
        row("three RabbitMQ nodes against one", median(three_rabbitmq), one, 1.5),
        row("resident: three RabbitMQ", resident("rabbitmq-"), None, 430, "MB"),
    ]


def of_notebooks() -> dict[str, list[float]]:
    """Seconds and resident bytes of each notebook, two at a time.

    Raises:
        subprocess.CalledProcessError: a notebook did not pass.
    """
    file = BUILT / "numbers.json"
    file.parent.mkdir(exist_ok=True)
    without = [f"--ignore={path}" for path in others()]
    measured = ["-p", "tests.footprint", "--numbers", str(file)]
    command = ["-m", "pytest", "-q", *measured, *STRICT, *TWO, IN_ORDER, *without, "notebooks"]
    subprocess.run([sys.executable, *command], check=True, cwd=settings.CHECKOUT)
    return json.loads(file.read_text())


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, {system}, Python {platform.python_version()}"


def page(brokers_table: list[str], notebooks: dict[str, list[float]]) -> str:
    """The page of numbers, from both measurements."""
    by_path = {settings.CHECKOUT / name: found for name, found in notebooks.items()}
    rows = []
    for path in in_reading_order(by_path, COURSE):
        took, resident_bytes = by_path[path]
        link = f"[{path.stem}]({path.relative_to(COURSE).as_posix()})"
        rows.append(f"| {link} | {took:.0f} s | {resident_bytes / 1e6:.0f} MB |")
    total = sum(took for took, _ in notebooks.values())
    most = max(resident_bytes for _, resident_bytes in notebooks.values())
    return TEMPLATE.read_text(encoding="utf-8").format(
        machine=machine(),
        date=datetime.date.today(),
        brokers="\n".join([HEADING, *brokers_table]),
        minutes=round(total / 60),
        most=f"{most / 1e6:.0f}",
        count=len(notebooks),
        notebooks="\n".join(rows),
    )


def main() -> None:
    """Measure everything, a row at a time, and write the page."""
    _use_own_ports()
    print(HEADING)
    try:
        table = of_brokers()
    finally:
        brokers.down(delete_data=True)
        shutil.rmtree(settings.run_dir(), ignore_errors=True)
    PAGE.write_text(page(table, of_notebooks()), encoding="utf-8")


if __name__ == "__main__":
    main()

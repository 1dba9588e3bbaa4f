"""Apache Kafka as native processes: its files, its settings, its command line, when it is ready."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from .. import settings
from . import jars, java, process
from .errors import BrokerError

CLUSTER_ID = "breaking-brokers-kafka"  # 22 characters, as a base64 UUID has
SINGLE, NODE_1, NODE_2, NODE_3 = "single", "node-1", "node-2", "node-3"

# Internal topics small, no wait for a group's first member, and a dead broker noticed after two
# seconds: a teaching cluster has few clients, and they are all impatient.
COMMON = {
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.num.partitions": 2,
    "transaction.state.log.num.partitions": 2,
    "share.coordinator.state.topic.num.partitions": 2,
    "group.share.min.record.lock.duration.ms": 1000,
    "group.share.min.heartbeat.interval.ms": 500,
    "group.share.heartbeat.interval.ms": 500,
    "group.share.min.session.timeout.ms": 2000,
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 500,
    "log.cleaner.dedupe.buffer.size": 2097152,
    "log.cleaner.backoff.ms": 200,
    "log.retention.check.interval.ms": 300,
    "log.initial.task.delay.ms": 100,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "auto.create.topics.enable": "false",
}
INTERNAL_REPLICAS = (
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)
INTERNAL_MIN_ISR = ("transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")


# --- files --------------------------------------------------------------------------------------


def home() -> Path:
    """What was built from the jars for this very Java: templates and AOT cache."""
    identity = f"{java.identity()} {jars.KAFKA_LOCK.read_text()} {COMMON}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return settings.cache_dir() / f"kafka-{settings.KAFKA_VERSION}" / digest


def class_path() -> Path:
    """The argument file with Kafka's own class path."""
    return home() / "class-path.args"


def aot_cache() -> Path:
    """What Java loaded and linked when it was trained; a start from it takes a third of the time."""
    return home() / "aot.cache"


# --- settings -----------------------------------------------------------------------------------


def write_properties(path: Path, role: str, data: Path, ports: settings.Ports) -> None:
    """Write the ``server.properties`` of one node: the only one, or one of three.

    Of the three, node 1 is controller and broker, 2 and 3 are brokers only: whoever kills or
    pauses one of those never takes the cluster's metadata away."""
    if role == SINGLE:
        number, port, controller, replicas = 1, ports.kafka, ports.kafka_controller, 1
    else:
        number, replicas = int(role[-1]), 3
        port, controller = ports.kafka_cluster[number - 1], ports.kafka_cluster_controller
    listeners = [f"PLAINTEXT://{settings.HOST}:{port}"]
    address = advertised().get(number) if role != SINGLE else None
    if number == 1:
        listeners.append(f"CONTROLLER://{settings.HOST}:{controller}")
    lines = {
        **COMMON,
        "node.id": number,
        "process.roles": "broker,controller" if number == 1 else "broker",
        "controller.quorum.voters": f"1@{settings.HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners),
        "advertised.listeners": f"PLAINTEXT://{address}" if address else listeners[0],
        "log.dirs": str(data),
        "default.replication.factor": replicas,
        **dict.fromkeys(INTERNAL_REPLICAS, replicas),
        **dict.fromkeys(INTERNAL_MIN_ISR, min(replicas, 2)),
    }
    text = "".join(f"{key}={_escaped(str(value))}\n" for key, value in lines.items())
    process.write(path, text)


def advertised() -> dict[int, str]:
    """The addresses that nodes of the cluster give to their clients, where not their true ones."""
    note = _advertised_note()
    known = json.loads(note.read_text()) if note.is_file() else {}
    return {int(number): address for number, address in known.items()}


def advertise(addresses: Mapping[int, str]) -> bool:
    """Have the cluster's nodes give these addresses from their next start; False if they do so now."""
    if dict(addresses) == advertised():
        return False
    process.write(_advertised_note(), json.dumps(dict(addresses)))
    return True


def _advertised_note() -> Path:
    return settings.run_dir() / "kafka-advertised.json"


def _escaped(text: str) -> str:
    """A value as Java's properties files want it: backslashes doubled, the rest as \\uXXXX."""
    doubled = text.replace("\\", "\\\\")
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in doubled)


# --- nodes --------------------------------------------------------------------------------------


def single(directory: Path, ports: settings.Ports, *flags: str) -> process.Node:
    """The course's one Kafka node, controller and broker in one process."""
    return _node("kafka", SINGLE, directory, ports, *flags)


def member(number: int, directory: Path, ports: settings.Ports) -> process.Node:
    """Node 1, 2 or 3 of the three-node cluster."""
    return _node(f"kafka-{number}", f"node-{number}", directory, ports)


def _node(
    name: str, role: str, directory: Path, ports: settings.Ports, *flags: str
) -> process.Node:
    data = directory / "data"

    def command() -> tuple[list, dict]:
        prepare_data(data, role)
        properties = directory / "server.properties"
        write_properties(properties, role, data, ports)
        with_cache = flags or (f"-XX:AOTCache={aot_cache()}",)
        return [*java.command(class_path(), *with_cache), "kafka.Kafka", properties], {}

    return process.Node(name, directory, command, main="java")


def prepare_data(data: Path, role: str) -> None:
    """Give a new node a formatted data directory; refuse one that another version wrote.

    Raises:
        BrokerError: another version's data.
    """
    note = data / "version"
    if (data / "meta.properties").is_file():
        written = note.read_text().strip() if note.is_file() else "unknown"
        if written != settings.KAFKA_VERSION:
            raise BrokerError(
                f"The data in {data} was written by Kafka {written}, and this is "
                f"{settings.KAFKA_VERSION}. `python -m helpers down --delete-data` starts afresh."
            )
        return
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(home() / "template" / role, data)
    note.write_text(settings.KAFKA_VERSION)


# --- readiness ----------------------------------------------------------------------------------


def answers(port: int) -> bool:
    """Does a Kafka broker on the port answer an ApiVersions request (protocol key 18)?"""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((settings.HOST, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(10)
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)


def brokers_known(port: int) -> int:
    """How many brokers does the one on this port list as alive (a Metadata request, key 3)?"""
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((settings.HOST, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(12)
    except OSError:
        return 0
    return struct.unpack(">iii", reply)[2] if len(reply) == 12 else 0

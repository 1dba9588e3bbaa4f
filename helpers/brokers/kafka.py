"""Apache Kafka as native processes: its files, its settings, its command line, when it is ready."""

import hashlib
import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from .. import settings
from . import files, jars, java, ports, process, tools
from .places import Place

CLUSTER_ID = "breaking-brokers-kafka"  # 22 characters, as a base64 UUID has

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
}
INTERNAL_REPLICAS = (
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)
INTERNAL_MIN_ISR = ("transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")


# --- files --------------------------------------------------------------------------------------


def home() -> Path:
    """What was built for this very Java, from the jars where they are: templates and AOT cache."""
    identity = f"{java.identity()} {jars.repository()} {jars.KAFKA_LOCK.read_text()} {COMMON}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return settings.cache_dir() / f"kafka-{settings.KAFKA_VERSION}" / digest


def class_path() -> Path:
    """The argument file with Kafka's own class path."""
    return home() / "class-path.args"


def aot_cache() -> Path:
    """What Java loaded and linked when it was trained; a start from it takes a third of the time."""
    return home() / "aot.cache"


# --- settings -----------------------------------------------------------------------------------


def write_properties(
    path: Path, place: Place, data: Path, own: Mapping[str, object] | None = None
) -> None:
    """Write the ``server.properties`` of one node: the only one, or one of three.

    What stands in ``own`` is added, or stands in the place of ours. Of the three, node 1 is
    controller and broker, 2 and 3 are brokers only: whoever kills or pauses one of those never takes
    the cluster's metadata away."""
    replicas = 3 if place.number else 1
    controller = f"{settings.HOST}:{place.inner}"
    controls = place.inner in place.listens
    listener = f"PLAINTEXT://{place.address}"
    advertised_as = advertised().get(place.number)
    lines = {
        **COMMON,
        "auto.create.topics.enable": str(not place.number).lower(),
        "node.id": place.number or 1,
        "process.roles": "broker,controller" if controls else "broker",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listener},CONTROLLER://{controller}" if controls else listener,
        "advertised.listeners": f"PLAINTEXT://{advertised_as}" if advertised_as else listener,
        "log.dirs": data,
        "default.replication.factor": replicas,
        **dict.fromkeys(INTERNAL_REPLICAS, replicas),
        **dict.fromkeys(INTERNAL_MIN_ISR, min(replicas, 2)),
        **(own or {}),
    }
    files.write(path, properties(lines))


def advertised() -> dict[int, str]:
    """The addresses that nodes of the cluster give to their clients, where not their true ones."""
    note = _advertised_note()
    known = json.loads(note.read_text()) if note.is_file() else {}
    return {int(number): address for number, address in known.items()}


def advertise(addresses: Mapping[int, str]) -> None:
    """Have the cluster's nodes give these addresses to their clients from their next start."""
    files.write(_advertised_note(), json.dumps(dict(addresses)))


def _advertised_note() -> Path:
    return settings.run_dir() / "kafka-advertised.json"


def properties(values: Mapping[str, object]) -> str:
    """Settings as Java's properties files want them: backslashes doubled, the rest as \\uXXXX."""
    text = "".join(f"{name}={value}\n" for name, value in values.items()).replace("\\", "\\\\")
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in text)


# --- nodes --------------------------------------------------------------------------------------


def node(place: Place, directory: Path, *flags: str) -> process.Node:
    """A Kafka node; ``flags`` are Java's, in place of those that have it start from the AOT cache."""
    command = partial(serve, place, directory, flags=flags)
    return process.Node(place.name, directory, command, main="java")


def serve(
    place: Place,
    directory: Path,
    token: str,
    flags: Sequence[str] = (),
    own: Mapping[str, object] | None = None,
) -> process.CommandLine:
    """The command line of a node whose files in ``directory`` are made ready; ``own`` are settings."""
    data, properties = directory / "data", directory / "server.properties"
    prepare_data(data, place)
    write_properties(properties, place, data, own)
    faster = flags or (f"-XX:AOTCache={aot_cache()}",)
    return [*java.command(class_path(), token, *faster), "kafka.Kafka", properties], {}


def template(place: Place) -> Path:
    """The formatted and empty data directory that a new node begins with."""
    return home() / "template" / place.name


def prepare_data(data: Path, place: Place) -> None:
    """Give a new node a formatted data directory; refuse one that another version wrote.

    Raises:
        BrokerError: another version's data.
    """
    if (data / "meta.properties").is_file():
        process.refuse_other_version(data, "Kafka", settings.KAFKA_VERSION)
        return
    draft = data.with_name("data.new")
    for half in (data, draft):  # of a start that was cut off
        shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(template(place), draft)
    (draft / "version").write_text(settings.KAFKA_VERSION)
    draft.rename(data)


# --- tools --------------------------------------------------------------------------------------


def tool(name: str, arguments: Sequence[str]) -> list[str]:
    """The command line of one of Kafka's own tools; from the AOT cache it takes half the time."""
    command = beside(home() / "tools.args", "tool", "-Xlog:disable")
    return [*map(str, command), tools.main_class(name), *arguments]


def beside(files: Path, token: str, *flags: str) -> list[str | Path]:
    """The beginning of a command line for what runs beside Kafka, with its jars and Kafka's own, which
    come first: as far as that the AOT cache serves. ``files`` is written: the class path."""
    java.write_class_path(files, [*jars.locked(), *jars.locked(jars.PIPELINE_LOCK)])
    cache = aot_cache()
    faster = [f"-XX:AOTCache={cache}"] if cache.is_file() else []
    return java.command(files, token, *faster, *flags)


# --- readiness ----------------------------------------------------------------------------------


def answers(port: int) -> bool:
    """Does a Kafka broker on the port answer an ApiVersions request (protocol key 18)?"""
    reply = _asked(port, struct.pack(">hhih", 18, 0, 1, -1), 10)
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)


def brokers_known(port: int) -> int:
    """How many brokers does the one on this port list as alive (a Metadata request, key 3)?"""
    reply = _asked(port, struct.pack(">hhihi", 3, 1, 1, -1, 0), 12)
    return int(struct.unpack(">iii", reply)[2]) if len(reply) == 12 else 0


def _asked(port: int, request: bytes, most: int) -> bytes:
    return ports.ask(port, struct.pack(">i", len(request)) + request, most)

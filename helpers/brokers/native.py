"""The native backend: the brokers as processes of this machine, no Docker and no root needed."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import settings
from . import jars, kafka, kafka_install, process, rabbitmq, rabbitmq_install
from .errors import BrokerError
from .progress_line import Progress

NAME = "native"
LEAST_DISK = 500_000_000  # bytes; RabbitMQ stops taking messages below 50 MB
START_TIMEOUT = 120.0  # seconds; thirty times what it takes on a quiet machine
Ready = Callable[[], bool]


# --- the one Kafka and the one RabbitMQ ---------------------------------------------------------


def singles(
    names: tuple[str, ...] = ("kafka", "rabbitmq"),
) -> dict[str, tuple[process.Node, Ready]]:
    """The nodes of a plain ``up``, each with the question that says whether it serves."""
    run, ports = settings.run_dir(), settings.ports()
    nodes = {
        "kafka": (
            kafka.single(run / "kafka", ports),
            lambda: kafka.brokers_known(ports.kafka) == 1,
        ),
        "rabbitmq": (
            rabbitmq.node(
                "rabbitmq",
                run / "rabbitmq",
                _nodename("rabbitmq"),
                ports.amqp,
                _rabbitmq_ports("rabbitmq"),
                run / "home",
                management=ports.management,
            ),
            lambda: rabbitmq.answers(ports.amqp),
        ),
    }
    return {name: nodes[name] for name in names}


def running() -> bool:
    """Did ``up`` start a node on this machine that still runs?"""
    return any(node.running() for node, _ in singles().values())


def up(names: tuple[str, ...]) -> None:
    """Start what is not running and wait until all of it serves; two at once start one.

    Raises:
        BrokerError: a port is taken, another checkout's brokers run there, the disk is full, or a
            broker did not start; each with what to do.
    """
    nodes = singles(names)
    if all(node.running() and not node.paused() and ready() for node, ready in nodes.values()):
        _refuse_other_checkouts([node for node, _ in nodes.values()])
        return
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        process.sweep()
        obtain(names)
        _start(nodes, f"Starting {_listed(nodes)}")


def install(names: tuple[str, ...]) -> None:
    """Obtain all that the course will need, so that it works without a network from then on."""
    obtain(names)
    if "kafka" in names:
        fetch_pipeline()


def fetch_pipeline() -> None:
    """Have the files of the programs that labs run beside Kafka, and those of Kafka, which they use."""
    with _install_lock():
        jars.fetch()
        jars.fetch(jars.PIPELINE_LOCK, "Kafka Streams, Kafka Connect and Debezium")


def obtain(names: tuple[str, ...]) -> None:
    """Obtain the brokers that are missing on this machine; once only, whoever asks."""
    with _install_lock():
        if "kafka" in names and not kafka_install.installed():
            kafka_install.install()
        if "rabbitmq" in names:
            rabbitmq_install.install()


@contextmanager
def _install_lock() -> Iterator[None]:
    settings.cache_dir().mkdir(parents=True, exist_ok=True)
    with (settings.cache_dir() / "install.lock").open("w") as file:
        with Progress("Waiting for another installation to end"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(nodes: dict[str, tuple[process.Node, Ready]], what: str) -> None:
    everyone = [node for node, _ in nodes.values()]
    _refuse_other_checkouts(everyone)
    idle = [node for node in everyone if not node.running()]
    for node in idle:
        process.end(node.processes(), timeout=0)  # orphans of a start that was cut off
        for port in _ports_of(node.name):
            _refuse_taken(port, node.name)
    _refuse_full_disk()
    idle_rabbits = [node for node in idle if node.name.startswith("rabbitmq")]
    with Progress(what):
        if idle_rabbits:
            _epmd().start()
        for node in everyone:
            node.resume()
            node.start()
        for node, ready in nodes.values():
            process.wait_ready(node, ready, START_TIMEOUT)
        for node in idle_rabbits:
            _note_modules(node.name)


def _note_modules(name: str) -> None:
    """After the first start of a RabbitMQ on this machine; the next ones are faster for it."""
    file = rabbitmq.modules_file(management=name == "rabbitmq")
    if not file.is_file():
        with suppress(BrokerError):  # it serves all the same, and the next start tries again
            rabbitmq.note_modules(_rabbitmq_environment(name), file)


def _epmd() -> process.Node:
    return rabbitmq.epmd(settings.run_dir(), settings.ports().epmd)


def _ports_of(name: str) -> list[int]:
    ports = settings.ports()
    number = int(name[-1]) - 1 if name[-1].isdigit() else 0
    return {
        "kafka": [ports.kafka, ports.kafka_controller],
        "rabbitmq": [ports.amqp, ports.management, ports.rabbitmq_distribution],
        "kafka-": [ports.kafka_cluster[number]]
        + ([ports.kafka_cluster_controller] if number == 0 else []),
        "rabbitmq-": [
            ports.amqp_cluster[number],
            ports.rabbitmq_cluster_distribution[number],
        ],
    }[re.sub(r"\d$", "", name)]


def _refuse_taken(port: int, name: str) -> None:
    if process.port_taken(port):
        raise BrokerError(
            f"Port {port} of 127.0.0.1, which {name} needs, is held by {process.holder(port)}. It is "
            "not the course's, so it was left alone. Stop it, or give the course other ports: "
            "BREAKING_BROKERS_PORT_OFFSET=100 moves all of them by 100."
        )


def _refuse_other_checkouts(nodes: list[process.Node]) -> None:
    for node in nodes:
        other = node.checkout() if node.running() else ""
        if other and other != str(settings.CHECKOUT):
            raise BrokerError(
                f"{node.name} on these ports was started by another copy of the course, in {other}. "
                "Run `python -m helpers down` there, or set BREAKING_BROKERS_PORT_OFFSET=100 here, "
                "so that this copy has brokers of its own."
            )


def _refuse_full_disk() -> None:
    free = shutil.disk_usage(settings.run_dir()).free
    if free < LEAST_DISK:
        raise BrokerError(
            f"Only {free // 1_000_000} MB are free in {settings.run_dir()}; the brokers need "
            f"{LEAST_DISK // 1_000_000} MB. Free some, or set BREAKING_BROKERS_CACHE to a directory "
            "on another disk."
        )


# --- ending -------------------------------------------------------------------------------------


def nodes_here() -> list[process.Node]:
    """Every node of this run, of the clusters too, running or not."""
    ports, run = settings.ports(), settings.run_dir()
    return [
        *(node for node, _ in singles().values()),
        *(node for node, _ in kafka_members().values()),
        *(node for node, _ in rabbitmq_members().values()),
        rabbitmq.epmd(run, ports.epmd),
    ]


def down(delete_data: bool = False) -> list[str]:
    """Stop every broker of this run; sweep what dead runs left. Returns the names of what ended."""
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        ended = process.sweep()
        *nodes, port_mapper = nodes_here()
        alive = [node for node in nodes if node.processes()]
        _refuse_other_checkouts(alive)
        if alive:
            with Progress(f"Stopping {_listed([node.name for node in alive])}"):
                with ThreadPoolExecutor(len(alive)) as pool:
                    list(pool.map(_end, alive))
        port_mapper.kill()
        if delete_data:
            for node in nodes:
                shutil.rmtree(node.directory, ignore_errors=True)
    return sorted({*ended, *(node.name for node in alive)})


def status() -> list[dict[str, str]]:
    """One row for each node of this run that is alive."""
    ports, rows = settings.ports(), []
    for node in nodes_here()[:-1]:
        processes = node.processes()
        if processes:
            number = int(node.name[-1]) - 1 if node.name[-1].isdigit() else None
            port = {
                "kafka": ports.kafka if number is None else ports.kafka_cluster[number],
                "rabbitmq": ports.amqp if number is None else ports.amqp_cluster[number],
            }[node.name.split("-")[0]]
            rows.append(
                {
                    "name": node.name,
                    "backend": NAME,
                    "state": "paused" if node.paused() else "running",
                    "address": f"{settings.HOST}:{port}",
                    "memory": f"{node.memory() / 1e6:.0f} MB",
                }
            )
    return rows


def _end(node: process.Node) -> None:
    """Cleanly for the two whose data is kept; a cluster's data is not, and it ends at once."""
    if node.name in ("kafka", "rabbitmq"):
        node.stop()
    else:
        node.kill()


# --- three nodes of each ------------------------------------------------------------------------


def kafka_members() -> dict[int, tuple[process.Node, Ready]]:
    """Nodes 1, 2 and 3 of the Kafka cluster."""
    ports, run = settings.ports(), settings.run_dir()
    return {
        n: (
            kafka.member(n, run / f"kafka-{n}", ports),
            lambda n=n: kafka.answers(ports.kafka_cluster[n - 1]),
        )
        for n in (1, 2, 3)
    }


def rabbitmq_members(count: int = 3) -> dict[int, tuple[process.Node, Ready]]:
    """The nodes of the RabbitMQ cluster, numbered from 1; a single one looks for no peers."""
    ports, run = settings.ports(), settings.run_dir()
    numbers = range(1, count + 1)
    peers = tuple(_nodename(f"rabbitmq-{n}") for n in numbers) if count > 1 else ()
    return {
        n: (
            rabbitmq.node(
                f"rabbitmq-{n}",
                run / f"rabbitmq-{n}",
                _nodename(f"rabbitmq-{n}"),
                ports.amqp_cluster[n - 1],
                _rabbitmq_ports(f"rabbitmq-{n}"),
                run / "home",
                peers=peers,
            ),
            lambda n=n: rabbitmq.answers(ports.amqp_cluster[n - 1]),
        )
        for n in numbers
    }


def _rabbitmq_ports(name: str) -> dict[str, int]:
    """What a node, ``rabbitmq`` or ``rabbitmq-1``, needs besides its own port."""
    ports = settings.ports()
    distribution = ports.rabbitmq_distribution
    if name[-1].isdigit():
        distribution = ports.rabbitmq_cluster_distribution[int(name[-1]) - 1]
    return {"epmd": ports.epmd, "distribution": distribution}


def _nodename(name: str) -> str:
    """What Erlang calls a node: ``rabbit@localhost``, ``rabbit-1@localhost``."""
    return name.replace("rabbitmq", "rabbit") + "@localhost"


def _rabbitmq_environment(name: str) -> dict[str, str]:
    """What a tool needs that talks to a node, ``rabbitmq`` or ``rabbitmq-1``."""
    run = settings.run_dir()
    return rabbitmq.environment(run / name, _nodename(name), _rabbitmq_ports(name), run / "home")


def start_kafka_cluster(addresses: Mapping[int, str]) -> dict[int, process.Node]:
    """Three Kafka nodes that know each other: new and empty, unless they run already and
    advertise just these addresses."""
    members = kafka_members()
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        process.sweep()
        obtain(("kafka",))
        changed = kafka.advertise(addresses)
        if changed or not any(node.running() for node, _ in members.values()):
            _forget([node for node, _ in members.values()])
        _start(_named(members), "Starting three Kafka nodes")
        wait_for_kafka()
    return {n: node for n, (node, _) in members.items()}


def wait_for_kafka() -> None:
    """Wait until node 1, which keeps the metadata, lists every running node as alive."""
    first = settings.ports().kafka_cluster[0]
    alive = _wait_for(kafka_members())
    if alive:
        process.wait_ready(
            alive[-1], lambda: kafka.brokers_known(first) >= len(alive), START_TIMEOUT
        )


def start_rabbitmq_cluster(count: int) -> dict[int, process.Node]:
    """That many RabbitMQ nodes in one cluster: new and empty, unless just those run already.

    The first cluster of a machine forms itself (20 s); its files, without a queue in them, are
    kept as a template, from which later ones start in 5 s."""
    members = rabbitmq_members(count)
    nodes = {n: node for n, (node, _) in members.items()}
    everyone = {n: node for n, (node, _) in rabbitmq_members().items()}
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        process.sweep()
        obtain(("rabbitmq",))
        known = {n for n, node in everyone.items() if node.data.exists()}
        if known != set(nodes) or not any(node.running() for node in nodes.values()):
            _forget(list(everyone.values()))
            if count > 1 and not _from_template(nodes):
                _start(_named(members), "Forming a RabbitMQ cluster (once, about 30 s)")
                _keep_template(nodes)
        _start(_named(members), f"Starting {rabbitmq.COUNTED[count]}")
    return nodes


def end_cluster(broker: str) -> None:
    """End the nodes of a cluster, ``kafka`` or ``rabbitmq``, and delete what they stored."""
    members = {"kafka": kafka_members, "rabbitmq": rabbitmq_members}[broker]()
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        _forget([node for node, _ in members.values()])


def wait_for_rabbitmq() -> None:
    """Wait until every running node serves; it does not before it has joined the others."""
    _wait_for(rabbitmq_members())


def _wait_for(members: dict[int, tuple[process.Node, Ready]]) -> list[process.Node]:
    """Wait for those that run and are not paused; returns them."""
    alive = [
        (node, ready) for node, ready in members.values() if node.running() and not node.paused()
    ]
    for node, ready in alive:
        process.wait_ready(node, ready, START_TIMEOUT)
    return [node for node, _ in alive]


def rabbitmqctl(number: int, *arguments: str) -> str:
    """Run ``rabbitmqctl`` against a node of the cluster."""
    return rabbitmq.ctl(_rabbitmq_environment(f"rabbitmq-{number}"), *arguments)


def _named(members: dict[int, tuple[process.Node, Ready]]) -> dict[str, tuple[process.Node, Ready]]:
    return {node.name: (node, ready) for node, ready in members.values()}


def _forget(nodes: list[process.Node]) -> None:
    """End them at once and delete their data. Another checkout's nodes are refused, not ended."""
    alive = [node for node in nodes if node.processes()]
    _refuse_other_checkouts(alive)
    for node in alive:
        node.kill()
    for node in nodes:
        shutil.rmtree(node.directory, ignore_errors=True)


def _template() -> Path:
    return settings.cache_dir() / "rabbitmq-template" / rabbitmq_install.version()


def _from_template(nodes: dict[int, process.Node]) -> bool:
    if not (_template() / "complete").is_file():
        return False
    for number, node in nodes.items():
        shutil.copytree(_template() / str(number), node.data)
    return True


def _keep_template(nodes: dict[int, process.Node]) -> None:
    """Stop the new cluster, keep its files."""
    members = json.loads(rabbitmqctl(1, "cluster_status", "--formatter", "json", "--silent"))
    if len(members["running_nodes"]) != len(nodes):
        raise BrokerError(
            f"Only {members['running_nodes']} of three RabbitMQ nodes found each other. "
            "`python -m helpers down` and try again; `python -m helpers doctor` checks localhost."
        )
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(process.Node.stop, nodes.values()))
    shutil.rmtree(_template(), ignore_errors=True)
    for number, node in nodes.items():
        shutil.copytree(node.data, _template() / str(number))
    (_template() / "complete").touch()


def _listed(names) -> str:
    spoken = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}
    return " and ".join(spoken.get(name, name) for name in names)

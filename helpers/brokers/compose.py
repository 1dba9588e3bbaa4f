"""The compose backend: the brokers as containers of ``docker-compose.yml``.

The project's name carries the port offset, so that runs do not meet. A marker in the run directory
says that ``up`` used Docker; without it, no question about what runs costs a call of ``docker``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from .. import settings
from . import kafka, process, rabbitmq
from .errors import BrokerError
from .progress_line import Progress

NAME = "compose"
FILE = settings.CHECKOUT / "docker-compose.yml"
ANSWER_TIMEOUT = 3.0  # seconds for a question; an engine that is there answers in a tenth of one
VERB_TIMEOUT = 60.0  # seconds to stop, kill or pause a container; stopping waits 10 s itself
UP_TIMEOUT = 1200.0  # seconds; the first time, images of 600 MB come over the network
START_TIMEOUT = 120.0  # seconds from a container that runs to a broker that serves
WAY_OUT = "BREAKING_BROKERS_BACKEND=native does without Docker."
UP = ("running", "paused", "restarting")
Ready = Callable[[], bool]


class ContainerNode:
    """One broker in a container: a service of the compose file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self) -> None:
        """Start the container that was stopped or killed; its data is the one it had."""
        if not self.running():
            _compose("start", self.name)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL 10 s later."""
        self.resume()
        _compose("stop", self.name)

    def kill(self) -> None:
        """SIGKILL."""
        if self.running():
            _compose("kill", self.name)

    def pause(self) -> None:
        """Freeze its processes, connections stay open."""
        if self.state() == "running":
            _compose("pause", self.name)

    def resume(self) -> None:
        """Go on after ``pause``."""
        if self.paused():
            _compose("unpause", self.name)

    def running(self) -> bool:
        """Is the container up, paused or not?"""
        return self.state() in UP

    def paused(self) -> bool:
        """Is it frozen by ``pause``?"""
        return self.state() == "paused"

    def state(self) -> str:
        """Docker's word for it: ``running``, ``paused``, ``exited``…; empty without a container."""
        return _states().get(self.name, "")

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it logged."""
        return _compose("logs", "--no-color", "--no-log-prefix", "--tail", str(lines), self.name)

    @property
    def data(self) -> Path:
        """Not to be had from outside.

        Raises:
            BrokerError: always; with the command that looks in."""
        inside = "/var/lib/kafka/data" if self.name.startswith("kafka") else "/var/lib/rabbitmq"
        raise BrokerError(
            f"The data of {self.name} is in its container. "
            f"`docker compose -p {_project()} exec {self.name} ls {inside}` looks in; with "
            "BREAKING_BROKERS_BACKEND=native it is a directory of this machine."
        )


def available() -> bool:
    """Is there a Docker client with Compose, and an engine that answers it within 3 s?"""
    if not shutil.which("docker"):
        return False
    try:
        _docker("version", "--format", "{{.Server.Version}}", timeout=ANSWER_TIMEOUT)
        _docker("compose", "version", timeout=ANSWER_TIMEOUT)
    except BrokerError:
        return False
    return True


def used() -> bool:
    """Did ``up`` use Docker for this run, and did no ``down`` delete what was stored since?"""
    return _marker().is_file()


def running() -> bool:
    """Did ``up`` use Docker for this run, and are containers of it up?"""
    if not used() or not shutil.which("docker"):
        return False
    try:
        return any(state in UP for state in _states(ANSWER_TIMEOUT).values())
    except BrokerError:  # an engine that does not answer runs nothing
        return False


def up(names: tuple[str, ...]) -> None:
    """Start what is not running and wait until all of it serves; two at once start one.

    Raises:
        BrokerError: Docker can't, in its own words; or another checkout's containers run.
    """
    singles = {name: _singles()[name] for name in names}
    _refuse_other_checkouts()
    states = _states() if used() else {}
    if all(states.get(name) == "running" and ready() for name, ready in singles.items()):
        return
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        _start(singles, f"Starting {' and '.join(singles)} in Docker (images are fetched once)")


def down(delete_data: bool = False) -> list[str]:
    """Remove the containers of this run; with ``delete_data`` what they stored, too.

    Returns the names of what was up.

    Raises:
        BrokerError: Docker can't, in its own words."""
    _refuse_other_checkouts()
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        up_now = sorted(name for name, state in _states().items() if state in UP)
        with Progress("Stopping the containers"):
            _forget([*_members("kafka"), *_members("rabbitmq")])
            _compose("down", *(["--volumes"] if delete_data else []))
        if delete_data:
            _marker().unlink(missing_ok=True)
    return up_now


def status() -> list[dict[str, str]]:
    """One row for each container that is up."""
    addresses = {name: f"{settings.HOST}:{port}" for name, port in _ports().items()}
    return [
        {
            "name": name,
            "backend": NAME,
            "state": state,
            "address": addresses[name],
            "memory": "see `docker stats`",
        }
        for name, state in sorted(_states().items())
        if state in UP
    ]


def nodes() -> list[ContainerNode]:
    """Every container of this run, up or not."""
    return [ContainerNode(name) for name in sorted(_states())]


# --- three nodes of each ------------------------------------------------------------------------


def start_kafka_cluster(addresses: Mapping[int, str]) -> dict[int, ContainerNode]:
    """Three Kafka nodes that know each other: new and empty, unless they run already and
    advertise just these addresses."""
    if kafka.advertise(addresses):
        end_cluster("kafka")
    nodes = _start_cluster("kafka", 3, "Starting three Kafka nodes")
    wait_for_kafka()
    return nodes


def wait_for_kafka() -> None:
    """Wait until node 1, which keeps the metadata, lists every running node as alive."""
    alive = _wait_for("kafka")
    first = settings.ports().kafka_cluster[0]
    if alive:
        _wait_ready(alive[-1], lambda: kafka.brokers_known(first) >= len(alive))


def start_rabbitmq_cluster(count: int) -> dict[int, ContainerNode]:
    """That many RabbitMQ nodes in one cluster: new and empty, unless just those run already.

    A single one looks for its peers in vain and then starts without them."""
    return _start_cluster("rabbitmq", count, f"Starting {rabbitmq.COUNTED[count]}")


def end_cluster(broker: str) -> None:
    """End the nodes of a cluster, ``kafka`` or ``rabbitmq``, and delete what they stored."""
    _refuse_other_checkouts()
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        _forget(_members(broker))


def wait_for_rabbitmq() -> None:
    """Wait until every running node serves; it does not before it has joined the others."""
    _wait_for("rabbitmq")


def rabbitmqctl(number: int, *arguments: str) -> str:
    """Run ``rabbitmqctl`` in a node of the cluster and return what it prints."""
    return _compose("exec", "-T", f"rabbitmq-{number}", "rabbitmqctl", *arguments)


def _start_cluster(broker: str, count: int, words: str) -> dict[int, ContainerNode]:
    everyone = _members(broker)
    members = dict(list(everyone.items())[:count])
    _refuse_other_checkouts()
    with process.locked("brokers", "Waiting for another process that is starting the brokers"):
        states = _states()
        known = {name for name in everyone if name in states}
        if known != set(members) or not any(states[name] in UP for name in members):
            _forget(everyone)
        _start(members, f"{words} in Docker (images are fetched once)")
    return {int(name[-1]): ContainerNode(name) for name in members}


def _wait_for(broker: str) -> list[ContainerNode]:
    """Wait for the nodes that run and are not paused; returns them."""
    states = _states()
    alive = {n: ready for n, ready in _members(broker).items() if states.get(n) == "running"}
    for name, ready in alive.items():
        _wait_ready(ContainerNode(name), ready)
    return [ContainerNode(name) for name in alive]


# --- Docker -------------------------------------------------------------------------------------


def _start(services: dict[str, Ready], words: str) -> None:
    process.write(_marker(), str(settings.CHECKOUT))
    with Progress(words):
        for name, state in _states().items():
            if name in services and state == "paused":
                ContainerNode(name).resume()
        _compose("up", "-d", "--wait", *services, timeout=UP_TIMEOUT)
        for name, ready in services.items():
            _wait_ready(ContainerNode(name), ready)


def _forget(names: Iterable[str]) -> None:
    """Remove containers of a cluster, running or not, with the volumes that only they had."""
    there = _states()
    found = [name for name in names if name in there]
    if alive := [name for name in found if there[name] in UP]:
        _compose("kill", *alive)
    if found:
        _compose("rm", "--force", "--volumes", *found)


def _wait_ready(node: ContainerNode, ready: Ready) -> None:
    """Wait until a container's broker answers its own protocol on the published port.

    Raises:
        BrokerError: it ended, or did not serve within 120 s; with its last words."""
    deadline = time.monotonic() + START_TIMEOUT
    more = f"`docker compose -p {_project()} logs {node.name}` has all of it. {WAY_OUT}"
    while not ready():
        if not node.running():
            raise BrokerError(
                f"{node.name} ended while starting. It said:\n{node.log_tail()}\n{more}"
            )
        if time.monotonic() > deadline:
            raise BrokerError(
                f"{node.name} did not serve within {START_TIMEOUT:.0f} s. It said:\n"
                f"{node.log_tail()}\n{more}"
            )
        time.sleep(0.1)


def _states(timeout: float = VERB_TIMEOUT) -> dict[str, str]:
    """The state of every container of this run, by its service. Compose prints one JSON object a
    line, and before 2.21 one list."""
    text = _compose("ps", "--all", "--format", "json", timeout=timeout).strip()
    rows = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
    return {row["Service"]: row["State"] for row in rows}


def _compose(*arguments: str, timeout: float = VERB_TIMEOUT) -> str:
    return _docker(
        "compose", "-f", str(FILE), "-p", _project(), "--profile", "cluster", *arguments,
        timeout=timeout,
    )  # fmt: skip


def _docker(*arguments: str, timeout: float) -> str:
    """Run ``docker`` with the ports of this run and return what it prints.

    Raises:
        BrokerError: there is none, it failed, or it took longer than ``timeout`` seconds."""
    command = ["docker", *arguments]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **_variables()},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise BrokerError(
            "There is no `docker` on the PATH. Install Docker with Compose and run this again. "
            + WAY_OUT
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BrokerError(
            f"`{shlex.join(command)}` did not end within {timeout:.0f} s. `docker info` says "
            f"whether the engine answers; start or restart it. {WAY_OUT}"
        ) from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-1200:]
        raise BrokerError(
            f"`{shlex.join(command)}` ended with {done.returncode}:\n{words}\n"
            f"{_remedy(words)} {WAY_OUT}"
        )
    return done.stdout


def _remedy(words: str) -> str:
    """The next command, for what Docker said."""
    heard = words.lower()
    if "docker daemon" in heard or "permission denied" in heard:
        return "`docker info` says whether the engine runs and lets you in; start it."
    if "unknown command" in heard or "not a docker command" in heard:
        return "Compose is missing: https://docs.docker.com/compose/install/ says how to add it."
    if "already allocated" in heard or "address already in use" in heard:
        return "Something else has the port: BREAKING_BROKERS_PORT_OFFSET=100 moves all of ours."
    return f"`docker compose -p {_project()} logs` says what the brokers said."


def _project() -> str:
    return f"breaking-brokers-{settings.port_offset()}"


def _marker() -> Path:
    return settings.run_dir() / "compose"


def _refuse_other_checkouts() -> None:
    """Two checkouts at one offset would take each other's containers for their own."""
    other = _marker().read_text() if used() else str(settings.CHECKOUT)
    if other != str(settings.CHECKOUT) and Path(other).is_dir() and running():
        raise BrokerError(
            f"The containers {_project()} belong to the checkout {other}. Run "
            "`python -m helpers down` there, or set BREAKING_BROKERS_PORT_OFFSET=100 here."
        )


def _singles() -> dict[str, Ready]:
    """The services of a plain ``up``, each with the question that says whether it serves."""
    ports = settings.ports()
    return {
        "kafka": lambda: kafka.brokers_known(ports.kafka) == 1,
        "rabbitmq": lambda: rabbitmq.answers(ports.amqp),
    }


def _members(broker: str) -> dict[str, Ready]:
    """The services of a cluster, each with the question that says whether it serves."""
    answers = {"kafka": kafka.answers, "rabbitmq": rabbitmq.answers}[broker]
    names = [f"{broker}-{number}" for number in (1, 2, 3)]
    return {name: partial(answers, _ports()[name]) for name in names}


def _ports() -> dict[str, int]:
    """The port of this machine for each service."""
    ports = settings.ports()
    return {
        "kafka": ports.kafka,
        "rabbitmq": ports.amqp,
        **{f"kafka-{n}": port for n, port in enumerate(ports.kafka_cluster, 1)},
        **{f"rabbitmq-{n}": port for n, port in enumerate(ports.amqp_cluster, 1)},
    }


def _variables() -> dict[str, str]:
    """What the compose file asks of the environment."""
    named = {f"{name.upper().replace('-', '_')}_PORT": port for name, port in _ports().items()}
    named["MANAGEMENT_PORT"] = settings.ports().management
    named |= {f"KAFKA_{n}_ADVERTISED": where for n, where in kafka.advertised().items()}
    return {name: str(value) for name, value in named.items()}

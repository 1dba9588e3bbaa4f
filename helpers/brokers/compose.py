"""The compose backend: the brokers as containers of ``docker-compose.yml``.

The project's name carries the port offset, so that runs do not meet; whose a container is, its label
says, which names the compose file. So what somebody started by hand is found, and so is what another
copy of the course started.
"""

import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .. import settings
from . import kafka, marks, ports, process
from .errors import BrokerError
from .places import Place, every_place, single
from .tools import CommandLine, directed

name = "compose"
FILE = settings.CHECKOUT / "docker-compose.yml"
ANSWER_TIMEOUT = 3.0  # seconds for a question; an engine that is there answers in a tenth of one
VERB_TIMEOUT = 90.0  # seconds to stop, kill or pause a container; stopping may take 60 itself
UP_TIMEOUT = 1200.0  # seconds; the first time, images of 600 MB come over the network
WAY_OUT = "BREAKING_BROKERS_BACKEND=native does without Docker."
LOCAL = ("unix:", "npipe:")
UP = ("running", "paused", "restarting")
INSIDE = 19092  # Kafka's port within the containers' own network
DATA = {"kafka": "/var/lib/kafka/data", "rabbitmq": "/var/lib/rabbitmq"}
LABEL = "com.docker.compose"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # RabbitMQ's colours

# what Docker says (in lower case) → what to do about it
UNFETCHED = (
    r"no such host|toomanyrequests|rate limit|tls handshake|i/o timeout|pull access|registry"
)
REMEDIES = {
    r"gave no answer|docker daemon|permission denied": "`docker info` says whether the engine runs "
    "and lets you in; start it.",
    r"unknown command|not a docker command": "Compose is missing: "
    "https://docs.docker.com/compose/install/ says how to add it.",
    r"already allocated|address already in use": "Something else has the port: "
    "BREAKING_BROKERS_PORT_OFFSET=100 moves all of ours.",
    UNFETCHED: "The images could not be fetched. `docker pull apache/kafka` says whether their "
    "registry can be reached from here; it limits how many an address may fetch in an hour.",
    r"rlimit": "The engine allows fewer open files than docker-compose.yml asks for: raise its "
    "limit (LimitNOFILE of its service), or lower `nofile` in the file.",
}


class ContainerNode:
    """One broker in a container: a service of the compose file."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._broker = place.broker

    def start(self) -> None:
        """Start the container that was stopped or killed; its data is the one it had."""
        if not self.running():
            _compose("start", self.name)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL a minute later."""
        self.resume()
        _compose("stop", self.name)

    def kill(self) -> None:
        """SIGKILL."""
        if self.running():
            _compose("kill", self.name)

    def pause(self) -> None:
        """Freeze its processes, connections stay open."""
        if self._state() == "running":
            _compose("pause", self.name)

    def resume(self) -> None:
        """Go on after ``pause``."""
        if self.paused():
            _compose("unpause", self.name)

    def running(self) -> bool:
        """Is the container up, paused or not?"""
        return self._state() in UP

    def paused(self) -> bool:
        """Is it frozen by ``pause``?"""
        return self._state() == "paused"

    def exists(self) -> bool:
        """Is there a container, up or not?"""
        return self.name in _containers()

    def memory(self) -> int:
        """Not known: Docker takes two seconds to say."""
        return 0

    def ending(self) -> str:
        """Whether the machine, or the container's limit, was out of memory."""
        container = f"{_project()}-{self.name}-1"
        asked = _docker("inspect", "--format", "{{.State.OOMKilled}}", container, timeout=10)
        return "It was killed because memory ran out. " if asked.strip() == "true" else ""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it logged."""
        logged = _compose("logs", "--no-color", "--no-log-prefix", "--tail", str(lines), self.name)
        return ESCAPES.sub("", logged)

    @property
    def data(self) -> Path:
        """A copy of its data directory as it is now, on this machine."""
        copy = settings.run_dir() / "copies" / self.name
        shutil.rmtree(copy, ignore_errors=True)
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        _compose("cp", f"{self.name}:{DATA[self._broker]}", str(copy))
        return copy

    def _state(self) -> str:
        """Docker's word for it: ``running``, ``paused``, ``exited``…; empty without a container."""
        state, _ = _containers().get(self.name, ("", ""))
        return state


def node(place: Place) -> ContainerNode:
    """The node of a place, running or not."""
    return ContainerNode(place)


@functools.cache
def why_not() -> str:
    """Why Docker can't serve here, in a sentence; empty where it can. Asked once in a process."""
    if not shutil.which("docker"):
        return "There is no `docker` on the PATH."
    try:
        _refuse_remote()
        _docker("version", "--format", "{{.Server.Version}}", timeout=ANSWER_TIMEOUT)
        version = _docker("compose", "version", "--short", timeout=ANSWER_TIMEOUT).strip()
    except BrokerError as error:
        return str(error).removesuffix(f" {WAY_OUT}")
    try:
        _compose("config", "--quiet", timeout=10)
    except BrokerError:
        return f"Compose {version} can't read docker-compose.yml: 2.23.1 or newer is needed."
    return ""


@functools.cache
def _address() -> str:
    """Where the engine is, by Docker's own settings."""
    asked = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return os.environ.get("DOCKER_HOST") or _docker(*asked, timeout=ANSWER_TIMEOUT).strip()


def _refuse_remote() -> None:
    if not (where := _address()).startswith(LOCAL):
        raise BrokerError(
            f"The Docker engine is on another machine ({where}), whose ports are not here. {WAY_OUT}"
        )


def running() -> bool:
    """Are containers of this run up, whoever started them? Quick, and without an error."""
    if not shutil.which("docker"):
        return False
    try:
        return bool(_up(timeout=ANSWER_TIMEOUT))
    except BrokerError:  # an engine that does not answer runs nothing
        return False


def owners() -> dict[str, str]:
    """The copies of the course whose compose files the containers that are up were made from."""
    there = _containers().items()
    up = {name: copy for name, (state, copy) in there if state in UP and copy}
    return {name: str(Path(copy).resolve()) for name, copy in up.items()}


def obtain(_brokers: Sequence[str]) -> None:
    """Sweep what dead runs left. Docker fetches the images when they are first started.

    Raises:
        BrokerError: Docker can't serve here."""
    if reason := why_not():
        raise BrokerError(f"{reason} {WAY_OUT}")
    sweep()


def start(places: Sequence[Place]) -> None:
    """Start those that do not run, wake those that are paused; return before they serve.

    Raises:
        BrokerError: a port is taken, or Docker can't, in its own words; with what to do."""
    idle = [place for place in places if not node(place).running()]
    for place in idle:
        ports.refuse_taken(place.name, filter(None, (place.port, place.management)))
    (settings.run_dir() / marks.CONTAINERS).touch()
    for place in places:
        node(place).resume()
    try:
        _compose("up", "--detach", *(place.name for place in places), timeout=UP_TIMEOUT,
                 RABBITMQ_ALONE="#" if len(places) == 1 else "")  # fmt: skip
    except BrokerError:
        with suppress(BrokerError):
            forget(idle)  # one of them may be up
        raise


def settle(_places: Sequence[Place]) -> None:
    """Nothing is left to be done."""


def forget(places: Sequence[Place]) -> None:
    """Remove containers, running or not, with the volumes that only they had."""
    there = _containers()
    found = [place.name for place in places if place.name in there]
    if alive := [service for service in found if there[service][0] in UP]:
        _compose("kill", *alive)
    if found:
        _compose("rm", "--force", "--volumes", *found)


def down(delete_data: bool) -> list[str]:
    """Remove the containers of this run; with ``delete_data`` what they stored, too.

    Returns the names of what was up.

    Raises:
        BrokerError: Docker can't, in its own words."""
    up_now = _up()
    forget([place for place in every_place().values() if place.number])
    _compose("down", *(["--volumes"] if delete_data else []))
    return up_now


def sweep() -> list[str]:
    """End what dead runs left, and delete what it stored. Returns the names of what was up."""
    ended = []
    for run in marks.dead_runs():
        if (run / marks.CONTAINERS).exists():
            with suppress(BrokerError):  # an engine that is gone; the note stays for the next time
                project = _project(int(run.name))
                ended += _up(project)
                _compose("down", "--volumes", project=project)
                (run / marks.CONTAINERS).unlink(missing_ok=True)
    return ended


def ctl(place: Place, *arguments: str) -> str:
    """Run ``rabbitmqctl`` in a container and return what it prints."""
    return _compose("exec", "-T", place.name, "rabbitmqctl", *arguments)


def metrics(place: Place) -> str:
    """A container publishes no port for its numbers.

    Raises:
        BrokerError: always; with what to do."""
    raise BrokerError(
        f"The container of {place.name} does not publish the port of its numbers for Prometheus. "
        f"`python -m helpers down`, and {WAY_OUT}"
    )


def tool(place: Place, tool: str, arguments: Sequence[str]) -> CommandLine:
    """How to run one of the brokers' own tools in a container."""
    program = [tool, *arguments]
    if place.broker == "kafka":
        inside = directed(f"{place.name}:{INSIDE}", arguments)
        program = [f"/opt/kafka/bin/kafka-{tool}.sh", *inside]
    terminal = [] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    command = ["docker", *_of_project(), "exec", *terminal, place.name, *program]
    return command, {**os.environ, **_variables()}


# --- Docker -------------------------------------------------------------------------------------


def _up(project: str = "", timeout: float = VERB_TIMEOUT) -> list[str]:
    found = _containers(project, timeout)
    return sorted(service for service, (state, _) in found.items() if state in UP)


def _containers(project: str = "", timeout: float = VERB_TIMEOUT) -> dict[str, tuple[str, str]]:
    """State and checkout of every container of a project, by its service; of this run, if none is named.

    Not `docker compose ps`, which waits for a health check that a frozen container never ends."""
    _refuse_remote()
    columns = f'{{{{.Label "{LABEL}.service"}}}}\t{{{{.State}}}}\t'
    columns += f'{{{{.Label "{LABEL}.project.working_dir"}}}}'
    ours = f"label={LABEL}.project={project or _project()}"
    rows = _docker("ps", "--all", "--filter", ours, "--format", columns, timeout=timeout)
    found = (row.split("\t") for row in rows.splitlines() if row)
    return {service: (state, directory) for service, state, directory in found}


def _compose(
    *arguments: str, project: str = "", timeout: float = VERB_TIMEOUT, **variables: str
) -> str:
    return _docker(*_of_project(project), *arguments, timeout=timeout, **variables)


def _of_project(project: str = "") -> list[str]:
    return ["compose", "-f", str(FILE), "-p", project or _project(), "--profile", "cluster"]


def _docker(*arguments: str, timeout: float, **variables: str) -> str:
    """Run ``docker`` with the ports of this run and return what it prints.

    Raises:
        BrokerError: there is none, it failed, or it took longer than ``timeout`` seconds."""
    command = ["docker", *arguments]
    name = f"`{shlex.join(command)}`"
    environment = {**os.environ, **_variables(), **variables}
    try:
        return process.output(name, command, environment, timeout)
    except FileNotFoundError as error:
        raise BrokerError(
            "There is no `docker` on the PATH. Install Docker with Compose and run this again. "
            + WAY_OUT
        ) from error
    except BrokerError as error:
        words = str(error).removeprefix(name)
        raise BrokerError(f"{error}\n{_remedy(words)} {WAY_OUT}") from error


def _remedy(words: str) -> str:
    """The next command, for what Docker said."""
    for pattern, remedy in REMEDIES.items():
        if re.search(pattern, words.lower()):
            return remedy
    return f"`docker compose -p {_project()} logs` says what the brokers said."


def _project(offset: int | None = None) -> str:
    """Without an offset what the compose file calls itself, so that a stack started by hand is found."""
    offset = settings.port_offset() if offset is None else offset
    return f"breaking-brokers-{offset}" if offset else "breaking-brokers"


def _variables() -> dict[str, str]:
    """What the compose file asks of the environment."""
    every = every_place().values()
    named = {f"{place.name.upper().replace('-', '_')}_PORT": str(place.port) for place in every}
    named["MANAGEMENT_PORT"] = str(single("rabbitmq").management)
    named |= {f"KAFKA_{n}_ADVERTISED": where for n, where in kafka.advertised().items()}
    return named

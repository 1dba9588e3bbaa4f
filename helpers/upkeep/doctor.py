"""The doctor: looks at this machine, and names the remedy for what it lacks. Changes nothing."""

import platform
import re
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import brokers, settings, shadows
from ..brokers import compose, external, jars, java, marks, memory, ports, process, rabbitmq_install
from ..brokers.lifecycle import answers
from ..brokers.places import SPOKEN, Place, single
from ..extras.packages import version
from ..notes import WORKBOOK

LEAST_MEMORY = 1_500_000_000  # bytes: both brokers, JupyterLab and a kernel
LEAST_ADDRESSES = 6_000_000_000  # bytes; Java reserves them to prepare Kafka, and uses 200 MB
LEAST_DISK = 1_000_000_000  # bytes
LEAST_FILES = 1024  # open files; Kafka keeps two for each segment
MOST_FILES = 100_000_000  # Erlang makes a table of that length when it starts


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was seen, and the remedy if it is wrong."""

    name: str
    seen: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Nothing needs to be done."""
        return not self.remedy


def main() -> int:
    """Print one line for each finding; returns 1 if anything is wrong."""
    brokers.clients.quieten()
    findings = list(examine())
    for finding in findings:
        mark = "OK" if finding.ok else "!!"
        print(f"{mark}  {finding.name:16} {finding.seen}")
        if finding.remedy:
            print(f"    {'':16} → {finding.remedy}")
    return int(not all(finding.ok for finding in findings))


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which it is needed."""
    yield Finding("Python", platform.python_version())  # an older one can't run this
    yield _packages()
    yield _in_the_way()
    try:
        settings.port_offset(), settings.forced_backend(), settings.run_dir()
    except settings.SettingsError as error:
        yield Finding("settings", "not usable", str(error))
        return
    yield _memory()
    yield _disk()
    yield _open_files()
    yield _localhost()
    yield _java()
    if settings.forced_backend() != "compose":  # else they are in the images
        yield _jars("Kafka's files", settings.KAFKA_VERSION, jars.KAFKA_LOCK)
        yield _jars("Connect's files", "Streams, Connect, Debezium", jars.PIPELINE_LOCK)
        yield _rabbitmq()
    yield _docker()
    yield _stale_runs()
    if external.chosen():
        yield from _external()
    else:
        yield from _ports()
        yield from map(_answers, map(single, SPOKEN))


def _packages() -> Finding:
    text = (settings.CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;#]+)", text, re.MULTILINE)
    found = {name: version(name) or "missing" for name, _ in pins}
    wrong = "; ".join(
        f"{name} {found[name]}, not {pin}" for name, pin in pins if found[name] != pin
    )
    remedy = wrong and "`make setup` installs what is pinned."
    return Finding("packages", wrong or f"{len(pins)} as pinned", remedy)


def _in_the_way() -> Finding:
    folders = [folder for folder in WORKBOOK.rglob("*") if folder.is_dir()]
    if hiding := shadows.found([WORKBOOK, *folders, *sys.path]):
        return Finding("names of files", ", ".join(map(str, hiding)), shadows.sentence(hiding[0]))
    return Finding("names of files", "none")


def _memory() -> Finding:
    addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
    if addresses != resource.RLIM_INFINITY and addresses < LEAST_ADDRESSES:
        seen = f"a process may reserve {addresses / 1e9:.1f} GB"
        return Finding("memory", seen, "`ulimit -v unlimited`: Java reserves 6 GB, and uses 0.2.")
    free, whose = memory.available()
    remedy = "Close something, or raise the limit: both brokers and JupyterLab want 1.5 GB."
    seen = f"{free / 1e9:.1f} GB available to {whose}"
    return Finding("memory", seen, remedy if free < LEAST_MEMORY else "")


def _disk() -> Finding:
    free = shutil.disk_usage(settings.run_dir()).free
    seen = f"{free / 1e9:.1f} GB free for {settings.cache_dir()}"
    remedy = "Free some, or set BREAKING_BROKERS_CACHE to a directory on another disk."
    return Finding("disk", seen, remedy if free < LEAST_DISK else "")


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > MOST_FILES:
        remedy = "`ulimit -n 65536`: with no limit at all RabbitMQ takes minutes to start."
        return Finding("open files", "unlimited", remedy)
    remedy = "`ulimit -n 4096` in the shell that starts the course." if soft < LEAST_FILES else ""
    return Finding("open files", f"up to {soft}", remedy)


def _localhost() -> Finding:
    remedy = "Add the line `127.0.0.1 localhost` to /etc/hosts."
    try:
        first = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return Finding("localhost", "is unknown", remedy)
    note = "" if first == settings.HOST else f"; harmless, the course says {settings.HOST}"
    return Finding("localhost", f"means {first}{note}")


def _java() -> Finding:
    try:
        return Finding("Java", process.output("java", [java.java(), "--version"]).splitlines()[0])
    except (OSError, ImportError, IndexError, brokers.BrokerError) as error:
        return Finding("Java", f"does not run ({error})", "`make setup` installs it again.")


def _jars(name: str, what: str, lock: Path) -> Finding:
    locked = jars.locked(lock)
    bad = [jar.path().name for jar in locked if not jar.complete()]
    if bad:
        seen = f"{len(bad)} of {len(locked)} files missing or damaged, {bad[0]} among them"
        return Finding(name, seen, "`.venv/bin/python -m helpers install` fetches them.")
    return Finding(name, f"{what}, {len(locked)} sums right")


def _rabbitmq() -> Finding:
    if place := rabbitmq_install.scripts():
        return Finding("RabbitMQ's files", f"{rabbitmq_install.version()} in {place}")
    return Finding("RabbitMQ's files", "none", "`.venv/bin/python -m helpers install` gets them.")


def _docker() -> Finding:
    reason = " ".join(compose.why_not().split())
    forced = settings.forced_backend() == "compose" and reason
    remedy = "Start Docker, or unset BREAKING_BROKERS_BACKEND." if forced else ""
    return Finding("Docker", reason or "an engine answers", remedy)


def _stale_runs() -> Finding:
    dead = {mark.node for _, mark in marks.ours() if mark.owner and not marks.lives(mark.owner)}
    found = ", ".join(sorted(dead))
    return Finding("earlier runs", found or "none", found and "`make down` ends them.")


def _ports() -> Iterator[Finding]:
    up = {row["name"]: row["backend"] for row in brokers.status()}
    for place in map(single, SPOKEN):
        contained = up.get(place.name, settings.forced_backend()) == "compose"
        for port in place.listens:
            if contained and port == place.inner:  # that one stays in the container
                continue
            remedy = ""
            if not ports.taken(port):
                seen = f"free ({place.name})"
            elif place.name in up:
                seen = f"the course's own broker ({place.name})"
            else:
                seen = f"held by {ports.holder(port)}"
                remedy = "Stop that, or set BREAKING_BROKERS_PORT_OFFSET=100 to move all of ours."
            yield Finding(f"port {port}", seen, remedy)


def _answers(place: Place) -> Finding:
    name = SPOKEN[place.broker]
    if answers(place):
        return Finding(name, f"answers on port {place.port}")
    if ports.taken(place.port):
        seen = f"port {place.port} is open but does not answer"
        return Finding(name, seen, "`make down`, then `make lab`.")
    return Finding(name, "is not running; `make lab` starts it")


def _external() -> Iterator[Finding]:
    try:
        whose = external.whose()
    except brokers.BrokerError as error:
        yield Finding("brokers", "somebody else's", str(error))
        return
    if not whose:
        remedy = (
            f"Set {' or '.join(external.VARIABLES.values())}, or unset BREAKING_BROKERS_BACKEND."
        )
        yield Finding("brokers", "somebody else's, which are not named", remedy)
    for broker, where in whose.items():
        try:
            external.probe(**{broker: external.options()[broker]})
            yield Finding(SPOKEN[broker], f"{where}; answers")
        except brokers.BrokerError as error:
            yield Finding(SPOKEN[broker], f"{where}; does not answer", str(error))

"""Nodes that are processes of this machine: start, stop, kill, pause, and know which are ours.

A process is ours if and only if its environment carries ``BREAKING_BROKERS_NODE``, the directory of
the node that it belongs to, and this user started it and it sees the same files: in a container, the
same path is another directory. Every child inherits the marks, also one that runs as another user, so
that no orphan escapes and nothing else is ever touched, whatever a stale pid file says.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from .. import settings
from .errors import BrokerError
from .progress_line import Progress

MARK = "BREAKING_BROKERS_NODE"
OWNER = "BREAKING_BROKERS_OWNER"
CHECKOUT = "BREAKING_BROKERS_CHECKOUT"
STARTED_BY = "BREAKING_BROKERS_UID"


class Node:
    """One broker process and what it writes: ``log``, ``data`` and a pid file in one directory."""

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Callable[[], tuple[Sequence[str | Path], Mapping[str, str]]],
        main: str,
    ) -> None:
        """``command`` gives the command line and what it adds to the environment; ``main`` is
        the program that takes the signals, as the process list names it (``java``, ``beam.smp``)."""
        self.name = name
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self._pidfile = directory / "process.json"
        self._command = command
        self._main = main

    def start(self) -> None:
        """Start the process, in a session of its own, so that no Ctrl-C of a learner reaches it."""
        if self.running():
            return
        command, environment = self._command()
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.directory,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._remember(psutil.Process(process.pid))

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end (SIGTERM), wait at most ``timeout`` seconds, then kill what is left."""
        self.resume()
        for process in self._mains():
            _signal(process, signal.SIGTERM)
        end(self.processes(), timeout)
        self._pidfile.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed by the process itself."""
        end(self.processes(), timeout=0)
        self._pidfile.unlink(missing_ok=True)

    def pause(self) -> None:
        """SIGSTOP: alive and connected, but answering nothing."""
        for process in self.processes():
            _signal(process, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: go on where ``pause`` stopped it."""
        for process in self.processes():
            _signal(process, signal.SIGCONT)

    def running(self) -> bool:
        """Is the process of the pid file alive, the same one, and ours?"""
        try:
            seen = json.loads(self._pidfile.read_text())
            process = psutil.Process(int(seen["pid"]))
            same = abs(process.create_time() - float(seen["created"])) < 2
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return False
        return same and _alive(process) and self._marked(process)

    def _marked(self, process: psutil.Process) -> bool:
        """Does the process bear this node's mark?"""
        return mark_of(process) == str(self.directory)

    def paused(self) -> bool:
        """Is it stopped by ``pause``?"""
        return any(_status(process) == psutil.STATUS_STOPPED for process in self._mains())

    def processes(self) -> list[psutil.Process]:
        """Every live process of this node, the pid file's or not."""
        return [p for p, mark in ours() if mark == str(self.directory)]

    def memory(self) -> int:
        """Resident bytes of all its processes; memory they share is counted once for each."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log, or an empty string."""
        return tail(self.log, lines)

    def checkout(self) -> str:
        """The checkout that started the running process; empty if nothing runs."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error, OSError):
                return process.environ().get(CHECKOUT, "")
        return ""

    def _mains(self) -> list[psutil.Process]:
        found = self.processes()
        return [p for p in found if _name(p) == self._main] or found

    def _remember(self, process: psutil.Process) -> None:
        write(self._pidfile, json.dumps({"pid": process.pid, "created": process.create_time()}))

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER", "LOGNAME", OWNER)
        inherited = {key: os.environ[key] for key in kept if key in os.environ}
        marks = {MARK: str(self.directory), CHECKOUT: str(settings.CHECKOUT)}
        return {**inherited, **marks, STARTED_BY: str(os.getuid()), **more}


def ours() -> list[tuple[psutil.Process, str]]:
    """Every live process that the course started for this user, with its node's directory."""
    found = []
    for process in psutil.process_iter():
        mark = mark_of(process)
        if mark and process.pid != os.getpid() and _alive(process):
            found.append((process, mark))
    return found


def mark_of(process: psutil.Process) -> str:
    """The node directory in a process's environment; empty for a process that is not ours.

    In the instant of an exec a process has no environment at all, and RabbitMQ's is three of them."""
    give_up = time.monotonic() + 1
    try:
        while not (environment := process.environ()):
            kernels = not process.memory_info().vms
            if kernels or process.cmdline() or time.monotonic() > give_up:
                return ""
            time.sleep(0.005)
        mark = environment.get(MARK, "")
        return mark if mark and _this_user(process, environment) and _same_root(process) else ""
    except (psutil.Error, OSError):
        return ""


def _this_user(process: psutil.Process, environment: Mapping[str, str]) -> bool:
    """Did this user start it? It may run as another: root's PostgreSQL does."""
    return environment.get(STARTED_BY, str(process.uids().real)) == str(os.getuid())


def _same_root(process: psutil.Process) -> bool:
    """Does it see our file system, and not a container's or a chroot's? Linux can tell, see proc(5)."""
    root = Path(f"/proc/{process.pid}/root")
    return not Path("/proc/self/root").exists() or root.samefile("/")


def sweep() -> list[str]:
    """End nodes whose owner is dead, or whose run directory is gone. Returns what was ended."""
    ended: dict[str, list[psutil.Process]] = {}
    for process, mark in ours():
        try:
            owner = process.environ().get(OWNER, "")
        except (psutil.Error, OSError):
            continue
        if (owner and not owner_alive(owner)) or not Path(mark).is_dir():
            ended.setdefault(mark, []).append(process)
    for processes in ended.values():
        end(processes, timeout=0)
    for mark in ended:
        run = Path(mark).parent
        if run.parent == settings.cache_dir() / "run" and not any(
            Path(other).parent == run for _, other in ours()
        ):
            shutil.rmtree(run, ignore_errors=True)
    return sorted(Path(mark).name for mark in ended)


def owner_token() -> str:
    """What names this process as an owner: its pid and when it began."""
    me = psutil.Process()
    return f"{me.pid}:{me.create_time():.2f}"


def owner_alive(token: str) -> bool:
    """Does the process that a token names still run?"""
    pid, _, created = token.partition(":")
    try:
        process = psutil.Process(int(pid))
        return _alive(process) and abs(process.create_time() - float(created)) < 2
    except (ValueError, psutil.Error):
        return False


def end(processes: Sequence[psutil.Process], timeout: float) -> None:
    """Wait ``timeout`` seconds for processes to go; then SIGKILL those that are left, and wait."""
    left = _left(processes, timeout)
    for process in left:
        _signal(process, signal.SIGKILL)
    _left(left, timeout=10)


def _left(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that are still alive when all are gone or ``timeout`` seconds have passed.

    Not psutil.wait_procs: it polls one process after the other, which took two seconds here."""
    deadline = time.monotonic() + timeout
    while left := [process for process in processes if _alive(process)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(0.005)
    return left


@contextlib.contextmanager
def locked(name: str, waiting_for: str, timeout: float = 180.0) -> Iterator[None]:
    """Hold the lock ``name`` of this run; it dies with the process, so it is never stale.

    Raises:
        BrokerError: somebody else held it for all of ``timeout`` seconds.
    """
    with (settings.run_dir() / f"{name}.lock").open("a+") as file:
        wait_for_lock(file, waiting_for, timeout)
        yield


def wait_for_lock(file: IO[str], waiting_for: str, timeout: float = 60.0) -> None:
    """Lock an open file for this process and write its pid there.

    Raises:
        BrokerError: somebody else held it for all of ``timeout`` seconds.
    """
    with Progress(waiting_for):
        deadline = time.monotonic() + timeout
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                file.seek(0)
                raise BrokerError(
                    f"{waiting_for}: process {file.read().strip() or 'unknown'} still has it after "
                    f"{timeout:.0f} s. Shut that kernel or command down, and run this again."
                )
            time.sleep(0.05)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def port_taken(port: int) -> bool:
    """Does anything on this machine hold the port?"""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((settings.HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, port))
        except OSError:
            return True
    return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds now, for a moment's use."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((settings.HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_ready(node: Node, ready: Callable[[], bool], timeout: float) -> None:
    """Wait until a node that was started serves.

    Raises:
        BrokerError: it ended, or did not serve within ``timeout`` seconds; with its last words.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not node.running():
            raise BrokerError(
                f"{node.name} ended while starting. Its log ends with:\n{node.log_tail()}"
            )
        if time.monotonic() > deadline:
            raise BrokerError(
                f"{node.name} did not serve within {timeout:.0f} s. Its log, {node.log}, ends with:\n"
                f"{node.log_tail()}\nRun `python -m helpers doctor` to see what this machine lacks."
            )
        time.sleep(0.05)


def holder(port: int) -> str:
    """Who listens on a port, in words: name and pid, as far as this user may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        connections = _own_connections()
    for connection in connections:
        listens = connection.laddr and connection.laddr.port == port
        if listens and connection.status == "LISTEN" and connection.pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline())[:100]
                return f"{process.name()} (pid {process.pid}: {words})"
    return "a process of another user"


def _own_connections() -> list:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                found.append(_WithPid(connection, process.pid))
    return found


class _WithPid:
    def __init__(self, connection, pid: int) -> None:
        self.laddr, self.status, self.pid = connection.laddr, connection.status, pid


def write(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def tail(path: Path, lines: int) -> str:
    """The last lines of a text file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * lines))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _alive(process: psutil.Process) -> bool:
    """Is it there, or is any thread of it still dying? Until the last one is gone, its ports are taken."""
    status = _status(process)
    if status != psutil.STATUS_ZOMBIE:
        return status not in ("", psutil.STATUS_DEAD)
    try:
        return process.num_threads() > 1
    except psutil.Error:
        return False


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.Error:
        return ""


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)

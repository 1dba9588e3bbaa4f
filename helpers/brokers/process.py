"""Nodes that are processes of this machine: start, stop, kill, pause, and read what they said."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from ..waiting import wait_until
from . import marks
from .errors import BrokerError

CommandLine = tuple[Sequence[str | Path], Mapping[str, str]]  # and what it adds to the environment
Command = Callable[[str], CommandLine]


class Node:
    """One process, its children and what it writes: ``log``, ``data`` and a state file in one directory."""

    def __init__(self, name: str, directory: Path, command: Command, main: str) -> None:
        """``command`` gives the command line, with the token that it is handed in it, and what it adds
        to the environment; ``main`` is the program that takes the signals, as the process list names
        it (``java``, ``beam.smp``)."""
        self.name = name
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self._command = command
        self._main = main
        self._started: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, in a session of its own, so that no Ctrl-C of a learner reaches it."""
        if self.running():
            return
        token = secrets.token_hex(8)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        command, environment = self._command(token)
        mark = marks.own(self.directory)
        with self.log.open("ab") as log:
            self._started = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.directory,
                env={**clean_environment(), **mark.environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        marks.remember(psutil.Process(self._started.pid), token, mark)

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end (SIGTERM), wait at most ``timeout`` seconds, then kill what is left."""
        self.resume()
        for process in self._mains():
            marks.send(process, signal.SIGTERM)
        marks.end(self.processes(), timeout)
        marks.forget(self.directory)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed by the process itself."""
        marks.end(self.processes(), timeout=0)
        marks.forget(self.directory)

    def forget(self) -> None:
        """Kill it, and delete what it stored: all of it or nothing, should this process be killed."""
        self.kill()
        gone = self.directory.with_name(f"{self.directory.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.directory.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def pause(self) -> None:
        """SIGSTOP: alive and connected, but answering nothing. It stands still when this returns."""
        for process in self.processes():
            marks.send(process, signal.SIGSTOP)
        wait_until(lambda: self.paused() or not self.running(), f"{self.name} to stand still")

    def resume(self) -> None:
        """SIGCONT: go on where ``pause`` stopped it."""
        for process in self.processes():
            marks.send(process, signal.SIGCONT)

    def running(self) -> bool:
        """Is the process of the state file alive, the same one, and ours?"""
        if self._started is not None:
            self._started.poll()  # a child that has ended is a zombie until somebody asks
        state = marks.recall(self.directory)
        if state is None or not marks.lives(state.identity):
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            mark = marks.of(psutil.Process(state.pid))
            return mark is not None and mark.node == str(self.directory)
        return False

    def paused(self) -> bool:
        """Is it stopped by ``pause``?"""
        for process in self._mains():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_STOPPED:
                    return True
        return False

    def exists(self) -> bool:
        """Has it ever been started, and what it stored not been deleted since?"""
        return self.data.exists()

    def processes(self) -> list[psutil.Process]:
        """Every live process of this node, the state file's or not."""
        return [p for p, mark in marks.ours() if mark.node == str(self.directory)]

    def checkout(self) -> str:
        """The copy of the course that started what runs; empty if nothing was started."""
        state = marks.recall(self.directory)
        return state.mark.checkout if state else ""

    def memory(self) -> int:
        """Resident bytes of all its processes; what they share is counted for each."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def ending(self) -> str:
        """Why it may have ended, where that is known: a sentence, or nothing."""
        killed = self._started is not None and self._started.poll() == -signal.SIGKILL
        return "It was killed (signal 9), probably because memory ran out. " if killed else ""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log, or an empty string."""
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _mains(self) -> list[psutil.Process]:
        found = self.processes()
        named = []
        for process in found:
            with contextlib.suppress(psutil.Error):
                if process.name() == self._main:
                    named.append(process)
        return named or found


def output(
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    folder: Path | None = None,
) -> str:
    """What a tool prints on its standard output; in a clean environment, if none is given, and in a
    ``folder``, or where this process is.

    Raises:
        BrokerError: it failed, with its last words, or took longer than ``timeout`` seconds; the text
            calls it by its ``name``.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=clean_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            close_fds=False,  # it keeps the lock until it ends, should this process be killed before
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerError(f"{name} gave no answer in {timeout:.0f} s.") from error
    if done.returncode:
        words = (done.stdout + done.stderr).strip()[-1200:]
        raise BrokerError(f"{name} ended with {done.returncode}:\n{words}")
    return done.stdout


def refuse_other_version(data: Path, product: str, now: str) -> None:
    """Nothing is started on what another version of it wrote, as the note there says.

    Raises:
        BrokerError: another version's data; with what to do."""
    note = data / "version"
    written = note.read_text().strip() if note.is_file() else "unknown"
    if written != now:
        raise BrokerError(
            f"The data in {data} was written by {product} {written}, and this is {now}. "
            "`python -m helpers down --delete-data` starts afresh."
        )


def clean_environment() -> dict[str, str]:
    """What a program of the course sees of this process's environment: nothing that would change it,
    such as JAVA_TOOL_OPTIONS or ERL_FLAGS. In the locale C, Java finds no path with an umlaut in it."""
    kept = ("PATH", "HOME", "TMPDIR", "USER", "LOGNAME")
    return {"LC_ALL": "C.UTF-8"} | {name: os.environ[name] for name in kept if name in os.environ}

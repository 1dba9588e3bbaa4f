"""Which processes are ours, and what dead runs have left.

What the course starts carries marks in its environment: the directory of its node, the checkout that
started it, and the run that it must not outlive. Every child inherits them, so that no orphan escapes.
Marks are believed of a process that sees the same files (in a container the same path is another
directory) and that this user runs, or a child of ours: root's PostgreSQL runs as nobody.

macOS shows no process's environment. There the token in a broker's command line stands for the marks,
which the state file of its node repeats; the programs of a lesson have none, so that a sweep does not
find those of a dead kernel. This was written for macOS, and not tried there.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .. import settings
from ..waiting import WaitTimeout, wait_until
from . import files

NODE = "BREAKING_BROKERS_DIRECTORY"
CHECKOUT = "BREAKING_BROKERS_CHECKOUT"
OWNER = "BREAKING_BROKERS_OWNER"
HOUR = 3600  # seconds
CONTAINERS = "containers"  # a file in the directory of a run whose brokers are containers


@dataclass(frozen=True)
class Mark:
    """What a process of ours says of itself."""

    node: str
    """The directory of its node."""
    checkout: str
    """The copy of the course that started it."""
    owner: str
    """The identity of the run that it must not outlive; empty for a learner's brokers."""

    def environment(self) -> dict[str, str]:
        """The mark as variables, for a process and its children to carry."""
        named = {NODE: self.node, CHECKOUT: self.checkout, OWNER: self.owner}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class State:
    """What a node's state file says: the process that was started, and the marks it was given."""

    pid: int
    identity: str
    token: str
    mark: Mark


def own(node: Path) -> Mark:
    """The mark for a process that this one starts."""
    return Mark(str(node), str(settings.CHECKOUT), os.environ.get(OWNER, ""))


def identity(process: psutil.Process | None = None) -> str:
    """What no other process will be called: its pid and when it started, counted from boot.

    psutil hashes a process by just those two, and by the time since boot, since the wall clock is
    set now and then (``Process._get_ident``, psutil 7.2)."""
    process = process or psutil.Process()
    return f"{process.pid}:{hash(process):x}"


def lives(identity_: str) -> bool:
    """Does the process of that identity still run? What is no identity may be another version's word
    for one: nothing is known to be dead by it."""
    if not re.fullmatch(r"\d+:-?[0-9a-f]+", identity_):
        return True
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(int(identity_.partition(":")[0]))
        return identity(process) == identity_ and alive(process)
    return False


def alive(process: psutil.Process) -> bool:
    """Is it there, or is any thread of it still dying? Until the last is gone, its ports are taken."""
    with contextlib.suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.status() != psutil.STATUS_DEAD
        return process.num_threads() > 1
    return False


def of(process: psutil.Process) -> Mark | None:
    """The marks of a process; None for one that is not ours."""
    try:
        environment = _environment(process)
    except psutil.AccessDenied:
        return _by_token(process)
    except (psutil.Error, OSError):
        return None
    if not (node := environment.get(NODE)):
        return None
    mark = Mark(node, environment.get(CHECKOUT, ""), environment.get(OWNER, ""))
    with contextlib.suppress(psutil.Error, OSError):
        if _same_files(process, mark) and _trusted(process, mark):
            return mark
    return None


def ours() -> list[tuple[psutil.Process, Mark]]:
    """Every live process that is ours, with its marks."""
    found = []
    for process in psutil.process_iter():
        mark = of(process)
        if mark and process.pid != os.getpid() and alive(process):
            found.append((process, mark))
    return found


def remember(process: psutil.Process, token: str, mark: Mark) -> None:
    """Write the state file of a node that was started."""
    state = State(process.pid, identity(process), token, mark)
    files.write(_state_file(mark.node), json.dumps(asdict(state)))


def recall(node: Path) -> State | None:
    """Read the state file of a node; None if there is none, or it is not this user's."""
    file = _state_file(node)
    try:
        if file.stat().st_uid != os.getuid():
            return None
        seen = json.loads(file.read_text())
        return State(seen["pid"], seen["identity"], seen["token"], Mark(**seen["mark"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(node: Path) -> None:
    """Delete the state file of a node that was ended."""
    _state_file(node).unlink(missing_ok=True)


def end(processes: Sequence[psutil.Process], timeout: float) -> None:
    """Wait ``timeout`` seconds for processes to go; then SIGKILL those that are left, and wait.

    Not psutil.wait_procs: it polls one process after the other, which took two seconds here."""

    def gone() -> bool:
        return not any(alive(process) for process in processes)

    with contextlib.suppress(WaitTimeout):
        wait_until(gone, "processes to end", timeout, every=0.005)
        return
    for process in processes:
        send(process, signal.SIGKILL)
    with contextlib.suppress(WaitTimeout):
        wait_until(gone, "killed processes to be gone", 10, every=0.005)


def send(process: psutil.Process, number: int) -> None:
    """Send a signal, if the process is still there."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def claim_run() -> None:
    """Say whose the run directory is: the run's that brokers must not outlive, else the learner's."""
    note = settings.run_dir() / "owner"
    if owner := os.environ.get(OWNER):
        files.write(note, owner)
    else:
        note.unlink(missing_ok=True)


def sweep() -> list[str]:
    """End nodes whose owner is dead or whose directory is gone, and delete what dead owners left, and old
    directories of runs that are empty: a command that only looks makes one, too.

    Returns the names of the nodes that were ended."""
    left: dict[Mark, list[psutil.Process]] = {}
    for process, mark in ours():
        if (mark.owner and not lives(mark.owner)) or not Path(mark.node).is_dir():
            left.setdefault(mark, []).append(process)
    end([process for processes in left.values() for process in processes], timeout=0)
    for mark in left:
        shutil.rmtree(mark.node, ignore_errors=True)
    in_use = {Path(mark.node).parent for _, mark in ours()}
    for run in dead_runs():
        if run not in in_use and not (run / CONTAINERS).exists():
            shutil.rmtree(run, ignore_errors=True)
    for run in (settings.cache_dir() / "run").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is not empty, or gone
            if run.stat().st_mtime < time.time() - HOUR:  # a new one may be about to be used
                run.rmdir()
    return sorted(Path(mark.node).name for mark in left)


def dead_runs() -> list[Path]:
    """The run directories whose owner is dead."""
    found = []
    for note in (settings.cache_dir() / "run").glob("*/owner"):
        with contextlib.suppress(FileNotFoundError):  # claimed or swept since
            if not lives(note.read_text()):
                found.append(note.parent)
    return found


def _state_file(node: str | Path) -> Path:
    return Path(node) / "process.json"


def _environment(process: psutil.Process) -> dict[str, str]:
    """Its environment; in the instant of an exec it has none, nor a command line, and RabbitMQ's start
    is three of them. A process of Linux's kernel, all of which are children of number 2, never has any."""

    found: dict[str, str] = {}

    def told() -> bool:
        before = process.cmdline()
        found.update(process.environ())
        stayed = before and before == process.cmdline()  # no exec between the two looks
        return bool(found or stayed or 2 in (process.pid, process.ppid()))

    with contextlib.suppress(WaitTimeout):
        wait_until(told, "a program to be in its place", 1, every=0.005)
    return found


def _same_files(process: psutil.Process, mark: Mark) -> bool:
    """Does it see our file system, and not a container's, a chroot's, or a /tmp of its own (as under
    systemd's PrivateTmp)? Linux can tell, see proc(5)."""
    if not Path("/proc/self/root").exists():
        return True
    root = Path(f"/proc/{process.pid}/root")
    there = Path(f"{root}{mark.node}").is_dir()  # as it sees it
    return root.samefile("/") and there == Path(mark.node).is_dir()


def _trusted(process: psutil.Process, mark: Mark) -> bool:
    """Does this user run it, or did it come from what this user started?"""
    if process.uids().real == os.getuid():
        return True
    state = recall(Path(mark.node))
    line = [process, *process.parents()]
    return state is not None and any(identity(one) == state.identity for one in line)


def _by_token(process: psutil.Process) -> Mark | None:
    """The marks of a process whose environment can't be read, from the state file that it matches."""
    try:
        if process.uids().real != os.getuid():
            return None
        words = process.cmdline()
    except psutil.Error:
        return None
    run = settings.cache_dir() / "run"
    for file in glob.iglob("*/*/process.json", root_dir=run):  # pathlib's raises if one vanishes
        state = recall((run / file).parent)
        if state and any(state.token in word for word in words):
            return state.mark
    return None

"""A learner's function in a process of its own, which is killed at a chosen moment.

The process is a copy of this one (``fork``): it has the learner's imports and functions, what it keeps
in memory ends with it, and SIGKILL is a death that nothing catches.
"""

from __future__ import annotations

import builtins
import gc
import json
import os
import pickle
import select
import signal
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from .answers import SECONDS, Errors, NotAttempted, Wrong, ask, too_late

KILLED = object()  # what `live` returns of a process that was killed
GRACE = 10.0  # seconds for a process that does not notice its deadline


def live(
    answer: Callable,
    work: Callable[[], Any],
    *,
    seconds: float = SECONDS,
    may_raise: Errors = (),
    late: Wrong | None = None,
) -> Any:
    """Do some work that calls an answer in a new process.

    Args:
        answer: the learner's function.
        work: runs in the new process; it calls the answer, and ``die()`` where that is to be killed.
        seconds: how long it may take.
        may_raise: the exceptions with which the grader reckons.
        late: what to raise when it takes longer.

    Returns:
        What the work returned, or raised if that is of ``may_raise``; KILLED if it was killed.

    Raises:
        Wrong: it took too long, raised what it may not, or ended its process.
        NotAttempted: the answer is the exercise's stub.
        RuntimeError: the process died of something else.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads
        child = os.fork()
    if not child:
        _have_own_hashes(answer)

        def asked() -> Any:
            said = ask(work, seconds=seconds, may_raise=may_raise, late=late, of=answer)
            return _portable(said, may_raise)

        _be(asked, writing)
    os.close(writing)
    try:
        words = _listen(reading, seconds + GRACE)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # it has ended, or is to end
        status = os.waitpid(child, 0)[1]
    if words is None:
        raise late or too_late(seconds)
    return _outcome(words, status)


def die() -> NoReturn:
    """The end of this process: nothing is caught, closed or written any more."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


class Journal:
    """What the hooks of a process note, to be read by whoever outlives it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (for as long as this lives)

    def note(self, *entry: Any) -> None:
        """Write down a row of texts and numbers, at once."""
        os.write(self._file.fileno(), json.dumps(entry).encode() + b"\n")

    def read(self) -> list[list[Any]]:
        """All rows so far, of all processes."""
        size = os.fstat(self._file.fileno()).st_size
        return [json.loads(line) for line in os.pread(self._file.fileno(), size, 0).splitlines()]


def dying(fatal: int) -> Callable[..., None]:
    """A function to be called at each moment of a life; its call number `fatal` is the last."""
    calls = count(1)

    def moment(*_: Any) -> None:
        if next(calls) == fatal:
            die()

    return moment


@contextmanager
def mortal(path: Path, fatal: int = 0) -> Iterator[sqlite3.Connection]:
    """A connection to a database whose process is killed before its statement number `fatal`.

    Every statement counts, whoever sends it: a cursor's, a script's, and each BEGIN and COMMIT.
    """
    with closing(sqlite3.connect(path, timeout=20)) as database:
        database.execute("PRAGMA synchronous = OFF")  # a process dies, and the machine goes on
        database.set_trace_callback(dying(fatal))
        yield database


def race(
    answer: Callable, path: Path, past: Iterable[Any], mine: Any, others: Any, place: int
) -> bool:
    """After what is past, two workers with an event and a connection each: the second handles its own
    before this statement of the first one's. What fails comes again. Was there such a statement?"""
    statements, again = count(1), []

    def work(event: Any, meanwhile: Callable[[str], None] | None = None) -> None:
        with closing(sqlite3.connect(path, timeout=0)) as database:
            database.set_trace_callback(meanwhile)
            try:
                answer(database, event)
            except sqlite3.Error:  # it is locked, or no longer as it was
                again.append(event)

    def meanwhile(_sql: str) -> None:
        if next(statements) == place:
            work(others)

    for event in past:
        work(event)
    work(mine, meanwhile)
    for event in again:
        with mortal(path) as database:
            answer(database, event)
    return next(statements) > place


def _have_own_hashes(answer: Callable) -> None:
    """In each program that is started, a text has another hash; a fork would have its parent's.

    Only for the code of the answer's own file: what was inherited may lie in dictionaries."""
    common, life = builtins.hash, os.getpid()
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)

    def own(value: Any) -> int:
        asked_by = sys._getframe(1).f_code.co_filename
        return common((life, value)) if asked_by == file else common(value)

    builtins.hash = own


def _portable(said: Any, may_raise: Errors) -> Any:
    """What was said; an exception that was reckoned with, but whose class can't leave its process, as one
    of the kind that was reckoned with."""
    kind = next((kind for kind in may_raise if isinstance(said, kind)), None)
    if kind is None:
        return said
    try:
        return pickle.loads(pickle.dumps(said))
    except Exception:
        return kind(str(said))


def _be(work: Callable[[], Any], writing: int) -> NoReturn:
    """The new process: do the work, tell what came of it, and end without a goodbye."""
    gc.freeze()  # what was inherited is not ours to close
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (to the end)
        try:
            words = ("said", work())
        except (Wrong, NotAttempted) as error:
            words = ("raised", error)
        except BaseException as error:
            words = ("failed", f"{type(error).__name__}: {error}")
        try:
            sent = pickle.dumps(words)
        except Exception:  # a value that can't leave its process
            sent = pickle.dumps(("said", repr(words[1])))
        os.write(writing, sent)
    finally:
        os._exit(0)


def _listen(reading: int, seconds: float) -> bytes | None:
    """What the process has said when it was done, or dead; None if it was neither in time."""
    words = b""
    while select.select([reading], [], [], seconds)[0]:
        if not (more := os.read(reading, 65536)):
            return words
        words += more
    return None


def _outcome(words: bytes, status: int) -> Any:
    if not words:
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return KILLED
        if os.WIFSIGNALED(status):
            raise RuntimeError(f"A process of the check was ended by signal {os.WTERMSIG(status)}.")
        raise Wrong(
            "ended_process",
            f"your code ended its process (exit {os.waitstatus_to_exitcode(status)}).",
            "return from the function; who has called it goes on.",
        )
    kind, said = pickle.loads(words)
    if kind == "failed":
        raise RuntimeError(said)
    if kind == "raised":
        raise said
    return said

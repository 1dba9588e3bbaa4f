"""Programs of the lessons: files of ``notebooks/programs/``, run as processes that can be killed.

They are found beside the notebook: in the workbook it is the learner's own copy that runs.
"""

from __future__ import annotations

import ast
import importlib
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING

from . import pipeline, settings, workbook
from .brokers import marks, process
from .waiting import wait_until

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

FOLDER = "programs"
PAUSED = "paused"  # what one prints right before it stops itself (SIGSTOP), and nobody else
COURSE = settings.NOTEBOOKS
HANDED_ON = ("BREAKING_BROKERS_", "KAFKA_BOOTSTRAP_SERVERS", "AMQP_URL")  # of the environment
ENTRY = f"import sys; from {__name__} import run; run(*sys.argv[1:])"  # of the new process
RUN = "BREAKING_BROKERS_RUN"  # whose the brokers are that a program starts: not its kernel's
LOOK = 0.3  # seconds between two looks at whether the kernel lives


class Program(pipeline.Program):
    """A program of the course as a process of its own, with a clean environment.

    It ends with this kernel, however that ends. What it prints goes to a file, over all its lives.

    Example:
        >>> worker = Program("worker.py", "--queue", "orders")  # doctest: +SKIP
        >>> worker.wait_for("ready")  # doctest: +SKIP
    """

    entry = ENTRY

    def __init__(self, name: str, *arguments: object) -> None:
        """Start it.

        Args:
            name: the file, as ``"worker.py"``.
            arguments: what it finds in ``sys.argv``, as text.

        Raises:
            FileNotFoundError: there is no such program; with those that there are.
        """
        self._file = _find(name)
        self._arguments = [str(argument) for argument in arguments]
        if workbook.is_old(self._file):
            print(
                f"The course has a newer {name} than your copy. What runs is yours; the new one lies "
                "beside it after the next `make lab`."
            )
        super().__init__(self._file.stem, self._launch, main="python", goodbye=signal.SIGTERM)
        self.name = name
        self.start()

    def start(self) -> None:
        """Start it again, if it has ended or was killed."""
        self._pauses = self.lines().count(PAUSED)  # so many of its own are over
        super().start()

    def resume(self) -> None:
        """Let it go on, after ``pause`` or after it paused itself."""
        pauses = self.lines().count(PAUSED)
        if pauses > self._pauses:  # it says so just before it stops: too early a signal is lost
            stands = lambda: self.paused() or not self.running()  # noqa: E731
            wait_until(stands, f"{self.name} to stand still")
        self._pauses = pauses
        super().resume()

    def lines(self) -> list[str]:
        """The lines that it has printed so far, in all its lives."""
        return _lines(self.log)

    def said(self, what: str) -> list[tuple[float, str]]:
        """Its lines ``WHAT ORDER TIME``, as `say` prints them: each one's time in seconds, and order."""
        words = [line.split() for line in self.lines()]
        return [(float(line[2]), line[1]) for line in words if line[:1] == [what] and line[2:]]

    def handled(self) -> list[tuple[float, str]]:
        """What it says to have handled: time in seconds, order."""
        return self.said("handled")

    def errors(self) -> list[str]:
        """The lines of its error output so far, as a traceback."""
        return _lines(self._errors)

    def words(self) -> list[str]:
        """All that it has said: the lines that it has printed, then those of its error output."""
        return [*self.lines(), *self.errors()]

    def wait_for(self, text: str, timeout: float = 20.0) -> str:
        """Wait until it has printed a line with this text, and return that line.

        Raises:
            TimeoutError: it has not within ``timeout`` seconds, or has ended before; with its words.
        """

        def found() -> str | None:
            ended = not self.running()  # asked first: what it printed last is there then
            line = next((line for line in self.lines() if text in line), None)
            if line is None and ended:
                said = "\n".join(self.words()[-15:])
                raise TimeoutError(f"{self.name} ended before it printed {text!r}:\n{said}")
            return line

        log = lambda: "\n".join(self.words())  # noqa: E731
        return wait_until(found, f"{self.name} to print {text!r}", timeout, log=log) or ""

    @property
    def _errors(self) -> Path:
        return self.directory / "errors"

    def _launch(self, _token: str) -> process.CommandLine:
        given = {key: value for key, value in os.environ.items() if key.startswith(HANDED_ON)}
        python = [sys.executable, "-u", "-c", self.entry]
        run = [*python, str(self._errors), str(self._file), *self._arguments]
        own = {"PYTHONPATH": str(settings.CHECKOUT), RUN: os.environ.get(marks.OWNER, "")}
        return run, {**own, **given}


# -- for the programs themselves ---------------------------------------------------------------


def say(what: str, order: object) -> None:
    """Print ``WHAT ORDER TIME``, TIME in seconds of a clock that all processes share: a line in one
    piece, also beside another thread's."""
    _print(f"{what} {order} {time.monotonic()}")


def pause(channel: BlockingChannel | None = None, queue: str = "") -> None:
    """Say "paused" and stop, until ``Program.resume`` lets us go on, or somebody kills us.

    With a channel of RabbitMQ's and a queue that is there, not before the broker has read all that
    was said on the channel: what is still on its way would be lost with a killed process.
    """
    if channel is not None:
        channel.queue_declare(queue, passive=True)  # its answer comes after all that
    _print(PAUSED)
    os.kill(os.getpid(), signal.SIGSTOP)


class Signalled:
    """An event that is set by a signal, from when it is made.

    `threading.Event` is none: its lock may be held by the very thread that the signal interrupts, which
    would wait for itself. ``SimpleQueue.put`` may interrupt its own ``get``.
    """

    def __init__(self, number: signal.Signals) -> None:
        self._set = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        signal.signal(number, self._ring)

    def _ring(self, *_: object) -> None:
        if not self._set:
            self._set = True
            self._bell.put(None)

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most ``timeout`` seconds; is it set?"""
        with suppress(Empty):
            self._bell.get(timeout=timeout)
            self._bell.put(None)  # others may wait for it, too
        return self._set


def asked_to_end() -> Signalled:
    """An event that is set once ``Program.stop`` asks us to end (SIGTERM)."""
    return Signalled(signal.SIGTERM)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# -- for the notebook --------------------------------------------------------------------------


def show(name: str, what: str | None = None) -> None:
    """Show a program, or one function or class of it (``"handle"``, ``"Shop.sell"``), and a link to it.

    Raises:
        FileNotFoundError: there is no such program.
        LookupError: it has no such function; with those that it has.
    """
    from IPython.display import Markdown, display

    file = _find(name)
    source = file.read_text()
    if what is not None:
        places = dict(_definitions(ast.parse(source).body))
        if what not in places:
            raise LookupError(f"{name} has no {what!r}. It has {', '.join(places)}.")
        first, last = places[what]
        source = "\n".join(source.splitlines()[first - 1 : last])
    link = os.path.relpath(file, Path.cwd())
    display(Markdown(f"From [{name}]({link}):\n\n```python\n{source.rstrip()}\n```"))


def module(name: str) -> ModuleType:
    """What a program defines, for a notebook that calls it: ``accounts = module("accounts.py")``.

    A chapter can say ``from programs import accounts``; a lab lies one folder deeper.

    Raises:
        FileNotFoundError: there is no such program.
    """
    file = _find(name)
    package = sys.modules.setdefault(FOLDER, ModuleType(FOLDER))
    places = list(getattr(package, "__path__", []))
    if str(file.parent) not in places:
        package.__path__ = [str(file.parent), *places]
    return importlib.import_module(f"{FOLDER}.{file.stem}")


def _definitions(body: list[ast.stmt], prefix: str = "") -> list[tuple[str, tuple[int, int]]]:
    """The functions and classes, those within classes too, with their first and last lines."""
    found = []
    for part in body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([part.lineno, *(one.lineno for one in part.decorator_list)])
            found.append((prefix + part.name, (first, part.end_lineno or part.lineno)))
            if isinstance(part, ast.ClassDef):
                found += _definitions(part.body, f"{prefix}{part.name}.")
    return found


def _find(name: str) -> Path:
    """The file beside the notebook, as a project's; else of the programs beside it, or above it for a
    lab; else of the course's."""
    here = Path.cwd()
    folders = [here, here / FOLDER, here.parent / FOLDER, COURSE / FOLDER]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted({file.name for folder in folders for file in folder.glob("*.py")})
    raise FileNotFoundError(
        f"There is no program {name!r} in {folders[1]}. There are: {', '.join(known) or 'none'}. "
        "`make lab` lays those of the course into the workbook."
    )


def _lines(file: Path) -> list[str]:
    """Its whole lines; one that is still being written has no end yet."""
    text = file.read_text(errors="replace") if file.is_file() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def run(errors: str, file: str, *arguments: str) -> None:
    """In the new process: run the file as if by hand; but end when the kernel does. Brokers that it
    starts are whose they would be if the kernel had started them."""
    owner, os.environ[marks.OWNER] = os.environ[marks.OWNER], os.environ.pop(RUN)
    threading.Thread(target=_end_with, args=[owner], daemon=True).start()
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), sys.stderr.fileno())
    sys.argv = [file, *arguments]
    sys.path[0] = str(Path(file).parent)
    runpy.run_path(file, run_name="__main__")


def _end_with(owner: str) -> None:
    while marks.lives(owner):
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGKILL)

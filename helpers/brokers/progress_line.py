"""Say what takes long: nothing for two seconds, then what, how far and for how long."""

from __future__ import annotations

import io
import os
import sys
import threading
import time

PATIENCE = 2.0  # seconds of silence before the first word
_turn = threading.Lock()  # of two that go on at once, one speaks at a time


class Progress:
    """A line that keeps saying what is going on, once that takes longer than two seconds.

    In a terminal and in a notebook the line is rewritten in place, and gone at the end; in a log
    file there is a new line every ten seconds. A notebook that is being tested says nothing: what
    its cells print is compared, and how long they take is not. Use it as a context manager;
    ``update`` says how far it is, at any time, from any thread.

    >>> with Progress("Fetching Kafka") as progress:
    ...     progress.update("12 of 46 files")
    """

    def __init__(self, what: str) -> None:
        self._what, self._said = what, what
        self._width = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def update(self, how_far: str) -> None:
        """From now on, say this too, behind a colon."""
        self._said = f"{self._what}: {how_far}"

    def _tell(self) -> None:
        tested = _in_notebook() and "PYTEST_VERSION" in os.environ
        if tested or self._ended.wait(PATIENCE):
            return
        while not self._ended.is_set():
            if _turn.acquire(timeout=0.1):
                try:
                    self._say_until_the_end()
                finally:
                    _turn.release()

    def _say_until_the_end(self) -> None:
        rewrites = _in_notebook() or sys.stdout.isatty()
        while not self._ended.is_set():
            line = f"{self._said} … {time.monotonic() - self._started:.0f} s"
            if rewrites:
                print("\r" + line.ljust(self._width), end="", flush=True)
                self._width = max(self._width, len(line))
            else:
                print(line, flush=True)
            self._ended.wait(1.0 if rewrites else 10.0)
        if self._width:
            print("\r" + " " * self._width, end="\r", flush=True)


def accept_any_console() -> None:
    """Have a console that is not UTF-8 show a question mark for what it can't show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules

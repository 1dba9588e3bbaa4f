"""What is said while something takes long: in a terminal, in a log, in a notebook, and not in a test."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from helpers.brokers import progress_line
from helpers.brokers.progress_line import Progress
from helpers.waiting import wait_until

LONG = """
import sys
from helpers.brokers import progress_line
progress_line.PATIENCE = 0.0
with progress_line.Progress("Fetching Kafka") as progress:
    progress.update("12 of 46 files")
    sys.stdin.readline()
    progress.update("46")
    sys.stdin.readline()
print("done")
"""


def redirected(monkeypatch: pytest.MonkeyPatch, patience: float = 0.0) -> io.StringIO:
    """What is written from now on, to a stream that is no terminal."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(progress_line, "PATIENCE", patience)
    return stream


def read_until(terminal: int, words: str, so_far: str = "") -> str:
    while words not in so_far:
        so_far += os.read(terminal, 1000).decode()
    return so_far


def test_in_a_terminal_the_line_is_rewritten_in_place_and_gone_at_the_end():
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LONG], stdin=subprocess.PIPE, stdout=its_end, text=True
    )
    os.close(its_end)  # so that a read ends when the process does
    try:
        read_until(terminal, "\rFetching Kafka: 12 of 46 files … ")
        process.stdin.write("\n")
        process.stdin.flush()
        shorter = read_until(terminal, "\rFetching Kafka: 46 … ")
        process.communicate("\n", timeout=20)
        rest = read_until(terminal, "done", shorter)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    *_, last, blanks, after = rest.partition("done")[0].split("\r")
    assert "\n" not in rest.partition("done")[0]
    assert re.fullmatch(r"Fetching Kafka: 46 … \d+ s *", last)
    assert len(last) >= len(
        "Fetching Kafka: 12 of 46 files … 0 s"
    )  # of the longer line nothing is left
    assert (blanks, after) == (" " * len(last), "")


def test_in_a_log_there_are_lines(monkeypatch):
    said = redirected(monkeypatch)
    with Progress("Fetching Kafka"):
        wait_until(lambda: said.getvalue().endswith("\n"), "a line", timeout=5)
    assert re.fullmatch(r"(Fetching Kafka … \d+ s\n)+", said.getvalue())


def test_in_a_notebook_the_line_is_rewritten_in_place(monkeypatch):
    said = redirected(monkeypatch)
    monkeypatch.setitem(sys.modules, "ipykernel", io)
    monkeypatch.delenv("PYTEST_VERSION")
    with Progress("Fetching Kafka"):
        wait_until(lambda: said.getvalue(), "a word", timeout=5)
    assert re.fullmatch(r"(\rFetching Kafka … \d+ s)+\r +\r", said.getvalue())


def test_a_notebook_under_test_is_told_nothing(monkeypatch):
    said = redirected(monkeypatch)
    monkeypatch.setitem(sys.modules, "ipykernel", io)
    with Progress("Fetching Kafka") as progress:
        progress._thread.join(5)  # it has nothing to wait for
    assert said.getvalue() == ""


def test_what_is_quick_is_not_spoken_of(monkeypatch):
    said = redirected(monkeypatch, patience=60.0)
    with Progress("Fetching Kafka"):
        pass
    assert said.getvalue() == ""

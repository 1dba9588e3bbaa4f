"""Another copy of the course has the ports: this one chooses its own, says so, and remembers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import _free_offset
from helpers import settings
from helpers.brokers import compose, marks, neighbours
from helpers.brokers.places import every_place

BACKEND = settings.forced_backend() or "native"
# A copy has an environment of its own, which knows nothing of this checkout.
START = """
import sys
deed, where, *names = sys.argv[1:]
sys.path.remove(where)
from helpers import brokers
getattr(brokers, deed)(*names)
"""
# Keeps its ports until it is told that its brokers have started.
KEEP = """
import sys
from pathlib import Path
where, note, offset = sys.argv[1:]
if str(Path.cwd()) != where:
    sys.path.remove(where)
from helpers import settings
from helpers.brokers import neighbours
settings.offset_note = lambda: Path(note)
Path(note).write_text(offset)
with neighbours.settled():
    print(settings.port_offset(), flush=True)
    sys.stdin.read()
"""
FORCED = "BREAKING_BROKERS_PORT_OFFSET"


@pytest.fixture
def offset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Where this checkout has its ports, as it remembers."""
    monkeypatch.delenv(FORCED, raising=False)
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", BACKEND)
    monkeypatch.setattr(settings, "offset_note", lambda: tmp_path / "chosen")
    settings.offset_note().write_text(str(_free_offset()))
    return settings.port_offset()


def settle() -> int:
    """Where this checkout's brokers would start."""
    with neighbours.settled():
        return settings.port_offset()


@contextmanager
def keeping(checkout: Path, note: Path, offset: int, cache: Path | None = None) -> Iterator[int]:
    """A process of that checkout keeps ports, and wants these; yields which it has got."""
    command = [sys.executable, "-c", KEEP, str(settings.CHECKOUT), str(note), str(offset)]
    own = {} if cache is None else {"BREAKING_BROKERS_CACHE": str(cache)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        command, cwd=checkout, env={**os.environ, **own}, text=True, **pipes
    ) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.communicate()
    assert process.returncode == 0


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Another checkout of the course."""
    folder = tmp_path / "copy"
    shutil.copytree(settings.CHECKOUT / "helpers", folder / "helpers")
    shutil.copy(compose.FILE, folder)
    return folder


@pytest.mark.parametrize(
    ("deed", "names", "cache"),
    [
        ("up", ["kafka"], "the same"),
        ("up", ["kafka"], "its own"),
        ("up", ["rabbitmq"], "its own"),
        ("kafka_cluster", [], "the same"),
        ("kafka_cluster", [], "its own"),
    ],
)
def test_ports_beside_another_copy_are_chosen_said_and_remembered(
    monkeypatch, tmp_path, capsys, offset, copy, deed, names, cache
):
    own = {FORCED: str(offset), marks.OWNER: marks.identity()}
    command = [sys.executable, "-c", START, deed, str(settings.CHECKOUT), *names]
    subprocess.run(command, cwd=copy, env={**os.environ, **own}, check=True)
    run = settings.run_dir()
    try:
        if cache == "its own":  # as another user's is
            monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
        capsys.readouterr()
        settle()
        said = capsys.readouterr().out
        chosen = settings.port_offset()
        assert chosen != offset
        assert chosen % neighbours.STEP == 0
        assert f"{chosen} is added" in said
        settle()
        assert capsys.readouterr().out == ""
        assert settings.port_offset() == chosen
        monkeypatch.setenv(FORCED, str(offset))
        settle()
        assert capsys.readouterr().out == ""
        assert settings.port_offset() == offset
    finally:
        if BACKEND == "compose":
            monkeypatch.setenv(FORCED, str(offset))
            compose.down(delete_data=True)
        marks.end([p for p, mark in marks.ours() if mark.node.startswith(str(run))], timeout=0)
        shutil.rmtree(run)


def test_who_starts_when_another_copy_is_about_to_does_not_take_its_ports(
    tmp_path, capsys, offset, copy
):
    with keeping(copy, tmp_path / "its", offset, cache=tmp_path / "cache") as first:
        assert first == offset
        chosen = settle()
        assert chosen != offset
        assert f"{chosen} is added" in capsys.readouterr().out
        with keeping(copy, tmp_path / "third", chosen) as third, neighbours.settled():
            assert third == chosen
            assert settings.port_offset() not in {offset, chosen}
    assert settle() not in {offset, chosen}


def test_two_processes_of_one_checkout_have_the_same_ports(tmp_path, capsys, offset):
    with keeping(settings.CHECKOUT, tmp_path / "chosen", offset) as first:
        assert settle() == first == offset
    assert capsys.readouterr().out == ""


def test_a_program_that_is_not_the_courses_is_nobodys_neighbour(offset, capsys):
    with socket.socket() as stranger:
        stranger.bind((settings.HOST, every_place()["kafka"].port))
        stranger.listen()
        settle()
    assert capsys.readouterr().out == ""
    assert settings.port_offset() == offset


def test_where_nothing_runs_nothing_is_chosen(offset, capsys):
    settle()
    assert capsys.readouterr().out == ""
    assert settings.port_offset() == offset

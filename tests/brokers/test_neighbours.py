"""Another copy of the course has the ports: this one chooses its own, says so, and remembers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
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
FORCED = "BREAKING_BROKERS_PORT_OFFSET"


@pytest.fixture
def offset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Where this checkout has its ports, as it remembers."""
    monkeypatch.delenv(FORCED, raising=False)
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", BACKEND)
    monkeypatch.setattr(settings, "_chosen_offset", lambda: tmp_path / "chosen")
    settings.remember_offset(_free_offset())
    return settings.port_offset()


@pytest.mark.parametrize(
    ("deed", "names", "cache"),
    [
        ("up", ["kafka"], "the same"),
        ("up", ["kafka"], "its own"),
        ("up", ["rabbitmq"], "its own"),
        ("kafka_cluster", [], "the same"),
    ],
)
def test_ports_beside_another_copy_are_chosen_said_and_remembered(
    monkeypatch, tmp_path, capsys, offset, deed, names, cache
):
    copy = tmp_path / "copy"
    shutil.copytree(settings.CHECKOUT / "helpers", copy / "helpers")
    shutil.copy(compose.FILE, copy)
    own = {FORCED: str(offset), marks.OWNER: marks.identity()}
    command = [sys.executable, "-c", START, deed, str(settings.CHECKOUT), *names]
    subprocess.run(command, cwd=copy, env={**os.environ, **own}, check=True)
    run = settings.run_dir()
    try:
        if cache == "its own":  # as another user's is
            monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
        capsys.readouterr()
        neighbours.settle()
        said = capsys.readouterr().out
        chosen = settings.port_offset()
        assert chosen != offset
        assert chosen % neighbours.STEP == 0
        assert f"{chosen} is added" in said
        neighbours.settle()
        assert capsys.readouterr().out == ""
        assert settings.port_offset() == chosen
        monkeypatch.setenv(FORCED, str(offset))
        neighbours.settle()
        assert capsys.readouterr().out == ""
        assert settings.port_offset() == offset
    finally:
        if BACKEND == "compose":
            monkeypatch.setenv(FORCED, str(offset))
            compose.down(delete_data=True)
        marks.end([p for p, mark in marks.ours() if mark.node.startswith(str(run))], timeout=0)
        shutil.rmtree(run)


def test_a_program_that_is_not_the_courses_is_nobodys_neighbour(offset, capsys):
    with socket.socket() as stranger:
        stranger.bind((settings.HOST, every_place()["kafka"].port))
        stranger.listen()
        neighbours.settle()
    assert capsys.readouterr().out == ""
    assert settings.port_offset() == offset


def test_where_nothing_runs_nothing_is_chosen(offset, capsys):
    neighbours.settle()
    assert capsys.readouterr().out == ""
    assert settings.port_offset() == offset

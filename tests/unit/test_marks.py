"""Marks of processes: seen at every moment of a process's life, and identities that outlast the clock."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers import settings
from helpers.brokers import marks
from helpers.brokers.process import Node

EXEC_THREE_TIMES = ("/usr/bin/env", "A=1", "/bin/sh", "-c", "exec /usr/bin/env B=1 sleep 5")


def test_a_process_is_ours_in_the_midst_of_an_exec_too(tmp_path):
    mark = marks.own(tmp_path)
    for _ in range(30):
        started = subprocess.Popen(
            EXEC_THREE_TIMES, env={**os.environ, **mark.environment()}, start_new_session=True
        )
        process, until = psutil.Process(started.pid), time.monotonic() + 0.05
        seen = [marks.of(process)]
        while time.monotonic() < until:
            seen.append(marks.of(process))
        started.kill()
        started.wait()
        assert set(seen) == {mark}


@pytest.mark.parametrize("word", ["", "4711:1795891395.16", "4711"])
def test_what_is_no_identity_is_not_known_to_be_dead(word):
    assert marks.lives(word)


def test_an_identity_is_of_one_process_only():
    mine = marks.identity()
    assert marks.lives(mine)
    pid, _, started = mine.partition(":")
    assert not marks.lives(f"{pid}:{started}0")
    assert marks.identity(psutil.Process(os.getppid())) != mine


def test_a_state_file_of_another_user_is_not_believed(monkeypatch, tmp_path):
    marks.remember(psutil.Process(), "token", marks.own(tmp_path))
    assert marks.recall(tmp_path).pid == os.getpid()
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert marks.recall(tmp_path) is None


def test_a_state_file_that_is_damaged_is_none(tmp_path):
    assert marks.recall(Path(tmp_path)) is None
    (tmp_path / "process.json").write_text('{"pid": 1}')
    assert marks.recall(tmp_path) is None


def denied(process):
    raise psutil.AccessDenied(process.pid)


def test_a_run_that_vanishes_while_we_look_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(marks, "_environment", denied)
    for number in "123":
        node = tmp_path / "run" / number / "kafka"
        node.mkdir(parents=True)
        (node / "process.json").touch()
    asked = []

    def recall(node):
        asked.append(node)
        for run in (tmp_path / "run").iterdir():
            if run != node.parent:
                shutil.rmtree(run)

    monkeypatch.setattr(marks, "recall", recall)
    assert marks.of(psutil.Process()) is None
    assert len(asked) == 1


def test_where_no_environment_can_be_read_the_token_in_the_command_line_tells(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(marks, "_environment", denied)
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    node = Node(
        "kafka", settings.run_dir() / "kafka", lambda token: ([*sleep, token], {}), "python"
    )
    node.start()
    try:
        assert node.running()
        assert [one.pid for one in node.processes()] == [node._started.pid]
        node.kill()
        assert not node.running()
    finally:
        node._started.kill()
        node._started.wait()


def test_a_run_directory_that_is_empty_is_deleted_when_it_is_old(monkeypatch, tmp_path):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(marks, "ours", list)
    new, old, used = (tmp_path / "run" / offset for offset in ("1000", "1020", "1040"))
    for run in (new, old, used):
        run.mkdir(parents=True)
    (used / "names").touch()
    for run in (old, used):
        os.utime(run, (0, 0))
    marks.sweep()
    assert sorted((tmp_path / "run").iterdir()) == [new, used]

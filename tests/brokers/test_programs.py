"""Programs beside the brokers, real ones: they can be killed, and they leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import pipeline
from helpers.brokers import marks


def test_a_database_dies_comes_back_and_leaves_nothing():
    with pipeline.PostgreSQL() as database:
        mark = str(database.directory)
        assert database.running()
        database.kill()
        assert mark not in [of.node for _, of in marks.ours()]
        database.start()
        assert database._answers()
        with pytest.raises(RuntimeError, match="nonsense"):
            database.sql("nonsense", "SELECT 1")  # what comes after it doesn't hide it
        database.environment["PGPASSWORD"] = "a guess"
        assert not database._answers()
    assert mark not in [of.node for _, of in marks.ours()]
    assert not database.directory.exists()


KERNEL = """
from helpers import pipeline
database = pipeline.PostgreSQL()
print(database.directory, flush=True), input()
"""


def test_a_database_of_a_killed_kernel_is_swept_by_the_next():
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    mark = kernel.stdout.readline().strip()
    assert mark in [of.node for _, of in marks.ours()]
    kernel.kill()
    kernel.communicate()
    pipeline._clear()  # it may be swept by now: another worker's tests start programs, too
    assert mark not in [of.node for _, of in marks.ours()]
    assert not Path(mark).exists()

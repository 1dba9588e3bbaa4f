"""A service that stands still right before a commit, or right after one."""

import sqlite3
from contextlib import closing

import pytest

from helpers import commits, wait_until

PROGRAM = """
import os, sqlite3, sys, time
database = sqlite3.connect(sys.argv[1])
with database:
    database.execute("CREATE TABLE IF NOT EXISTS work (n)")
    database.execute("CREATE TABLE IF NOT EXISTS noted (n)")
with database:
    database.execute("INSERT INTO work VALUES (0)")
print("ready", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
with database:
    database.execute("INSERT INTO work VALUES (1)")
with database:
    database.execute("INSERT INTO noted VALUES (1)")
print("done", flush=True)
"""


@pytest.fixture
def service(tmp_path):
    (tmp_path / "service.py").write_text(PROGRAM)
    one = commits.Service(str(tmp_path / "service.py"), tmp_path / "books.db", tmp_path / "go")
    yield one
    one.close()


def rows(tmp_path):
    with closing(sqlite3.connect(tmp_path / "books.db")) as database:
        return [
            database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("work", "noted")
        ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [(("before",), [1, 0]), (("after",), [2, 0]), (("before", "noted"), [2, 0])],
)
def test_it_stands_still_at_the_commit_that_was_asked_for(service, tmp_path, asked, found):
    service.wait_for("ready")
    service.stop_at_commit(*asked)
    (tmp_path / "go").touch()
    wait_until(service.paused, "the service to stand still")
    assert rows(tmp_path) == found
    service.resume()
    service.wait_for("done")
    assert rows(tmp_path) == [2, 1]


def test_its_next_life_stands_still_nowhere(service, tmp_path):
    service.stop_at_commit()
    service.kill()
    service.start()
    (tmp_path / "go").touch()
    service.wait_for("done")

"""Somebody reads in a service's database, locks it, or sees that a commit waits for its end."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from helpers.books import Books
from helpers.waiting import wait_until

WRITE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as database:
    database.execute("INSERT INTO ledger VALUES (8)")
"""


@pytest.fixture
def books(tmp_path):
    return Books(tmp_path / "ledger.db")


def write(books):
    with closing(sqlite3.connect(books.file, timeout=0)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS ledger (entry)")
        database.execute("INSERT INTO ledger VALUES (7)")


def test_a_database_that_is_not_there_has_nothing_and_is_not_made(books):
    assert books.rows("SELECT entry FROM ledger") == []
    assert books.tables() == set()
    assert books.everything() == ""
    assert not books.file.exists()


def test_what_is_there_is_read(books):
    write(books)
    assert books.rows("SELECT entry FROM ledger") == [(7,)]
    assert books.tables() == {"ledger"}
    assert "VALUES(7)" in books.everything()
    with pytest.raises(sqlite3.Error):
        books.ask("SELECT entry FROM shadow")


def test_nobody_writes_while_it_is_locked(books):
    with books.locked():
        with pytest.raises(sqlite3.OperationalError):
            write(books)
        with pytest.raises(sqlite3.OperationalError), books.locked(timeout=0):
            pass
    write(books)
    assert books.rows("SELECT entry FROM ledger") == [(7,)]


def test_a_write_ahead_log_is_seen_since_with_it_no_commit_waits(books):
    write(books)
    assert not books.has_write_ahead_log()
    books.rows("PRAGMA journal_mode = WAL")
    assert books.has_write_ahead_log()
    with books.audit():
        write(books)  # comes to its end


def test_a_commit_waits_for_the_end_of_an_audit(books):
    write(books)
    with books.audit():
        assert not books.has_writer_waiting()
        writer = subprocess.Popen([sys.executable, "-c", WRITE, str(books.file)])
        wait_until(books.has_writer_waiting, "a commit")
        assert writer.poll() is None
    assert writer.wait() == 0
    assert not books.has_writer_waiting()
    assert books.rows("SELECT entry FROM ledger") == [(7,), (8,)]

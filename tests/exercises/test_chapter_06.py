"""Chapter 6's graders refuse the usual wrong answers, with a hint; the notebooks run the right ones."""

from __future__ import annotations

import io
import linecache
import sqlite3
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.utils import generate_many
from kafka import OffsetAndMetadata

from helpers import check

pytestmark = pytest.mark.usefixtures("live")


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


# -- 6.1 ------------------------------------------------------------------------------------------


def commit_ends(consumer, partitions):
    ends = consumer.end_offsets(partitions) if partitions else {}
    consumer.commit({p: OffsetAndMetadata(end, "", -1) for p, end in ends.items()})


def begin_once(consumer, partitions):
    if all(consumer.committed(partition) is None for partition in partitions):
        commit_ends(consumer, partitions)


def begin_once_each(consumer, partitions):
    commit_ends(consumer, [p for p in partitions if consumer.committed(p) is None])


def begin_one_by_one(consumer, partitions):
    if all(consumer.committed(partition) is None for partition in partitions):
        for partition in partitions:
            commit_ends(consumer, [partition])


def begin_at_first(consumer, partitions):
    if consumer.committed(partitions[0]) is None:
        commit_ends(consumer, partitions[:1])


def test_a_service_that_begins_once_passes(capsys):
    assert "✔" in said(capsys, "6.1", begin_once)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda consumer, partitions: None, "mailed 8 of 8 customers"),
        (lambda consumer, partitions: consumer.seek_to_end(*partitions), "4 of 5"),
        (commit_ends, "4 of 5 events"),
        (begin_once_each, "partition that was added later"),
        (begin_at_first, "mailed 3 of 8 customers"),
        (begin_one_by_one, "mailed 3 of 8 customers"),
    ],
    ids=["earliest", "latest", "again and again", "each", "one partition", "one by one"],
)
def test_a_service_that_mails_the_past_or_misses_is_refused(capsys, wrong, words):
    output = said(capsys, "6.1", wrong)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


# -- 6.2 ------------------------------------------------------------------------------------------


def by_state(database: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Annotated with names that its program hasn't got; and not a stub, in spite of its end."""
    order, pens = event["subject"], event["data"]["pens"]
    found = database.execute("SELECT state FROM orders WHERE id = ?", [order]).fetchone()
    before = found[0] if found else "new"
    if event["type"] == "order.placed.v1":
        after, change = ("reserved", -pens) if before == "new" else (before, 0)
    elif event["type"] == "order.cancelled.v1":
        after, change = "cancelled", pens if before == "reserved" else 0
    else:
        raise NotImplementedError(event["type"])
    with database:
        database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
        database.execute("UPDATE stock SET pens = pens + ?", [change])


def not_begun(database, event):
    """What has only a docstring isn't begun."""
    raise NotImplementedError("later")


def naive(database, event):
    change = event["data"]["pens"] * (-1 if event["type"] == "order.placed.v1" else 1)
    database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


def by_event_id(database, event):
    add = "INSERT OR IGNORE INTO orders VALUES (?, 'done')"
    if database.execute(add, [event["id"]]).rowcount:
        change = event["data"]["pens"] * (-1 if event["type"] == "order.placed.v1" else 1)
        database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


DECIDE = """
def answer(database, event):
    order, pens = event["subject"], event["data"]["pens"]
    found = database.execute("SELECT state FROM orders WHERE id = ?", [order]).fetchone()
    placed = event["type"] == "order.placed.v1"
    before = found[0] if found else "new"
    change = -pens if placed and before == "new" else 0
    change = pens if not placed and before == "reserved" else change
    after = ("reserved" if before == "new" else before) if placed else "cancelled"
"""
AUTOCOMMIT = """
    database.executescript(
        f"UPDATE stock SET pens = pens + {change};"
        f"INSERT OR REPLACE INTO orders VALUES ('{order}', '{after}')"
    )
"""
TWO_COMMITS = """
    cursor = database.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT pens FROM stock").fetchone()
    cursor.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()
    cursor.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
    database.commit()
"""


def decide_then(rest):
    """A function from source, as a notebook makes one."""
    source, name, made = (DECIDE + rest).lstrip(), f"<{len(rest)}>", {}
    exec(compile(source, name, "exec"), made)  # noqa: S102 (it is ours)
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    return made["answer"]


def ends_its_process(database, event):
    import os

    os._exit(3)


def forgets_what_is_cancelled(database, event):
    order, pens = event["subject"], event["data"]["pens"]
    if event["type"] == "order.placed.v1":
        add = "INSERT OR IGNORE INTO orders VALUES (?, 'reserved')"
        if database.execute(add, [order]).rowcount:
            database.execute("UPDATE stock SET pens = pens - ?", [pens])
    elif database.execute("DELETE FROM orders WHERE id = ?", [order]).rowcount:
        database.execute("UPDATE stock SET pens = pens + ?", [pens])
    database.commit()


def without_commit(database, event):
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, 'seen')", [event["subject"]])


def without_import(database, event):
    database.execute(re.escape(event["id"]))  # noqa: F821


def test_an_inventory_that_bears_anything_passes(capsys):
    assert "✔" in said(capsys, "6.2", by_state)


def test_an_inventory_that_is_a_stub_is_not_attempted(capsys):
    assert "not attempted" in said(capsys, "6.2", not_begun)


@pytest.mark.parametrize(
    ("wrong", "words", "hint"),
    [
        (
            naive,
            "order-3 was placed, and the event came twice, and holds its pens 2 times",
            "state",
        ),
        (
            by_event_id,
            "order-3 was placed, and the event came twice, and holds its pens 2 times",
            "what it was before",
        ),
        (forgets_what_is_cancelled, "order-4 was cancelled before it was placed", "stays so"),
        (decide_then(AUTOCOMMIT), "killed at event 1, before statement 3", "one transaction"),
        (decide_then(TWO_COMMITS), "killed at event 1, before statement 6", "one transaction"),
        (without_commit, "order-1 was placed, and holds its pens 0 times", "state"),
        (without_import, "raised NameError", "import in it"),
        (ends_its_process, "ended its process (exit 3)", "return after each event"),
    ],
    ids=[
        "naive",
        "by event id",
        "forgets",
        "autocommit",
        "two commits",
        "no commit",
        "no import",
        "exit",
    ],
)
def test_an_inventory_that_miscounts_is_refused(capsys, wrong, words, hint):
    output = said(capsys, "6.2", wrong)
    assert "✘" in output
    assert words in output
    assert hint in output


# -- 6.3 ------------------------------------------------------------------------------------------


def fits(writer, reader, count=200):
    for sample in generate_many(writer, count):
        buffer = io.BytesIO()
        schemaless_writer(buffer, writer, sample)
        buffer.seek(0)
        try:
            schemaless_reader(buffer, writer, reader)
        except SchemaResolutionError:
            return False
    return True


def compare_with(mirrored=False, look=fits):
    def compare(old, new):
        backward, forward = look(old, new), look(new, old)
        if mirrored:
            backward, forward = forward, backward
        return {(True, True): "full", (True, False): "backward", (False, True): "forward"}.get(
            (backward, forward), "none"
        )

    return compare


def by_names(writer, reader):
    """Looks at the fields' names and defaults alone."""
    written = {field["name"] for field in writer["fields"]}
    return all(f["name"] in written or "default" in f for f in reader["fields"])


def test_a_comparison_by_many_events_passes(capsys):
    assert "✔" in said(capsys, "6.3", compare_with())


@pytest.mark.parametrize(
    ("wrong", "words", "hint"),
    [
        (compare_with(mirrored=True), "that's forward", "looks back"),
        (compare_with(look=by_names), "with an alias: that's backward", "Try many"),
        (lambda old, new: "none", "that's full", "Does each event"),
        (lambda old, new: "backward", "that's full", "Does each event"),
        (lambda old, new: True, "the answer is True", "four words"),
    ],
    ids=["mirrored", "names only", "pessimist", "one answer", "no word"],
)
def test_a_comparison_by_less_is_refused(capsys, wrong, words, hint):
    output = said(capsys, "6.3", wrong)
    assert "✘" in output
    assert words in output
    assert hint in output


def test_one_made_up_event_is_not_enough(capsys):
    answers = {
        said(capsys, "6.3", compare_with(look=lambda w, r: fits(w, r, 1))) for _ in range(20)
    }
    assert any("✘" in answer and "Try many" in answer for answer in answers)

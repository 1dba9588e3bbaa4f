"""The grader of the lab on change data capture tells right answers from wrong ones."""

import json
from contextlib import suppress

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")
SEEN = "CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY, lsn)"


def apply_with(
    seen=True,
    per_key=True,
    repeats=False,
    text=False,
    tombstones=False,
    snapshot=True,
    snapshot_always=False,
    purge="",
    deletes=True,
    item=lambda item: item,
    alone=True,
    upsert="INSERT OR REPLACE INTO orders VALUES (:id, :item, :state)",
):
    """An answer that gets right what it is told to."""

    def apply(database, record):
        number = json.loads(record.key)["id"]
        if record.value is None:
            if tombstones:
                with database:
                    database.execute("DELETE FROM orders WHERE id = ?", [number])
            if purge == "tombstone":
                with database:
                    database.execute(SEEN)
                    database.execute("DELETE FROM seen WHERE id = ?", [number])
            return
        event = json.loads(record.value)
        if event["op"] == "r" and not snapshot:
            return
        lsn, place = event["source"]["lsn"], number if per_key else 0
        lsn = str(lsn) if text else lsn
        database.execute(SEEN)
        with database:
            if alone:
                database.execute("BEGIN IMMEDIATE")
            before = database.execute("SELECT lsn FROM seen WHERE id = ?", [place]).fetchone()
            old = before and (lsn < before[0] if repeats else lsn <= before[0])
            if seen and old and not (snapshot_always and event["op"] == "r"):
                return
            database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", [place, lsn])
            if purge and purge != "tombstone":
                database.execute(f"DELETE FROM seen WHERE {purge}", {"lsn": lsn})
            if event["after"]:
                row = event["after"]
                database.execute(upsert, {**row, "item": item(row["item"])})
            elif deletes:
                database.execute("DELETE FROM orders WHERE id = ?", [number])

    return apply


def apply_in_one_statement(database, record):
    """Right too: a table of all orders that there ever were, and the copy made from it."""
    if record.value is None:
        return
    event = json.loads(record.value)
    row = event["after"] or event["before"]
    with database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS every (id PRIMARY KEY, item, state, lsn, there)"
        )
        database.execute(
            "INSERT INTO every VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "item = excluded.item, state = excluded.state, lsn = excluded.lsn, "
            "there = excluded.there WHERE excluded.lsn > every.lsn",
            [row["id"], row["item"], row["state"], event["source"]["lsn"], bool(event["after"])],
        )
        database.execute("DELETE FROM orders WHERE id = ?", [row["id"]])
        database.execute(
            "INSERT INTO orders SELECT id, item, state FROM every WHERE id = ? AND there",
            [row["id"]],
        )


def apply_with_the_note_in_the_row(database, record):
    """The note goes with the row that is deleted."""
    with suppress(Exception):
        database.execute("ALTER TABLE orders ADD COLUMN lsn")
    if record.value is None:
        return
    number, event = json.loads(record.key)["id"], json.loads(record.value)
    lsn = event["source"]["lsn"]
    before = database.execute("SELECT lsn FROM orders WHERE id = ?", [number]).fetchone()
    if before and lsn <= before[0]:
        return
    with database:
        database.execute("DELETE FROM orders WHERE id = ?", [number])
        if row := event["after"]:
            database.execute(
                "INSERT INTO orders VALUES (:id, :item, :state, :lsn)", row | {"lsn": lsn}
            )


def apply_from_memory():
    seen = {}

    def apply(database, record):
        if record.value is None:
            return
        number, event = json.loads(record.key)["id"], json.loads(record.value)
        if event["source"]["lsn"] <= seen.get(number, 0):
            return
        seen[number] = event["source"]["lsn"]
        with database:
            database.execute("DELETE FROM orders WHERE id = ?", [number])
            if row := event["after"]:
                database.execute("INSERT INTO orders VALUES (:id, :item, :state)", row)

    return apply


def apply_in_steps(note_first, commit=True):
    """Right but for what a kill between its commits leaves, or another worker does there."""

    def apply(database, record):
        database.execute(SEEN)
        if record.value is None:
            return
        number, event = json.loads(record.key)["id"], json.loads(record.value)
        lsn = event["source"]["lsn"]
        before = database.execute("SELECT lsn FROM seen WHERE id = ?", [number]).fetchone()
        if before and lsn <= before[0]:
            return

        def note():
            database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", [number, lsn])
            if commit:
                database.commit()

        if note_first:
            note()
        if row := event["after"]:
            database.execute("INSERT OR REPLACE INTO orders VALUES (:id, :item, :state)", row)
        else:
            database.execute("DELETE FROM orders WHERE id = ?", [number])
        if commit:
            database.commit()
        if not note_first:
            note()

    return apply


def apply_the_expected_row(database, record):
    """Only a change whose before is what the copy has; two of a row's states may look the same."""
    if record.value is None:
        return
    number, event = json.loads(record.key)["id"], json.loads(record.value)
    found = database.execute("SELECT * FROM orders WHERE id = ?", [number]).fetchone()
    if found != (tuple(event["before"].values()) if event["before"] else None):
        return
    with database:
        database.execute("DELETE FROM orders WHERE id = ?", [number])
        if row := event["after"]:
            database.execute("INSERT INTO orders VALUES (:id, :item, :state)", row)


ANSWERS = {
    "4.10": Answers(
        right={
            "reference": apply_with(),
            "all that there ever were": apply_in_one_statement,
            "the same place again": apply_with(repeats=True),
        },
        wrong={
            "as on the page": ("went_back", apply_with(seen=False)),
            "one place for all": ("lost", apply_with(per_key=False)),
            "one place, the same again": ("lost", apply_with(per_key=False, repeats=True)),
            "places as text": ("lost", apply_with(text=True)),
            "tombstones delete": ("went_back", apply_with(tombstones=True)),
            "no snapshot": ("lost", apply_with(snapshot=False)),
            "the snapshot at any time": ("went_back", apply_with(snapshot_always=True)),
            "a tombstone strikes out the note": ("went_back", apply_with(purge="tombstone")),
            "notes of orders that are there": (
                "went_back",
                apply_with(purge="id NOT IN (SELECT id FROM orders) AND lsn < :lsn"),
            ),
            "notes of late": ("went_back", apply_with(purge="lsn < :lsn - 1000")),
            "five notes": (
                "went_back",
                apply_with(purge="id NOT IN (SELECT id FROM seen ORDER BY lsn DESC LIMIT 5)"),
            ),
            "no deletes": ("lost", apply_with(deletes=False)),
            "the note in the row": ("went_back", apply_with_the_note_in_the_row),
            "in memory": ("went_back", apply_from_memory()),
            "the note before the row": ("lost", apply_in_steps(note_first=True)),
            "the row before its note": ("looked_before", apply_in_steps(note_first=False)),
            "looks before its transaction": ("looked_before", apply_with(alone=False)),
            "never committed": ("lost", apply_in_steps(note_first=True, commit=False)),
            "if the row is as before": ("went_back", apply_the_expected_row),
            "items without blanks": ("lost", apply_with(item=lambda item: item and item.strip())),
            "items in lower case": ("lost", apply_with(item=lambda item: item and item.lower())),
            "no item is an empty one": ("lost", apply_with(item=lambda item: item or "")),
            "an empty item is none": ("lost", apply_with(item=lambda item: item or None)),
            "the state alone": (
                "lost",
                apply_with(
                    upsert="INSERT INTO orders VALUES (:id, :item, :state)"
                    " ON CONFLICT DO UPDATE SET state = :state"
                ),
            ),
            "nothing": ("lost", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

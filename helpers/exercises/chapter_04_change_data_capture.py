"""Grader of the lab on change data capture: a copy of a table that never goes back."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from .. import clients
from .answers import Wrong
from .grading import grader
from .lives import KILLED, Journal, live, mortal, race
from .places import brokers, new_topic, send

Apply = Callable[[sqlite3.Connection, Any], None]
Row = tuple[int, str | None, str]
Change = dict[str, Any]
COLUMNS = "id", "item", "state"
ITEMS = (" tea\n", "Tea", "", None, "tea")
LIVES = 24  # the first dies before its first statement, the last before its twenty-fourth
NONE = {"state": ""}
MOST_STATEMENTS = 16  # of one record, before each of which another program has its turn once
TURNS = 10
BACK = 4  # records that a life may be given again, at most
SNAPSHOT = 5  # rows
EARLY = 9  # records, after which all of them are given again


@grader("4.10", needs=("kafka",))
def applies(apply: Apply, data: Random) -> str:
    """A topic with repeats as a killed connector leaves them, read by a program that is killed; and by
    two of it at the same moment."""
    with new_topic() as topic:
        told = _repeated(_changes(data), data)
        send(topic, [record for change in told for record in _records(change)])
        records = clients.read_topic(brokers("kafka"), topic)
    with tempfile.TemporaryDirectory() as folder:
        path, done = _empty_copy(folder, "copy"), Journal()
        for _ in range(2):
            live(apply, partial(_live, apply, path, records[:EARLY], done, 0, EARLY), seconds=10)
        for fatal in [*data.sample(range(1, LIVES + 1), LIVES), 0]:
            back = data.choice([0, 0, BACK])
            life = partial(_live, apply, path, records, done, fatal, back)
            if live(apply, life, seconds=10) is KILLED and not fatal:
                raise RuntimeError("a process of the check was killed")
        for kind in ("u", "d", "c"):
            _expect_race(apply, folder, kind, _until(kind, records))
    return "the copy was right after every change, and never went back."


# -- what a connector writes ---------------------------------------------------------------------


def _changes(data: Random) -> list[Change]:
    """The changes of a table in the order in which they were committed, as Debezium tells them.

    Rows of the snapshot have one place in the log, and so have two rows of one COPY. Of two
    transactions at the same time, the one that wrote later may commit first. One order is added at the
    beginning, changed at once, and then never again."""
    lsn = 10**7 - data.randint(600, 900)  # its digits become more on the way
    still, *ids = data.sample(range(1, 1000), 9)
    rows: dict[int, Row] = {}
    made: list[Change] = []
    items = cycle(data.sample(ITEMS, len(ITEMS)))

    def write(op: str, number: int, state: str, at: int) -> Change:
        before, after = rows.get(number), (number, next(items), state)
        if before and not state.startswith("sent"):  # the item changes, too
            after = (number, before[1], state)
        if op == "d":
            rows.pop(number)
            return _change(op, number, before, None, at)
        rows[number] = after
        return _change(op, number, None if op in "rc" else before, after, at)

    made += [write("r", number, "new", lsn) for number in ids[:SNAPSHOT]]
    made += [write("c", still, "new", lsn + 10), write("u", still, "sent", lsn + 20)]
    for turn in range(TURNS):
        lsn += data.randint(60, 400)
        early, late, other = data.sample(sorted(rows.keys() - {still}), 3)
        gone = data.sample([number for number in ids if number not in rows], 2)
        made += [
            write("u", late, f"packed {turn}", lsn + 40),
            write("u", early, f"paid {turn}", lsn),
            write("d", other, "", lsn + 60),
            write("u", early, f"sent {turn}", lsn + 70),
        ]
        if turn % 2:
            made += [write("c", number, f"new {turn}", lsn + 90) for number in gone]
        else:
            made.append(write("c", other, f"again {turn}", lsn + 80))
            made.append(write("d", other, "", lsn + 95))
        lsn += 95
    return made


def _change(op: str, number: int, before: Row | None, after: Row | None, lsn: int) -> Change:
    rows = [row and dict(zip(COLUMNS, row, strict=True)) for row in (before, after)]
    source = {"connector": "postgresql", "schema": "public", "table": "orders", "lsn": lsn}
    return {"id": number, "before": rows[0], "after": rows[1], "op": op, "source": source}


def _repeated(changes: list[Change], data: Random) -> Iterator[Change]:
    """What comes of them if the connector dies a few times, and each time begins a bit earlier.

    It dies when an order that was deleted is there again, or is gone again. Its last stretch is all
    that came after the snapshot."""
    again = [n for n, change in enumerate(changes) if "again" in (change["after"] or NONE)["state"]]
    start = 0
    for number, place in enumerate(sorted(data.sample(again, 4))):
        death = place + 1 + number % 2
        yield from changes[start:death]
        start = death - data.randint(5, 8) if number < 3 else SNAPSHOT
    yield from changes[start:]


def _records(change: Change) -> Iterator[tuple[int, bytes, bytes | None]]:
    """A change's record; a delete has a second one, of the same key and without a value."""
    key = json.dumps({"id": change["id"]}).encode()
    yield 0, key, json.dumps({k: v for k, v in change.items() if k != "id"}).encode()
    if change["op"] == "d":
        yield 0, key, None


# -- who reads it --------------------------------------------------------------------------------


def _empty_copy(folder: str, name: str) -> Path:
    path = Path(folder) / f"{name}.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, state TEXT)")
    return path


def _live(
    apply: Apply, path: Path, records: list[Any], done: Journal, fatal: int, back: int
) -> None:
    """A life: from where the last one was, or a bit earlier, to the end or its own."""
    new = len(done.read())
    with mortal(path, fatal) as database, closing(sqlite3.connect(path)) as reader:
        for place in range(max(0, new - back), len(records)):
            apply(database, records[place])
            found = {row[0]: row for row in reader.execute("SELECT id, item, state FROM orders")}
            _expect(found, records, place, new)
            if place >= new:
                done.note(place)
                new = place + 1


def _expect(found: dict[int, Row], records: list[Any], place: int, new: int) -> None:
    """That the copy is what has been told so far; of the record over which a life ended, either."""
    expected = _copy(records[: max(new, place + 1)])
    if found in (expected, _copy(records[: new + 1])):
        return
    record = records[place]
    number = min(n for n in {*expected, *found} if expected.get(n) != found.get(n))
    again = place < new or record.value is None or _copy(records[:place]) == expected
    value = json.loads(record.value) if record.value else None
    what = f"{value['op']!r} at lsn {value['source']['lsn']}" if value else "no value"
    raise Wrong(
        "went_back" if again else "lost",
        f"after record {place} (id {json.loads(record.key)['id']}, {what}"
        f"{', which told nothing new' if again else ''}): order {number} in the copy is "
        f"{found.get(number, 'not there')}; expected {expected.get(number, 'not there')}.",
        "What can you know, from the record and from what you noted, of which change of this order "
        "is the newer one? And is what you noted still there, and true, after a kill?",
    )


def _copy(records: list[Any]) -> dict[int, Row]:
    """The newest state of each order that these records tell."""
    newest: dict[int, dict[str, Any]] = {}
    for record in records:
        if record.value is not None:
            number, change = json.loads(record.key)["id"], json.loads(record.value)
            known = newest.get(number)
            if known is None or change["source"]["lsn"] >= known["source"]["lsn"]:
                newest[number] = change
    rows = {number: change["after"] for number, change in newest.items()}
    return {number: (row["id"], row["item"], row["state"]) for number, row in rows.items() if row}


# -- two at once ---------------------------------------------------------------------------------


def _until(kind: str, records: list[Any]) -> list[Any]:
    """The records of an order, without repeats, up to the first change of this kind that has one before."""
    told: dict[bytes, dict[int, Any]] = {}  # by order, and by place in the log
    for record in records:
        if record.value is not None:
            change, own = json.loads(record.value), told.setdefault(record.key, {})
            own.setdefault(change["source"]["lsn"], record)
            if len(own) > 1 and change["op"] == kind:
                return list(own.values())
    raise AssertionError("each kind of change is in the topic")


def _expect_race(apply: Apply, folder: str, kind: str, story: list[Any]) -> None:
    """That the last of these records has the last word, whenever it comes while another program has the
    one before in hand."""
    *past, older, newer = story
    number, expected = json.loads(newer.key)["id"], _copy(story)
    for statement in range(1, MOST_STATEMENTS + 1):
        path = _empty_copy(folder, f"{kind}-{statement}")
        both = partial(race, apply, path, past, older, newer, statement)
        if not live(apply, both, seconds=10):
            break
        with closing(sqlite3.connect(path)) as reader:
            found = {row[0]: row for row in reader.execute("SELECT id, item, state FROM orders")}
        if found != expected:
            raise Wrong(
                "looked_before",
                f"two programs were at work at once, one with the change of order {number} before the "
                f"last and one with the last: in the copy it is {found.get(number, 'not there')}; "
                f"expected {expected.get(number, 'not there')}.",
                "One had looked before the other wrote, and wrote after it. `sqlite3` begins a "
                "transaction at the first change: begin yours before you look, with "
                '`database.execute("BEGIN IMMEDIATE")`.',
            )

"""Grader of the lab on the outbox: a relay that does not overtake."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live, mortal

Send = Callable[[str, str], None]
Relay = Callable[[sqlite3.Connection, Send], Any]
LIVES = 60  # more statements than a relay of so few rows has reason to send


class Row(NamedTuple):
    """What waits in the outbox."""

    position: int
    subject: str
    event: str


@grader("9.4")
def relays(relay: Relay, data: Random) -> str:
    """A broker that refuses some events; then one death before each statement, and in each sending."""
    _expect_result(relay, [], set())
    for _ in range(3):
        rows = _rows(data)
        for refused in _refusals(rows, data):
            _expect_result(relay, rows, refused)
    rows = _rows(data)
    for event in (rows[0].event, rows[-1].event):
        for sent in (False, True):
            _expect_survival(relay, rows, _Death(event=event, sent=sent))
    for statement in range(1, LIVES):
        if not _expect_survival(relay, rows, _Death(statement=statement)):
            break
    return "nothing lost, nothing overtaken, and at most one sent twice, wherever the relay died."


class _Death(NamedTuple):
    """Where the first life of a relay ends: before a statement, or in the sending of an event."""

    statement: int = 0
    event: str = ""
    sent: bool = False

    def __str__(self) -> str:
        if self.statement:
            return f"killed before its statement number {self.statement}"
        return f"killed {'after' if self.sent else 'before'} the broker had {self.event!r}"


NEVER = _Death()


def _rows(data: Random) -> list[Row]:
    """Events of three orders, one's name within another's, and so with the first two positions, which
    have gaps. The texts stand in no order."""
    number = data.randrange(10, 99)
    subjects = [f"order-{number}", f"order-{number}{data.randrange(9)}", f"Order-{number}"]
    drawn = subjects * 2 + data.choices(subjects, k=data.randint(1, 3))
    data.shuffle(drawn)
    first = data.randint(1, 9)
    later = data.sample(range(10 * first + 10, 300), len(drawn) - 2)
    positions = [first, 10 * first + data.randrange(10), *sorted(later)]
    marks = data.sample(range(100), len(drawn))
    while marks == sorted(marks):
        data.shuffle(marks)
    return [Row(p, s, f"it's {n:02}: {s}") for n, p, s in zip(marks, positions, drawn, strict=True)]


def _refusals(rows: list[Row], data: Random) -> list[set[str]]:
    """Nothing, the first, one of the middle, two of different orders, and everything."""
    middle = data.choice(rows[1:-1])
    other = next(row for row in rows if row.subject != middle.subject)
    every = {row.event for row in rows}
    return [set(), {rows[0].event}, {middle.event}, {middle.event, other.event}, every]


def _expected(rows: list[Row], refused: set[str]) -> tuple[list[str], list[str]]:
    """What is tried, and what stays."""
    tried, left, stuck = [], [], set()
    for row in rows:
        if row.subject not in stuck:
            tried.append(row.event)
        if row.subject in stuck or row.event in refused:
            stuck.add(row.subject)
            left.append(row.event)
    return tried, left


def _expect_result(relay: Relay, rows: list[Row], refused: set[str]) -> None:
    with _Outbox(rows) as outbox:
        outbox.run(relay, refused)
        tried, left = _expected(rows, refused)
        _expect_order(rows, [event for event, _ in outbox.journal.read()], tried, refused)
        _expect_rows(left, outbox.left())
        if refused:  # the next call, with the broker well again
            before = len(outbox.journal.read())
            outbox.run(relay, set())
            again = [event for event, _ in outbox.journal.read()[before:]]
            _expect_order([row for row in rows if row.event in left], again, left, set())
            _expect_rows([], outbox.left())


def _expect_order(rows: list[Row], found: list[str], tried: list[str], refused: set[str]) -> None:
    if found == tried:
        return
    why = f"; refused: {sorted(refused)}" if refused else ""
    if missing := [event for event in tried if event not in found]:
        what = f"{missing[0]!r} was not sent, though nothing of its subject is stuck{why}."
        raise Wrong("not_sent", what, "Who has to wait for whom? Compare the subjects.")
    subjects = {row.event: row.subject for row in rows}
    if overtaking := [event for event in found if event not in tried]:
        name = overtaking[0]
        what = (
            f"{name!r} was tried though an earlier event of {subjects.get(name)!r} is stuck{why}."
        )
        raise Wrong("overtaken", what, "What is behind a stuck event of its own subject waits.")
    n = next(n for n, pair in enumerate(zip(found, tried, strict=True)) if len(set(pair)) > 1)
    what = f"{found[n]!r} was sent where {tried[n]!r} has its turn."
    raise Wrong("overtaken", what, "Which order do rows have that nobody asked to be sorted?")


def _expect_rows(expected: list[str], found: list[str]) -> None:
    if gone := [event for event in expected if event not in found]:
        what = f"{gone[0]!r} is no longer in the outbox, and the broker does not have it."
        raise Wrong("lost", what, "Delete what was sent, and that alone.")
    if kept := [event for event in found if event not in expected]:
        what = f"{kept[0]!r} was sent, and is still in the outbox when you return."
        raise Wrong("not_deleted", what, "Somebody else looks into the database: is it committed?")


def _expect_survival(relay: Relay, rows: list[Row], death: _Death) -> bool:
    """That one death costs nothing but a repetition; False if the relay did not get as far."""
    with _Outbox(rows) as outbox:
        died = outbox.run(relay, set(), death) is KILLED
        if died:
            outbox.run(relay, set())
        sent = [event for event, arrived in outbox.journal.read() if arrived]
        if lost := [row.event for row in rows if row.event not in sent]:
            what = f"{death}, the relay never sent {lost[0]!r}."
            raise Wrong("lost", what, "What is deleted is gone: look at what has happened by then.")
        if len(sent) > len(rows) + 1:
            twice = sorted(event for event, times in Counter(sent).items() if times > 1)
            what = f"{death}, the relay sent {len(twice)} events twice: {', '.join(twice[:2])}."
            raise Wrong("doubled", what, "After a death only the last event may be in doubt.")
        _expect_rows([], outbox.left())
        return died


class _Outbox:
    """A database with these rows in its outbox, and a journal of what was sent from it."""

    def __init__(self, rows: list[Row]) -> None:
        self.journal, self._folder = Journal(), tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "outbox.db"
        with closing(sqlite3.connect(self._path)) as database, database:
            # `subject` first in an index: without ORDER BY the rows come by subject
            database.execute(
                "CREATE TABLE outbox (position INTEGER PRIMARY KEY, subject TEXT, event TEXT)"
            )
            database.execute("CREATE INDEX by_subject ON outbox (subject DESC, event DESC)")
            database.executemany("INSERT INTO outbox VALUES (?, ?, ?)", rows)

    def __enter__(self) -> _Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self, relay: Relay, refused: set[str], death: _Death = NEVER) -> Any:
        """One life of the relay."""
        tried: list[str] = []

        def send(subject: str, event: str) -> None:
            if event == death.event and not death.sent:
                die()
            self._expect_pair(subject, event)
            if event in tried:
                what = f"one call tried to send {event!r} twice."
                stop(Wrong("doubled", what, "A later call tries it again."))
            tried.append(event)
            self.journal.note(event, event not in refused)
            if event in refused:
                raise ConnectionError("the broker does not answer")
            if event == death.event:
                die()

        def work() -> None:
            with mortal(self._path, death.statement) as database:
                relay(database, send)

        return live(relay, work)

    def left(self) -> list[str]:
        """What is in the outbox for whoever looks now."""
        with closing(sqlite3.connect(self._path)) as database:
            rows = database.execute("SELECT event FROM outbox ORDER BY position")
            return [event for (event,) in rows]

    def _expect_pair(self, subject: object, event: object) -> None:
        if not isinstance(event, str) or not event.endswith(f": {subject}"):
            what = f"send got {(subject, event)}, which is not a row's subject and event."
            stop(Wrong("wrong_body", what, "Send both as they stand in the outbox."))

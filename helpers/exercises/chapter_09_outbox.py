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
Message = tuple[str, str]  # a subject and an event
FEW = 4  # rows, for the deaths at each statement
LIVES = 40  # more statements than a relay of so few rows has reason to send
KINDS_OF_REFUSAL = 8


class Row(NamedTuple):
    """What waits in the outbox."""

    position: int
    subject: str
    event: str

    @property
    def message(self) -> Message:
        """What the broker is to get. Two rows may have the same."""
        return self.subject, self.event


@grader("9.4")
def relays(relay: Relay, data: Random) -> str:
    """A broker that refuses some events; then one death before each statement, and in each sending."""
    _expect_result(relay, [], set())
    for which in range(KINDS_OF_REFUSAL):
        rows = _rows(data)
        _expect_result(relay, rows, _refusals(rows)[which])
    for turn in (0, _second_twin(rows), len(rows) - 1):
        for sent in (False, True):
            _expect_survival(relay, rows, _Death(turn=turn, sent=sent))
    rows = rows[:FEW]
    for statement in range(1, LIVES):
        if not _expect_survival(relay, rows, _Death(statement=statement)):
            break
    return "nothing lost, nothing overtaken, and at most one sent twice, wherever the relay died."


class _Death(NamedTuple):
    """Where the first life of a relay ends: before a statement, or in a sending (0 is the first)."""

    statement: int = 0
    turn: int = -1
    sent: bool = False

    def __str__(self) -> str:
        if self.statement:
            return f"killed before its statement number {self.statement}"
        when = "after" if self.sent else "before"
        return f"killed {when} the broker had its event number {self.turn + 1}"


NEVER = _Death()


def _rows(data: Random) -> list[Row]:
    """Events of four orders, whose names are alike, and so are the first two positions, which have
    gaps. The texts stand in no order. Two events of one order and the last of another have the same
    text; neither order is that of the first event."""
    number = data.randrange(10, 99)
    subjects = [f"order-{number}", f"order-{number}{data.randrange(9)}", f"Order-{number}"]
    subjects.append(f"order-{number} ")
    drawn = subjects * 2
    while drawn.index(subjects[0]) > min(map(drawn[::-1].index, subjects)):
        data.shuffle(drawn)
    first = data.randint(1, 9)
    later = data.sample(range(10 * first + 10, 300), len(drawn) - 2)
    positions = [first, 10 * first + data.randrange(10), *sorted(later)]
    marks = data.sample(range(1, 100), len(drawn))
    while marks == sorted(marks):
        data.shuffle(marks)
    texts = [f" it's {mark:02}" for mark in marks]
    twin, other = data.sample([subject for subject in subjects if subject != drawn[0]], 2)
    last = len(drawn) - 1 - drawn[::-1].index(other)
    for n in [n for n, subject in enumerate(drawn) if subject == twin] + [last]:
        texts[n] = " it's 00"
    return [Row(*row) for row in zip(positions, drawn, texts, strict=True)]


def _second_twin(rows: list[Row]) -> int:
    """The place of the row whose subject and event came before."""
    messages = [row.message for row in rows]
    return next(n for n, message in enumerate(messages) if message in messages[:n])


def _refusals(rows: list[Row]) -> list[set[Message]]:
    """Nothing, the first event of each order, one whose text another order has too, that and the
    first of all, and everything."""
    firsts = {row.subject: row.message for row in reversed(rows)}
    twin = rows[_second_twin(rows)]
    [alike] = [
        row.message for row in rows if row.event == twin.event and row.subject != twin.subject
    ]
    every = {row.message for row in rows}
    begins = rows[0].message
    rest = [{message} for message in firsts.values() if message != begins]
    return [set(), {begins}, *rest, {alike}, {alike, begins}, every]


def _expected(rows: list[Row], refused: set[Message]) -> tuple[list[Message], list[Message]]:
    """What is tried, and what stays."""
    tried, left, stuck = [], [], set()
    for row in rows:
        if row.subject not in stuck:
            tried.append(row.message)
        if row.subject in stuck or row.message in refused:
            stuck.add(row.subject)
            left.append(row.message)
    return tried, left


def _expect_result(relay: Relay, rows: list[Row], refused: set[Message]) -> None:
    with _Outbox(rows) as outbox:
        outbox.run(relay, refused)
        tried, left = _expected(rows, refused)
        _expect_order(outbox.tried(), tried, refused)
        _expect_rows(left, outbox.left())
        if refused:  # the next call, with the broker well again
            before = len(outbox.tried())
            outbox.run(relay, set())
            _expect_order(outbox.tried()[before:], left, set())
            _expect_rows([], outbox.left())


def _expect_order(found: list[Message], tried: list[Message], refused: set[Message]) -> None:
    if found == tried:
        return
    why = f"; refused: {sorted(refused)}" if refused else ""
    if missing := Counter(tried) - Counter(found):
        what = f"{min(missing)} was not sent, though nothing of its subject is stuck{why}."
        raise Wrong("not_sent", what, "Who has to wait for whom? Compare the subjects.")
    if overtaking := Counter(found) - Counter(tried):
        name = min(overtaking)
        what = f"{name} was tried though an earlier event of {name[0]!r} is stuck{why}."
        raise Wrong("overtaken", what, "What is behind a stuck event of its own subject waits.")
    n = next(n for n, pair in enumerate(zip(found, tried, strict=True)) if len(set(pair)) > 1)
    what = f"{found[n]} was sent where {tried[n]} has its turn."
    raise Wrong("overtaken", what, "Which order do rows have that nobody asked to be sorted?")


def _expect_rows(expected: list[Message], found: list[Message]) -> None:
    if gone := Counter(expected) - Counter(found):
        what = f"{min(gone)} is no longer in the outbox, and the broker does not have it."
        raise Wrong("lost", what, "Delete the row that was sent, and that alone.")
    if kept := Counter(found) - Counter(expected):
        what = f"{min(kept)} was sent, and is still in the outbox when you return."
        raise Wrong("not_deleted", what, "Somebody else looks into the database: is it committed?")


def _expect_survival(relay: Relay, rows: list[Row], death: _Death) -> bool:
    """That one death costs nothing but a repetition; False if the relay did not get as far."""
    with _Outbox(rows) as outbox:
        died = outbox.run(relay, set(), death) is KILLED
        if died:
            outbox.run(relay, set())
        wanted, sent = Counter(row.message for row in rows), Counter(outbox.sent())
        if lost := wanted - sent:
            what = f"{death}, the relay sent {min(lost)} once less than it is in the outbox."
            raise Wrong("lost", what, "What is deleted is gone: look at what has happened by then.")
        if (more := sent - wanted).total() > 1:
            what = f"{death}, the relay sent {more.total()} events twice: {sorted(more)[:2]}."
            raise Wrong("doubled", what, "After a death only the last event may be in doubt.")
        _expect_rows([], outbox.left())
        return died


class _Outbox:
    """A database with these rows in its outbox, and a journal of what was sent from it."""

    def __init__(self, rows: list[Row]) -> None:
        self._messages = Counter(row.message for row in rows)
        self._journal, self._folder = Journal(), tempfile.TemporaryDirectory()
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

    def run(self, relay: Relay, refused: set[Message], death: _Death = NEVER) -> Any:
        """One life of the relay."""
        tried: list[Message] = []

        def send(subject: str, event: str) -> None:
            message, here = (subject, event), len(tried) == death.turn
            if here and not death.sent:
                die()
            if message not in self._messages:
                what = f"send got {message}, which is not a row's subject and event."
                stop(Wrong("wrong_body", what, "Send both as they stand in the outbox."))
            if tried.count(message) == self._messages[message]:
                what = f"one call tried to send {message} again."
                stop(Wrong("doubled", what, "A later call tries it again."))
            tried.append(message)
            self._journal.note(subject, event, message not in refused)
            if message in refused:
                raise ConnectionError("the broker does not answer")
            if here:
                die()

        def work() -> None:
            with mortal(self._path, death.statement) as database:
                relay(database, send)

        return live(relay, work)

    def tried(self) -> list[Message]:
        """What the relay has tried to send, in all its lives."""
        return [(subject, event) for subject, event, _ in self._journal.read()]

    def sent(self) -> list[Message]:
        """What the broker has."""
        return [(subject, event) for subject, event, arrived in self._journal.read() if arrived]

    def left(self) -> list[Message]:
        """What is in the outbox for whoever looks now."""
        with closing(sqlite3.connect(self._path)) as database:
            return database.execute("SELECT subject, event FROM outbox").fetchall()

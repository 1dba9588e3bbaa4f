"""Grader of the lab on relays: any number of them at one outbox, and each order's events in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from random import Random
from typing import Any, NamedTuple

import psycopg

from ..pipeline import PostgreSQL
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live

Send = Callable[[int, str], None]
Relay = Callable[[psycopg.Connection, Send], Any]
SECONDS = 8.0  # for a call that has nobody to wait for
EVENTS = (" It's paid\n", " Sent: é")  # of an order, in turn
SCHEMA = "exercise"  # beside the tables of the page
TABLE = f"""
    DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
    CREATE SCHEMA {SCHEMA};
    CREATE TABLE {SCHEMA}.outbox (position bigint PRIMARY KEY, order_id int, event text)
"""


class Row(NamedTuple):
    """What waits in the outbox."""

    position: int
    order: int
    event: str


class Sent(NamedTuple):
    """What a relay has sent."""

    order: int
    event: str


class _Moment(NamedTuple):
    """What happens to the first relay when it sends its event number `n`."""

    n: int = -1
    another: bool = False  # a second relay runs, from its beginning to its end
    dies: str = ""  # "before" the broker has the event, or "after"

    def __str__(self) -> str:
        who = "while one relay was sending, a second one ran" if self.another else "one relay ran"
        return f"{who}, and the first was killed" if self.dies else who


ALONE = _Moment()


@grader("9.9")
def relays(relay: Relay, data: Random, database: PostgreSQL) -> str:
    """Alone; with a second relay in the midst of a sending; and with a death there, too."""
    _Outbox(database, []).expect(relay, ALONE)
    rows = _rows(data)
    _Outbox(database, rows).expect(relay, ALONE)
    for n in (0, data.randrange(1, len(rows) - 1), len(rows) - 1):
        for dies in ("", "before", "after"):
            _Outbox(database, _rows(data, len(rows))).expect(relay, _Moment(n, True, dies))
        _Outbox(database, rows).expect(relay, _Moment(n, False, data.choice(["before", "after"])))
    return (
        "each order's events in turn, nobody waited, and at most one was sent twice after a death."
    )


def _rows(data: Random, length: int = 9) -> list[Row]:
    """Events of three orders, mixed; each order's alternate, and positions have gaps."""
    orders = data.sample(range(1, 10**6), 3)
    drawn = orders * 2 + data.choices(orders, k=length - 6)
    data.shuffle(drawn)
    positions = sorted(data.sample(range(1, 2_000_000_000), length))
    return [
        Row(position, order, EVENTS[drawn[:n].count(order) % 2])
        for n, (position, order) in enumerate(zip(positions, drawn, strict=True))
    ]


class _Outbox:
    """A table with these rows, and a journal of what was sent from it."""

    def __init__(self, database: PostgreSQL, rows: list[Row]) -> None:
        self.url, self.rows, self.journal = database.url, rows, Journal()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(TABLE)
            turned = f"INSERT INTO {SCHEMA}.outbox VALUES (%s, %s, %s)"
            for row in reversed(rows):  # without ORDER BY, the newest come first
                connection.execute(turned, row)

    def expect(self, relay: Relay, moment: _Moment) -> None:
        """That all is well in the end, and was so all the time."""
        died = self._run(relay, moment) is KILLED
        if died:
            self._run(relay, ALONE)
        self._expect_all(moment, died)

    def _run(self, relay: Relay, moment: _Moment) -> Any:
        """One life of a relay."""
        calls = Counter[tuple[int, str]]()
        waiting = Counter((row.order, row.event) for row in self.rows)

        def send(order: int, event: str) -> None:
            self._expect_pair(order, event)
            here = calls.total() == moment.n
            calls[order, event] += 1
            if calls[order, event] > waiting[order, event]:
                stop(_doubled(event, "one call sent it twice"))
            if here and moment.dies == "before" and not moment.another:
                die()
            if here and moment.another:
                self._run_another(relay, order, event)
                if moment.dies == "before":
                    die()
            self.journal.note(order, event)
            if here and moment.dies == "after":
                die()

        def work() -> None:
            options = f"-c search_path={SCHEMA}"
            with psycopg.connect(self.url, autocommit=True, options=options) as connection:
                relay(connection, send)

        late = Wrong(
            "waited",
            f"after {SECONDS:.0f} s your function has not returned.",
            "A row that somebody else holds is not yours to wait for.",
        )
        return live(relay, work, seconds=SECONDS * (1 + moment.another), late=late)

    def _run_another(self, relay: Relay, order: int, event: str) -> None:
        """A second relay, while the first is sending this event."""
        before = len(self.journal.read())
        try:
            self._run(relay, ALONE)
        except Wrong as wrong:
            stop(wrong)
        told = [(o, text) for o, text in self.journal.read()]
        own = [text for o, text in told[before:] if o == order]
        if own[:1] == [event]:  # the next one would be another
            stop(_doubled(event, "a second relay sent it while the first was sending it"))
        if own:
            what = f"{own[0]!r} was sent by a second relay while the first was sending {event!r}."
            stop(Wrong("overtaken", what, "Who holds an order's oldest row holds the order."))
        due = Counter((row.order, row.event) for row in self.rows if row.order != order)
        if left := due - Counter(told):
            what = f"{min(left)} was left, though only order {order} was in another relay's hands."
            stop(Wrong("not_shared", what, "What is it that a relay holds while it sends?"))

    def _expect_all(self, moment: _Moment, died: bool) -> None:
        found = [Sent(*entry) for entry in self.journal.read()]
        due = Counter(Sent(row.order, row.event) for row in self.rows)
        if lost := due - Counter(found):
            what = f"{moment}: {min(lost)} was sent {Counter(found)[min(lost)]} times"
            raise Wrong(
                "lost",
                f"{what}, and stood {due[min(lost)]} times in the outbox.",
                "What is deleted is gone: had the broker got it by then, and got each row of it?",
            )
        if len(found) > len(self.rows) + died:
            raise _doubled(min(Counter(found) - due).event, str(moment))
        for order in {row.order for row in self.rows}:
            story = [row.event for row in self.rows if row.order == order]
            # a death repeats one at once
            if [event for event, _ in groupby(s.event for s in found if s.order == order)] != story:
                what = f"{moment}: an event of order {order} was sent after a later one."
                raise Wrong("overtaken", what, "Look at the order of the events of one order.")
        with psycopg.connect(self.url) as connection:
            query = f"SELECT event FROM {SCHEMA}.outbox ORDER BY position"
            left = [event for (event,) in connection.execute(query)]
        if left:
            what = f"{moment}: {left[0]!r} was sent, and is still in the outbox."
            raise Wrong("not_deleted", what, "Somebody else looks into the table: is it committed?")

    def _expect_pair(self, order: object, event: object) -> None:
        if not any((row.order, row.event) == (order, event) for row in self.rows):
            what = f"send got {(order, event)}, which is not a row's order_id and event."
            stop(Wrong("wrong_body", what, "Send both as they stand in the outbox."))


def _doubled(event: str, how: str) -> Wrong:
    hint = "Is the row still there, and yours, when you send it? Only a death puts one in doubt."
    return Wrong("doubled", f"{event!r} was sent twice: {how}.", hint)

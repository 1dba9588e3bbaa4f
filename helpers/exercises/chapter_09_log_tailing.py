"""Grader of the lab on log tailing: a relay that follows a slot, while others commit, and dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import psycopg

from ..pipeline import PostgreSQL
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live

Send = Callable[[str], None]
Relay = Callable[[psycopg.Connection, str, Send], Any]
Transactions = Sequence[Sequence[str]]  # the events of each
SECONDS = 8.0  # for a call that has nobody to wait for
SLOT, PUBLICATION = "exercise", "outbox"
TEXTS = (" It's paid\n", "sent: é")  # a text may come again
OTHERS = "metrics"  # the prefix of what is no event
SAY = "SELECT pg_logical_emit_message(true, %s, %s)"


class _Moment(NamedTuple):
    """What happens when the relay sends its event number `n`."""

    n: int = -1
    commits: bool = False  # somebody commits another transaction
    dies: str = ""  # "before" the broker has the event, or "after"
    late: bool = False  # somebody commits another transaction when the slot was just found empty

    def __str__(self) -> str:
        if self.late:
            return "somebody committed just after a look that had found nothing"
        killed = f"the relay was killed {self.dies} an event reached the broker"
        said = [killed] if self.dies else ["nothing went wrong"]
        return " and ".join(["somebody committed while it was sending"] * self.commits + said)


@grader("9.12")
def follow(relay: Relay, data: Random, database: PostgreSQL) -> str:
    """Nothing, one transaction, several; others who commit meanwhile, or after the last look; and a
    death at each place."""
    _Log(database, []).expect(relay, _Moment())
    _Log(database, [[f"{data.randrange(10**6)} placed"]]).expect(relay, _Moment())
    places = [0, data.randrange(1, 5), 5]
    for n in places:
        _Log(database, _transactions(data)).expect(relay, _Moment(n, commits=True))
        for dies in ("before", "after"):
            _Log(database, _transactions(data)).expect(relay, _Moment(n, n == places[1], dies))
    _Log(database, _transactions(data)).expect(relay, _Moment(late=True))
    return "every event in its sequence; a death repeats no more than one transaction."


def _transactions(data: Random) -> Transactions:
    """Six events in three transactions, the first of which are repeated texts."""
    number = data.randrange(10**6)
    events = [f"{number}{text}" for text in (TEXTS[0], TEXTS[0], TEXTS[1], TEXTS[0], *TEXTS)]
    first = data.choice([1, 2])
    return [events[:first], events[first:4], events[4:]]


class _Log:
    """A slot, what was committed since it was made, and a journal of what was sent from it."""

    def __init__(self, database: PostgreSQL, transactions: Transactions) -> None:
        self.url, self.journal, self.given = database.url, Journal(), Journal()
        with self._connect() as connection:
            self._renew(connection)
            for events in transactions:
                self._commit(connection, events)
                connection.execute(SAY, [OTHERS, "load 0.7"])
                with connection.transaction(force_rollback=True):
                    connection.execute(SAY, [PUBLICATION, "never committed"])

    def expect(self, relay: Relay, moment: _Moment) -> None:
        """That all is well in the end."""
        died = self._run(relay, moment) is KILLED
        if died or moment.late:
            self._run(relay, _Moment())
        self._expect_all(moment, died)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def _renew(self, connection: psycopg.Connection) -> None:
        if not connection.execute(
            "SELECT FROM pg_publication WHERE pubname = %s", [PUBLICATION]
        ).rowcount:
            connection.execute(f"CREATE PUBLICATION {PUBLICATION}")
        drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        connection.execute(f"{drop} WHERE slot_name = %s", [SLOT])
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])

    def _commit(self, connection: psycopg.Connection, events: Sequence[str]) -> None:
        """A transaction with these events, and with something of others."""
        with connection.transaction():
            for event in events:
                connection.execute(SAY, [PUBLICATION, event])
                connection.execute(SAY, [OTHERS, "load 0.8"])
        self.given.note(*events)

    def _run(self, relay: Relay, moment: _Moment) -> Any:
        """One life of a relay."""
        calls, late = 0, moment.late

        def send(event: str) -> None:
            nonlocal calls
            known = Counter(text for events in self.given.read() for text in events)
            here, calls = calls == moment.n, calls + 1
            if event not in known:
                what = f"send got {event!r}, which is no event of the outbox."
                stop(Wrong("wrong_body", what, "Send the text of each message as it stands there."))
            if calls > known.total() + moment.commits:
                what = f"one call sent {calls} events; {known.total()} were committed."
                stop(Wrong("doubled", what, "Does the slot go on past what was sent?"))
            if here and moment.commits:
                with self._connect() as another:
                    self._commit(another, [f"{event} and more"])
            if here and moment.dies == "before":
                die()
            self.journal.note(event)
            if here and moment.dies == "after":
                die()

        def commit_late() -> None:
            nonlocal late
            if late:
                late = False
                with self._connect() as another:
                    self._commit(another, ["too late for that look"])

        def work() -> None:
            with self._connect() as connection:
                connection.cursor_factory = _telling(commit_late)
                relay(connection, SLOT, send)

        waited = Wrong(
            "waited",
            f"after {SECONDS:.0f} s your function has not returned.",
            "Return when nothing is left: whoever calls you will call again.",
        )
        return live(relay, work, seconds=SECONDS, late=waited)

    def _expect_all(self, moment: _Moment, died: bool) -> None:
        given = self.given.read()
        due = [event for events in given for event in events]
        found = [event for [event] in self.journal.read()]
        if lost := Counter(due) - Counter(found):
            raise self._lost(moment, min(lost))
        if not died and len(found) > len(due):
            again = min(Counter(found) - Counter(due))
            what = f"{moment}: {again!r} was sent twice."
            raise Wrong("doubled", what, "Does the slot go on past what was sent?")
        if died and not _begins_again(found, given, moment):
            what = f"{moment}: more than one transaction was sent again, or not in its sequence."
            hint = "Go past each transaction when it is sent, before you send the next one."
            raise Wrong("repeated", what, hint)
        if not died and found != due:
            what = f"{moment}: the events were sent in another sequence than they were committed."
            raise Wrong("overtaken", what, "The slot gives them in their sequence.")
        if left := self._left():
            what = f"{moment}: all was sent, and the slot still has {left} changes."
            raise Wrong("not_taken", what, "The log is kept until the slot goes on past them.")

    def _lost(self, moment: _Moment, event: str) -> Wrong:
        if self._left():
            what = f"{moment}: {event!r} was not sent, and there are changes left in the slot."
            return Wrong("left", what, "Look again, until nothing is left.")
        hint = "What the slot has gone past is gone: was each event of it sent by then?"
        return Wrong("lost", f"{moment}: {event!r} is lost.", hint)

    def _left(self) -> int:
        """How many changes the slot still has."""
        options = f"'proto_version', '1', 'publication_names', '{PUBLICATION}', 'messages', 'true'"
        peek = f"SELECT FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, {options})"
        with self._connect() as connection:
            return connection.execute(peek, [SLOT]).rowcount


def _telling(nothing_found: Callable[[], None]) -> type[psycopg.Cursor]:
    """Cursors that tell when a look into a slot has found nothing."""

    class Telling(psycopg.Cursor):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Telling:
            super().execute(query, *arguments, **options)
            if self.rowcount == 0 and "pg_logical_slot" in str(query):
                nothing_found()
            return self

    return Telling


def _begins_again(found: list[str], given: list[list[str]], moment: _Moment) -> bool:
    """Was all sent up to the death, and after it again from a transaction's beginning, but one's?"""
    due = [event for events in given for event in events]
    sent = moment.n + (moment.dies == "after")
    starts, place = [], 0
    for events in given:
        if place <= moment.n < place + len(events) or place == sent:
            starts.append(place)
        place += len(events)
    return any(found == due[:sent] + due[start:] for start in starts)

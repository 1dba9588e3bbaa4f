"""The grader of the lab on log tailing tells right answers from wrong ones."""

import contextlib

import psycopg
import pytest

from helpers import pipeline
from tests.exercises.answers import Answers, ignoring, stub

OPTIONS = "'proto_version', '1', 'publication_names', 'outbox', 'messages', 'true'"


def changes(connection, slot, how, rows=None):
    query = f"SELECT data FROM pg_logical_slot_{how}_binary_changes(%s, NULL, %s, {OPTIONS})"
    return [data for (data,) in connection.execute(query, [slot, rows])]


def event_of(change, prefixes=(b"outbox",)):
    prefix, _, text = change[10:].partition(b"\0")
    if change[:1] == b"M" and prefix in prefixes:
        return text[4:].decode()
    return None


def events_of(found, **how):
    return [event for change in found if (event := event_of(change, **how)) is not None]


def relay_with(rows=1, take="after", turns=10**6, body=str, choose=list, **how):
    """An answer that gets right what it is told to."""

    def relay(connection, slot, send):
        for _ in range(turns):
            found = changes(connection, slot, "get" if take == "at once" else "peek", rows)
            if not found:
                return
            if take == "before":
                changes(connection, slot, "get", rows)
            for event in choose(events_of(found, **how)):
                send(body(event))
            if take == "after":
                changes(connection, slot, "get", rows)

    return relay


def by_place(connection, slot, send):
    """Right too: all at a glance, and past each transaction by the place of its commit."""
    query = f"SELECT lsn, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, {OPTIONS})"
    while found := connection.execute(query, [slot]).fetchall():
        for place, change in found:
            if (event := event_of(change)) is not None:
                send(event)
            if change[:1] == b"C":
                go = "SELECT pg_replication_slot_advance(%s, %s)"
                connection.execute(go, [slot, place])


def advance_event_by_event(connection, slot, send):
    """Past a transaction when its first event is sent."""
    while found := changes(connection, slot, "peek", 1):
        events = events_of(found)
        for event in events[:1]:
            send(event)
        changes(connection, slot, "get", 1)
        for event in events[1:]:
            send(event)


def all_then_by_number(connection, slot, send):
    """As many transactions as were sent, but only when all are."""
    while found := changes(connection, slot, "peek"):
        for event in events_of(found):
            send(event)
        while found:
            found = found[len(changes(connection, slot, "get", 1)) :]


def looks_once(connection, slot, send):
    """The same, and what was committed meanwhile is left."""
    found = iter(changes(connection, slot, "peek"))
    for change in found:
        if (event := event_of(change)) is not None:
            send(event)
        if change[:1] == b"C":
            changes(connection, slot, "get", 1)


def again_and_again(connection, slot, send):
    """Right too: a look at all there is, one transaction after the other, until there is nothing."""
    while changes(connection, slot, "peek"):
        looks_once(connection, slot, send)


def peek_on(connection, slot, send):
    """Never takes anything, and remembers by itself what it has sent."""
    sent = 0
    while events := events_of(changes(connection, slot, "peek"))[sent:]:
        for event in events:
            send(event)
        sent += len(events)


def past_others(connection, slot, send):
    """Right too: in the end also past what others wrote, as far as it was there before the last look."""
    place = "SELECT pg_current_wal_flush_lsn()"
    while (end := connection.execute(place).fetchone()) and changes(connection, slot, "peek"):
        looks_once(connection, slot, send)
    connection.execute("SELECT pg_replication_slot_advance(%s, %s)", [slot, *end])


def past_all(connection, slot, send):
    """The same, and past what was committed after its last look."""
    relay_with()(connection, slot, send)
    go = "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())"
    connection.execute(go, [slot])


def takes_the_rest(connection, slot, send):
    """What is left when nothing is left."""
    relay_with()(connection, slot, send)
    changes(connection, slot, "get")


def until_it_comes(connection, slot, send):
    while True:
        relay_with()(connection, slot, send)


def swallow_everything(connection, slot, send):
    with contextlib.suppress(psycopg.Error):
        relay_with(take="never")(connection, slot, send)


ANSWERS = {
    "9.12": Answers(
        right={
            "reference": relay_with(),
            "by place": by_place,
            "again and again": again_and_again,
            "past what others wrote": past_others,
        },
        wrong={
            "takes at once": ("lost", relay_with(take="at once")),
            "takes all at once": ("lost", relay_with(rows=None, take="at once")),
            "takes before it sends": ("lost", relay_with(take="before")),
            "takes all that is there by then": ("lost", relay_with(rows=None)),
            "takes after the first event": ("lost", advance_event_by_event),
            "past all that is there by then": ("lost", past_all),
            "takes the rest": ("lost", takes_the_rest),
            "takes when all are sent": ("repeated", all_then_by_number),
            "never takes": ("doubled", relay_with(take="never")),
            "remembers by itself": ("not_taken", peek_on),
            "looks once": ("left", looks_once),
            "one transaction only": ("not_taken", relay_with(turns=1)),
            "a text only once": ("lost", relay_with(choose=lambda events: list(dict.fromkeys(events)))),
            "sorted": ("overtaken", relay_with(choose=sorted)),
            "turned": ("overtaken", relay_with(choose=lambda events: events[::-1])),
            "other prefixes too": ("wrong_body", relay_with(prefixes=(b"outbox", b"metrics"))),
            "blanks cut off": ("wrong_body", relay_with(body=str.strip)),
            "waits for more": ("waited", until_it_comes),
            "swallows errors": ("doubled", swallow_everything),
            "hangs": ("waited", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def database():
    with pipeline.PostgreSQL("wal_level=logical") as one:
        yield one


def test_answers(case, database):
    case.judge(database=database)

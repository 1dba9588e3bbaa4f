"""Grader of the lab on projections: what a view has wrong, by its log."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from .answers import Wrong, ask
from .grading import grader
from .places import kafka_options, new_topic, send

Audit = Callable[[KafkaConsumer, TopicPartition, sqlite3.Connection], dict[str, set[str]]]
Events = list[tuple[str, str | None]]  # an order, and its state from then on
PARTS = ("missing", "extra", "wrong")
MANY = 1200  # more than one poll brings
SECONDS = 15.0


class _Case(NamedTuple):
    """A log, and a view which says that it has the events before `position`."""

    what: str
    events: Events
    view: dict[str, str]
    position: int
    cut: int = 0
    goes_on: bool = False  # its projector has the next event while it is audited


@grader("8.4", needs=("kafka",))
def audits(audit: Audit, data: Random) -> str:
    """A right view, also while its projector goes on, views with faults of each kind, empty ones, a long
    log, logs that are cut, and one that is another."""
    for case in _cases(data):
        _expect(audit, case)
    return "each fault of each view found, none invented, and no word where the log is cut."


def _cases(data: Random) -> list[_Case]:
    number = data.randrange(10, 99)
    orders = [f"o-{number}", f"o-{number}{data.randrange(9)}", f"O-{number}", f"o-{number} "]
    a, b, c, d = orders
    begun: Events = [(order, "placed") for order in data.sample(orders, 4)]
    e = f"o-{number}e"
    more: Events = [
        (a, "paid"),
        (b, "Paid"),
        (c, None),
        (a, "sent"),
        (c, "paid"),
        (d, None),
        (e, ""),
    ]
    right = {a: "sent", b: "Paid", c: "paid", e: ""}
    events = begun + more
    later: Events = [(b, "sent"), (f"o-{number + 1}", "placed"), (a, None), (d, "placed")]
    long: Events = [(f"n-{n % 400}", f"state {n}") for n in range(MANY)]
    known = {order: str(state) for order, state in long}
    return [
        _Case("that is right", events, right, len(events)),
        _Case("that is right, and behind its log", events + later, right, len(events)),
        _Case("whose projector goes on", events + later, right, len(events), goes_on=True),
        _Case("whose log is empty", [], {a: "placed"}, 0),
        _Case("that has nothing yet", events, {}, 0),
        _Case("without an order", events, {a: "sent", c: "paid", e: ""}, len(events)),
        _Case("with a deleted order", events, {**right, d: "placed"}, len(events)),
        _Case(
            "with a strange order",
            events + later,
            {**right, f"o-{number + 1}": "placed"},
            len(events),
        ),
        _Case("with an old state", events + later, {**right, a: "paid"}, len(events)),
        _Case("with a state in lower case", events, {**right, b: "paid"}, len(events)),
        _Case("with a blank in a state", events, {**right, c: "paid "}, len(events)),
        _Case("with three faults", events, {a: "Sent", c: "paid", d: "placed"}, len(events)),
        _Case("of a long log", long, {**known, "n-7": "state 7"}, MANY),
        _Case("whose log is cut", events, right, len(events), cut=2),
        _Case("whose log is all gone", events, right, len(events), cut=len(events)),
        _Case("that is further than its log", begun, right, len(events)),
    ]


def _expect(audit: Audit, case: _Case) -> None:
    with new_topic() as topic, tempfile.TemporaryDirectory() as folder:
        partition = TopicPartition(topic, 0)
        _write(partition, case)
        path = _view(Path(folder), case)
        before = path.read_bytes()
        with (
            closing(sqlite3.connect(path)) as view,
            KafkaConsumer(**kafka_options(), enable_auto_commit=False) as consumer,
        ):
            if case.goes_on:
                view.set_trace_callback(_projector(path, *case.events[case.position]))
            late = Wrong(
                "no_deadline",
                f"a view {case.what}: your function was still running after {SECONDS:g} s.",
                "When have you read all that the view can know?",
            )
            said = ask(
                audit, consumer, partition, view,
                seconds=SECONDS, may_raise=(LookupError,), late=late,
            )  # fmt: skip
        _judge(case, said)
        if not case.goes_on and path.read_bytes() != before:
            what = f"a view {case.what}: it was changed."
            raise Wrong("changed", what, "Look, and no more.")


def _write(partition: TopicPartition, case: _Case) -> None:
    values = [json.dumps({"order": order, "state": state}) for order, state in case.events]
    send(partition.topic, [(0, None, value.encode()) for value in values])
    if case.cut:
        with KafkaAdminClient(**kafka_options()) as admin:
            admin.delete_records({partition: case.cut})


def _view(folder: Path, case: _Case) -> Path:
    path = folder / "view.db"
    with closing(sqlite3.connect(path)) as view, view:
        view.execute("CREATE TABLE orders (order_id TEXT PRIMARY KEY, state TEXT)")
        view.execute("CREATE TABLE position (next INTEGER)")
        view.executemany("INSERT INTO orders VALUES (?, ?)", case.view.items())
        view.execute("INSERT INTO position VALUES (?)", [case.position])
    return path


def _projector(path: Path, order: str, state: str | None) -> Callable[[str], None]:
    """Called before each statement about the view: before the second question its projector puts an
    event into it, unless a transaction of the audit's keeps it from that."""
    asked = 0

    def go_on(statement: str) -> None:
        nonlocal asked
        asked += statement.lstrip().upper().startswith(("SELECT", "WITH"))
        if asked == 2:
            locked = suppress(sqlite3.OperationalError)  # then it comes when we are gone
            with locked, closing(sqlite3.connect(path, timeout=0)) as view, view:
                view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, state])
                view.execute("UPDATE position SET next = next + 1")

    return go_on


def _judge(case: _Case, said: Any) -> None:
    if case.cut or case.position > len(case.events):
        if isinstance(said, LookupError) and not isinstance(said, KeyError | IndexError):
            return
        what = f"a view {case.what}: expected a LookupError, not {said!r:.60}."
        hint = "Of which offsets is the view, and which of them does the log have?"
        raise Wrong("not_refused", what, hint)
    if isinstance(said, LookupError):
        what = (
            f"a view {case.what}: {type(said).__name__}, though its log has all that it was told."
        )
        hint = "Only a log that is cut, or ends before `next`, says nothing of a view."
        raise Wrong("refused", what, hint)
    if not isinstance(said, dict) or set(said) != set(PARTS):
        what = f"a view {case.what}: {said!r:.60} was returned."
        raise Wrong("no_audit", what, f"Return a dictionary of {', '.join(PARTS)}.")
    for part, wanted in _faults(case).items():
        if not isinstance(said[part], set):
            raise Wrong("no_set", f"{part} is {said[part]!r:.60}.", "Make it a set.")
        if found := said[part] - wanted:
            what = f"a view {case.what}: {min(found, key=str)!r} is not {part}."
            raise Wrong(
                "invented", what, "What had the log told by the position that these rows belong to?"
            )
        if left := wanted - said[part]:
            what = f"a view {case.what}: {min(left)!r} is {part}, and you didn't say so."
            raise Wrong("overlooked", what, "Compare order by order, and state by state.")


def _faults(case: _Case) -> dict[str, set[str]]:
    told: dict[str, str] = {}
    for order, state in case.events[: case.position]:
        told.pop(order, None)
        if state is not None:
            told[order] = state
    return {
        "missing": told.keys() - case.view.keys(),
        "extra": case.view.keys() - told.keys(),
        "wrong": {
            order for order in told.keys() & case.view.keys() if told[order] != case.view[order]
        },
    }

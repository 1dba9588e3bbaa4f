"""Graders of chapter 8: views that are late, projectors that are killed, and a change of views."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from ..waiting import wait_until
from .answers import Wrong, ask, expect_patience, stop
from .grading import grader
from .lives import KILLED, die, live
from .places import kafka_options, new_topic, send
from .proxy import Proxy

# -- 8.1: read your own writes -------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    order_id: str
    partition: int
    offset: int


PATIENCE, LATE, SLACK = 0.5, 0.4, 4.0  # seconds: the reader's, the projector's, a busy machine's
PATIENCES = 0.2, 0.5, 2.4  # seconds: a reader's whose event does not come
SOON = 3.0  # seconds: "as soon as", on a busy machine


@grader("8.1")
def read_own(answer: Callable[[sqlite3.Connection, Receipt, float], str], data: Random) -> str:
    """Five days of a projector: on time, at the first event, late, busy in other partitions, and one
    event short."""
    ours = Receipt(f"order-{data.randrange(10**6)}", partition=1, offset=data.randint(10, 400))
    at = ours.offset
    with tempfile.TemporaryDirectory() as folder:
        view = _view(folder, "on time", {0: 9, 1: at + 1}, ours, "paid")
        _expect_read(answer, view, ours, "paid", "on time")
        first = Receipt(ours.order_id, partition=0, offset=0)
        view = _view(folder, "first", {0: 1, 1: 0}, first, "paid")
        _expect_read(answer, view, first, "paid", "on time, with the log's very first event", 0.0)
        late = _view(folder, "late", {0: 9, 1: at - 1}, ours, "placed")
        projector = _LateProjector(late, ours)
        thread = threading.Thread(target=projector.run, daemon=True)
        thread.start()
        try:
            _expect_read(answer, late, ours, "paid", "late", LATE + SLACK, projector.hurry)
        finally:
            thread.join()
        for patience, (day, position, state) in zip(
            PATIENCES,
            (
                (
                    "was far ahead in partition 0, and stood still in 1",
                    {0: 999, 1: at - 1},
                    "placed",
                ),
                (f"stood still at offset {at}, the next to be read", {0: 9, 1: at}, "shipped"),
                ("has nothing of the receipt's partition yet", {0: 999}, "placed"),
            ),
            strict=True,
        ):
            view = _view(folder, day, position, ours, state)
            _expect_given_up(answer, view, ours, day, patience)
    return "on time and late you read your own; where it never came, you said so in time."


def _view(folder: str, name: str, position: dict[int, int], ours: Receipt, state: str) -> Path:
    path = Path(folder) / f"{name.replace(' ', '_')}.db"
    with closing(sqlite3.connect(path)) as view, view:
        view.execute("PRAGMA journal_mode = WAL")
        view.execute("CREATE TABLE orders (order_id TEXT PRIMARY KEY, state TEXT)")
        view.execute("CREATE TABLE position (partition INTEGER PRIMARY KEY, next INTEGER)")
        view.execute(
            "INSERT INTO orders VALUES (?, ?), ('other', 'shipped')", [ours.order_id, state]
        )
        view.executemany("INSERT INTO position VALUES (?, ?)", position.items())
    return path


class _LateProjector:
    """It has an event of another order, and a while later the one that is awaited.

    It hurries when somebody has looked at the orders: who reads the state before the position
    has the old state, and then finds the new position."""

    def __init__(self, path: Path, ours: Receipt) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._to_come = [(ours.offset, "other"), (ours.offset + 1, ours.order_id)]

    def run(self) -> None:
        for left in (1, 0):
            threading.Event().wait(LATE / 2)
            self._go_on(left)

    def hurry(self) -> None:
        self._go_on(left=0)

    def _go_on(self, left: int) -> None:
        with self._lock, closing(sqlite3.connect(self._path, timeout=20)) as view:
            while len(self._to_come) > left:
                following, order_id = self._to_come.pop(0)
                with view:
                    view.execute("UPDATE orders SET state = 'paid' WHERE order_id = ?", [order_id])
                    view.execute("UPDATE position SET next = ? WHERE partition = 1", [following])


def _reader(path: Path, seen: Callable[[], None] = lambda: None) -> sqlite3.Connection:
    """A connection for reading only, which calls `seen` after each statement about the orders."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *values: Any) -> Any:
            result = super().execute(sql, *values)
            if "orders" in sql.lower():
                seen()
            return result

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *statement: Any) -> sqlite3.Cursor:
            return self.cursor().execute(*statement)

    uri = f"{path.as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=20, factory=Connection)


def _expect_read(
    answer: Callable,
    path: Path,
    ours: Receipt,
    expected: str,
    day: str,
    patience: float = PATIENCE + SLACK,
    seen: Callable[[], None] = lambda: None,
) -> None:
    began = time.monotonic()
    with closing(_reader(path, seen)) as view:
        said = ask(answer, view, ours, patience, may_raise=(TimeoutError,))
    if isinstance(said, TimeoutError):
        raise Wrong(
            "gave_up",
            f"the projector was {day}; with a timeout of {patience:g} s the function raised TimeoutError.",
            "Look again and again until the deadline, and at least once; and see that the position is "
            "read anew each time.",
        )
    if (took := time.monotonic() - began) > SOON:
        raise Wrong(
            "too_late",
            f"the projector was {day}, and the function answered after {took:.1f} s.",
            "Don't wait for the deadline: look every few milliseconds, and return when it's there.",
        )
    if said == "placed":
        raise Wrong(
            "old_state",
            f"the projector was {day}, and the function returned what was there before: {said!r}.",
            "Look at the position first, and at the order after it: the view has the event when "
            "the receipt's partition is past the receipt's offset.",
        )
    if said != expected:
        raise Wrong(
            "no_state",
            f"the projector was {day}, and the function returned {said!r}, not {expected!r}.",
            "Return the state of the receipt's order, as text: the first column of its row.",
        )


def _expect_given_up(
    answer: Callable, path: Path, ours: Receipt, day: str, patience: float
) -> None:
    late = Wrong(
        "no_deadline",
        f"the projector {day}, and {patience + SLACK:g} s later the function, which had "
        f"{patience:g}, was still waiting.",
        "Fix the deadline once, `time.monotonic() + timeout`, and give up when it has passed.",
    )
    with closing(_reader(path)) as view:
        given, began = (view, ours, patience), time.monotonic()
        seconds = patience + SLACK
        said = ask(answer, *given, seconds=seconds, may_raise=(TimeoutError,), late=late)
    if not isinstance(said, TimeoutError):
        raise Wrong(
            "old_state",
            f"the projector {day}, and the function returned {said!r}.",
            "Offsets count in their own partition only, and a position is the offset that is still "
            "to come. If yours doesn't come in time, `raise TimeoutError`.",
        )
    expect_patience(patience, time.monotonic() - began)


# -- 8.2: twice, in any order, and killed --------------------------------------------------------

KILLS = 4
DEPTH = 1000  # how deep a function may call itself: Python's default
STORY = ("placed", "paid", "paid", "shipped")  # by instalments
KEEP = (
    "An event that is ahead of its turn may not be dropped, and not be kept in memory: put it into "
    "`waiting`, and look there whenever an order has moved on."
)
Event = dict[str, Any]
DAYS = {  # what the relay makes of the events, and how often the projector is killed
    "each event came once and in order": (1, False, 0),
    "each event came twice": (2, False, 0),
    "the events came out of order": (1, True, 0),
    "the events came twice and out of order": (2, True, 0),
    "the events came out of order, and the projector was killed": (1, True, KILLS),
    "the events came twice and out of order, and the projector was killed": (2, True, KILLS),
}


@grader("8.2", needs=("kafka",))
def project(answer: Callable[[Any, Event], None], data: Random) -> str:
    """Six days of a projector: fed in four ways, and in two of them killed four times as well. And one on
    which a long story comes backwards."""
    events = _events(data)
    for day, (copies, mixed, kills) in DAYS.items():
        relayed = [event for event in events for _ in range(copies)]
        if mixed:
            data.shuffle(relayed)
        _expect_day(answer, events, relayed, day, kills)
    events = _long_story()
    _expect_day(answer, events, events[::-1], f"{len(events)} events of an order came backwards")
    return "twice, out of order, killed eight times: each order right, each payment counted once."


def _events(data: Random) -> list[Event]:
    """Eight orders of three customers, each placed, paid twice and shipped; one costs nothing."""
    orders = [f"order-{number}" for number in data.sample(range(1000), 8)]
    totals = [0, *(data.randint(1, 500) for _ in orders[1:])]
    return [
        {
            "order": order,
            "version": version,
            "state": state,
            "customer": f"customer-{number % 3}",
            "total": totals[number] * version,
        }
        for version, state in enumerate(STORY, 1)
        for number, order in enumerate(orders)
    ]


def _long_story() -> list[Event]:
    """An order that is paid by more instalments than a function can call itself."""
    states = ["placed", *["paid"] * DEPTH, "shipped"]
    order = {"order": "order-1000", "customer": "customer-0"}
    return [
        {**order, "version": version, "state": state, "total": version}
        for version, state in enumerate(states, 1)
    ]


def _expect_day(
    answer: Callable, events: list[Event], relayed: list[Event], day: str, kills: int = 0
) -> None:
    """That the view is right in the end, with these events as the relay brings them."""
    with tempfile.TemporaryDirectory() as folder, new_topic() as topic:
        view = _empty_view(folder)
        _relay(topic, relayed)
        _project(answer, topic, view, len(relayed), day, kills)
        _expect_view(view, events, day, killed=kills > 0)


def _relay(topic: str, events: list[Event]) -> None:
    send(topic, [(0, None, json.dumps(event).encode()) for event in events])


def _empty_view(folder: str) -> Path:
    path = Path(folder) / "view.db"
    with closing(sqlite3.connect(path)) as view, view:
        view.execute("CREATE TABLE orders (order_id TEXT PRIMARY KEY, version INTEGER, state TEXT)")
        view.execute("CREATE TABLE customers (customer TEXT PRIMARY KEY, paid INTEGER)")
        view.execute("CREATE TABLE waiting (order_id TEXT, version INTEGER, event TEXT)")
        view.execute("CREATE TABLE position AS SELECT 0 AS next")
    return path


def _project(answer: Callable, topic: str, view: Path, end: int, day: str, kills: int) -> None:
    """As many lives of the projector as it needs, of which the first are killed."""
    late = Wrong(
        "no_end",
        "the projector was not at the end of the log after 20 seconds.",
        "Handle the one event, and what waited for it, and return.",
    )
    for life in range(kills + 1):
        following = partial(_follow, answer, topic, view, end, life < kills)
        ended = live(answer, following, seconds=20, late=late, may_raise=(RecursionError,))
        if isinstance(ended, RecursionError):
            raise Wrong(
                "called_itself",
                f"{day}: the function has called itself {DEPTH} times, where Python gives up.",
                "Any number of an order's events may wait for one: go through them in a loop.",
            )
        if ended is not KILLED:
            return


def _follow(answer: Callable, topic: str, path: Path, end: int, mortal: bool) -> None:
    """The projector: each event in a transaction, with the position. If it is mortal, it is killed at
    its fourth event, after the first change or at the latest before the commit."""
    sys.setrecursionlimit(DEPTH)  # a notebook's may be another
    database = sqlite3.connect(path, isolation_level=None, timeout=20)
    database.execute("PRAGMA synchronous = OFF")  # a process dies, and the machine goes on
    [offset] = database.execute("SELECT next FROM position").fetchone()
    partition, handled = TopicPartition(topic, 0), 0
    with KafkaConsumer(**kafka_options()) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, offset)
        while offset < end:
            for record in consumer.poll(timeout_ms=500).get(partition, []):
                handled, offset = handled + 1, record.offset + 1
                fatal = mortal and handled == 4
                database.execute("BEGIN IMMEDIATE")
                answer(_in_transaction(database, fatal), json.loads(record.value))
                if fatal:
                    die()
                _expect_transaction(database)
                database.execute("UPDATE position SET next = ?", [offset])
                database.execute("COMMIT")


def _in_transaction(database: sqlite3.Connection, fatal: bool) -> Any:
    """The learner's connection: it neither begins nor commits, and may die after a change."""

    def refuse(*_: Any, **__: Any) -> None:
        stop(
            Wrong(
                "committed",
                "the function began, committed or rolled back a transaction.",
                "It is the projector that commits, your changes and its position together.",
            )
        )

    def execute(original: Callable, sql: str, *values: Any) -> Any:
        if sql.split()[0].upper() in ("BEGIN", "COMMIT", "END", "ROLLBACK"):
            refuse()
        found = original(sql, *values)
        if fatal and not sql.split()[0].upper().startswith("SELECT"):
            die()
        return found

    def cursor(original: Callable, *arguments: Any) -> Any:
        return Proxy(original(*arguments), execute=execute, executemany=execute)

    hooks = dict.fromkeys(("commit", "rollback", "executescript"), refuse)
    return Proxy(database, execute=execute, executemany=execute, cursor=cursor, **hooks)


def _expect_transaction(database: sqlite3.Connection) -> None:
    if not database.in_transaction:
        raise Wrong(
            "committed",
            "the function has ended the projector's transaction.",
            "It is the projector that commits, your changes and its position together.",
        )


def _expect_view(path: Path, events: list[Event], day: str, *, killed: bool) -> None:
    with closing(sqlite3.connect(path)) as view:
        rows = view.execute("SELECT order_id, state, version FROM orders").fetchall()
        customers = dict(view.execute("SELECT customer, paid FROM customers").fetchall())
        [waiting] = view.execute("SELECT count(*) FROM waiting").fetchone()
    paid: Counter[str] = Counter()
    for event in events:
        paid[event["customer"]] += event["total"] * (event["state"] == "paid")
    difference = sum(customers.values()) - paid.total()
    if difference > 0:
        raise Wrong(
            "counted_twice",
            f"{day}: the customers have paid {difference} too much.",
            "An event whose version is not beyond the order's own was there before.",
        )
    if customers != paid:
        raise Wrong(
            "event_lost",
            f"{day}: the customers have paid {-difference} too little.",
            KEEP,
        )
    last, length = events[-1]["state"], events[-1]["version"]
    for order, state, version in sorted(rows):
        if (state, version) == (last, length):
            continue
        text = f"{day}: {order} is {state!r} in version {version}, not {last!r} in {length}."
        if killed:  # without a kill it went well
            raise Wrong("event_lost", text, KEEP)
        raise Wrong(
            "wrong_state",
            text,
            "The last event that comes need not be the last one that happened: go by the version, "
            "which stands in the row along with its state.",
        )
    if missing := {event["order"] for event in events} - {order for order, *_ in rows}:
        raise Wrong(
            "order_missing",
            f"{day}: {len(missing)} orders are not in the view.",
            "The first event of an order makes its row.",
        )
    if waiting:
        raise Wrong(
            "left_waiting",
            f"{day}: all orders are complete, and {waiting} events lie in `waiting` for ever.",
            "Delete what has had its turn, also a second copy of it; or the table grows and grows.",
        )


# -- 8.3: from blue to green ---------------------------------------------------------------------

PARTITIONS = range(3)
PATIENCE_GREEN = 1.0  # seconds
Position = dict[int, int]
Day = tuple[Position, Position | None, bool]  # blue's, and green's if it says it; green's goes on


def _days(data: Random) -> dict[str, Day]:
    one, other, third = data.sample(PARTITIONS, 3)
    blue = {number: data.randint(80, 120) for number in PARTITIONS}
    return {
        "green was on its way": (blue, {}, True),
        f"green was ahead in partition {one} and behind in {other}": (
            {one: 100, other: 200, third: 100},
            {one: 290, other: 60, third: 90},
            True,
        ),
        f"green's projector had died before it came to partition {third}": (
            blue,
            {one: 10**6, other: 10**6},
            False,
        ),
        "green's view was locked": (blue, None, False),
    }


class _Projector:
    """One side's projector: a thread that follows the topic, a few records at a time. Before it stops,
    it handles what it had fetched: so many records of each partition at least."""

    def __init__(
        self, topic: str, position: Position | None, alive: bool, at_a_time: int, fetched: int = 0
    ) -> None:
        self._topic = topic
        self._position = dict(position or {})
        self._locked = position is None
        self._alive = alive
        self._at_a_time = at_a_time
        self._fetched = fetched
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def position(self) -> Position:
        if self._locked:
            raise sqlite3.OperationalError("database is locked")
        with self._lock:
            return dict(self._position)

    def start(self) -> None:
        if self._alive and not self.running:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._at_a_time, before = 500, self.position()
            ahead = lambda n: self.position().get(n, 0) - before.get(n, 0)  # noqa: E731
            handled = lambda: all(ahead(n) >= self._fetched for n in PARTITIONS)  # noqa: E731
            wait_until(handled, "the projector's last batch", every=0.002)
            self._stopping.set()
            self._thread.join(timeout=20)
            self._thread = None

    def _follow(self) -> None:
        partitions = {TopicPartition(self._topic, number) for number in PARTITIONS}
        with KafkaConsumer(**kafka_options()) as consumer:
            consumer.assign(list(partitions))
            for partition in partitions:
                consumer.seek(partition, self.position().get(partition.partition, 0))
            while not self._stopping.wait(0.002):
                batches = consumer.poll(timeout_ms=20, max_records=self._at_a_time)
                with self._lock:
                    for partition, records in batches.items():
                        self._position[partition.partition] = records[-1].offset + 1


@grader("8.3", needs=("kafka",))
def take_over(answer: Callable[[Any, Any, Callable[[], None], float], None], data: Random) -> str:
    """Four days of a green view, with a writer that never pauses."""
    with new_topic(len(PARTITIONS)) as topic, KafkaProducer(**kafka_options()) as producer:
        for number in range(300):
            for partition in PARTITIONS:
                producer.send(topic, str(number).encode(), partition=partition)
        producer.flush(timeout=20)
        closed = threading.Event()
        writer = threading.Thread(target=_write, args=[producer, topic, closed], daemon=True)
        writer.start()
        try:
            for day, (blue, green, alive) in _days(data).items():
                _expect_take_over(answer, topic, day, blue, green, alive)
        finally:
            closed.set()
            writer.join(timeout=20)
    return "twice the readers went over and noticed nothing; twice they stayed, and blue ran on."


def _write(producer: KafkaProducer, topic: str, closed: threading.Event) -> None:
    while not closed.wait(0.01):
        for partition in PARTITIONS:
            producer.send(topic, b"one more", partition=partition)
        producer.flush(timeout=20)


def _expect_take_over(
    answer: Callable,
    topic: str,
    day: str,
    at_blue: Position,
    at_green: Position | None,
    alive: bool,
) -> None:
    blue = _Projector(topic, at_blue, True, at_a_time=1, fetched=50)
    green = _Projector(topic, at_green, alive, at_a_time=4)
    switches: list[tuple[bool, list[int]]] = []

    def switch() -> None:
        """Note whether blue was running, and in which partitions the readers went back."""
        here, there = (green.position() if at_green is not None else {}), blue.position()
        back = [number for number in PARTITIONS if here.get(number, 0) < there.get(number, 0)]
        switches.append((blue.running, back))

    blue.start()
    green.start()
    timeout = 20.0 if alive else PATIENCE_GREEN
    try:
        outcome = _outcome(answer, blue, green, switch, timeout)
        _expect_no_step_back(day, switches)
        if alive:
            _expect_switched(day, outcome, switches, blue)
        else:
            errors = TimeoutError if at_green is not None else (TimeoutError, sqlite3.Error)
            _expect_stayed(day, outcome, errors, switches, blue)
    finally:
        blue.stop()
        green.stop()


def _outcome(answer: Callable, blue: Any, green: Any, switch: Callable, timeout: float) -> Any:
    """What the learner's function returned, or its TimeoutError, or the locked view's error."""
    late = Wrong(
        "no_deadline",
        f"{timeout + SLACK:g} s after the call the function, which had {timeout:g}, was still "
        "waiting.",
        "Fix the deadline once, and give up when it has passed.",
    )
    given, began = (blue, green, switch, timeout), time.monotonic()
    errors = TimeoutError, sqlite3.Error
    said = ask(answer, *given, seconds=timeout + SLACK, may_raise=errors, late=late)
    if isinstance(said, TimeoutError):
        expect_patience(timeout, time.monotonic() - began)
    return said


def _expect_no_step_back(day: str, switches: list[tuple[bool, list[int]]]) -> None:
    for running, back in switches:
        if back:
            raise Wrong(
                "went_back",
                f"{day}, and at the switch its readers went back in partition {back[0]}.",
                "Compare each of blue's partitions with green's; one that green does not name, it "
                "has nothing of.",
            )
        if running:
            raise Wrong(
                "blue_still_running",
                f"{day}, and at the switch blue's projector was still running.",
                "What was true of the two positions a moment ago need not be true at the switch: "
                "stop blue first, so that there is a place for green to reach.",
            )


def _expect_switched(
    day: str, outcome: Any, switches: list[tuple[bool, list[int]]], blue: _Projector
) -> None:
    if isinstance(outcome, TimeoutError):
        raise Wrong(
            "gave_up",
            f"{day}, and the function raised TimeoutError.",
            "Green gets there: look at its position again and again. If blue runs meanwhile, it "
            "runs away.",
        )
    if len(switches) != 1:
        raise Wrong(
            "switched_not_once",
            f"{day}, and the readers were switched {len(switches)} times, not once.",
            "Call `switch()` once, when green has reached blue.",
        )
    if blue.running:
        raise Wrong(
            "blue_runs_on",
            f"{day}, and after the switch blue's projector ran on.",
            "Start it again only when you give up.",
        )


def _expect_stayed(
    day: str,
    outcome: Any,
    errors: type[Exception] | tuple[type[Exception], ...],
    switches: list[tuple[bool, list[int]]],
    blue: _Projector,
) -> None:
    if switches or not isinstance(outcome, errors):
        raise Wrong(
            "switched_too_early",
            f"{day}, and the function did not raise an error that says so.",
            "A green view that does not get there in time is no view for the readers.",
        )
    if not blue.running:
        raise Wrong(
            "blue_stands_still",
            f"{day}, and after the {type(outcome).__name__} blue's projector stood still.",
            "The readers are still at blue: start its projector again before you raise.",
        )

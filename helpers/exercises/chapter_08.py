"""Graders of chapter 8: views that are late, projectors that are killed, and a change of views."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from . import Wrong, grader
from .program import as_program
from .topic import kafka_options, new_topic

# -- 8.1: read your own writes -------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    order_id: str
    partition: int
    offset: int


PATIENCE, LATE, SLACK = 0.5, 0.4, 4.0  # seconds: the reader's, the projector's, a busy machine's
SOON, GIVE_UP_SLACK = 3.0, 2.0  # seconds: "as soon as", and "within timeout", on a busy machine
OURS = Receipt("order-7", partition=1, offset=41)


@grader("8.1")
def read_own(answer: Callable[[sqlite3.Connection, Receipt, float], str]) -> str:
    """Four days of a projector: on time, late, busy in other partitions, and one event short."""
    with tempfile.TemporaryDirectory() as folder:
        _expect_read(answer, _view(folder, "on time", {0: 9, 1: 42}, "paid"), "paid", "on time")
        late = _view(folder, "late", {0: 9, 1: 40}, "placed")
        projector = _LateProjector(late)
        thread = threading.Thread(target=projector.run, daemon=True)
        thread.start()
        try:
            _expect_read(answer, late, "paid", "late", LATE + SLACK, projector.hurry)
        finally:
            thread.join()
        ahead = _view(folder, "ahead", {0: 500, 1: 40}, "placed")
        _expect_given_up(answer, ahead, "was far ahead in partition 0, and stood still in 1")
        short = _view(folder, "short", {0: 9, 1: 41}, "shipped")
        _expect_given_up(answer, short, "stood still at offset 41, which is the next to be read")
    return "on time and late you read your own; where it never came, you said so in time."


def _view(folder: str, name: str, position: dict[int, int], state: str) -> Path:
    path = Path(folder) / f"{name}.db"
    with closing(sqlite3.connect(path)) as view, view:
        view.execute("PRAGMA journal_mode = WAL")
        view.execute("CREATE TABLE orders (order_id TEXT PRIMARY KEY, state TEXT)")
        view.execute("CREATE TABLE position (partition INTEGER PRIMARY KEY, next INTEGER)")
        view.execute("INSERT INTO orders VALUES ('order-7', ?), ('order-8', 'shipped')", [state])
        view.executemany("INSERT INTO position VALUES (?, ?)", position.items())
    return path


class _LateProjector:
    """It has an event of another order, and a while later the one that is awaited.

    It hurries when somebody has looked at the orders: who reads the state before the position
    has the old state, and then finds the new position."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._to_come = [(41, "order-8"), (42, "order-7")]

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
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            result = super().execute(sql, *values)
            if "orders" in sql.lower():
                seen()
            return result

    class Connection(sqlite3.Connection):
        def cursor(self, factory: type = Cursor) -> sqlite3.Cursor:
            return super().cursor(factory)

        def execute(self, *statement: Any) -> sqlite3.Cursor:
            return self.cursor().execute(*statement)

    uri = f"{path.as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=20, factory=Connection)


def _expect_read(
    answer: Callable,
    path: Path,
    expected: str,
    day: str,
    patience: float = PATIENCE + SLACK,
    seen: Callable[[], None] = lambda: None,
) -> None:
    began = time.monotonic()
    with closing(_reader(path, seen)) as view:
        try:
            said = answer(view, OURS, patience)
        except TimeoutError as error:
            raise Wrong(
                f"the projector was {day}, and the function raised TimeoutError.",
                "Look again and again until the deadline, and see that the position is read anew "
                "each time.",
            ) from error
    if (took := time.monotonic() - began) > SOON:
        raise Wrong(
            f"the projector was {day}, and the function answered after {took:.1f} s.",
            "Don't wait for the deadline: look every few milliseconds, and return when it's there.",
        )
    if said == expected:
        return
    if said == "placed":
        raise Wrong(
            f"the projector was {day}, and the function returned what was there before: {said!r}.",
            "Look at the position first, and at the order after it: the view has the event when "
            "the receipt's partition is past the receipt's offset.",
        )
    raise Wrong(
        f"the projector was {day}, and the function returned {said!r}, not {expected!r}.",
        "Return the state of the receipt's order, as text: the first column of its row.",
    )


def _expect_given_up(answer: Callable, path: Path, day: str) -> None:
    outcome: list[Any] = []

    def run() -> None:
        with closing(_reader(path)) as view:
            try:
                outcome.append(answer(view, OURS, PATIENCE))
            except BaseException as error:
                outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE + GIVE_UP_SLACK)
    if not outcome:
        raise Wrong(
            f"the projector {day}, and {PATIENCE + GIVE_UP_SLACK:g} s later the function, which had "
            f"{PATIENCE:g}, was still waiting.",
            "Fix the deadline once, `time.monotonic() + timeout`, and give up when it has passed.",
        )
    if isinstance(outcome[0], TimeoutError):
        return
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    raise Wrong(
        f"the projector {day}, and the function returned {outcome[0]!r}.",
        "Offsets count in their own partition only, and a position of 41 says that 41 is still to "
        "come. If it doesn't come in time, `raise TimeoutError`.",
    )


# -- 8.2: twice, in any order, and killed --------------------------------------------------------

KILLS = 4
STORY = ("placed", "paid", "shipped")
EVENTS = [
    {
        "order": f"order-{number}",
        "version": version,
        "state": state,
        "customer": f"customer-{number % 3}",
        "total": 100 + number,
    }
    for version, state in enumerate(STORY, 1)
    for number in range(1, 9)
]
DAYS = {  # what the relay makes of the events, and how often the projector is killed
    "each event came once and in order": (1, False, 0),
    "each event came twice": (2, False, 0),
    "the events came out of order": (1, True, 0),
    "the events came twice and out of order": (2, True, 0),
    "the events came out of order, and the projector was killed": (1, True, KILLS),
    "the events came twice and out of order, and the projector was killed": (2, True, KILLS),
}
PROJECTOR = """
import json, os, signal, sqlite3, sys, time
from kafka import KafkaConsumer, TopicPartition
options, jobs = map(json.loads, sys.argv[1:])
def die(): os.kill(os.getpid(), signal.SIGKILL)

class View:
    # the learner's connection, within a transaction of the projector's
    def __init__(self, connection, fatal):
        self._connection, self._fatal = connection, fatal
    def execute(self, sql, *values):
        word = sql.split()[0].upper()
        if word in ("BEGIN", "COMMIT", "END", "ROLLBACK"): self.commit()
        result = self._connection.execute(sql, *values)
        if self._fatal and word != "SELECT": die()
        return result
    def commit(self):
        raise RuntimeError("it is the projector that commits")
    def __enter__(self):
        self.commit()
    def __exit__(self, *_): pass
    def __getattr__(self, name):
        return self.commit if name == "rollback" else getattr(self._connection, name)

def live(topic, path, end, mortal):
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    [(offset,)] = connection.execute("SELECT next FROM position").fetchall()
    partition, handled = TopicPartition(topic, 0), 0
    consumer = KafkaConsumer(**options)
    consumer.assign([partition])
    consumer.seek(partition, offset)
    deadline = time.monotonic() + 20
    while offset < end and time.monotonic() < deadline:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            handled, offset = handled + 1, record.offset + 1
            fatal = mortal and handled == 4
            connection.execute("BEGIN IMMEDIATE")
            answer(View(connection, fatal), json.loads(record.value))
            if fatal: die()
            connection.execute("UPDATE position SET next = ?", [offset])
            connection.execute("COMMIT")
    if offset < end: sys.exit("too slow")

for topic, path, end, kills in jobs:
    for life in range(kills + 1):
        child = os.fork()
        if not child:
            live(topic, path, end, life < kills)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status): break
    if status: sys.exit(1)
"""


@grader("8.2", seconds=90)  # it starts some twenty processes
def project(answer: Callable[[Any, dict[str, Any]], None]) -> str:
    """Six days of a projector: fed in four ways, and in two of them killed four times as well."""
    program = as_program(answer, PROJECTOR)
    options = kafka_options()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as until_graded:
        topics = {
            shape: until_graded.enter_context(new_topic(partitions=1))
            for shape in {day[:2] for day in DAYS.values()}
        }
        for (copies, mixed), topic in topics.items():
            _relay(options, topic, copies, mixed)
        views = {day: _empty_view(folder, n) for n, day in enumerate(DAYS)}
        for killed in (False, True):
            days = {day: how for day, how in DAYS.items() if bool(how[2]) == killed}
            jobs = [
                (topics[copies, mixed], str(views[day]), copies * len(EVENTS), kills)
                for day, (copies, mixed, kills) in days.items()
            ]
            _run(program, json.dumps(options), json.dumps(jobs))
            for day in days:
                _expect_view(views[day], day)
    return "twice, out of order, killed eight times: each order right, each payment counted once."


def _relay(options: dict[str, Any], topic: str, copies: int, mixed: bool) -> None:
    """Publish the events as a relay does that has bad days; the same bad ones each time."""
    events = [event for event in EVENTS for _ in range(copies)]
    if mixed:
        random.Random(8).shuffle(events)
    with KafkaProducer(**options) as producer:
        for event in events:
            producer.send(topic, json.dumps(event).encode(), partition=0)
        producer.flush(timeout=20)


def _empty_view(folder: str, number: int) -> Path:
    path = Path(folder) / f"{number}.db"
    with closing(sqlite3.connect(path)) as view, view:
        view.execute("CREATE TABLE orders (order_id TEXT PRIMARY KEY, version INTEGER, state TEXT)")
        view.execute("CREATE TABLE customers (customer TEXT PRIMARY KEY, paid INTEGER)")
        view.execute("CREATE TABLE waiting (order_id TEXT, version INTEGER, event TEXT)")
        view.execute("CREATE TABLE position AS SELECT 0 AS next")
    return path


def _run(program: str, *arguments: str) -> None:
    """Run the projector's lives, to the end of the last.

    Raises:
        Wrong: one of them died of something else than the checker."""
    command = [sys.executable, "-c", program, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=80)
    except subprocess.TimeoutExpired as error:
        raise Wrong(
            "the projector was still running after 80 seconds.",
            "Handle the one event, and what waited for it, and return.",
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1]
        if said == "too slow":
            raise Wrong(
                "the projector was not at the end of the log after 20 seconds.",
                "An event should take milliseconds. If yours do, the machine is busy: try again.",
            )
        raise Wrong(
            f"your function raised {said}",
            "It runs in a process of its own: import in it. Functions that it calls must stand "
            "inside it, too. And it leaves begin and commit to the projector.",
        )


def _expect_view(path: Path, day: str) -> None:
    with closing(sqlite3.connect(path)) as view:
        rows = view.execute("SELECT order_id, state, version FROM orders").fetchall()
        customers = dict(view.execute("SELECT customer, paid FROM customers").fetchall())
    orders = {order: state for order, state, _ in rows}
    versions = {order: version for order, _, version in rows}
    paid: Counter[str] = Counter()
    for event in EVENTS:
        paid[event["customer"]] += event["total"] * (event["state"] == "paid")
    difference = sum(customers.values()) - paid.total()
    if difference > 0:
        raise Wrong(
            f"{day}: the customers have paid {difference} too much.",
            "An event whose version is not beyond the order's own was there before.",
        )
    if customers != paid:
        raise Wrong(
            f"{day}: the customers have paid {-difference} too little.",
            "An event that is ahead of its turn may not be dropped, and not be kept in memory: put "
            "it into `waiting`, and look there whenever an order has moved on.",
        )
    if wrong := [order for order in sorted(orders) if orders[order] != STORY[-1]]:
        raise Wrong(
            f"{day}: {wrong[0]} is {orders[wrong[0]]!r}, not {STORY[-1]!r}.",
            "The last event that comes need not be the last one that happened: go by the version.",
        )
    if wrong := [order for order in sorted(orders) if versions[order] != len(STORY)]:
        raise Wrong(
            f"{day}: {wrong[0]} has the version {versions[wrong[0]]!r}, not {len(STORY)}.",
            "The row of an order has the version of its last event, along with its state.",
        )
    if missing := len({event["order"] for event in EVENTS} - set(orders)):
        raise Wrong(
            f"{day}: {missing} orders are not in the view.",
            "The first event of an order makes its row.",
        )


# -- 8.3: from blue to green ---------------------------------------------------------------------

PARTITIONS = range(3)
PATIENCE_GREEN = 1.0  # seconds
OFFSETS = {  # where blue and green stand when the learner is called, and does green's projector live
    "green was on its way": ({0: 100, 1: 100, 2: 100}, {}, True),
    "green was ahead in partition 0 and behind in 1": (
        {0: 100, 1: 200, 2: 100},
        {0: 290, 1: 60, 2: 90},
        True,
    ),
    "green's projector had died": ({0: 100, 1: 100, 2: 100}, {0: 100, 1: 99}, False),
}


class _Projector:
    """One side's projector: a thread that follows the topic, a few records at a time."""

    def __init__(self, topic: str, position: dict[int, int], alive: bool, at_a_time: int) -> None:
        self._topic = topic
        self._position = dict(position)
        self._alive = alive
        self._at_a_time = at_a_time
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def position(self) -> dict[int, int]:
        with self._lock:
            return dict(self._position)

    def start(self) -> None:
        if self._alive and not self.running:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
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


@grader("8.3", seconds=60)
def take_over(answer: Callable[[Any, Any, Callable[[], None], float], None]) -> str:
    """Three days of a green view, with a writer that never pauses."""
    with new_topic(len(PARTITIONS)) as topic, KafkaProducer(**kafka_options()) as producer:
        for number in range(300):
            for partition in PARTITIONS:
                producer.send(topic, str(number).encode(), partition=partition)
        producer.flush(timeout=20)
        closed = threading.Event()
        writer = threading.Thread(target=_write, args=[producer, topic, closed], daemon=True)
        writer.start()
        try:
            for day, (blue, green, alive) in OFFSETS.items():
                _expect_take_over(answer, topic, day, blue, green, alive)
        finally:
            closed.set()
            writer.join(timeout=20)
    return "twice the readers went over and noticed nothing; once they stayed, and blue ran on."


def _write(producer: KafkaProducer, topic: str, closed: threading.Event) -> None:
    while not closed.wait(0.01):
        for partition in PARTITIONS:
            producer.send(topic, b"one more", partition=partition)
        producer.flush(timeout=20)


def _expect_take_over(
    answer: Callable,
    topic: str,
    day: str,
    at_blue: dict[int, int],
    at_green: dict[int, int],
    alive: bool,
) -> None:
    blue = _Projector(topic, at_blue, True, at_a_time=1)
    green = _Projector(topic, at_green, alive, at_a_time=20)
    switches: list[tuple[bool, list[int]]] = []

    def switch() -> None:
        """Note whether blue was running, and in which partitions the readers went back."""
        here, there = green.position(), blue.position()
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
            _expect_stayed(day, outcome, switches, blue)
    finally:
        blue.stop()
        green.stop()


def _outcome(answer: Callable, blue: Any, green: Any, switch: Callable, timeout: float) -> Any:
    """What the learner's function returned or raised; it runs in a thread that may be left."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(answer(blue, green, switch, timeout))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout + SLACK)
    if not outcome:
        raise Wrong(
            f"{timeout + SLACK:g} s after the call the function, which had {timeout:g}, was still "
            "waiting.",
            "Fix the deadline once, and give up when it has passed.",
        )
    if isinstance(outcome[0], BaseException) and not isinstance(outcome[0], TimeoutError):
        raise outcome[0]
    return outcome[0]


def _expect_no_step_back(day: str, switches: list[tuple[bool, list[int]]]) -> None:
    for running, back in switches:
        if back:
            raise Wrong(
                f"{day}, and at the switch its readers went back in partition {back[0]}.",
                "Compare each of blue's partitions with green's; one that green does not name, it "
                "has nothing of.",
            )
        if running:
            raise Wrong(
                f"{day}, and at the switch blue's projector was still running.",
                "What was true of the two positions a moment ago need not be true at the switch: "
                "stop blue first, so that there is a place for green to reach.",
            )


def _expect_switched(
    day: str, outcome: Any, switches: list[tuple[bool, list[int]]], blue: _Projector
) -> None:
    if isinstance(outcome, TimeoutError):
        raise Wrong(
            f"{day}, and the function raised TimeoutError.",
            "Green gets there: look at its position again and again. If blue runs meanwhile, it "
            "runs away.",
        )
    if len(switches) != 1:
        raise Wrong(
            f"{day}, and the readers were switched {len(switches)} times, not once.",
            "Call `switch()` once, when green has reached blue.",
        )
    if blue.running:
        raise Wrong(
            f"{day}, and after the switch blue's projector ran on.",
            "Start it again only when you give up.",
        )


def _expect_stayed(
    day: str, outcome: Any, switches: list[tuple[bool, list[int]]], blue: _Projector
) -> None:
    if switches or not isinstance(outcome, TimeoutError):
        raise Wrong(
            f"{day}, and the function did not raise TimeoutError.",
            "A green view that does not get there in time is no view for the readers.",
        )
    if not blue.running:
        raise Wrong(
            f"{day}, and after the TimeoutError blue's projector stood still.",
            "The readers are still at blue: start its projector again before you raise.",
        )

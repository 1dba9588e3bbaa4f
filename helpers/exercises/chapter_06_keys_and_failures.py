"""Grader of the lab on keys and failures: what a handler does with an event that it can't handle."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from .. import clients
from .answers import Wrong, ask
from .grading import grader
from .places import brokers, kafka_options, new_topic

LINGER_MS = 1000  # what nobody waits for is not there yet when the topic is read
Charge = Callable[[bytes], Any]


class Record(NamedTuple):
    """What the learner's function needs of a consumer's record."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Case(NamedTuple):
    """A record, the errors of the first calls, and how often it should be tried."""

    record: Record
    errors: list[type[Exception]]
    calls: int
    set_aside: str  # the error's name, or nothing


@grader("6.9", needs=("kafka",))
def payments(pay: Callable[[Record, Charge, KafkaProducer, str], Any], data: Random) -> str:
    """Records whose charge fails in all the ways of the task; the topic is read after each."""
    with new_topic(1) as topic, new_topic(max_message_bytes="100") as full, _producer() as producer:
        aside = 0
        for case in _cases(data):
            calls = _pay(pay, case, producer, topic)
            if calls != case.calls:
                what = f"charge was called {calls} times for {_told(case)}, expected {case.calls}."
                raise Wrong("wrong_count", what, "Only what may pass is worth another try.")
            aside += bool(case.set_aside)
            _expect_aside(topic, case, aside)
        _expect_an_error(pay, producer, full)
    return "paid, tried again, or set aside as it came, and never gone before the broker had it."


def _cases(data: Random) -> list[Case]:
    key = b"order-%d" % data.randrange(99)

    def record(key: bytes | None = key) -> Record:
        value = b'{"order":  %d, "note": "\xff\x00"}' % data.randrange(999)
        return Record(key, value, (("trace", b"%d" % data.randrange(999)),))

    gone, kind = ConnectionError, data.choice((ConnectionResetError, BrokenPipeError))
    wrong = data.choice((KeyError, ValueError, TypeError, UnicodeError))
    return [
        Case(record(), [], 1, ""),
        Case(record(), [gone], 2, ""),
        Case(record(), [gone, gone], 3, ""),
        Case(record(key=b""), [gone] * 9, 3, "ConnectionError"),
        Case(record(), [kind] * 9, 3, kind.__name__),
        Case(Record(key, None), [wrong] * 9, 1, wrong.__name__),
        Case(Record(key, b""), [gone, wrong, gone], 2, wrong.__name__),
        Case(record(key=None), [PermissionError] * 9, 1, "PermissionError"),
    ]


def _pay(pay: Callable, case: Case, producer: KafkaProducer, topic: str) -> int:
    calls = 0

    def charge(value: bytes) -> None:
        nonlocal calls
        calls += 1
        if value != case.record.value:
            raise Wrong("wrong_body", f"charge got {value!r}, expected {case.record.value!r}.", "")
        if calls <= len(case.errors):
            raise case.errors[calls - 1]("the bank says no")

    ask(pay, case.record, charge, producer, topic)
    return calls


def _expect_an_error(pay: Callable, producer: KafkaProducer, full: str) -> None:
    """The broker takes no record of that size for this topic."""

    def charge(_value: bytes) -> None:
        raise ValueError("the bank says no")

    record = Record(b"order-1", b"x" * 1000)
    said = ask(pay, record, charge, producer, full, may_raise=(KafkaError,))
    if not isinstance(said, KafkaError):
        raise Wrong(
            "lost",
            "The broker refused a dead letter, which was too large, and the function returned.",
            "Its caller has to hear that, or he commits: let the exception of the producer out. Only "
            "the promise that `send` returns has it.",
        )


def _expect_aside(topic: str, case: Case, aside: int) -> None:
    found = clients.read_topic(brokers("kafka"), topic)
    if len(found) < aside:
        what = f"Nothing was set aside for {_told(case)} when your function returned."
        raise Wrong("lost", what, "send returns a promise; somebody has to wait until it is kept.")
    if len(found) > aside:
        what = f"{_told(case).capitalize()}: {len(found) - aside + bool(case.set_aside)} were set aside."
        raise Wrong("doubled", what, "One record, at most one dead letter.")
    if not case.set_aside:
        return
    last = found[-1]
    if (last.key, last.value) != case.record[:2]:
        what = f"Set aside: {(last.key, last.value)}, expected {case.record[:2]}."
        raise Wrong("wrong_body", what, "It is to be replayed one day: keep it as it came.")
    named = [value for name, value in last.headers if name == "error"]
    if named != [case.set_aside.encode()]:
        what = f"The header error of {_told(case)} is {named}, expected {case.set_aside}."
        raise Wrong("wrong_header", what, "Somebody will want to know what went wrong.")
    others = [header for header in last.headers if header[0] != "error"]
    if others != list(case.record.headers):
        what = f"Its other headers are {others}, expected {list(case.record.headers)}."
        raise Wrong("lost_header", what, "They are a part of the record: its id, its trace.")


def _told(case: Case) -> str:
    errors = ", ".join(error.__name__ for error in case.errors[:3])
    return f"a record whose charge raises {errors}" if errors else "a record that can be charged"


def _producer() -> KafkaProducer:
    return KafkaProducer(**kafka_options(), acks="all", linger_ms=LINGER_MS)

"""Grader of the lab on idempotency: a charge that can be asked for again."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live, mortal

Bank = Callable[[str, int], str]
Charge = Callable[[sqlite3.Connection, Bank, str, int], Any]
Event = Callable[[], None]  # what happens at a moment that the check has chosen
STATEMENTS = 40  # more than one charge has reason to send
PATIENCE = 0.2  # seconds for a lock of the database, where somebody else may hold it
REFUSED = "ValueError"
LOCKED = "locked"


@grader("9.6")
def charges(charge: Charge, data: Random) -> str:
    """Repeats, other amounts, a bank that fails, a death at every place, and two at the same time."""
    _expect_repeats(charge, data)
    for reached in (False, True):
        _expect_recovery(charge, data, reached)
    _expect_survival(charge, data)
    _expect_peace(charge, data)
    return "each key charged once, with one receipt and one amount, whoever died or called at once."


# -- the shop that asks --------------------------------------------------------------------------


class _Desk:
    """A database, a bank that knows keys again, and what that was asked."""

    def __init__(self, charge: Charge, data: Random) -> None:
        self.charge, self.asked = charge, Journal()
        self._salt = data.randrange(10**6)
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "payment.db"
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(
                "CREATE TABLE requests (key TEXT PRIMARY KEY, cents INTEGER, receipt TEXT)"
            )

    def __enter__(self) -> _Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def call(self, key: str, cents: int, bank: Bank | None = None, fatal: int = 0) -> Any:
        """One call in a process of its own, which may be killed: what it returned or raised."""

        def work() -> Any:
            with mortal(self.path, fatal) as database:
                return self.charge(database, bank or self.bank(), key, cents)

        said = live(self.charge, work, may_raise=(ValueError, ConnectionError))
        return REFUSED if isinstance(said, ValueError) else said

    def bank(self, before: Event | None = None, after: Event | None = None) -> Bank:
        """A bank, and what happens before and after it has charged."""
        calls = iter(range(sys.maxsize))

        def ask(key: str, cents: int) -> str:
            if next(calls):
                what = "one call of your function asked the bank again and again."
                stop(Wrong("asked_again", what, "Let an error pass; who has called may try again."))
            if before:
                before()
            self.asked.note(key, cents)
            if after:
                after()
            return self.receipt(key)

        return ask

    def receipt(self, key: str) -> str:
        """The receipt of a key that the bank knows."""
        keys = list(dict.fromkeys(key for key, _ in self.asked.read()))
        return f"receipt {keys.index(key)}-{self._salt}"

    def times(self, key: str) -> int:
        """How often the bank was asked under this key."""
        return [k for k, _ in self.asked.read()].count(key)

    def expect(self, said: Any, key: str, cents: int, when: str) -> None:
        """That a call has returned the receipt, and the bank was asked for nothing else."""
        case = f"{when}, charge(…, {key!r}, {cents})"
        for other, amount in self.asked.read():
            if other != key and when == "alone":
                what = f"{case} asked the bank under the key {other!r}."
                raise Wrong(
                    "wrong_request", what, "What tells the bank that it is the same charge?"
                )
            if other == key and amount != cents:
                what = f"{case}: under this key the bank was asked for {amount}."
                raise Wrong("wrong_request", what, "A key stands for one amount, from when on?")
        if said == REFUSED:
            what = f"{case} raised ValueError, though the key was never used for another amount."
            raise Wrong("refused", what, "Only another amount is refused.")
        if not self.times(key):
            what = f"{case} returned {said!r}, and the bank was never asked."
            raise Wrong("not_charged", what, "What is noted is not yet done.")
        if said != self.receipt(key):
            what = f"{case} gave {said!r}, expected {self.receipt(key)!r}."
            raise Wrong(
                "wrong_receipt", what, "Each key has the receipt that the bank gave for it."
            )

    def expect_refusal(self, key: str, cents: int, when: str) -> None:
        """That another amount is refused, and the bank not asked."""
        before = self.times(key)
        said = self.call(key, cents)
        if self.times(key) > before:
            what = f"{when}, the bank was asked for {cents} under the same key, {key!r}."
            raise Wrong("wrong_request", what, "What has to be known before the bank is asked?")
        if said != REFUSED:
            what = f"{when}, charge(…, {key!r}, {cents}) gave {said!r}, expected a ValueError."
            raise Wrong("not_refused", what, "One key is one request: keep what it was for.")


def _keys(data: Random) -> list[str]:
    """Keys that are alike: one within another, one in capitals, one with a quotation mark."""
    stem = f"k{data.randrange(10, 99)}"
    return [stem, f"{stem}1", stem.upper(), f"it's {stem}", f"{stem}%", data.choice("xyz")]


def _amount(data: Random) -> int:
    return data.randrange(100, 10_000)


# -- what is expected ----------------------------------------------------------------------------


def _expect_repeats(charge: Charge, data: Random) -> None:
    """Several keys, some for the same amount, each asked for more than once."""
    keys, equal = _keys(data), _amount(data)
    amounts = {key: data.choice([equal, _amount(data)]) for key in keys}
    amounts |= {keys[2]: equal + 1, keys[-1]: 0}  # in capitals it is another request
    with _Desk(charge, data) as desk:
        desk.expect(desk.call(keys[0], amounts[keys[0]]), keys[0], amounts[keys[0]], "alone")
        for key in [*keys[1:], *data.sample(keys, len(keys)), *keys]:
            desk.expect(desk.call(key, amounts[key]), key, amounts[key], "among others")
            if desk.times(key) > 1:
                what = f"the bank was asked {desk.times(key)} times under {key!r}."
                raise Wrong("asked_again", what, "A receipt that is known needs no bank.")
        for key in keys:
            for other in (amounts[key] + 1, 0 if amounts[key] else 1):
                desk.expect_refusal(key, other, f"after {amounts[key]} was charged")
            desk.expect(desk.call(key, amounts[key]), key, amounts[key], "after a refusal")


def _expect_recovery(charge: Charge, data: Random, reached: bool) -> None:
    """The connection to the bank breaks before it has charged, or after; for two keys, one by one."""
    (key, other, *_), cents = _keys(data), _amount(data)

    def fail() -> None:
        raise ConnectionError("the bank does not answer")

    when = f"after the connection broke {'after' if reached else 'before'} the bank had charged"
    with _Desk(charge, data) as desk:
        for one in (other, key):
            broken = desk.bank(after=fail) if reached else desk.bank(before=fail)
            said = desk.call(one, cents, broken)
            if not isinstance(said, ConnectionError):
                what = f"the bank raised ConnectionError, and your function gave {said!r}."
                raise Wrong("swallowed", what, "Nobody knows whether it has charged: let it pass.")
        desk.expect_refusal(key, cents + 1, when)
        desk.expect(desk.call(key, cents), key, cents, when)
        desk.expect(desk.call(key, cents), key, cents, "later")
        desk.expect(desk.call(other, cents), other, cents, f"{when}, and another key was mended")


def _expect_survival(charge: Charge, data: Random) -> None:
    """Killed before each statement, and in the bank before and after it has charged."""
    key, cents = _keys(data)[0], _amount(data)
    for reached in (False, True):
        when = f"after a death in the bank, {'after' if reached else 'before'} it had charged"
        with _Desk(charge, data) as desk:
            deadly = desk.bank(after=die) if reached else desk.bank(before=die)
            desk.call(key, cents, deadly)
            desk.expect_refusal(key, cents + 1, when)
            desk.expect(desk.call(key, cents), key, cents, when)
    for fatal in range(1, STATEMENTS):
        when = f"after a death before statement {fatal}"
        with _Desk(charge, data) as desk:
            died = desk.call(key, cents, fatal=fatal) is KILLED
            if desk.times(key):
                desk.expect_refusal(key, cents + 1, when)
            desk.expect(desk.call(key, cents), key, cents, when)
            if desk.times(key) > 2:
                what = f"{when}, the bank was asked {desk.times(key)} times."
                raise Wrong("asked_again", what, "A receipt that is known needs no bank.")
        if not died:
            return


def _expect_peace(charge: Charge, data: Random) -> None:
    """A second call for the same key runs while the first is at some place."""
    key, cents = _keys(data)[0], _amount(data)
    for more in (0, 1):
        for place in range(STATEMENTS):
            with _Desk(charge, data) as desk:
                race = partial(_race, desk, key, cents, cents + more, place)
                first, seconds = live(charge, race)
                if not seconds:
                    break
                second = seconds[0]
                if second == LOCKED and not place:
                    what = "while the bank was asked, another call found the database locked."
                    raise Wrong("locked", what, "Is a transaction open while you wait for others?")
                if second == LOCKED:
                    second = desk.call(key, cents + more)
                _expect_one_charge(desk, key, (cents, first), (cents + more, second))


def _race(desk: _Desk, key: str, cents: int, others: int, place: int) -> tuple[Any, list[Any]]:
    """Two calls; the second runs before this statement of the first, or (0) while it asks the bank."""
    seconds: list[Any] = []
    statements = iter(range(1, STATEMENTS * 2))
    with (
        closing(sqlite3.connect(desk.path, timeout=PATIENCE)) as one,
        closing(sqlite3.connect(desk.path, timeout=PATIENCE)) as other,
    ):

        def meanwhile() -> None:
            if not seconds:
                seconds.append("…")  # from here on it is on its way
                seconds[0] = _outcome(lambda: desk.charge(other, desk.bank(), key, others))

        one.set_trace_callback(lambda _sql: meanwhile() if next(statements) == place else None)
        bank = desk.bank() if place else desk.bank(after=meanwhile)
        first = _outcome(lambda: desk.charge(one, bank, key, cents))
    return first, seconds


def _outcome(call: Callable[[], Any]) -> Any:
    """What a call returned or raised, as far as that may happen."""
    try:
        return call()
    except ValueError:
        return REFUSED
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return LOCKED
    except sqlite3.Error as error:  # not to be raised within a callback of sqlite3, which drops it
        return error


def _expect_one_charge(desk: _Desk, key: str, *calls: tuple[int, Any]) -> None:
    """That of two calls each has the receipt; or, if their amounts differ, one of them."""
    asked = [cents for _, cents in desk.asked.read()]
    if len(set(asked)) > 1:
        what = f"two calls at the same time: the bank was asked for {asked} under one key."
        raise Wrong("wrong_request", what, "Both looked before one had written: who decides?")
    for cents, said in calls:
        if isinstance(said, sqlite3.Error) or said == LOCKED:
            what = f"of two calls at the same time one raised {said!r}."
            raise Wrong("raised", what, "Both looked before one had written: who decides?")
        if asked and cents != asked[0]:
            if said != REFUSED:
                what = f"two calls at the same time: both amounts, one refusal less: {said!r}."
                raise Wrong(
                    "not_refused", what, "One key is one request, also for the quicker one."
                )
        else:
            desk.expect(said, key, cents, "with a second call at the same time")

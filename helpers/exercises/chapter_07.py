"""Graders of chapter 7: money paid out once, snapshots believed with reason, old events read."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from . import Wrong, grader

ACCOUNT = "acc-1"


@contextmanager
def _account(bank: ModuleType, *deposits: int) -> Iterator[sqlite3.Connection]:
    """A store with one account, opened with the first amount."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(bank.connect(str(Path(folder, "exercise.db")))) as db:
            kinds = ["opened", *["deposited"] * (len(deposits) - 1)]
            events = [(kind, {"cents": n}, 0) for kind, n in zip(kinds, deposits, strict=True)]
            bank.append(db, ACCOUNT, events, expected=0)
            yield db


@contextmanager
def _replaced(bank: ModuleType, **functions: Callable[..., Any]) -> Iterator[None]:
    """The bank with some functions of ours, while the answer runs."""
    before = {name: getattr(bank, name) for name in functions}
    vars(bank).update(functions)
    try:
        yield
    finally:
        vars(bank).update(before)


# -- 7.1: paid out once --------------------------------------------------------------------------


@grader("7.1")
def withdraw(answer: Callable[..., bool], bank: ModuleType) -> str:
    """A quiet day, then rivals between reading and appending, and answers that get lost."""
    for situation in (_on_a_quiet_day, _among_rivals, _when_the_money_goes, _overtaken_by_itself):
        with _fifty_appends_at_most(bank):
            situation(answer, bank)
    for stored in (True, False):
        with _fifty_appends_at_most(bank):
            _when_the_answer_is_lost(answer, bank, stored)
    return "paid out once each, among rivals, repeats and lost answers, and never overdrawn."


class _Enough(BaseException):
    """Not an Exception, so that a learner's ``except Exception`` does not swallow it."""


@contextmanager
def _fifty_appends_at_most(bank: ModuleType) -> Iterator[None]:
    """No situation needs ten; who appends with a wrong version for ever is told so."""
    append, calls = bank.append, []

    def counting(*arguments: Any, **options: Any) -> int:
        calls.append(arguments)
        if len(calls) > 50:
            raise _Enough
        return append(*arguments, **options)

    try:
        with _replaced(bank, append=counting):
            yield
    except _Enough:
        raise Wrong(
            "the function tried to append 50 times.",
            "Read the history again after each Conflict, and append with its length.",
        ) from None


def _expect_said(said: Any, expected: bool, situation: str, hint: str) -> None:
    if said is not expected:
        raise Wrong(f"{situation}, and the function said {said!r}.", hint)


def _expect_paid(bank: ModuleType, db: Any, cents: int, times: int, situation: str) -> None:
    history = bank.read(db, ACCOUNT)
    paid = [e for e in history if e.kind == "withdrawn" and e.data.get("request") == "r1"]
    if bank.balance(history) < 0:
        raise Wrong(
            f"{situation}, and the account is overdrawn.",
            "Append with the version that your check was based on, and check anew after a Conflict.",
        )
    if len(paid) != times:
        raise Wrong(
            f"{situation}: the request is in the log {len(paid)} times, not {times}.",
            "Look for the request in the history before you pay, each time that you read it; and "
            "keep it in the event's data.",
        )
    if any(event.data.get("cents") != cents for event in paid):
        raise Wrong(
            f"{situation}, and another amount than asked for was paid out.",
            'The event\'s data is {"cents": cents, "request": request}.',
        )


def _on_a_quiet_day(answer: Callable, bank: ModuleType) -> None:
    with _account(bank, 130_00) as db:
        once = "Return True when it was paid out, now or by an earlier call."
        _expect_said(answer(db, ACCOUNT, 130_00, "r1"), True, "there was enough money", once)
        _expect_paid(bank, db, 130_00, 1, "a quiet day")
        _expect_said(answer(db, ACCOUNT, 130_00, "r1"), True, "a request came twice", once)
        _expect_paid(bank, db, 130_00, 1, "a request came twice")
        _expect_said(answer(db, ACCOUNT, 1, "r2"), False, "the account is empty", "Return False.")
        if len(bank.read(db, ACCOUNT)) != 2:
            raise Wrong("a refused request has left an event.", "Append only what happened.")


def _among_rivals(answer: Callable, bank: ModuleType) -> None:
    """Three times somebody deposits a cent, right before the answer appends."""
    append, visits = bank.append, []

    def crowded(db: Any, stream: str, events: Any, expected: Any = None) -> int:
        if len(visits) < 3:
            visits.append(append(db, ACCOUNT, [("deposited", {"cents": 1}, 0)], expected=None))
        return append(db, stream, events, expected)

    with _account(bank, 130_00) as db:
        situation = "rivals used the account three times between reading and appending"
        with _replaced(bank, append=crowded):
            said = _answer_of(answer, bank, db, 100_00, situation)
        _expect_said(said, True, situation, "There was enough money all the time.")
        _expect_paid(bank, db, 100_00, 1, situation)


def _when_the_money_goes(answer: Callable, bank: ModuleType) -> None:
    append, visits = bank.append, []

    def robbed(db: Any, stream: str, events: Any, expected: Any = None) -> int:
        if not visits:
            rival = [("withdrawn", {"cents": 100_00, "request": "rival"}, 0)]
            visits.append(append(db, ACCOUNT, rival, expected=None))
        return append(db, stream, events, expected)

    with _account(bank, 130_00) as db:
        situation = "a rival took the money between reading and appending"
        with _replaced(bank, append=robbed):
            said = _answer_of(answer, bank, db, 100_00, situation)
        _expect_paid(bank, db, 100_00, 0, situation)
        _expect_said(said, False, situation, "After a Conflict check anew, not only append anew.")


def _overtaken_by_itself(answer: Callable, bank: ModuleType) -> None:
    """The app's second try arrives while the first is between reading and appending."""
    append, visits = bank.append, []

    def overtaken(db: Any, stream: str, events: Any, expected: Any = None) -> int:
        if not visits:
            twin = [("withdrawn", {"cents": 10_00, "request": "r1"}, 0)]
            visits.append(append(db, ACCOUNT, twin, expected=None))
        return append(db, stream, events, expected)

    with _account(bank, 130_00) as db:
        situation = "the same request was paid out by another program in between"
        with _replaced(bank, append=overtaken):
            said = _answer_of(answer, bank, db, 10_00, situation)
        _expect_paid(bank, db, 10_00, 1, situation)
        _expect_said(said, True, situation, "It was paid out: the customer has the money.")


def _when_the_answer_is_lost(answer: Callable, bank: ModuleType, stored: bool) -> None:
    append, visits = bank.append, []

    def silent(db: Any, stream: str, events: Any, expected: Any = None) -> int:
        visits.append(stream)
        if len(visits) == 1:
            if stored:
                append(db, stream, events, expected)
            raise ConnectionError("the store did not answer")
        return append(db, stream, events, expected)

    with _account(bank, 130_00) as db:
        where = "after" if stored else "before"
        broke = f"the connection broke {where} the event was appended"
        situation = f"{broke}, and the app asked again"
        with _replaced(bank, append=silent):
            with suppress(ConnectionError):  # to pass it on is fine: the app asks again
                said = _answer_of(answer, bank, db, 100_00, broke)
                hint = "Nobody knows if it was paid out: read again, or pass the error on."
                _expect_said(said, True, broke, hint)
                _expect_paid(bank, db, 100_00, 1, broke)
            said = _answer_of(answer, bank, db, 100_00, situation)
        _expect_paid(bank, db, 100_00, 1, situation)
        _expect_said(said, True, situation, "Read the history to know what has happened.")


def _answer_of(answer: Callable, bank: ModuleType, db: Any, cents: int, situation: str) -> Any:
    try:
        return answer(db, ACCOUNT, cents, "r1")
    except bank.Conflict as error:
        raise Wrong(
            f"{situation}, and the function raised Conflict.",
            "A Conflict means: read again, check again, try again.",
        ) from error


# -- 7.2: snapshots to believe -------------------------------------------------------------------

EVENTS = 40
GOOD = (30, 2, '{"cents": 3000}')  # version, code, state; each event is a deposit of 1.00
SITUATIONS: list[tuple[str, list[tuple[int, int, str]], int]] = [
    ("there is no snapshot", [], 40),
    ("there is a good one at version 30", [GOOD], 10),
    ("there are good ones at 10, 20 and 30", [(10, 2, '{"cents": 1000}'), GOOD,
     (20, 2, '{"cents": 2000}')], 10),
    ("there is a good one at the stream's end", [GOOD, (40, 2, '{"cents": 4000}')], 0),
    ("the newest was made by code 1", [GOOD, (35, 1, '{"cents": 9}')], 10),
    ("the newest was made by code 3", [GOOD, (35, 3, '{"cents": 9}')], 10),
    ("the newest is of a version that the stream hasn't reached",
     [GOOD, (60, 2, '{"cents": 6000}')], 10),
    ("the newest is cut off", [GOOD, (38, 2, '{"cents": 38')], 10),
    ("the newest has no cents in it", [GOOD, (38, 2, '{"balance": 3800}')], 10),
    ("the newest is null", [GOOD, (38, 2, "null")], 10),
    ("the newest has a text for an amount", [GOOD, (38, 2, '{"cents": "38"}')], 10),
    ("the newest has a fraction for an amount", [GOOD, (38, 2, '{"cents": 38.5}')], 10),
    ("the newest has true for an amount", [GOOD, (38, 2, '{"cents": true}')], 10),
    ("none can be believed", [(30, 1, '{"cents": 7}'), (35, 2, "[]"), (99, 2, '{"cents": 1}')], 40),
]  # fmt: skip


@grader("7.2")
def load_account(answer: Callable[..., int], bank: ModuleType) -> str:
    """Fourteen tables of snapshots: the balance must be right, and few events read where possible."""
    for situation, snapshots, most in SITUATIONS:
        with _account(bank, *[1_00] * EVENTS) as db:
            bank.append(db, "acc-2", [("opened", {"cents": 1}, 0)] * 60, expected=0)
            _fill(db, snapshots)
            read, seen = bank.read, []

            def counting(
                *arguments: Any, read: Any = read, seen: Any = seen, **options: Any
            ) -> Any:
                found = read(*arguments, **options)
                seen.extend(found)
                return found

            with _replaced(bank, read=counting):
                said = answer(db, ACCOUNT)
            if said != EVENTS * 100 or type(said) is not int:
                raise Wrong(
                    f"{situation}, and the function said {said!r}, not {EVENTS * 100}.",
                    "Believe a snapshot only of code 2, of a version that the stream has, and with "
                    "a whole number under `cents`; add the events after its version.",
                )
            if len(seen) > most + 1:  # the one at the snapshot's version may be looked at
                raise Wrong(
                    f"{situation}, and {len(seen)} events were read, where {most} would do.",
                    "`bank.read(db, account, after=version)` reads what came later, and no more.",
                )
            if most and not seen:
                raise Wrong(
                    f"{situation}, and no event was read with bank.read.",
                    "Read the events that the snapshot doesn't know with `bank.read`.",
                )
            if len(read(db, ACCOUNT)) != EVENTS:
                raise Wrong("the log was changed.", "To load is to read: append nothing.")
    return f"{len(SITUATIONS)} tables of snapshots: the balance always right, and never a long way."


def _fill(db: sqlite3.Connection, snapshots: list[tuple[int, int, str]]) -> None:
    db.execute("CREATE TABLE snapshots (stream TEXT, version INTEGER, code INTEGER, state TEXT)")
    others = [("acc-2", 39, 2, json.dumps({"cents": 1}))]
    rows = [*((ACCOUNT, *snapshot) for snapshot in snapshots), *others]
    db.executemany("INSERT INTO snapshots VALUES (?, ?, ?, ?)", rows)


# -- 7.3: events of every version ------------------------------------------------------------------

NAMES = {
    "Ann Lee": ("Ann", "Lee"),
    "Cher": ("", "Cher"),
    "Ada King Noel Byron": ("Ada King Noel", "Byron"),
}


@grader("7.3")
def upcast_owner(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """Three names and every amount up to 100.00, in each version; then one from the future."""
    for name, (first, last) in NAMES.items():
        today = {"v": 3, "first": first, "last": last, "cents": 1999}
        _expect_upcast(answer, {"v": 2, "name": name, "cents": 1999}, today)
        _expect_upcast(answer, {"name": name, "amount": 19.99}, today)
        _expect_upcast(answer, today, today)
    for cents in range(100_01):
        today = {"v": 3, "first": "Ann", "last": "Lee", "cents": cents}
        _expect_upcast(answer, {"name": "Ann Lee", "amount": cents / 100}, today)
    for version in (4, 17):
        newer = {"v": version, "full_name": "Ann Lee", "minor_units": 1999}
        try:
            said = answer(dict(newer))
        except ValueError:
            continue
        except Exception as error:
            raise Wrong(
                f"{newer} raised {type(error).__name__}, not a ValueError.",
                "Look at the version before you look at anything else.",
            ) from error
        raise Wrong(
            f"{newer} is from the future, and the function returned {said!r}.",
            "What a newer program has written, an older one must not guess at: raise a ValueError.",
        )
    return "10,001 amounts, three kinds of names, three versions; and none from the future."


def _expect_upcast(answer: Callable, old: dict[str, Any], today: dict[str, Any]) -> None:
    given = dict(old)
    said = answer(given)
    if given != old:
        raise Wrong(f"{old} was changed while it was read.", "Make a new dictionary.")
    if said != today or type(said.get("cents")) is not int:
        raise Wrong(
            f"{old} became {said!r}, not {today!r}.",
            "One step for each version, in a row. int() cuts a fraction off, round() doesn't; and "
            'rpartition(" ") divides at the last blank.',
        )

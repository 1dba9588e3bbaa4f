"""Graders of chapter 7: money paid out once, snapshots believed with reason, old events read."""

from __future__ import annotations

import itertools
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from .answers import Wrong, ask, stop
from .grading import grader

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

MEANWHILE = 200  # events between two tries of a request
MOST_APPENDS = 50  # of one situation; none needs twenty
Append = Callable[..., int]


@grader("7.1")
def withdraw(answer: Callable[..., bool], data: Random, bank: ModuleType) -> str:
    """A quiet day, amounts that are none, rivals between reading and appending, a store that does not
    answer once, and one that does not answer at all."""
    for situation in (_quiet_day, _alike, _no_amounts, _rivals, _money_goes, _overtaken):
        situation(answer, data, bank)
    for stored in (True, False):
        _lost_answer(answer, data, bank, stored)
    _store_is_away(answer, data, bank)
    return "paid out once each, among rivals, repeats and lost answers, and never overdrawn."


@contextmanager
def _append_of_ours(bank: ModuleType, instead: Callable[..., int]) -> Iterator[None]:
    """The bank's `append` becomes `instead(append, visit, *arguments)`; `visit` counts from 1."""
    append, visits = bank.append, itertools.count(1)

    def appending(db: Any, stream: str, events: Any, expected: Any = None) -> int:
        if (visit := next(visits)) > MOST_APPENDS:
            stop(
                Wrong(
                    "for_ever",
                    f"the function tried to append {MOST_APPENDS} times.",
                    "Read the history again after each Conflict, and append with its length. And how "
                    "often will you ask a store that does not answer?",
                )
            )
        return instead(append, visit, db, stream, events, expected)

    with _replaced(bank, append=appending):
        yield


def _plainly(append: Append, _visit: int, *arguments: Any) -> int:
    return append(*arguments)


def _pay(
    answer: Callable,
    bank: ModuleType,
    db: Any,
    cents: int,
    request: str,
    instead: Callable[..., int] = _plainly,
    account: str = ACCOUNT,
) -> Any:
    """What the function says, or the ConnectionError or ValueError that it raises."""
    errors = (ConnectionError, ValueError, bank.Conflict)
    with _append_of_ours(bank, instead):
        said = ask(answer, db, account, cents, request, may_raise=errors)
    if isinstance(said, bank.Conflict):
        raise Wrong(
            "conflict_raised",
            "somebody else used the account, and the function raised Conflict.",
            "A Conflict means: read again, check again, try again.",
        )
    return said


def _expect(
    bank: ModuleType, db: Any, said: Any, expected: Any, paid: dict[str, int], situation: str
) -> None:
    """The answer that was expected, and these requests in the log, each with its amount and once."""
    history = bank.read(db, ACCOUNT)
    found = [e for e in history if e.kind == "withdrawn" and e.data.get("request") != "rival"]
    if bank.balance(history) < 0:
        raise Wrong(
            "overdrawn",
            f"{situation}, and the account is overdrawn.",
            "Append with the version that your check was based on, and check anew after a Conflict.",
        )
    for request, cents in paid.items():
        mine = [e.data.get("cents") for e in found if e.data.get("request") == request]
        if not found and isinstance(said, bool):
            raise Wrong(
                "not_paid",
                f"{situation}: of the request, {cents} cents, the log has nothing, and the function "
                f"said {said}.",
                "False while there's enough: after a Conflict read, check and try again, though twenty "
                "come in a row. True means that it is in the log: after a ConnectionError nobody knows.",
            )
        if mine != [cents]:
            raise Wrong(
                "paid_twice" if len(mine) > 1 else "not_paid" if not mine else "wrong_amount",
                f"{situation}: of the request, {cents} cents, the log has {mine}.",
                "Look for the request in the history before you pay, each time that you read it; and "
                'keep it in the event\'s data: {"cents": cents, "request": request}.',
            )
    if more := [e.data for e in history[1:] if e.data.get("request") not in (*paid, "rival")
                and e.kind != "deposited"]:  # fmt: skip
        raise Wrong(
            "wrong_event", f"{situation}, and the log has {more[0]}.", "Append only what happened."
        )
    if said is not expected:
        raise Wrong(
            "wrong_answer",
            f"{situation}, and the function said {said!r}, not {expected!r}.",
            "True when it was paid out, now or by an earlier call; False if there isn't enough.",
        )


def _quiet_day(answer: Callable, data: Random, bank: ModuleType) -> None:
    cents, first, second = data.randint(100_00, 200_00), *_requests(data)
    with _account(bank, cents + 1) as db:
        for situation in ("there was enough money", "a request came twice"):
            said = _pay(answer, bank, db, cents, first)
            _expect(bank, db, said, True, {first: cents}, situation)
        said = _pay(answer, bank, db, 2, second)
        _expect(bank, db, said, False, {first: cents}, "there was one cent, and two were asked for")
        said = _pay(answer, bank, db, 1, second)
        paid = {first: cents, second: 1}
        _expect(bank, db, said, True, paid, "the last cent was asked for")
        said = _pay(answer, bank, db, cents, first)
        _expect(bank, db, said, True, paid, "the first request came again, to an empty account")
        bank.append(db, ACCOUNT, [("deposited", {"cents": cents}, 0)] * MEANWHILE, expected=None)
        said = _pay(answer, bank, db, cents, first)
        _expect(
            bank, db, said, True, paid, f"{MEANWHILE} deposits later the first request came again"
        )


def _alike(answer: Callable, data: Random, bank: ModuleType) -> None:
    """Requests that look alike, and one of another customer, whose app had the same idea."""
    request = _requests(data)[0]
    others = {request + "0": 1_00, request.upper(): 2_00}
    with _account(bank, 130_00) as db:
        bank.append(db, "acc-2", [("opened", {"cents": 50_00}, 0)], expected=0)
        _pay(answer, bank, db, 50_00, request, account="acc-2")
        for number, (other, cents) in enumerate(others.items(), 1):
            event = ("withdrawn", {"cents": cents, "request": other}, 0)
            bank.append(db, ACCOUNT, [event], expected=number)
        situation = "other requests looked much like it, and another account had the same"
        said = _pay(answer, bank, db, 10_00, request)
        _expect(bank, db, said, True, others | {request: 10_00}, situation)


def _no_amounts(answer: Callable, data: Random, bank: ModuleType) -> None:
    """An amount that is none: to refuse it is right, by False or a ValueError."""
    with _account(bank, 10_00) as db:
        for cents in (-data.randint(1, 500), 0):
            said = _pay(answer, bank, db, cents, data.choice(_requests(data)))
            history = bank.read(db, ACCOUNT)
            if bank.balance(history) != 10_00 or len(history) != 1 or said is True:
                raise Wrong(
                    "no_amount",
                    f"{cents} cents were asked for, the function said {said!r}, and the account has "
                    f"{bank.balance(history) / 100:.2f} instead of 10.00.",
                    "Who withdraws less than nothing brings money. Pay out amounts above zero only.",
                )


def _rivals(answer: Callable, data: Random, bank: ModuleType) -> None:
    """Several times somebody deposits a cent, right before the answer appends."""
    times, request = data.randint(12, 18), _requests(data)[0]

    def crowded(append: Append, visit: int, db: Any, *arguments: Any) -> int:
        if visit <= times:
            append(db, ACCOUNT, [("deposited", {"cents": 1}, 0)], expected=None)
        return append(db, *arguments)

    with _account(bank, 130_00) as db:
        said = _pay(answer, bank, db, 100_00, request, crowded)
        situation = f"rivals used the account {times} times between reading and appending"
        _expect(bank, db, said, True, {request: 100_00}, situation)


def _money_goes(answer: Callable, data: Random, bank: ModuleType) -> None:
    def robbed(append: Append, visit: int, db: Any, *arguments: Any) -> int:
        if visit == 1:
            rival = ("withdrawn", {"cents": 100_00, "request": "rival"}, 0)
            append(db, ACCOUNT, [rival], expected=None)
        return append(db, *arguments)

    with _account(bank, 130_00) as db:
        said = _pay(answer, bank, db, 100_00, _requests(data)[0], robbed)
        situation = "a rival took the money between reading and appending"
        _expect(bank, db, said, False, {}, situation)


def _overtaken(answer: Callable, data: Random, bank: ModuleType) -> None:
    """The app's second try arrives while the first is between reading and appending."""
    request = _requests(data)[0]

    def overtaken(append: Append, visit: int, db: Any, *arguments: Any) -> int:
        if visit == 1:
            twin = ("withdrawn", {"cents": 10_00, "request": request}, 0)
            append(db, ACCOUNT, [twin], expected=None)
        return append(db, *arguments)

    with _account(bank, 130_00) as db:
        said = _pay(answer, bank, db, 10_00, request, overtaken)
        situation = "the same request was paid out by another program in between"
        _expect(bank, db, said, True, {request: 10_00}, situation)


def _lost_answer(answer: Callable, data: Random, bank: ModuleType, stored: bool) -> None:
    request = _requests(data)[0]

    def silent(append: Append, visit: int, *arguments: Any) -> int:
        if visit > 1 or stored:
            append(*arguments)
        if visit == 1:
            raise ConnectionError("the store did not answer")
        return len(arguments[1])

    with _account(bank, 130_00) as db:
        broke = f"the connection broke {'after' if stored else 'before'} the event was appended"
        said = _pay(answer, bank, db, 100_00, request, silent)
        if not isinstance(said, ConnectionError):  # to pass it on is fine: the app asks again
            _expect(bank, db, said, True, {request: 100_00}, broke)
        said = _pay(answer, bank, db, 100_00, request)
        _expect(bank, db, said, True, {request: 100_00}, f"{broke}, and the app asked again")


def _store_is_away(answer: Callable, data: Random, bank: ModuleType) -> None:
    """It can be read, and does not answer when something is appended: for ever."""

    def away(*_: Any) -> int:
        raise ConnectionError("the store does not answer")

    with _account(bank, 130_00) as db:
        said = _pay(answer, bank, db, 100_00, _requests(data)[0], away)
        if not isinstance(said, ConnectionError):
            raise Wrong(
                "wrong_answer",
                f"the store did not answer at all, and the function said {said!r}.",
                "Nobody knows whether it was paid out. Pass the error on: the app will ask again.",
            )


def _requests(data: Random) -> list[str]:
    return [f"request-{number}" for number in data.sample(range(10**6), 2)]


# -- 7.2: snapshots to believe -------------------------------------------------------------------


def _situations(end: int) -> list[tuple[str, list[tuple[int, int, str]], int]]:
    """Tables of snapshots (version, code, state) of a stream with so many deposits of 1.00; and how
    many events have to be read."""

    def good(version: int) -> tuple[int, int, str]:
        return version, 2, json.dumps({"cents": version * 100})

    at = end - 10  # of the good one
    return [
        ("there is no snapshot", [], end),
        (f"there is a good one at version {at}", [good(at)], 10),
        ("there are three good ones", [good(10), good(at), good(20)], 10),
        ("there is a good one at the stream's end", [good(at), good(end)], 0),
        ("the newest was made by code 1", [good(at), (end - 5, 1, '{"cents": 9}')], 10),
        ("the newest was made by code 3", [good(at), (end - 5, 3, '{"cents": 9}')], 10),
        ("the newest is one version beyond the stream", [good(at), good(end + 1)], 10),
        ("the newest is far beyond the stream", [good(at), good(end + 20)], 10),
        ("the newest is cut off", [good(at), (end - 2, 2, '{"cents": 38')], 10),
        ("the newest has no cents in it", [good(at), (end - 2, 2, '{"balance": 3800}')], 10),
        ("the newest is null", [good(at), (end - 2, 2, "null")], 10),
        ("the newest is a number", [good(at), (end - 2, 2, "3800")], 10),
        ("the newest has a text for an amount", [good(at), (end - 2, 2, '{"cents": "38"}')], 10),
        (
            "the newest has a fraction for an amount",
            [good(at), (end - 2, 2, '{"cents": 38.5}')],
            10,
        ),
        ("the newest has true for an amount", [good(at), (end - 2, 2, '{"cents": true}')], 10),
        (
            "none can be believed",
            [(at, 1, '{"cents": 7}'), (end - 5, 2, "[]"), (end + 59, 2, '{"cents": 1}')],
            end,
        ),
    ]


@grader("7.2")
def load_account(answer: Callable[..., int], data: Random, bank: ModuleType) -> str:
    """Tables of snapshots: the balance must be right, and few events read where possible."""
    end = data.randint(35, 60)
    situations = _situations(end)
    for situation, snapshots, most in situations:
        with _account(bank, *[1_00] * end) as db:
            bank.append(db, "acc-2", [("opened", {"cents": 1}, 0)] * (end + 20), expected=0)
            _fill(db, snapshots)
            _expect_loaded(answer, bank, db, situation, end, most)
    with _account(bank, *[0] * (end - 10), *[1_00] * 10) as db:
        _fill(db, [(end - 10, 2, '{"cents": 0}')])
        situation = "the first of them are of 0.00, and there is a good one that says so"
        _expect_loaded(answer, bank, db, situation, end, 10)
    return f"{len(situations)} tables of snapshots: the balance always right, and never a long way."


def _expect_loaded(
    answer: Callable, bank: ModuleType, db: Any, situation: str, end: int, most: int
) -> None:
    read, seen, balance = bank.read, [], bank.balance(bank.read(db, ACCOUNT))

    def counting(*arguments: Any, **options: Any) -> Any:
        found = read(*arguments, **options)
        seen.extend(found)
        return found

    with _replaced(bank, read=counting):
        said = ask(answer, db, ACCOUNT)
    if said != balance or type(said) is not int:
        raise Wrong(
            "wrong_balance",
            f"the stream has {end} deposits, {situation}, and the function said {said!r}, "
            f"not {balance}.",
            "Believe a snapshot only of code 2, of a version that the stream has, and with "
            "a whole number under `cents`; add the events after its version.",
        )
    if len(seen) > most + 1:  # the one at the snapshot's version may be looked at
        raise Wrong(
            "read_too_much",
            f"{situation}, and {len(seen)} events were read, where {most} would do.",
            "`accounts.read(db, account, after=version)` reads what came later, and no more.",
        )
    if most and not seen:
        raise Wrong(
            "read_past_the_bank",
            f"{situation}, and no event was read with accounts.read.",
            "Read the events that the snapshot doesn't know with `accounts.read`.",
        )
    if len(read(db, ACCOUNT)) != end:
        raise Wrong("log_changed", "the log was changed.", "To load is to read: append nothing.")


def _fill(db: sqlite3.Connection, snapshots: list[tuple[int, int, str]]) -> None:
    db.execute("CREATE TABLE snapshots (stream TEXT, version INTEGER, code INTEGER, state TEXT)")
    others = [("acc-2", 30, 2, json.dumps({"cents": 1}))]
    rows = [*((ACCOUNT, *snapshot) for snapshot in snapshots), *others]
    db.executemany("INSERT INTO snapshots VALUES (?, ?, ?, ?)", rows)


# -- 7.3: events of every version ------------------------------------------------------------------

NAMES = {
    "Ann Lee": ("Ann", "Lee"),
    "Cher": ("", "Cher"),
    "Ann  Mary Lee": ("Ann  Mary", "Lee"),
    "Ada King Noel Byron": ("Ada King Noel", "Byron"),
}


@grader("7.3")
def upcast_owner(answer: Callable[[dict[str, Any]], dict[str, Any]], data: Random) -> str:
    """Four names and every amount up to 100.00, in each version; then some that nobody knows."""
    cents = data.randint(1000, 9999)
    for name, (first, last) in NAMES.items():
        today = {"v": 3, "first": first, "last": last, "cents": cents}
        _expect_upcast(answer, {"v": 2, "name": name, "cents": cents}, today)
        _expect_upcast(answer, {"name": name, "amount": cents / 100}, today)
        _expect_upcast(answer, today, today)
    for cents in range(100_01):
        today = {"v": 3, "first": "Ann", "last": "Lee", "cents": cents}
        _expect_upcast(answer, {"name": "Ann Lee", "amount": cents / 100}, today)
    for version in (4, 0, -1, 2.5, "3", data.randint(5, 99)):
        unknown = {"v": version, "full_name": "Ann Lee", "minor_units": 1999}
        said = ask(answer, dict(unknown), may_raise=(Exception,))
        if not isinstance(said, ValueError):
            kind = "guessed_at_version" if not isinstance(said, Exception) else "wrong_exception"
            raise Wrong(
                kind,
                f"{unknown} has a version that nobody knows, and the function "
                + (f"raised {type(said).__name__}." if kind != "guessed_at_version"
                   else f"returned {said!r}."),
                "Look at the version before you look at anything else. What another program has "
                "written, this one must not guess at: raise a ValueError.",
            )  # fmt: skip
    return "10,001 amounts, three kinds of names, three versions; and none from the future."


def _expect_upcast(answer: Callable, old: dict[str, Any], today: dict[str, Any]) -> None:
    given = dict(old)
    said = ask(answer, given)
    if given != old:
        raise Wrong(
            "changed_what_was_given", f"{old} was changed while it was read.", "Make a new one."
        )
    if said != today or type(said.get("cents")) is not int:
        raise Wrong(
            "wrong_event",
            f"{old} became {said!r}, not {today!r}.",
            "One step for each version, in a row. int() cuts a fraction off, round() doesn't; and "
            'rpartition(" ") divides at the last blank.',
        )

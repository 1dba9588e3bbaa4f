"""Chapter 7's graders tell right answers from wrong ones."""

from __future__ import annotations

import copy
import importlib.util
import json
import types
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from tests.exercises.answers import Answers, stub

PROGRAM = Path(__file__).resolve().parents[2] / "notebooks" / "programs" / "accounts.py"


def the_bank() -> types.ModuleType:
    """The store and the rules of an account, as the notebook imports them."""
    spec = importlib.util.spec_from_file_location("accounts", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bank = the_bank()


def withdraw_with(expected=len, known=True, checked=True, recheck=True, positive=True, data=None,
                  conflict="again", broken="raise"):  # fmt: skip
    """A withdrawal that gets right what it is told to, and no more."""

    def withdraw(db, account, cents, request):
        if positive and cents <= 0:
            return False
        history = bank.read(db, account)
        while True:
            if known and any(event.data.get("request") == request for event in history):
                return True
            if checked and cents > bank.balance(history):
                return False
            event = ("withdrawn", data or {"cents": cents, "request": request}, 0)
            try:
                bank.append(db, account, [event], expected(history) if expected else None)
                return True
            except bank.Conflict:
                if conflict == "raise":
                    raise
            except ConnectionError:
                if broken == "raise":
                    raise
                if broken != "again":
                    return broken
            if recheck:
                history = bank.read(db, account)
            elif expected:
                history = [*history, *bank.read(db, account)[len(history):]]  # fmt: skip

    return withdraw


def withdraw_three_times(db, account, cents, request):
    """Right too, and otherwise: it asks a silent store three times, and then says so."""
    if cents < 1:
        raise ValueError(cents)
    for _ in range(20):
        history = bank.read(db, account)
        if request in [event.data.get("request") for event in history]:
            return True
        if cents > bank.balance(history):
            return False
        data = {"cents": cents, "request": request}
        try:
            bank.append(db, account, [("withdrawn", data, 0)], len(history))
        except bank.Conflict:
            continue
        except ConnectionError as error:
            trouble = error
            if request in [event.data.get("request") for event in bank.read(db, account)]:
                return True
            raise trouble from None
        return True
    raise ConnectionError


def withdraw_by_recursion(db, account, cents, request):
    """Right too, and otherwise: a conflict begins it anew, and a broken connection is passed on."""
    story = bank.read(db, account)
    paid = {event.data["request"] for event in story if "request" in event.data}
    if cents > 0 and request not in paid:
        if bank.balance(story) - cents < 0:
            return False
        event = ("withdrawn", {"request": request, "cents": cents}, bank.now())
        try:
            bank.append(db, account, [event], expected=len(story))
        except bank.Conflict:
            return withdraw_by_recursion(db, account, cents, request)
    return cents > 0


def withdraw_and_look_at_the_last_hundred(db, account, cents, request):
    history = bank.read(db, account)
    if any(event.data.get("request") == request for event in history[-100:]):
        return True
    return withdraw_with(known=False)(db, account, cents, request)


def withdraw_and_look_once(db, account, cents, request):
    """Looks for the request at the start, and not after the connection broke."""
    if any(event.data.get("request") == request for event in bank.read(db, account)):
        return True
    event = ("withdrawn", {"cents": cents, "request": request}, 0)
    while 0 < cents <= bank.balance(bank.read(db, account)):
        try:
            bank.append(db, account, [event], len(bank.read(db, account)))
            return True
        except bank.Conflict:
            continue
    return False


paid = {}


def withdraw_by_memory(db, account, cents, request):
    """Knows in memory which requests were paid."""
    if request not in paid:
        paid[request] = withdraw_with(known=False)(db, account, cents, request)
    return paid[request]


def withdraw_by_memory_and_log(db, account, cents, request):
    """Does not look at the log again for what it has paid, whoever asks."""
    if request not in paid_out and withdraw_with()(db, account, cents, request):
        paid_out.add(request)
    return request in paid_out


paid_out = set()


def withdraw_if(known, tries=100):
    """Knows a request again by this."""

    def withdraw(db, account, cents, request):
        for _ in range(tries if cents > 0 else 0):
            history = bank.read(db, account)
            if known(db, history, request):
                return True
            if cents > bank.balance(history):
                return False
            event = ("withdrawn", {"cents": cents, "request": request}, 0)
            try:
                bank.append(db, account, [event], len(history))
                return True
            except bank.Conflict:
                continue
        return False

    return withdraw


def requests(history):
    return [event.data.get("request", "") for event in history]


def withdraw_after_a_look_at_the_balance(db, account, cents, request):
    if cents > bank.balance(bank.read(db, account)):
        return False
    return withdraw_with()(db, account, cents, request)


def withdraw_and_ignore_all(db, account, cents, request):
    history = bank.read(db, account)
    event = ("withdrawn", {"cents": cents, "request": request}, 0)
    while True:
        try:
            if cents <= 0 or cents > bank.balance(history):
                return False
            bank.append(db, account, [event], expected=len(history))
            return True
        except:  # noqa: E722, S112
            continue


def load_with(code=True, reached=True, whole=True, newest=True, number=True, after=True):
    def load(db, account):
        ask = "SELECT version, code, state FROM snapshots WHERE stream = ? ORDER BY version DESC"
        events = db.execute("SELECT max(version) FROM events WHERE stream = ?", [account])
        if reached == "by any stream":
            events = db.execute("SELECT count(*) FROM events")
        [most] = [20] if reached == "20" else events.fetchone()
        for version, made_by, state in db.execute(ask, [account]).fetchall():
            if (code and made_by < 2) or (code is True and made_by > 2):
                continue
            if reached and version > most:
                continue
            try:
                cents = json.loads(state)["cents"]
                if number and not isinstance(cents, int):
                    continue
                if number is True and type(cents) is not int:
                    continue
                cents = int(cents)
            except (ValueError, TypeError, KeyError):
                if not whole:
                    raise
                if not newest:
                    break
                continue
            if not after:
                return cents + bank.balance(bank.read(db, account)[version:])
            return cents + bank.balance(bank.read(db, account, after=version))
        return bank.balance(bank.read(db, account))

    return load


def upcast_with(to_cents=round, split="last", future="raise", copy=True, today=True,
                lowest=1, number=lambda version: version):  # fmt: skip
    def upcast(data):
        version = number(data.get("v", 1))
        if not isinstance(version, int) or version < lowest:
            raise ValueError(version)
        if version > 3 and future == "raise":
            raise ValueError(version)
        if version > 3 and future == "pass on":
            return data
        if version == 3 and today:
            return data
        new = dict(data) if copy else data
        if version == 1:
            new["cents"] = to_cents(new.pop("amount") * 100)
        name = new.pop("name")
        if split == "last":
            new["first"], _, new["last"] = name.rpartition(" ")
        elif split == "words":
            *first, new["last"] = name.split()
            new["first"] = " ".join(first)
        elif split == "first":
            new["first"], _, new["last"] = name.partition(" ")
        else:
            new["first"], new["last"] = name.split(" ")
        return new | {"v": 3}

    return upcast


def load_all(db, account):
    return bank.balance(bank.read(db, account))


def load_from_what_is_above_zero(db, account):
    """An empty account is none to it."""
    ask = "SELECT version, state FROM snapshots WHERE stream = ? AND code = 2 ORDER BY version DESC"
    [end] = db.execute("SELECT max(version) FROM events WHERE stream = ?", [account]).fetchone()
    for version, state in db.execute(ask, [account]).fetchall():
        with suppress(ValueError, TypeError, KeyError):
            cents = json.loads(state)["cents"]
            if version <= end and type(cents) is int and cents > 0:
                return cents + bank.balance(bank.read(db, account, after=version))
    return bank.balance(bank.read(db, account))


def load_and_look_at_the_snapshots_event(db, account):
    """Right too, and otherwise."""
    ask = """SELECT version, state FROM snapshots WHERE stream = ? AND code = 2
             ORDER BY version DESC"""
    for version, state in db.execute(ask, [account]).fetchall():
        try:
            cents = json.loads(state)["cents"]
        except (ValueError, TypeError, KeyError):
            continue
        tail = bank.read(db, account, after=version - 1) if type(cents) is int else []
        if tail and tail[0].version == version:
            return cents + bank.balance(tail[1:])
    return bank.balance(bank.read(db, account))


def load_in_sql(db, account):
    """Right too, and otherwise: the database picks the snapshot and takes its JSON apart."""
    found = db.execute(
        """
        WITH good AS (
            SELECT version, CASE WHEN typeof(state) = 'text' AND json_valid(state)
                                 AND json_type(state, '$.cents') = 'integer'
                            THEN json_extract(state, '$.cents') END AS cents
            FROM snapshots WHERE stream = :account AND code = 2
        )
        SELECT version, cents FROM good
        WHERE cents IS NOT NULL
        AND version <= (SELECT count(*) FROM events WHERE stream = :account)
        ORDER BY version DESC LIMIT 1
        """,
        {"account": account},
    ).fetchone()
    version, cents = found or (0, 0)
    return cents + bank.balance(bank.read(db, account, after=version))


def upcast_by_a_table(data):
    """Right too, and otherwise: a function for each version that is not today's."""
    steps = {
        1: lambda name, amount: {"v": 2, "name": name, "cents": int(Decimal(str(amount)) * 100)},
        2: lambda name, cents, v: dict(
            zip(("first", "last"), [*[""] * (" " not in name), *name.rsplit(" ", 1)], strict=True),
            v=3,
            cents=cents,
        ),
    }
    found = copy.deepcopy(data)
    while (version := found.get("v", 1)) != 3:
        if version not in steps:
            raise ValueError(f"unknown version: {version!r}")
        found = steps[version](**found)
    return found


def upcast_in_steps(data):
    """Right too, and otherwise."""
    new = dict(data)
    match data.get("v", 1):
        case 1:
            cents = int(f"{new.pop('amount'):.2f}".replace(".", ""))
            return upcast_in_steps(new | {"v": 2, "cents": cents})
        case 2:
            *first, last = new.pop("name").split(" ")
            return new | {"v": 3, "first": " ".join(first), "last": last}
        case 3:
            return new
    raise ValueError(data)


ANSWERS = {
    "7.1": Answers(
        right={
            "reference": withdraw_with(),
            "otherwise": withdraw_three_times,
            "recursion": withdraw_by_recursion,
        },
        wrong={
            "the last hundred": ("paid_twice", withdraw_and_look_at_the_last_hundred),
            "no version": ("overdrawn", withdraw_with(expected=None)),
            "conflict raised": ("conflict_raised", withdraw_with(conflict="raise")),
            "request not known": ("wrong_answer", withdraw_with(known=False)),
            "looks once": ("paid_twice", withdraw_and_look_once),
            "memory": ("not_paid", withdraw_by_memory),
            "not checked": ("overdrawn", withdraw_with(checked=False)),
            "negative amount": ("no_amount", withdraw_with(positive=False)),
            "other data": ("not_paid", withdraw_with(data={"cents": 100_00})),
            "other amount": ("not_paid", withdraw_with(data={"cents": 1, "request": "r"})),
            "break is a yes": ("not_paid", withdraw_with(broken=True)),
            "break is a no": ("wrong_answer", withdraw_with(broken=False)),
            "asks for ever": ("for_ever", withdraw_with(broken="again")),
            "wrong version": ("for_ever", withdraw_with(expected=lambda h: len(h) + 1)),
            "ignores all": ("wrong_answer", withdraw_and_ignore_all),
            "memory and log": ("not_paid", withdraw_by_memory_and_log),
            "any account's": (
                "not_paid",
                withdraw_if(lambda db, h, r: r in requests(bank.read(db))),
            ),
            "part of another": ("not_paid", withdraw_if(lambda db, h, r: r in str(requests(h)))),
            "upper case": (
                "not_paid",
                withdraw_if(lambda db, h, r: r.lower() in map(str.lower, requests(h))),
            ),
            "ten tries": ("not_paid", withdraw_if(lambda db, h, r: r in requests(h), tries=10)),
            "balance first": ("wrong_answer", withdraw_after_a_look_at_the_balance),
            "all the money never": (
                "wrong_answer",
                lambda db, account, cents, request: (
                    cents < bank.balance(bank.read(db, account))
                    and withdraw_with()(db, account, cents, request)
                ),
            ),
            "not begun": ("not_attempted", stub),
        },
    ),
    "7.2": Answers(
        right={
            "reference": load_with(),
            "otherwise": load_and_look_at_the_snapshots_event,
            "in SQL": load_in_sql,
        },
        wrong={
            "zero is none": ("read_too_much", load_from_what_is_above_zero),
            "any code": ("wrong_balance", load_with(code=False)),
            "code 2 or more": ("wrong_balance", load_with(code="2 or more")),
            "any version": ("wrong_balance", load_with(reached=False)),
            "version up to 20": ("read_too_much", load_with(reached="20")),
            "version of any stream": ("wrong_balance", load_with(reached="by any stream")),
            "true is 1": ("wrong_balance", load_with(number="or true")),
            "text is a number": ("wrong_balance", load_with(number=False)),
            "whole only": ("raised", load_with(whole=False)),
            "newest only": ("read_too_much", load_with(newest=False)),
            "reads all": ("read_too_much", load_with(after=False)),
            "no snapshots": ("read_too_much", load_all),
        },
    ),
    "7.3": Answers(
        right={
            "reference": upcast_with(),
            "in steps": upcast_in_steps,
            "by a table": upcast_by_a_table,
        },
        wrong={
            "single blanks": ("wrong_event", upcast_with(split="words")),
            "cut off": ("wrong_event", upcast_with(to_cents=int)),
            "float": ("wrong_event", upcast_with(to_cents=float)),
            "first blank": ("wrong_event", upcast_with(split="first")),
            "two names": ("raised", upcast_with(split="two")),
            "passed on": ("guessed_at_version", upcast_with(future="pass on")),
            "a text's number": ("wrong_exception", upcast_with(number=int)),
            "version 0": ("wrong_exception", upcast_with(lowest=-9)),
            "guessed": ("wrong_exception", upcast_with(future="guess")),
            "changed": ("changed_what_was_given", upcast_with(copy=False)),
            "today's": ("raised", upcast_with(today=False)),
        },
    ),
}


def test_answers(case):
    context = {} if case.exercise == "7.3" else {"bank": bank}
    before = bank.append, bank.read
    case.judge(**context)
    assert (bank.append, bank.read) == before

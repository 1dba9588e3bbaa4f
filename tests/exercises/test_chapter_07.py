"""Chapter 7's graders refuse the usual wrong answers, with a hint; the notebook runs the right ones."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

from helpers import check

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "07_event_sourcing.ipynb"


@pytest.fixture(scope="module")
def bank() -> types.ModuleType:
    """The store and the bank, from the cells of the notebook itself."""
    cells = {cell["id"]: cell for cell in json.loads(NOTEBOOK.read_text())["cells"]}
    names: dict = {"types": types}
    for name in ("store", "append", "append-end", "bank"):
        exec("".join(cells[name]["source"]), names)  # noqa: S102
    return names["bank"]


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer, bank) -> str:
    check(exercise, answer, bank=bank)
    return capsys.readouterr().out


def withdraw_with(bank, version=True, again=True, known=True, recheck=True, data=None):
    """A withdrawal that gets right what it is told to, and no more."""

    def withdraw(db, account, cents, request):
        history = bank.read(db, account)
        end = len(history)
        while True:
            if known and any(event.data.get("request") == request for event in history):
                return True
            if cents > bank.balance(history):
                return False
            event = ("withdrawn", data or {"cents": cents, "request": request}, 0)
            try:
                bank.append(db, account, [event], end if version else None)
                return True
            except bank.Conflict:
                if not again:
                    raise
                end = len(bank.read(db, account))
                if recheck:
                    history = bank.read(db, account)

    return withdraw


def test_a_careful_withdrawal_passes(capsys, bank):
    assert "✔" in said(capsys, "7.1", withdraw_with(bank), bank)


def test_a_withdrawal_that_catches_everything_itself_passes(capsys, bank):
    def withdraw(db, account, cents, request):
        while True:
            history = bank.read(db, account)
            if request in [event.data.get("request") for event in history]:
                return True
            if cents > bank.balance(history):
                return False
            data = {"cents": cents, "request": request}
            try:
                bank.append(db, account, [("withdrawn", data, 0)], len(history))
            except (bank.Conflict, ConnectionError):
                continue

    assert "✔" in said(capsys, "7.1", withdraw, bank)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"version": False}, "overdrawn"),
        ({"again": False}, "raised Conflict"),
        ({"known": False}, "a request came twice"),
        ({"recheck": False}, "overdrawn"),
        ({"data": {"cents": 130_00}}, "0 times, not 1"),
        ({"data": {"cents": 1, "request": "r1"}}, "another amount"),
    ],
)
def test_a_careless_withdrawal_is_refused(capsys, bank, wrong, words):
    output = said(capsys, "7.1", withdraw_with(bank, **wrong), bank)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_a_lost_answer_must_not_pay_twice(capsys, bank):
    """It looks for the request once, and not again after the connection broke."""

    def withdraw(db, account, cents, request):
        history = bank.read(db, account)
        if any(event.data.get("request") == request for event in history):
            return True
        event = ("withdrawn", {"cents": cents, "request": request}, 0)
        while cents <= bank.balance(bank.read(db, account)):
            try:
                bank.append(db, account, [event], len(bank.read(db, account)))
                return True
            except (bank.Conflict, ConnectionError):
                continue
        return False

    output = said(capsys, "7.1", withdraw, bank)
    assert "✘" in output
    assert "2 times, not 1" in output


def withdraw_and_say(bank, on_error, expected=len):
    """What it says when the connection breaks is a guess; it knows which version to name."""

    def withdraw(db, account, cents, request):
        while True:
            history = bank.read(db, account)
            if any(event.data.get("request") == request for event in history):
                return True
            if cents > bank.balance(history):
                return False
            event = ("withdrawn", {"cents": cents, "request": request}, 0)
            try:
                bank.append(db, account, [event], expected(history))
                return True
            except bank.Conflict:
                continue
            except ConnectionError:
                return on_error

    return withdraw


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        (True, "broke before the event was appended: the request is in the log 0 times"),
        (False, "broke after the event was appended, and the function said False"),
    ],
)
def test_who_guesses_after_a_lost_answer_is_refused(capsys, bank, guess, words):
    output = said(capsys, "7.1", withdraw_and_say(bank, guess), bank)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_a_wrong_version_for_ever_is_told_at_once(capsys, bank):
    answer = withdraw_and_say(bank, None, expected=lambda history: len(history) + 1)
    output = said(capsys, "7.1", answer, bank)
    assert "tried to append 50 times" in output
    assert "with its length" in output


@pytest.mark.parametrize("caught", ["Conflict", "Exception"])
def test_a_history_read_once_is_told_at_once(capsys, bank, caught):
    errors = bank.Conflict if caught == "Conflict" else Exception

    def withdraw(db, account, cents, request):
        history = bank.read(db, account)
        if any(event.data.get("request") == request for event in history):
            return True
        event = ("withdrawn", {"cents": cents, "request": request}, 0)
        while cents <= bank.balance(history):
            try:
                bank.append(db, account, [event], expected=len(history))
                return True
            except errors:
                continue
        return False

    assert "tried to append 50 times" in said(capsys, "7.1", withdraw, bank)


def test_the_bank_is_whole_again_afterwards(capsys, bank):
    before = bank.append, bank.read
    said(capsys, "7.1", withdraw_with(bank, version=False), bank)
    said(capsys, "7.2", lambda db, account: 0, bank)
    assert (bank.append, bank.read) == before


def load_with(bank, code=True, reached=True, whole=True, newest=True, number=True, after=True):
    def load(db, account):
        ask = "SELECT version, code, state FROM snapshots WHERE stream = ? ORDER BY version DESC"
        events = db.execute("SELECT max(version) FROM events WHERE stream = ?", [account])
        if reached == "by any stream":
            events = db.execute("SELECT count(*) FROM events")
        [most] = events.fetchone()
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


def test_a_careful_load_passes(capsys, bank):
    assert "✔" in said(capsys, "7.2", load_with(bank), bank)


def test_a_load_that_looks_at_the_event_of_the_snapshot_passes(capsys, bank):
    def load(db, account):
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

    assert "✔" in said(capsys, "7.2", load, bank)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"code": False}, "made by code 1"),
        ({"code": "2 or more"}, "made by code 3"),
        ({"reached": "by any stream"}, "hasn't reached"),
        ({"number": "or true"}, "true for an amount"),
        ({"reached": False}, "hasn't reached"),
        ({"whole": False}, "JSONDecodeError"),
        ({"newest": False}, "40 events were read"),
        ({"after": False}, "40 events were read"),
        ({"number": False}, "a text for an amount"),
    ],
)
def test_a_careless_load_is_refused(capsys, bank, wrong, words):
    output = said(capsys, "7.2", load_with(bank, **wrong), bank)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_a_load_without_snapshots_reads_too_much(capsys, bank):
    def load(db, account):
        return bank.balance(bank.read(db, account))

    assert "40 events were read, where 10 would do" in said(capsys, "7.2", load, bank)


def upcast_with(to_cents=round, split="last", future="raise", copy=True, today=True):
    def upcast(data):
        version = data.get("v", 1)
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
        elif split == "first":
            new["first"], _, new["last"] = name.partition(" ")
        else:
            new["first"], new["last"] = name.split(" ")
        return new | {"v": 3}

    return upcast


def check_upcast(capsys, answer):
    check("7.3", answer)
    return capsys.readouterr().out


def test_a_careful_upcast_passes(capsys):
    assert "✔" in check_upcast(capsys, upcast_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"to_cents": int}, "'cents': 1998"),
        ({"to_cents": float}, "became"),
        ({"split": "first"}, "Cher"),
        ({"split": "two"}, "raised ValueError"),
        ({"future": "pass on"}, "from the future"),
        ({"future": "guess"}, "raised KeyError"),
        ({"copy": False}, "was changed"),
        ({"today": False}, "raised KeyError"),
    ],
)
def test_a_careless_upcast_is_refused(capsys, wrong, words):
    output = check_upcast(capsys, upcast_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_a_stub_is_not_attempted(capsys, bank):
    def stub(db, account):
        raise NotImplementedError

    assert "not attempted" in said(capsys, "7.2", stub, bank)

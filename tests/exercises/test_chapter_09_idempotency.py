"""The grader of the lab on idempotency tells right answers from wrong ones."""

import sqlite3
import uuid

from tests.exercises.answers import Answers, ignoring, stub

INTENT = "INSERT INTO requests VALUES (?, ?, NULL) ON CONFLICT DO NOTHING"
FOUND = "SELECT cents, receipt FROM requests WHERE key = ?"
RECEIPT = "UPDATE requests SET receipt = ? WHERE key = ?"


class OtherAmountError(ValueError):
    """Its text can't make another one: it does not survive a pipe."""

    def __init__(self, key, cents):
        super().__init__(f"{key} was used for {cents}")


def charge_with(
    intent=INTENT, commit=True, found=FOUND, compare=True, refusal=ValueError, known=True,
    ask=lambda bank, key, cents: bank(key, cents), saved=True, answer=str,
    note=RECEIPT,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def charge(database, bank, key, cents):
        database.execute(intent, [key, cents])
        if commit:
            database.commit()
        before, receipt = database.execute(found, [key]).fetchone()
        if compare and before != cents:
            raise refusal(key)
        if receipt is None or not known:
            receipt = ask(bank, key, cents)
            database.execute(note, [receipt, key])
            if saved:
                database.commit()
        return answer(receipt)

    return charge


def insert_or_look(database, bank, key, cents):
    """Right too, and otherwise: the key's own error says that somebody was quicker."""
    database.isolation_level = None
    try:
        database.execute("INSERT INTO requests (key, cents) VALUES (?, ?)", [key, cents])
        receipt = None
    except sqlite3.IntegrityError:
        [(before, receipt)] = database.execute(FOUND, [key]).fetchall()
        if before != cents:
            raise ValueError(f"{key!r} was used for {before}") from None
    if receipt is None:
        receipt = bank(key, cents)
        database.execute(RECEIPT, [receipt, key])
    return receipt


def in_two_transactions(database, bank, key, cents):
    """Right too, and otherwise: it looks first, under a lock, and tells what is in the table."""
    database.isolation_level = None
    database.execute("BEGIN IMMEDIATE")
    rows = database.execute(FOUND, (key,)).fetchall()
    if not rows:
        database.execute("INSERT INTO requests (cents, key) VALUES (?, ?)", (cents, key))
    database.execute("COMMIT")
    noted, known = rows[0] if rows else (cents, None)
    if cents != noted:
        raise ValueError(f"{key}: {cents} is not {noted}")
    if known is not None:
        return known
    told = bank(key, cents)
    database.execute(f"{RECEIPT} AND receipt IS NULL", (told, key))
    return database.execute("SELECT receipt FROM requests WHERE key = ?", (key,)).fetchone()[0]


def in_memory():
    requests = {}

    def charge(database, bank, key, cents):
        before, receipt = requests.setdefault(key, (cents, None))
        if before != cents:
            raise ValueError(key)
        if receipt is None:
            receipt = bank(key, cents)
            requests[key] = cents, receipt
        return receipt

    return charge


def note_last(database, bank, key, cents):
    """Nothing is known before the bank has answered."""
    found = database.execute(FOUND, [key]).fetchone()
    if found is None:
        found = cents, bank(key, cents)
        with database:
            database.execute("INSERT INTO requests VALUES (?, ?, ?)", [key, *found])
    if found[0] != cents:
        raise ValueError(key)
    return found[1]


def note_first(database, bank, key, cents):
    """A second call believes that the first has charged."""
    with database:
        if database.execute(INTENT, [key, cents]).rowcount:
            receipt = bank(key, cents)
            database.execute(RECEIPT, [receipt, key])
    before, receipt = database.execute(FOUND, [key]).fetchone()
    if before != cents:
        raise ValueError(key)
    return receipt


def note_first_and_commit(database, bank, key, cents):
    with database:
        new = database.execute(INTENT, [key, cents]).rowcount
    if new:
        receipt = bank(key, cents)
        with database:
            database.execute(RECEIPT, [receipt, key])
    before, receipt = database.execute(FOUND, [key]).fetchone()
    if before != cents:
        raise ValueError(key)
    return receipt


def locked_while_it_asks(database, bank, key, cents):
    """All in its place, but the database waits for the bank."""
    with database:
        database.execute(INTENT, [key, cents])
    database.execute("BEGIN IMMEDIATE")
    with database:
        before, receipt = database.execute(FOUND, [key]).fetchone()
        if before != cents:
            raise ValueError(key)
        if receipt is None:
            receipt = bank(key, cents)
            database.execute(RECEIPT, [receipt, key])
    return receipt


def look_then_insert(database, bank, key, cents):
    """Right when nobody else is at work."""
    found = database.execute(FOUND, [key]).fetchone()
    if found is None:
        with database:
            database.execute("INSERT INTO requests (key, cents) VALUES (?, ?)", [key, cents])
        found = cents, None
    before, receipt = found
    if before != cents:
        raise ValueError(key)
    if receipt is None:
        receipt = bank(key, cents)
        with database:
            database.execute(RECEIPT, [receipt, key])
    return receipt


def look_then_replace(database, bank, key, cents):
    """The later of two takes the row over."""
    before, receipt = database.execute(FOUND, [key]).fetchone() or (cents, None)
    if before != cents:
        raise ValueError(key)
    if receipt is None:
        with database:
            database.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, NULL)", [key, cents])
        receipt = bank(key, cents)
        with database:
            database.execute(RECEIPT, [receipt, key])
    return receipt


def forget_on_error(database, bank, key, cents):
    try:
        return charge_with()(database, bank, key, cents)
    except ConnectionError:
        with database:
            database.execute("DELETE FROM requests WHERE key = ?", [key])
        raise


def stubborn(bank, key, cents):
    while True:
        try:
            return bank(key, cents)
        except ConnectionError:
            pass


def silent(bank, key, cents):
    try:
        return bank(key, cents)
    except ConnectionError:
        return None


ANSWERS = {
    "9.6": Answers(
        right={
            "reference": charge_with(),
            "insert or look": insert_or_look,
            "an error of its own": charge_with(refusal=lambda key: OtherAmountError(key, 0)),
            "two transactions": in_two_transactions,
        },
        wrong={
            "in memory": ("asked_again", in_memory()),
            "notes last": ("wrong_request", note_last),
            "notes first": ("wrong_request", note_first),
            "notes first, committed": ("not_charged", note_first_and_commit),
            "locked while it asks": ("locked", locked_while_it_asks),
            "looks, then inserts": ("raised", look_then_insert),
            "looks, then replaces": ("wrong_request", look_then_replace),
            "intent not committed": ("wrong_request", charge_with(commit=False)),
            "receipt not committed": ("asked_again", charge_with(saved=False)),
            "doesn't compare": ("not_refused", charge_with(compare=False)),
            "asks each time": ("asked_again", charge_with(known=False)),
            "refuses by another name": ("raised", charge_with(refusal=KeyError)),
            "a new key for the bank": (
                "wrong_request",
                charge_with(ask=lambda bank, key, cents: bank(str(uuid.uuid4()), cents)),
            ),
            "a key for each amount": (
                "wrong_request",
                charge_with(ask=lambda bank, key, cents: bank(f"{key} {cents}", cents)),
            ),
            "upper or lower case": (
                "refused",
                charge_with(found=FOUND.replace("key =", "key LIKE") + " ORDER BY rowid"),
            ),
            "forgets what failed": ("wrong_request", forget_on_error),
            "asks until it answers": ("asked_again", charge_with(ask=stubborn)),
            "hides the error": ("swallowed", charge_with(ask=silent, answer=lambda it: it)),
            "noted for all that is open": (
                "not_charged",
                charge_with(
                    note="UPDATE requests SET receipt = ?1 WHERE receipt IS NULL OR key = ?2"
                ),
            ),
            "tidied up": ("wrong_receipt", charge_with(answer=str.upper)),
            "a constant": ("not_charged", lambda *_: "receipt 0"),
            "refuses everything": ("refused", charge_with(found="SELECT ?, NULL")),
            "hangs": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

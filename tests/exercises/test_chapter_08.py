"""Chapter 8's graders refuse the usual wrong answers, with a hint; the notebooks run the right ones."""

from __future__ import annotations

import time

import pytest

from helpers import check, wait_until

pytestmark = pytest.mark.usefixtures("live")


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def refused(output: str, words: str) -> None:
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def read_own_with(wait=True, beyond=True, own_partition=True, bounded=True, late_error=True):
    """A read that gets right what it is told to, and no more."""

    def read_own(view, receipt, timeout):
        deadline = time.monotonic() + timeout
        while wait:
            position = dict(view.execute("SELECT partition, next FROM position"))
            reached = position[receipt.partition] if own_partition else max(position.values())
            if reached > receipt.offset or (not beyond and reached == receipt.offset):
                break
            if bounded and time.monotonic() > deadline:
                if late_error:
                    raise TimeoutError
                break
            time.sleep(0.01)
            if time.monotonic() > deadline + 60:
                return None
        state = "SELECT state FROM orders WHERE order_id = ?"
        return view.execute(state, [receipt.order_id]).fetchone()[0]

    return read_own


def read_the_row(view, receipt, timeout):
    state = "SELECT state FROM orders WHERE order_id = ?"
    where = "SELECT next FROM position WHERE partition = ?"
    there = lambda: view.execute(where, [receipt.partition]).fetchone()[0] > receipt.offset  # noqa: E731
    wait_until(there, "the event", timeout)
    return view.execute(state, [receipt.order_id]).fetchone()


def read_the_state_first(view, receipt, timeout):
    def state_if_there():
        state = "SELECT state FROM orders WHERE order_id = ?"
        found = view.execute(state, [receipt.order_id]).fetchone()
        where = "SELECT next FROM position WHERE partition = ?"
        following = view.execute(where, [receipt.partition]).fetchone()[0]
        return found if following > receipt.offset else None

    return wait_until(state_if_there, "the event", timeout)[0]


def read_with_a_cursor(view, receipt, timeout):
    cursor = view.cursor()

    def state_if_there():
        cursor.execute("SELECT state FROM orders WHERE order_id = ?", [receipt.order_id])
        found = cursor.fetchone()
        cursor.execute("SELECT next FROM position WHERE partition = ?", [receipt.partition])
        return found if cursor.fetchone()[0] > receipt.offset else None

    return wait_until(state_if_there, "the event", timeout)[0]


def read_in_one_statement(view, receipt, timeout):
    both = "SELECT state FROM orders JOIN position ON partition = ? AND next > ? WHERE order_id = ?"
    values = [receipt.partition, receipt.offset, receipt.order_id]
    return wait_until(lambda: view.execute(both, values).fetchone(), "the event", timeout)[0]


def read_after_the_time(view, receipt, timeout):
    time.sleep(timeout)
    return read_own_with()(view, receipt, 0)


def read_for_three_seconds(view, receipt, timeout):
    return read_own_with()(view, receipt, 3)


def read_until_it_changes(view, receipt, timeout):
    def changed():
        state = "SELECT state FROM orders WHERE order_id = ?"
        found = view.execute(state, [receipt.order_id]).fetchone()[0]
        return found if found != "placed" else None

    return wait_until(changed, "a change", timeout)


def test_one_statement_for_state_and_position_passes(capsys):
    assert "✔" in said(capsys, "8.1", read_in_one_statement)


def test_a_patient_read_passes(capsys):
    assert "✔" in said(capsys, "8.1", read_own_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (read_own_with(wait=False), "what was there before: 'placed'"),
        (read_own_with(beyond=False), "late, and the function returned what was there before"),
        (read_own_with(own_partition=False), "far ahead in partition 0"),
        (read_own_with(bounded=False), "still waiting"),
        (read_own_with(late_error=False), "far ahead in partition 0"),
        (read_the_row, "returned ('paid',)"),
        (read_the_state_first, "late, and the function returned what was there before"),
        (read_with_a_cursor, "late, and the function returned what was there before"),
        (read_after_the_time, "on time, and the function answered after"),
        (read_for_three_seconds, "still waiting"),
        (read_until_it_changes, "returned 'shipped'"),
    ],
    ids=[
        *("no wait", "one short", "any partition", "no deadline", "no error", "the row"),
        *("state first", "cursor", "at the deadline", "three seconds", "any change"),
    ],
)
def test_a_read_that_is_too_early_or_too_patient_is_refused(capsys, wrong, words):
    refused(said(capsys, "8.1", wrong), words)


def project_in_turn(view, event):
    import json

    park = [event["order"], event["version"], json.dumps(event)]
    view.execute("INSERT INTO waiting VALUES (?, ?, ?)", park)
    while True:
        found = view.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
        version = (found.fetchone() or [0])[0]
        where = "FROM waiting WHERE order_id = ? AND version <= ?"
        view.execute(f"DELETE {where}", [event["order"], version])
        row = view.execute(f"SELECT event {where}", [event["order"], version + 1]).fetchone()
        if row is None:
            return
        now = json.loads(row[0])
        values = [now["order"], now["version"], now["state"]]
        view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
        paid = now["total"] if now["state"] == "paid" else 0
        view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [now["customer"]])
        add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
        view.execute(add, [paid, now["customer"]])


def project_whatever_comes(view, event):
    values = [event["order"], event["version"], event["state"]]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
    paid = event["total"] if event["state"] == "paid" else 0
    view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [event["customer"]])
    add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
    view.execute(add, [paid, event["customer"]])


def project_the_newest(view, event):
    found = view.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
    if event["version"] <= (found.fetchone() or [0])[0]:
        return
    values = [event["order"], event["version"], event["state"]]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
    paid = event["total"] if event["state"] == "paid" else 0
    view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [event["customer"]])
    add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
    view.execute(add, [paid, event["customer"]])


def project_with_a_memory(view, event, memory={}):  # noqa: B006
    memory[event["order"], event["version"]] = event
    while True:
        found = view.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
        now = memory.pop((event["order"], (found.fetchone() or [0])[0] + 1), None)
        if now is None:
            return
        values = [now["order"], now["version"], now["state"]]
        view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
        paid = now["total"] if now["state"] == "paid" else 0
        view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [now["customer"]])
        add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
        view.execute(add, [paid, now["customer"]])


def project_each_payment_once(view, event):
    seen = "SELECT 1 FROM waiting WHERE order_id = ? AND version = ?"
    here = [event["order"], event["version"]]
    if view.execute(seen, here).fetchone():
        return
    view.execute("INSERT INTO waiting VALUES (?, ?, NULL)", here)
    values = [event["order"], event["version"], event["state"]]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
    paid = event["total"] if event["state"] == "paid" else 0
    view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [event["customer"]])
    add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
    view.execute(add, [paid, event["customer"]])


def project_without_versions(view, event):
    import json

    here = [event["order"], event["version"]]
    view.execute("DELETE FROM waiting WHERE order_id = ? AND version = ?", here)
    view.execute("INSERT INTO waiting VALUES (?, ?, ?)", [*here, json.dumps(event)])
    seen = view.execute("SELECT event FROM waiting ORDER BY version").fetchall()
    events = [json.loads(text) for (text,) in seen]
    state = [e["state"] for e in events if e["order"] == event["order"]][-1]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, 99, ?)", [event["order"], state])
    mine = [e for e in events if e["customer"] == event["customer"] and e["state"] == "paid"]
    paid = [event["customer"], sum(e["total"] for e in mine)]
    view.execute("INSERT OR REPLACE INTO customers VALUES (?, ?)", paid)


def project_with_a_helper(view, event):
    project_whatever_comes(view, event)


def project_and_commit(view, event):
    view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [event["customer"]])
    view.commit()


def project_without_an_import(view, event):
    view.execute("INSERT INTO waiting VALUES ('', 0, ?)", [textwrap.dedent(event["order"])])  # noqa: F821


def test_a_projection_in_turn_passes(capsys):
    assert "✔" in said(capsys, "8.2", project_in_turn)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (project_whatever_comes, "each event came twice: the customers have paid"),
        (project_the_newest, "the events came out of order: the customers have paid"),
        (project_with_a_memory, "the projector was killed: the customers have paid"),
        (project_each_payment_once, "not 'shipped'"),
        (project_and_commit, "RuntimeError: it is the projector that commits"),
        (project_without_an_import, "NameError"),
        (project_with_a_helper, "Functions that it calls must stand inside it"),
        (project_without_versions, "has the version 99, not 3"),
        (print, "source of the answer"),
    ],
)
def test_a_projection_that_trusts_the_log_is_refused(capsys, wrong, words):
    refused(said(capsys, "8.2", wrong), words)


def take_over_with(stop=True, each=True, empty_counts=True, bounded=True, restart=True, wait=True):
    """A change of views that gets right what it is told to, and no more."""

    def take_over(blue, green, switch, timeout):
        deadline = time.monotonic() + (timeout if bounded else timeout + 60)
        if stop:
            blue.stop()

        def there():
            here, goal = green.position(), blue.position()
            if not each:
                return sum(here.values()) >= sum(goal.values())
            if not empty_counts:
                return all(offset >= goal[number] for number, offset in here.items())
            return all(here.get(number, 0) >= offset for number, offset in goal.items())

        while wait and not there():
            if time.monotonic() > deadline:
                if restart:
                    blue.start()
                raise TimeoutError
            time.sleep(0.01)
        switch()

    return take_over


def take_over_and_let_blue_run(blue, green, switch, timeout):
    try:
        take_over_with(restart=False)(blue, green, switch, timeout)
    finally:
        blue.start()


def test_a_careful_take_over_passes(capsys):
    assert "✔" in said(capsys, "8.3", take_over_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (take_over_with(wait=False), "went back in partition 0"),
        (take_over_with(stop=False), "still running"),
        (take_over_with(each=False), "went back in partition"),
        (take_over_with(empty_counts=False), "went back in partition"),
        (take_over_with(restart=False), "blue's projector stood still"),
        (take_over_with(bounded=False), "still waiting"),
        (take_over_and_let_blue_run, "after the switch blue's projector ran on"),
    ],
    ids=["at once", "blue runs", "sums", "empty", "blue stays stopped", "no deadline", "finally"],
)
def test_a_take_over_that_readers_notice_is_refused(capsys, wrong, words):
    refused(said(capsys, "8.3", wrong), words)

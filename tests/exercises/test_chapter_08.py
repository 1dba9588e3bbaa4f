"""Chapter 8's graders tell right answers from wrong ones."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack

import pytest

from helpers import wait_until
from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


def read_own_with(wait=True, beyond=True, own_partition=True, bounded=True, late_error=True):
    """A read that gets right what it is told to, and no more."""

    def read_own(view, receipt, timeout):
        deadline = time.monotonic() + timeout
        while wait:
            position = {receipt.partition: 0} | dict(
                view.execute("SELECT partition, next FROM position")
            )
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


def read_when_something_changes(view, receipt, timeout):
    """Right too, and otherwise: it looks again only when the file was written to."""
    give_up, last = time.monotonic() + timeout, None
    while True:
        [now] = view.execute("PRAGMA data_version").fetchone()
        if now != last:
            positions = dict(view.execute("SELECT partition, next FROM position").fetchall())
            if positions.get(receipt.partition, 0) >= receipt.offset + 1:
                query = "SELECT state FROM orders WHERE order_id = :order_id"
                [(state,)] = view.execute(query, {"order_id": receipt.order_id})
                return state
        elif time.monotonic() >= give_up:
            raise TimeoutError(f"{receipt} is not in the view after {timeout} s")
        last = now
        time.sleep(0.005)


def read_after_the_time(view, receipt, timeout):
    time.sleep(timeout)
    return read_own_with()(view, receipt, 0)


def read_unless_it_is_over(view, receipt, timeout):
    """Looks as long as there is time, and with none not at all."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            return read_own_with()(view, receipt, 0)
        except TimeoutError:
            time.sleep(0.01)
    raise TimeoutError


def read_in_one_transaction(view, receipt, timeout):
    """Sees one state of the view for ever."""
    view.execute("BEGIN")
    return read_own_with()(view, receipt, timeout)


def read_for_a_second(view, receipt, timeout):
    return read_own_with()(view, receipt, 1.0)


def read_for_three_seconds(view, receipt, timeout):
    return read_own_with()(view, receipt, 3)


def read_until_it_changes(view, receipt, timeout):
    def changed():
        state = "SELECT state FROM orders WHERE order_id = ?"
        found = view.execute(state, [receipt.order_id]).fetchone()[0]
        return found if found != "placed" else None

    return wait_until(changed, "a change", timeout)


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


def project_one_payment_each(view, event):
    """In turn; but who has paid has paid."""
    state = "SELECT 1 FROM orders WHERE order_id = ? AND state = 'paid'"
    if event["state"] == "paid" and view.execute(state, [event["order"]]).fetchone():
        event = event | {"total": 0}
    project_in_turn(view, event)


def project_one_that_waited(view, event):
    """Looks into `waiting` once."""
    import json

    version = "SELECT version FROM orders WHERE order_id = ?"
    [have] = view.execute(version, [event["order"]]).fetchone() or [0]
    here = [event["order"], have + 2]
    if event["version"] == have + 1:
        apply_event(view, event)
        found = view.execute("SELECT event FROM waiting WHERE order_id = ? AND version = ?", here)
        if row := found.fetchone():
            apply_event(view, json.loads(row[0]))
        view.execute("DELETE FROM waiting WHERE order_id = ? AND version <= ?", here)
    elif event["version"] > have:
        park = [event["order"], event["version"], json.dumps(event)]
        view.execute("INSERT INTO waiting VALUES (?, ?, ?)", park)


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


def project_and_never_delete(view, event):
    """In turn, but what waited stays."""
    import json

    park = [event["order"], event["version"], json.dumps(event)]
    seen = view.execute("SELECT 1 FROM waiting WHERE order_id = ? AND version = ?", park[:2])
    if not seen.fetchone():
        view.execute("INSERT INTO waiting VALUES (?, ?, ?)", park)
    while True:
        found = view.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
        version = (found.fetchone() or [0])[0]
        where = "SELECT event FROM waiting WHERE order_id = ? AND version = ?"
        row = view.execute(where, [event["order"], version + 1]).fetchone()
        if row is None:
            return
        apply_event(view, json.loads(row[0]))


def apply_event(view, event):
    values = [event["order"], event["version"], event["state"]]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", values)
    paid = event["total"] if event["state"] == "paid" else 0
    view.execute("INSERT OR IGNORE INTO customers VALUES (?, 0)", [event["customer"]])
    add = "UPDATE customers SET paid = paid + ? WHERE customer = ?"
    view.execute(add, [paid, event["customer"]])


def project_by_cursor(view, event):
    """Right too, and otherwise: early ones wait, others are applied, and then those that waited."""
    import json

    cursor = view.cursor()

    def version():
        cursor.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
        found = cursor.fetchone()
        return found[0] if found else 0

    if event["version"] > version() + 1:
        cursor.execute(
            "INSERT INTO waiting VALUES (?, ?, ?)",
            [event["order"], event["version"], json.dumps(event)],
        )
        return
    if event["version"] == version() + 1:
        apply_event(view, event)
    while True:
        key = [event["order"], version() + 1]
        cursor.execute("SELECT event FROM waiting WHERE order_id = ? AND version = ?", key)
        waits = cursor.fetchone()
        if waits is None:
            break
        apply_event(view, json.loads(waits[0]))
    cursor.execute("DELETE FROM waiting WHERE order_id = ? AND version <= ?", [key[0], version()])


def project_by_taking_out(view, event):
    """Right too, and otherwise: each event waits first, and is taken out when its turn has come."""
    import json

    order = event["order"]
    at = view.execute("SELECT coalesce(max(version), 0) FROM orders WHERE order_id = ?", [order])
    [version] = at.fetchone()
    if event["version"] <= version:
        return
    waits = [order, event["version"]]
    view.execute("DELETE FROM waiting WHERE order_id = ? AND version = ?", waits)
    view.execute("INSERT INTO waiting VALUES (?, ?, ?)", [*waits, json.dumps(event)])
    take = "DELETE FROM waiting WHERE order_id = ? AND version = ? RETURNING event"
    while taken := view.execute(take, [order, version + 1]).fetchall():
        due, version = json.loads(taken[0][0]), version + 1
        view.execute(
            "INSERT INTO orders VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET version = excluded.version, state = excluded.state",
            [order, version, due["state"]],
        )
        if due["state"] == "paid":
            view.execute(
                "INSERT INTO customers VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET paid = paid + excluded.paid",
                [due["customer"], due["total"]],
            )


def project_by_calling_itself(view, event):
    """Right for a few that wait."""
    import json

    found = view.execute("SELECT version FROM orders WHERE order_id = ?", [event["order"]])
    [version] = found.fetchone() or [0]
    here = [event["order"], event["version"]]
    view.execute("DELETE FROM waiting WHERE order_id = ? AND version = ?", here)
    if event["version"] > version + 1:
        view.execute("INSERT INTO waiting VALUES (?, ?, ?)", [*here, json.dumps(event)])
    if event["version"] == version + 1:
        apply_event(view, event)
        following = "SELECT event FROM waiting WHERE order_id = ? AND version = ?"
        if row := view.execute(following, [event["order"], version + 2]).fetchone():
            project_by_calling_itself(view, json.loads(row[0]))


def project_and_commit_by_sql(view, event):
    project_in_turn(view, event)
    view.cursor().execute("COMMIT")


def project_in_a_with(view, event):
    with view:
        project_in_turn(view, event)


def project_without_an_import(view, event):
    view.execute("INSERT INTO waiting VALUES ('', 0, ?)", [textwrap.dedent(event["order"])])  # noqa: F821


def take_over_with(
    stop=True, each=True, empty_counts=True, bounded=True, restart=True, wait=True, whatever=True
):
    """A change of views that gets right what it is told to, and no more."""

    def take_over(blue, green, switch, timeout):
        deadline = time.monotonic() + (timeout if bounded else timeout + 60)
        errors = BaseException if whatever else TimeoutError
        if stop:
            blue.stop()

        def there():
            here, goal = green.position(), blue.position()
            if not each:
                return sum(here.values()) >= sum(goal.values())
            if not empty_counts:
                return all(offset >= goal[number] for number, offset in here.items())
            return all(here.get(number, 0) >= offset for number, offset in goal.items())

        try:
            while wait and not there():
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(0.01)
        except errors:
            if restart:
                blue.start()
            raise
        switch()

    return take_over


def take_over_where_blue_was(blue, green, switch, timeout):
    """Green has to reach the place at which blue was before it stopped."""
    deadline, goal = time.monotonic() + timeout, blue.position()
    blue.stop()
    while any(green.position().get(number, 0) < offset for number, offset in goal.items()):
        if time.monotonic() > deadline:
            blue.start()
            raise TimeoutError
        time.sleep(0.005)
    switch()


def take_over_patiently(blue, green, switch, timeout):
    take_over_with()(blue, green, switch, 3 * timeout)


def take_over_and_let_blue_run(blue, green, switch, timeout):
    try:
        take_over_with(restart=False)(blue, green, switch, timeout)
    finally:
        blue.start()


def take_over_step_by_step(blue, green, switch, timeout):
    """Right too, and otherwise: partition by partition, and a locked view may be free in a moment."""

    def at_green(partition):
        try:
            return green.position().get(partition, 0)
        except sqlite3.OperationalError:
            return 0

    until = time.monotonic() + timeout
    blue.stop()
    for partition, offset in blue.position().items():
        while at_green(partition) < offset:
            if time.monotonic() >= until:
                blue.start()
                raise TimeoutError(f"partition {partition}")
            time.sleep(0.005)
    switch()


def take_over_with_a_way_back(blue, green, switch, timeout):
    """Right too, and otherwise: whatever ends it early, blue runs again."""
    over = time.monotonic() + timeout
    with ExitStack() as way_back:
        blue.stop()
        way_back.callback(blue.start)
        wanted = blue.position()
        while any(green.position().get(one, 0) < wanted[one] for one in wanted):
            if over < time.monotonic():
                raise TimeoutError("green is not there")
            time.sleep(0.01)
        way_back.pop_all()
    switch()


def take_over_twice(blue, green, switch, timeout):
    take_over_with()(blue, green, switch, timeout)
    switch()


def take_over_and_ignore_all(blue, green, switch, timeout):
    try:  # noqa: SIM105
        take_over_with()(blue, green, switch, timeout)
    except:  # noqa: E722, S110
        pass


ANSWERS = {
    "8.1": Answers(
        right={
            "reference": read_own_with(),
            "one statement": read_in_one_statement,
            "when something changes": read_when_something_changes,
        },
        wrong={
            "no wait": ("old_state", read_own_with(wait=False)),
            "one short": ("old_state", read_own_with(beyond=False)),
            "any partition": ("old_state", read_own_with(own_partition=False)),
            "no deadline": ("no_deadline", read_own_with(bounded=False)),
            "no error": ("old_state", read_own_with(late_error=False)),
            "the row": ("no_state", read_the_row),
            "state first": ("old_state", read_the_state_first),
            "cursor": ("old_state", read_with_a_cursor),
            "at the deadline": ("too_late", read_after_the_time),
            "three seconds": ("waited_too_long", read_for_three_seconds),
            "a second": ("gave_up_early", read_for_a_second),
            "no time, no look": ("gave_up", read_unless_it_is_over),
            "one transaction": ("gave_up", read_in_one_transaction),
            "any change": ("old_state", read_until_it_changes),
            "not begun": ("not_attempted", stub),
        },
    ),
    "8.2": Answers(
        right={
            "reference": project_in_turn,
            "by cursor": project_by_cursor,
            "taken out": project_by_taking_out,
        },
        wrong={
            "whatever comes": ("counted_twice", project_whatever_comes),
            "the newest": ("event_lost", project_the_newest),
            "memory": ("event_lost", project_with_a_memory),
            "one payment each": ("event_lost", project_one_payment_each),
            "one that waited": ("event_lost", project_one_that_waited),
            "never deletes": ("left_waiting", project_and_never_delete),
            "each payment once": ("left_waiting", project_each_payment_once),
            "without versions": ("wrong_state", project_without_versions),
            "commits": ("committed", project_and_commit),
            "commits by SQL": ("committed", project_and_commit_by_sql),
            "with": ("committed", project_in_a_with),
            "no import": ("raised", project_without_an_import),
            "nothing": ("event_lost", lambda view, event: None),
            "calls itself": ("called_itself", project_by_calling_itself),
        },
    ),
    "8.3": Answers(
        right={
            "reference": take_over_with(),
            "step by step": take_over_step_by_step,
            "a way back": take_over_with_a_way_back,
        },
        wrong={
            "at once": ("went_back", take_over_with(wait=False)),
            "blue runs": ("blue_still_running", take_over_with(stop=False)),
            "sums": ("went_back", take_over_with(each=False)),
            "empty": ("went_back", take_over_with(empty_counts=False)),
            "blue stays stopped": ("blue_stands_still", take_over_with(restart=False)),
            "late, or not at all": ("blue_stands_still", take_over_with(whatever=False)),
            "no deadline": ("no_deadline", take_over_with(bounded=False)),
            "finally": ("blue_runs_on", take_over_and_let_blue_run),
            "where blue was": ("went_back", take_over_where_blue_was),
            "three times as long": ("waited_too_long", take_over_patiently),
            "twice": ("switched_not_once", take_over_twice),
            "ignores all": ("switched_too_early", take_over_and_ignore_all),
        },
    ),
}


def test_answers(case):
    case.judge()

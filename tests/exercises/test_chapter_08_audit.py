"""The grader of an audit tells right answers from wrong ones."""

import json

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def audit_with(
    upto="position", deleted=True, last=True, cut=True, name=lambda order: order,
    state=lambda state: state, kind=set, mend=False, swap=False, one_poll=False, off=0,
    compare=True, empty=True, gone=lambda state: state is None,
    moment=True, further=True,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def audit(consumer, partition, view):
        consumer.assign([partition])
        consumer.seek(partition, 0)
        if cut and consumer.beginning_offsets([partition])[partition] > 0:
            raise LookupError("the log is cut")
        if moment:
            view.execute("BEGIN")
        [(end,)] = view.execute("SELECT next FROM position").fetchall()
        rows = view.execute("SELECT order_id, state FROM orders").fetchall()
        view.rollback()
        if end > (log := consumer.end_offsets([partition])[partition]):
            if further:
                raise LookupError("another log")
            end = log
        if upto == "end":
            end = consumer.end_offsets([partition])[partition]
        told = {}
        if not cut:
            consumer.seek_to_beginning(partition)
        while consumer.position(partition) < end or not empty:
            for record in consumer.poll(timeout_ms=200).get(partition, []):
                event = json.loads(record.value)
                if record.offset >= end + off:
                    continue
                if gone(event["state"]):
                    if deleted:
                        told.pop(name(event["order"]), None)
                elif last or event["order"] not in told:
                    told[name(event["order"])] = state(event["state"])
            if one_poll and told:
                break
        here = {name(o): state(s) for o, s in rows}
        wrong = {o for o in told.keys() & here.keys() if compare and told[o] != here[o]}
        if mend:
            with view:
                view.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", told.items())
        missing, extra = told.keys() - here.keys(), here.keys() - told.keys()
        if swap:
            missing, extra = extra, missing
        return {"missing": kind(missing), "extra": kind(extra), "wrong": kind(wrong)}

    return audit


def audit_by_pairs(consumer, partition, view):
    """Right too, and otherwise: pairs of an order and its state, and what is in one set only."""
    consumer.assign([partition])
    if consumer.beginning_offsets([partition]) != {partition: 0}:
        raise LookupError("the beginning is gone")
    both = "SELECT next, order_id, state FROM position LEFT JOIN orders"
    (end, *_), *_ = rows = view.execute(both).fetchall()
    if end > consumer.end_offsets([partition])[partition]:
        raise LookupError("the end is gone")
    consumer.seek_to_beginning(partition)
    newest = {}
    for offset in range(end):
        while not (found := consumer.poll(timeout_ms=200, max_records=1)):
            pass
        [[record]] = found.values()
        assert record.offset == offset
        event = json.loads(record.value.decode())
        newest.pop(event["order"], None)
        if event["state"] is not None:
            newest[event["order"]] = event["state"]
    seen = [(order, state) for _, order, state in rows if order is not None]
    differs = {order for order, _ in set(newest.items()) ^ set(seen)}
    here, there = set(newest), {order for order, _ in seen}
    return {"missing": here - there, "extra": there - here, "wrong": differs & here & there}


def audit_in_sql(consumer, partition, view):
    """Right too, and otherwise: a view of its own beside the other, and SQL that compares."""
    consumer.assign([partition])
    consumer.seek_to_beginning()
    if consumer.position(partition):
        raise LookupError(partition)
    view.execute("BEGIN")
    view.execute("CREATE TEMP TABLE told (id TEXT PRIMARY KEY, state TEXT)")
    [end] = view.execute("SELECT next FROM position").fetchone()
    consumer.seek_to_end()
    if consumer.position(partition) < end:
        raise LookupError(end)
    consumer.seek_to_beginning()
    offset = 0
    while offset < end:
        for record in consumer.poll(200).get(partition, [])[: end - offset]:
            event, offset = json.loads(record.value), record.offset + 1
            row = (event["order"], event["state"])
            view.execute("INSERT OR REPLACE INTO temp.told VALUES (?, ?)", row)
    view.execute("DELETE FROM temp.told WHERE state IS NULL")
    queries = {
        "missing": "SELECT id FROM told EXCEPT SELECT order_id FROM orders",
        "extra": "SELECT order_id FROM orders EXCEPT SELECT id FROM told",
        "wrong": "SELECT id FROM told, orders o WHERE id = order_id AND told.state <> o.state",
    }
    found = {part: {row[0] for row in view.execute(query)} for part, query in queries.items()}
    view.rollback()
    return found


ANSWERS = {
    "8.4": Answers(
        right={
            "reference": audit_with(),
            "in SQL": audit_in_sql,
            "pairs": audit_by_pairs,
        },
        wrong={
            "an empty state is gone": ("invented", audit_with(gone=lambda state: not state)),
            "to the end of the log": ("invented", audit_with(upto="end")),
            "one too few": ("invented", audit_with(off=-1)),
            "one too many": ("invented", audit_with(off=1)),
            "one poll": ("invented", audit_with(one_poll=True)),
            "nothing is deleted": ("invented", audit_with(deleted=False)),
            "the first state": ("invented", audit_with(last=False)),
            "reads what is left": ("not_refused", audit_with(cut=False)),
            "names in lower case": ("overlooked", audit_with(name=str.lower)),
            "names without blanks": ("invented", audit_with(name=str.strip)),
            "states in lower case": ("overlooked", audit_with(state=str.lower)),
            "states without blanks": ("overlooked", audit_with(state=str.strip)),
            "compares the names only": ("overlooked", audit_with(compare=False)),
            "the other way round": ("invented", audit_with(swap=True)),
            "two moments": ("invented", audit_with(moment=False)),
            "to the end of a shorter log": ("not_refused", audit_with(further=False)),
            "lists": ("no_set", audit_with(kind=list)),
            "mends it": ("changed", audit_with(mend=True)),
            "waits for a record": ("no_deadline", audit_with(empty=False)),
            "all is well": (
                "overlooked",
                lambda *_: {"missing": set(), "extra": set(), "wrong": set()},
            ),
            "hangs": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

"""Chapter 6's graders tell right answers from wrong ones."""

from __future__ import annotations

import io
import sqlite3
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.utils import generate_many
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition

from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


# -- 6.1 ------------------------------------------------------------------------------------------


def commit_ends(consumer, partitions):
    ends = consumer.end_offsets(partitions) if partitions else {}
    consumer.commit({p: OffsetAndMetadata(end, "", -1) for p, end in ends.items()})


def everywhere(consumer, partitions):
    topic = partitions[0].topic
    return [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]


def begin_once(consumer, partitions):
    every = everywhere(consumer, partitions)
    if all(consumer.committed(partition) is None for partition in every):
        commit_ends(consumer, every)


def begin_once_for_its_own(consumer, partitions):
    """What the solution was before: a member that gets the new partition alone skips it."""
    if all(consumer.committed(partition) is None for partition in partitions):
        commit_ends(consumer, partitions)


def begin_once_each(consumer, partitions):
    commit_ends(consumer, [p for p in partitions if consumer.committed(p) is None])


def begin_one_by_one(consumer, partitions):
    if all(consumer.committed(partition) is None for partition in partitions):
        for partition in partitions:
            commit_ends(consumer, [partition])


def begin_by_the_group(consumer, partitions):
    """Right too, and otherwise: by positions instead of end offsets."""
    if {consumer.committed(p) for p in everywhere(consumer, partitions)} == {None}:
        consumer.seek_to_end()
        ends = {p: OffsetAndMetadata(consumer.position(p), "", -1) for p in partitions}
        consumer.commit(ends)


def begin_unless_the_group_is_known(consumer, partitions):
    """Right too, and otherwise: an administrator knows what the group has committed anywhere."""
    group, topic = consumer.config["group_id"], partitions[0].topic
    with KafkaAdminClient(bootstrap_servers=consumer.config["bootstrap_servers"]) as admin:
        noted = admin.list_group_offsets(group).get(group, {})
        if any(place.topic == topic for place in noted):
            return
    ends = {}
    for number in sorted(consumer.partitions_for_topic(topic)):
        ends |= consumer.end_offsets([TopicPartition(topic, number)])
    consumer.commit(offsets={p: OffsetAndMetadata(end, None, -1) for p, end in ends.items()})


begun = set()


def begin_by_memory(consumer, partitions):
    if partitions[0].topic not in begun:
        begun.add(partitions[0].topic)
        commit_ends(consumer, partitions)


def begin_unless_all_are_known(consumer, partitions):
    if any(consumer.committed(partition) is None for partition in partitions):
        commit_ends(consumer, partitions)


def begin_unless_committed(consumer, partitions):
    """Takes offset 0 for none."""
    every = everywhere(consumer, partitions)
    if not any(consumer.committed(partition) for partition in every):
        commit_ends(consumer, every)


def begin_with_the_last(consumer, partitions):
    """One too early: with the last record that was there."""
    every = everywhere(consumer, partitions)
    if all(consumer.committed(partition) is None for partition in every):
        last = {p: max(0, end - 1) for p, end in consumer.end_offsets(every).items()}
        consumer.commit({p: OffsetAndMetadata(at, "", -1) for p, at in last.items()})


def begin_at_first(consumer, partitions):
    if consumer.committed(partitions[0]) is None:
        commit_ends(consumer, partitions[:1])


# -- 6.2 ------------------------------------------------------------------------------------------


def by_state(database: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Annotated with names that its program hasn't got; and not a stub, in spite of its end."""
    order, pens = event["subject"], event["data"]["pens"]
    with database:
        database.execute("BEGIN IMMEDIATE")
        found = database.execute("SELECT state FROM orders WHERE id = ?", [order]).fetchone()
        before = found[0] if found else "new"
        if event["type"] == "order.placed.v1":
            after, change = ("reserved", -pens) if before == "new" else (before, 0)
        elif event["type"] == "order.cancelled.v1":
            after, change = "cancelled", pens if before == "reserved" else 0
        else:
            raise NotImplementedError(event["type"])
        database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
        database.execute("UPDATE stock SET pens = pens + ?", [change])


def not_begun(database, event):
    """What has only a docstring isn't begun."""
    raise NotImplementedError("later")


def decide(database, event):
    """An order's state after an event, and what that changes in the stock."""
    order, pens = event["subject"], event["data"]["pens"]
    found = database.execute("SELECT state FROM orders WHERE id = ?", [order]).fetchone()
    placed, before = event["type"] == "order.placed.v1", found[0] if found else "new"
    if placed:
        return order, *(("reserved", -pens) if before == "new" else (before, 0))
    return order, "cancelled", pens if before == "reserved" else 0


def by_insert_and_update(database, event):
    """Right too, and otherwise: two statements tell whether something changed."""
    order, pens = event["subject"], event["data"]["pens"]
    with database:
        if event["type"] == "order.placed.v1":
            add = "INSERT OR IGNORE INTO orders VALUES (?, 'reserved')"
            if database.execute(add, [order]).rowcount:
                database.execute("UPDATE stock SET pens = pens - ?", [pens])
            return
        back = "UPDATE orders SET state = 'cancelled' WHERE id = ? AND state = 'reserved'"
        if database.execute(back, [order]).rowcount:
            database.execute("UPDATE stock SET pens = pens + ?", [pens])
        database.execute("INSERT OR IGNORE INTO orders VALUES (?, 'cancelled')", [order])


def by_what_has_come(database, event):
    """Right too, and otherwise: an order's state is what has come of it; the stock follows from it."""

    def taken(come):
        return pens if come == {"placed"} else 0

    _, word, _ = event["type"].split(".")
    pens, order = event["data"]["pens"], event["subject"]
    database.execute("BEGIN IMMEDIATE")
    known = database.execute("SELECT state FROM orders WHERE id = ?", (order,)).fetchall()
    before = set(known[0][0].split()) if known else set()
    after = before | {word}
    database.execute("DELETE FROM orders WHERE id = ?", (order,))
    database.execute("INSERT INTO orders VALUES (?, ?)", (order, " ".join(sorted(after))))
    change = taken(before) - taken(after)
    database.execute("UPDATE stock SET pens = (SELECT pens FROM stock) + ?", (change,))
    database.execute("COMMIT")


def by_one_view(database, event):
    """Right too: who has looked in a transaction of his own keeps the others from writing."""
    database.execute("BEGIN")
    order, after, change = decide(database, event)
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
    database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


def looks_before(database, event):
    """The transaction begins after the look."""
    order, after, change = decide(database, event)
    with database:
        database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
        database.execute("UPDATE stock SET pens = pens + ?", [change])


def places_alone(database, event):
    """Looks within its transaction, but for a cancellation."""
    (by_state if event["type"] == "order.placed.v1" else looks_before)(database, event)


def naive(database, event):
    change = event["data"]["pens"] * (-1 if event["type"] == "order.placed.v1" else 1)
    database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


def by_event_id(database, event):
    add = "INSERT OR IGNORE INTO orders VALUES (?, 'done')"
    if database.execute(add, [event["id"]]).rowcount:
        change = event["data"]["pens"] * (-1 if event["type"] == "order.placed.v1" else 1)
        database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


def by_script(database, event):
    """Each statement of a script commits by itself."""
    order, after, change = decide(database, event)
    database.executescript(
        f"UPDATE stock SET pens = pens + {change};"
        f"INSERT OR REPLACE INTO orders VALUES ('{order}', '{after}')"
    )


def in_two_transactions(database, event):
    order, after, change = decide(database, event)
    cursor = database.cursor()
    cursor.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()
    cursor.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
    database.commit()


def cancels_in_two_transactions(database, event):
    """Places in one transaction, and cancels in two, after one more look."""
    order, after, change = decide(database, event)
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order, after])
    if after == "cancelled":
        database.commit()
        database.execute("SELECT pens FROM stock").fetchone()
    database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


states = {}


def by_memory(database, event):
    order, pens = event["subject"], event["data"]["pens"]
    if event["type"] == "order.placed.v1":
        change = -pens if order not in states else 0
        states.setdefault(order, "reserved")
    else:
        change = pens if states.get(order) == "reserved" else 0
        states[order] = "cancelled"
    with database:
        database.execute("UPDATE stock SET pens = pens + ?", [change])


def ends_its_process(database, event):
    import os

    os._exit(3)


def forgets_what_is_cancelled(database, event):
    order, pens = event["subject"], event["data"]["pens"]
    if event["type"] == "order.placed.v1":
        add = "INSERT OR IGNORE INTO orders VALUES (?, 'reserved')"
        if database.execute(add, [order]).rowcount:
            database.execute("UPDATE stock SET pens = pens - ?", [pens])
    elif database.execute("DELETE FROM orders WHERE id = ?", [order]).rowcount:
        database.execute("UPDATE stock SET pens = pens + ?", [pens])
    database.commit()


def by_likeness(database, event):
    """Finds an order by the beginning of its name."""
    look = "SELECT state FROM orders WHERE id LIKE ? || '%'"
    found = database.execute(look, [event["subject"]]).fetchone()
    if (event["type"] == "order.placed.v1" and not found) or event["type"] == "order.cancelled.v1":
        by_state(database, event)


def remembers_one_cancellation(database, event):
    """A cancellation that came early annuls one order, and is done."""
    find = "SELECT state FROM orders WHERE id = ?"
    found = database.execute(find, [event["subject"]]).fetchone()
    if event["type"] == "order.placed.v1" and found == ("early",):
        database.execute("DELETE FROM orders WHERE id = ?", [event["subject"]])
        database.commit()
    elif event["type"] == "order.cancelled.v1" and not found:
        database.execute("INSERT INTO orders VALUES (?, 'early')", [event["subject"]])
        database.commit()
    elif found != ("early",):
        by_state(database, event)


def by_what_was_last(database, event):
    """Whatever came last is an order's state: what comes all over again begins anew."""
    find = "SELECT state FROM orders WHERE id = ?"
    found = database.execute(find, [event["subject"]]).fetchone()
    placed, pens = event["type"] == "order.placed.v1", event["data"]["pens"]
    change = 0
    if placed and not found:
        change = -pens
    if not placed and found == ("placed",):
        change = pens
    after = [event["subject"], "placed" if placed else "cancelled"]
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", after)
    database.execute("UPDATE stock SET pens = pens + ?", [change])
    database.commit()


def without_commit(database, event):
    database.execute("INSERT OR REPLACE INTO orders VALUES (?, 'seen')", [event["subject"]])


def without_import(database, event):
    database.execute(re.escape(event["id"]))  # noqa: F821


# -- 6.3 ------------------------------------------------------------------------------------------


def fits(writer, reader, count=200):
    for sample in generate_many(writer, count):
        buffer = io.BytesIO()
        schemaless_writer(buffer, writer, sample)
        buffer.seek(0)
        try:
            schemaless_reader(buffer, writer, reader)
        except SchemaResolutionError:
            return False
    return True


def compare_with(mirrored=False, look=fits):
    def compare(old, new):
        backward, forward = look(old, new), look(new, old)
        if mirrored:
            backward, forward = forward, backward
        return {(True, True): "full", (True, False): "backward", (False, True): "forward"}.get(
            (backward, forward), "none"
        )

    return compare


def by_names(writer, reader):
    """Looks at the fields' names and defaults alone."""
    written = {field["name"] for field in writer["fields"]}
    return all(f["name"] in written or "default" in f for f in reader["fields"])


def by_kind_of_field(writer, reader):
    """Looks at names, defaults, and whether the types are the same text."""
    kinds = {field["name"]: str(field["type"]) for field in writer["fields"]}
    return all(
        kinds[f["name"]] == str(f["type"]) if f["name"] in kinds else "default" in f
        for f in reader["fields"]
    )


def reads(writer, reader, promotions, sizes=True):
    """The rules of the specification, as far as the pairs need them."""
    inner = lambda a, b: reads(a, b, promotions, sizes)  # noqa: E731
    if isinstance(writer, list):
        return all(inner(one, reader) for one in writer)
    if isinstance(reader, list):
        return any(inner(writer, one) for one in reader)
    if isinstance(writer, str) or isinstance(reader, str):
        return writer == reader or (
            isinstance(writer, str) and reader in promotions.get(writer, ())
        )
    if writer["type"] != reader["type"]:
        return False
    match writer["type"]:
        case "array":
            return inner(writer["items"], reader["items"])
        case "map":
            return inner(writer["values"], reader["values"])
        case "fixed":
            return not sizes or writer["size"] == reader["size"]
        case "enum":
            return "default" in reader or set(writer["symbols"]) <= set(reader["symbols"])
    written = {field["name"]: field["type"] for field in writer["fields"]}
    for field in reader["fields"]:
        names = [n for n in (field["name"], *field.get("aliases", [])) if n in written]
        kind = field["type"]
        if isinstance(kind, dict) and kind["type"] == "enum" and "default" in field:
            kind = kind | {"default": field["default"]}
        if not names and "default" not in field:
            return False
        if names and not inner(written[names[0]], kind):
            return False
    return True


WIDER = {"int": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",)}


def by_rules(forgotten=None, **more):
    """A reading of the rules that has forgotten one of them."""
    promotions = {a: tuple(b for b in to if (a, b) != forgotten) for a, to in WIDER.items()}
    return compare_with(look=lambda writer, reader: reads(writer, reader, promotions, **more))


def compare_by_cases(old, new):
    """Right too, and otherwise."""
    match fits(old, new, 300), fits(new, old, 300):
        case True, True:
            return "full"
        case True, False:
            return "backward"
        case False, True:
            return "forward"
    return "none"


ANSWERS = {
    "6.1": Answers(
        right={
            "reference": begin_once,
            "by positions": begin_by_the_group,
            "an administrator": begin_unless_the_group_is_known,
        },
        wrong={
            "earliest": ("mailed_the_past", lambda consumer, partitions: None),
            "latest": ("missed_events", lambda consumer, parts: consumer.seek_to_end(*parts)),
            "again and again": ("missed_events", commit_ends),
            "memory": ("missed_events", begin_by_memory),
            "each": ("missed_partition", begin_once_each),
            "its own": ("missed_partition", begin_once_for_its_own),
            "all anew": ("missed_partition", begin_unless_all_are_known),
            "one partition": ("mailed_the_past", begin_at_first),
            "one by one": ("mailed_the_past", begin_one_by_one),
            "0 is none": ("missed_events", begin_unless_committed),
            "the last record": ("mailed_the_past", begin_with_the_last),
            "not begun": ("not_attempted", stub),
        },
    ),
    "6.2": Answers(
        right={
            "reference": by_state,
            "insert and update": by_insert_and_update,
            "what has come": by_what_has_come,
            "one view": by_one_view,
        },
        wrong={
            "naive": ("wrong_stock", naive),
            "by event id": ("wrong_stock", by_event_id),
            "forgets": ("wrong_stock", forgets_what_is_cancelled),
            "memory": ("two_transactions", by_memory),
            "script": ("two_transactions", by_script),
            "two transactions": ("two_transactions", in_two_transactions),
            "cancels in two": ("two_transactions", cancels_in_two_transactions),
            "likeness": ("wrong_stock", by_likeness),
            "one cancellation": ("wrong_stock", remembers_one_cancellation),
            "what was last": ("wrong_stock", by_what_was_last),
            "no commit": ("wrong_stock", without_commit),
            "looks before": ("looked_before", looks_before),
            "cancels after a look": ("looked_before", places_alone),
            "missing name": ("raised", without_import),
            "exit": ("ended_process", ends_its_process),
            "not begun": ("not_attempted", not_begun),
        },
    ),
    "6.3": Answers(
        right={
            "reference": compare_with(),
            "by cases": compare_by_cases,
            "by rules": by_rules(),
        },
        wrong={
            "mirrored": ("mirrored", compare_with(mirrored=True)),
            "names only": ("too_lenient", compare_with(look=by_names)),
            "same types": ("too_strict", compare_with(look=by_kind_of_field)),
            "one event": ("too_lenient", compare_with(look=lambda w, r: fits(w, r, 1))),
            "no int for a float": ("too_strict", by_rules(forgotten=("int", "float"))),
            "no long for a double": ("too_strict", by_rules(forgotten=("long", "double"))),
            "sizes not compared": ("too_lenient", by_rules(sizes=False)),
            "pessimist": ("too_strict", lambda old, new: "none"),
            "optimist": ("too_lenient", lambda old, new: "full"),
            "no word": ("no_word", lambda old, new: True),
        },
    ),
}


def test_answers(case):
    case.judge()

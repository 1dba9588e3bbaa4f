"""Chapter 4's graders tell right answers from wrong ones."""

from __future__ import annotations

import ast
import json
from collections import Counter

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


def lag_with(from_start=True, cut=True, committed_only=False):
    def lag(admin, consumer, group, topic):
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        committed = admin.list_group_offsets(group)[group]
        behind = {}
        for partition in partitions:
            if partition not in committed:
                if not committed_only:
                    first = starts[partition] if from_start else 0
                    behind[partition.partition] = ends[partition] - first
                continue
            at = committed[partition].offset
            behind[partition.partition] = ends[partition] - (
                max(at, starts[partition]) if cut else at
            )
        return behind

    return lag


def lag_that_commits(admin, consumer, group, topic):
    found = lag_with()(admin, consumer, group, topic)
    own = KafkaConsumer(
        bootstrap_servers=consumer.config["bootstrap_servers"], group_id=group,
        auto_offset_reset="earliest", enable_auto_commit=False,
    )  # fmt: skip
    partitions = [TopicPartition(topic, n) for n in found]
    own.assign(partitions)
    own.commit({p: OffsetAndMetadata(own.position(p), "", -1) for p in partitions})
    own.close()
    return found


def lag_by_a_consumer(admin, consumer, group, topic):
    """Right too, and otherwise: the group's commits by a consumer of its own."""
    options = {"group_id": group, "enable_auto_commit": False}
    servers = consumer.config["bootstrap_servers"]
    with KafkaConsumer(bootstrap_servers=servers, **options) as own:
        left = {}
        for number in own.partitions_for_topic(topic):
            here = TopicPartition(topic, number)
            first, end = own.beginning_offsets([here])[here], own.end_offsets([here])[here]
            left[number] = end - max(first, own.committed(here) or 0)
        return left


def lag_by_number(admin, consumer, group, topic):
    """Finds a commit by its partition's number, in whatever topic that is."""
    commits = admin.list_group_offsets(group)[group].items()
    noted = {place.partition: commit.offset for place, commit in commits}
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    return {p.partition: ends[p] - max(starts[p], noted.get(p.partition, 0)) for p in places}


def lag_by_position(admin, consumer, group, topic):
    """Right too, and otherwise: it goes to both ends, and looks where it is."""
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(places)

    def go(seek):
        seek(*places)
        return {place.partition: consumer.position(place) for place in places}

    first, last = go(consumer.seek_to_beginning), go(consumer.seek_to_end)
    noted = {p.partition: n.offset for p, n in admin.list_group_offsets(group)[group].items()
             if p.topic == topic}  # fmt: skip
    return {n: last[n] - max(first[n], noted.get(n, 0)) for n in last}


UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)


def consume_with(
    commit="after each", catch=UNREADABLE, aside=True, only=None, read=json.loads, wait=2000
):
    """A loop that commits as told, sets aside what it is told to, and waits so many milliseconds."""

    def consume(consumer, handle, set_aside):
        while batches := consumer.poll(timeout_ms=wait):
            if commit == "before the batch":
                consumer.commit()
            for partition, records in batches.items():
                for record in records:
                    place = TopicPartition(partition.topic, only) if only is not None else partition
                    here = {place: OffsetAndMetadata(record.offset + 1, "", -1)}
                    if commit == "before each":
                        consumer.commit(here)
                    try:
                        order = read(record.value)
                    except catch:
                        if commit == "before setting aside":
                            consumer.commit(here)
                        if aside:
                            set_aside(record)
                    else:
                        handle(order)
                    if commit.startswith(("after each", "before setting")):
                        consumer.commit(here)
                    if commit == "the position":
                        consumer.commit()
            if commit == "after the batch":
                consumer.commit()

    return consume


def consume_one_by_one(consumer, handle, set_aside):
    """Right too, and otherwise: one record a poll, whose end is then the position."""
    while batches := consumer.poll(timeout_ms=2000, max_records=1):
        [[record]] = batches.values()
        try:
            order = json.loads(record.value.decode())
        except UNREADABLE:
            set_aside(record)
        else:
            handle(order)
        consumer.commit()


def consume_by_short_polls(consumer, handle, set_aside):
    """Right as well: eight polls of a quarter of a second."""
    in_vain = 0
    while in_vain < 8:
        batches = consumer.poll(timeout_ms=250)
        in_vain = 0 if batches else in_vain + 1
        for partition, records in batches.items():
            for record in records:
                consume_record(record, handle, set_aside)
                consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "", -1)})


def consume_by_offsets(consumer, handle, set_aside):
    """Right as well: it decides by a function, and commits by name."""

    def read(value):
        try:
            return json.loads(value), True
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, RecursionError):
            return None, False

    while batches := consumer.poll(timeout_ms=2000):
        for record in (record for records in batches.values() for record in records):
            order, good = read(record.value)
            handle(order) if good else set_aside(record)
            place = TopicPartition(record.topic, record.partition)
            consumer.commit({place: OffsetAndMetadata(record.offset + 1, "", -1)})


handled = set()


def consume_and_remember(consumer, handle, set_aside):
    """Commits at the end of a batch, and knows in memory what is done."""
    while batches := consumer.poll(timeout_ms=2000):
        for records in batches.values():
            for record in records:
                here = (record.topic, record.partition, record.offset)
                if here not in handled:
                    consume_record(record, handle, set_aside)
                    handled.add(here)
        consumer.commit()


def consume_record(record, handle, set_aside):
    try:
        order = json.loads(record.value)
    except UNREADABLE:
        set_aside(record)
    else:
        handle(order)


def consume_the_text(consumer, handle, set_aside):
    consume_with()(consumer, lambda order: handle(json.dumps(order)), set_aside)


def guess(value):
    """Bytes that are no text are left out."""
    return json.loads(value.decode(errors="ignore"))


def as_python(value):
    try:
        return ast.literal_eval(value.decode())
    except (SyntaxError, ValueError):
        return json.loads(value)


def only_objects(value):
    order = json.loads(value)
    if not isinstance(order, dict):
        raise ValueError(order)
    return order


def consume_only_what_is_true(consumer, handle, set_aside):
    consume_with()(consumer, lambda order: order and handle(order), set_aside)


def consume_one_poll(consumer, handle, set_aside):
    consume_with()(Brief(consumer), handle, set_aside)


class Brief:
    """A consumer that is polled once."""

    def __init__(self, consumer):
        self.consumer, self.polled = consumer, False

    def __getattr__(self, name):
        return getattr(self.consumer, name)

    def poll(self, **options):
        found, self.polled = {} if self.polled else self.consumer.poll(**options), True
        return found


def consume_and_leave_poison(consumer, handle, set_aside):
    while batches := consumer.poll(timeout_ms=2000):
        for partition, records in batches.items():
            for record in records:
                try:
                    order = json.loads(record.value)
                except UNREADABLE:
                    set_aside(record)
                    continue
                handle(order)
                consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "", -1)})


def consume_and_drop_what_is_small(consumer, handle, set_aside):
    consume_with()(consumer, lambda order: order != {"number": 0} and handle(order), set_aside)


def totals_in_one_transaction(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.execute("UPDATE position SET next = ?", [record.offset + 1])
            database.commit()
            position = record.offset + 1


def totals_in_two_transactions(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.commit()
            database.execute("UPDATE position SET next = ?", [record.offset + 1])
            database.commit()
            position = record.offset + 1


def totals_that_note_the_offset_first(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            position = record.offset + 1
            database.execute("UPDATE position SET next = ?", [position])
            database.commit()
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.commit()


def totals_by_script(consumer, partition, database):
    """Each statement of a script is a transaction of its own."""
    position = database.execute("SELECT next FROM position").fetchone()[0]
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, position = record.key.decode(), record.offset + 1
            database.executescript(
                f"""INSERT INTO totals VALUES ('{customer}', {int(record.value)})
                    ON CONFLICT DO UPDATE SET amount = amount + excluded.amount;
                    UPDATE position SET next = {position};"""
            )


def totals_by_cursor(consumer, partition, database):
    """Two transactions again, by a cursor."""
    cursor = database.cursor()
    [position] = cursor.execute("SELECT next FROM position").fetchone()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    add = """INSERT INTO totals VALUES (?, ?)
             ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"""
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            cursor.execute(add, [record.key.decode(), int(record.value)])
            cursor.connection.commit()
            position = record.offset + 1
            cursor.execute("UPDATE position SET next = ?", [position])
            cursor.connection.commit()


def totals_in_one_batch(consumer, partition, database):
    """Right too, and otherwise: all that is new in one transaction."""
    position = database.execute("SELECT next FROM position").fetchone()[0]
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    with database:
        while consumer.position(partition) < end:
            for record in consumer.poll(timeout_ms=500).get(partition, []):
                database.execute(
                    """INSERT INTO totals VALUES (?, ?)
                       ON CONFLICT DO UPDATE SET amount = amount + excluded.amount""",
                    [record.key.decode(), int(record.value)],
                )
                position = record.offset + 1
        database.execute("UPDATE position SET next = ?", [position])


def totals_by_sums(consumer, partition, database):
    """Right too, and otherwise: each poll is added up first, and transactions are written out."""
    database.isolation_level = None
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    while True:
        [start] = database.execute("SELECT max(next) FROM position").fetchone()
        consumer.seek(partition, start)
        records = consumer.poll(timeout_ms=1000, max_records=7).get(partition, [])
        if not records:
            if consumer.position(partition) >= end:
                return
            continue
        sums = Counter()
        for record in records:
            sums[record.key.decode()] += int(record.value)
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "INSERT INTO totals VALUES (?, ?)"
            " ON CONFLICT (customer) DO UPDATE SET amount = totals.amount + excluded.amount",
            sums.items(),
        )
        database.execute("UPDATE position SET next = ?", [records[-1].offset + 1])
        database.execute("COMMIT")


def totals_with(name=str, number=int):
    """Right, but for what it makes of a record."""

    def total_up(consumer, partition, database):
        [(position,)] = database.execute("SELECT next FROM position").fetchall()
        consumer.assign([partition])
        consumer.seek(partition, position)
        end = consumer.end_offsets([partition])[partition]
        add = """INSERT INTO totals VALUES (?, ?)
                 ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"""
        while consumer.position(partition) < end:
            for record in consumer.poll(timeout_ms=500).get(partition, []):
                with database:
                    database.execute(add, [name(record.key.decode()), number(record.value)])
                    database.execute("UPDATE position SET next = ?", [record.offset + 1])

    return total_up


def totals_anew(consumer, partition, database):
    """Reads everything each time."""
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    totals = {}
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer = record.key.decode()
            totals[customer] = totals.get(customer, 0) + int(record.value)
    with database:
        database.executemany("INSERT OR REPLACE INTO totals VALUES (?, ?)", totals.items())


def totals_without_refunds(consumer, partition, database):
    wrapped = Refuser(consumer, partition)
    totals_in_one_transaction(wrapped, partition, database)


class Refuser:
    """A consumer for which a negative amount is none."""

    def __init__(self, consumer, partition):
        self.consumer = consumer

    def __getattr__(self, name):
        return getattr(self.consumer, name)

    def poll(self, **options):
        found = self.consumer.poll(**options)
        for records in found.values():
            for n, record in enumerate(records):
                if int(record.value) < 0:
                    records[n] = (
                        record._replace(value=b"0") if hasattr(record, "_replace") else Zero(record)
                    )
        return found


class Zero:
    def __init__(self, record):
        self.key, self.offset, self.value = record.key, record.offset, b"0"


def totals_of_nothing(consumer, partition, database):
    consumer.assign([partition])
    consumer.seek(partition, 0)


def totals_until_something_comes(consumer, partition, database):
    """Waits for a record even if it is at the end."""
    totals_in_one_transaction(consumer, partition, database)
    while not consumer.poll(timeout_ms=100):
        pass


def totals_until_nothing_comes(consumer, partition, database):
    """Takes a poll that brings nothing for the end."""
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    add = """INSERT INTO totals VALUES (?, ?)
             ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"""
    while batches := consumer.poll(timeout_ms=500):
        with database:
            for record in batches[partition]:
                database.execute(add, [record.key.decode(), int(record.value)])
            database.execute("UPDATE position SET next = ?", [record.offset + 1])


def totals_by_iteration(consumer, partition, database):
    """A marker takes the last offset, and reaches no reader."""
    position = database.execute("SELECT next FROM position").fetchone()[0]
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    add = """INSERT INTO totals VALUES (?, ?)
             ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"""
    for record in consumer if position < end else ():
        with database:
            database.execute(add, [record.key.decode(), int(record.value)])
            database.execute("UPDATE position SET next = ?", [record.offset + 1])
        if record.offset + 1 >= end:
            break


def totals_by_a_missing_name(consumer, partition, database):
    nobody_has_defined_this(partition)  # noqa: F821


def totals_by_counting(consumer, partition, database):
    """It counts the records, as if each offset had one."""
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            add = """INSERT INTO totals VALUES (?, ?)
                     ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"""
            database.execute(add, [record.key.decode(), int(record.value)])
            database.execute("UPDATE position SET next = next + 1")
            database.commit()


def load_with(stop="at the end", limit=True, seek=True, gone=None, first=None):
    """A table that stops, seeks and takes a key out as told."""
    gone = gone or (lambda value: value is None)

    def load(consumer, partition):
        consumer.assign([partition])
        if first is not None:
            consumer.seek(partition, first)
        elif seek:
            consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        table, last = {}, -1
        while (
            (last < end - 1)
            if stop == "after the last record"
            else consumer.position(partition) < end
        ):
            batch = consumer.poll(timeout_ms=200).get(partition, [])
            for record in batch:
                last = record.offset
                if limit and last >= end:
                    break
                table[record.key] = record.value
                if gone(record.value):
                    del table[record.key]
            if stop == "after a poll" and batch:
                break
        return table

    return load


def load_by_seek(consumer, partition):
    """Right too, and otherwise."""
    [start] = consumer.beginning_offsets([partition]).values()
    [end] = consumer.end_offsets([partition]).values()
    consumer.assign([partition])
    consumer.seek(partition, start)
    rows = []
    while consumer.position(partition) < end:
        rows += [r for r in consumer.poll(100).get(partition, []) if r.offset < end]
    return {
        key: value for key, value in {r.key: r.value for r in rows}.items() if value is not None
    }


def load_record_by_record(consumer, partition):
    """Right too, and otherwise: one record a poll, and each says at once what becomes of its key."""
    end = consumer.end_offsets([partition]).get(partition)
    consumer.assign([partition])
    consumer.seek_to_beginning()
    table = {}
    while (place := consumer.position(partition)) < end:
        for _, [record] in consumer.poll(timeout_ms=100, max_records=1).items():
            if record.offset < end:
                table.pop(record.key, None)
                if record.value is not None:
                    table |= {record.key: record.value}
        assert consumer.position(partition) >= place
    return table


def load_the_first_values(consumer, partition):
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end, table = consumer.end_offsets([partition])[partition], {}
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=200).get(partition, []):
            table.setdefault(record.key, record.value)
    return table


def load_until_nothing_comes(consumer, partition):
    """Takes a poll that brings nothing for the end."""
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end, table = consumer.end_offsets([partition])[partition], {}
    while batch := consumer.poll(timeout_ms=500).get(partition):
        for record in batch:
            if record.offset >= end:
                return table
            table[record.key] = record.value
            if record.value is None:
                del table[record.key]
    return table


def load_by_iteration(consumer, partition):
    """Ends after the last record, if that reaches it; else when the consumer has waited in vain."""
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end, table = consumer.end_offsets([partition])[partition], {}
    for record in consumer:
        if record.offset >= end:
            break
        table[record.key] = record.value
        if record.value is None:
            del table[record.key]
        if record.offset == end - 1:
            break
    return table


def load_and_ignore_all(consumer, partition):
    try:
        return load_with(stop="after the last record")(consumer, partition)
    except:  # noqa: E722
        return {}


ANSWERS = {
    "4.1": Answers(
        right={
            "reference": lag_with(),
            "by a consumer": lag_by_a_consumer,
            "by position": lag_by_position,
        },
        wrong={
            "from offset 0": ("wrong_lag", lag_with(from_start=False)),
            "deleted records": ("wrong_lag", lag_with(cut=False)),
            "commits of any topic": ("wrong_lag", lag_by_number),
            "committed only": ("partitions_missing", lag_with(committed_only=True)),
            "constant": ("partitions_missing", lambda *given: {0: 6, 1: 0, 2: 5, 3: 12}),
            "a sum": ("partitions_missing", lambda *given: sum(lag_with()(*given).values())),
            "one less": (
                "wrong_lag",
                lambda *given: {n: max(0, at - 1) for n, at in lag_with()(*given).items()},
            ),
            "commits": ("committed", lag_that_commits),
            "not begun": ("not_attempted", stub),
        },
    ),
    "4.2": Answers(
        right={
            "reference": consume_with(),
            "one by one": consume_one_by_one,
            "by offsets": consume_by_offsets,
            "by short polls": consume_by_short_polls,
        },
        wrong={
            "bad bytes replaced": (
                "not_set_aside",
                consume_with(read=lambda value: json.loads(value.decode(errors="replace"))),
            ),
            "as Latin 1": (
                "not_set_aside",
                consume_with(read=lambda value: json.loads(value.decode("latin-1"))),
            ),
            "as Python": ("not_set_aside", consume_with(read=as_python)),
            "only objects": ("set_aside_wrongly", consume_with(read=only_objects)),
            "only what is true": ("commit_before_effect", consume_only_what_is_true),
            "commit before each": ("commit_before_effect", consume_with("before each")),
            "commit before the batch": ("commit_before_effect", consume_with("before the batch")),
            "commit the position": ("commit_before_effect", consume_with("the position")),
            "commit, then aside": ("commit_before_effect", consume_with("before setting aside")),
            "commit after the batch": ("repeated", consume_with("after the batch")),
            "memory": ("repeated", consume_and_remember),
            "never": ("repeated", consume_with("never")),
            "JSON errors only": ("unreadable_not_caught", consume_with(catch=json.JSONDecodeError)),
            "no JSON only": ("unreadable_not_caught", consume_with(catch=ValueError)),
            "no depth": ("unreadable_not_caught", consume_with(catch=(ValueError, TypeError))),
            "not aside": ("not_set_aside", consume_with(aside=False)),
            "text": ("wrong_order", consume_the_text),
            "guesses": ("not_set_aside", consume_with(read=guess)),
            "one poll": ("left_unread", consume_one_poll),
            "half a second": ("gave_up_early", consume_with(wait=500)),
            "poison uncommitted": ("repeated", consume_and_leave_poison),
            "number 0": ("commit_before_effect", consume_and_drop_what_is_small),
            "nothing": ("nothing_done", lambda *given: None),
            "one partition": ("repeated", consume_with(only=0)),
        },
    ),
    "4.3": Answers(
        right={
            "reference": totals_in_one_transaction,
            "one batch": totals_in_one_batch,
            "by sums": totals_by_sums,
        },
        wrong={
            "names without blanks": ("wrong_total", totals_with(name=str.strip)),
            "names in lower case": ("wrong_total", totals_with(name=str.lower)),
            "as fractions": (
                "wrong_total",
                totals_with(number=lambda text: float(text) / 100 * 100),
            ),
            "two transactions": ("two_transactions", totals_in_two_transactions),
            "offset first": ("two_transactions", totals_that_note_the_offset_first),
            "script": ("two_transactions", totals_by_script),
            "cursor": ("two_transactions", totals_by_cursor),
            "anew": ("wrong_total", totals_anew),
            "counts": ("two_transactions", totals_by_counting),
            "no refunds": ("wrong_total", totals_without_refunds),
            "nothing": ("wrong_total", totals_of_nothing),
            "waits": ("no_end", totals_until_something_comes),
            "by iteration": ("no_end", totals_by_iteration),
            "until nothing comes": ("stopped_at_silence", totals_until_nothing_comes),
            "missing name": ("raised", totals_by_a_missing_name),
        },
    ),
    "4.4": Answers(
        right={
            "reference": load_with(),
            "by seek": load_by_seek,
            "record by record": load_record_by_record,
        },
        wrong={
            "after the last record": ("still_polling", load_with(stop="after the last record")),
            "ignores all": ("still_polling", load_and_ignore_all),
            "by iteration": ("still_polling", load_by_iteration),
            "until nothing comes": ("stopped_at_silence", load_until_nothing_comes),
            "one poll": ("wrong_value", load_with(stop="after a poll")),
            "tombstones kept": ("tombstone_kept", load_with(gone=lambda value: False)),
            "empty is gone": ("empty_value_dropped", load_with(gone=lambda value: not value)),
            "no limit": ("read_past_end", load_with(limit=False)),
            "no seek": ("wrong_value", load_with(seek=False)),
            "from offset 0": ("wrong_value", load_with(first=0)),
            "first value": ("wrong_value", load_the_first_values),
            "nothing": ("no_table", lambda *given: None),
        },
    ),
}


def test_answers(case):
    case.judge()

"""The grader of the lab on streams tells right answers from wrong ones."""

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")

ADD = "INSERT INTO sold VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1"


def count_with(
    begin="noted", look="first", done=True, commit="together", add=ADD, note=1, acknowledge=True,
    returned="counted", up_to=0, name=bytes.decode, gone=LookupError,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def count_sold(channel, stream, database, end):
        [(next_offset,)] = database.execute("SELECT next FROM place").fetchall()
        counted = 0
        if next_offset >= end and done:
            return counted
        channel.basic_qos(prefetch_count=100)
        where = {"x-stream-offset": next_offset if begin == "noted" else begin}
        for method, properties, body in channel.consume(stream, arguments=where):
            offset = properties.headers["x-stream-offset"]
            if offset > next_offset and look == "first":
                raise gone(next_offset)
            place = ["UPDATE place SET next = ?", [offset + note]]
            if commit == "offset first":
                database.execute(*place)
                database.commit()
            database.execute(add, [name(body)])
            if commit == "work first":
                database.commit()
            database.execute(*place)
            if commit != "at the end":
                database.commit()
            if offset > next_offset and look == "afterwards":
                raise gone(next_offset)
            if acknowledge:
                channel.basic_ack(method.delivery_tag)
            counted, next_offset = counted + 1, offset + 1
            if next_offset == end + up_to:
                database.commit()
                break
        return {"counted": counted, "end": end, "none": None}[returned]

    return count_sold


def count_in_batches(channel, stream, database, end):
    """Right too, and otherwise: it reads all first, and writes all in one transaction."""
    [(start,)] = database.execute("SELECT next FROM place")
    found, number = {}, 0

    def handle(channel, method, properties, body):
        nonlocal number
        offset = int(properties.headers["x-stream-offset"])
        if not number and offset != start:
            raise LookupError
        if offset < end:
            found[body] = found.get(body, 0) + 1
            number += 1
        channel.basic_ack(method.delivery_tag)

    if start < end:
        channel.basic_qos(prefetch_count=10)
        channel.basic_consume(stream, handle, arguments={"x-stream-offset": start})
    while number < end - start:
        channel.connection.process_data_events(time_limit=1)
    with database:
        for body, more in found.items():
            database.execute("INSERT OR IGNORE INTO sold VALUES (?, 0)", [body.decode()])
            change = "UPDATE sold SET number = number + ? WHERE product = ?"
            database.execute(change, [more, body.decode()])
        database.execute("UPDATE place SET next = ?", [start + number])
    return number


def count_from_the_first(channel, stream, database, end):
    """Right too: it reads the whole log, and passes over what was counted before."""
    ((start,),) = database.execute("SELECT next FROM place").fetchall()
    if start >= end:
        return 0
    channel.basic_qos(prefetch_count=50)
    for method, properties, body in channel.consume(stream, arguments={"x-stream-offset": "first"}):
        offset = properties.headers["x-stream-offset"]
        channel.basic_ack(method.delivery_tag)
        [(place,)] = database.execute("SELECT next FROM place").fetchall()
        if offset > place:
            raise KeyError(place)
        if offset == place:
            database.executescript(
                f"BEGIN; INSERT OR IGNORE INTO sold VALUES ('{body.decode()}', 0);"
                f"UPDATE sold SET number = number + 1 WHERE product = '{body.decode()}';"
                f"UPDATE place SET next = {offset + 1}; COMMIT;"
            )
            if offset + 1 == end:
                break
    return end - start


_remembered = {}


def count_from_memory(channel, stream, database, end):
    start = _remembered.get(stream, 0)
    database.execute("UPDATE place SET next = ?", [start])
    database.commit()
    said = count_with()(channel, stream, database, end)
    _remembered[stream] = end
    return said


def rebuild(channel, stream, database, end):
    """Counts all of it anew each time."""
    [(start,)] = database.execute("SELECT next FROM place").fetchall()
    database.execute("DELETE FROM sold")
    database.execute("UPDATE place SET next = 0")
    count_with(commit="at the end")(channel, stream, database, end)
    return max(end - start, 0)


def always_gone(channel, stream, database, end):
    raise LookupError


ONE = "INSERT OR REPLACE INTO sold VALUES (?, 1)"
LIKE = "INSERT INTO sold VALUES (lower(?), 1) ON CONFLICT DO UPDATE SET number = number + 1"

ANSWERS = {
    "5.12": Answers(
        right={
            "reference": count_with(),
            "in batches": count_in_batches,
            "from the first": count_from_the_first,
        },
        wrong={
            "not begun": ("not_attempted", stub),
            "for ever": ("no_end", ignoring()),
            "work, then offset": ("doubled", count_with(commit="work first")),
            "offset, then work": ("lost", count_with(commit="offset first")),
            "the last offset noted": ("wrong_place", count_with(note=0)),
            "nothing to do": ("no_end", count_with(done=False)),
            "up to and with the end": ("doubled", count_with(up_to=1)),
            "one too few": ("no_end", count_with(up_to=-1)),
            "by default": ("no_end", count_with(begin="next")),
            "not acknowledged": ("no_end", count_with(acknowledge=False)),
            "gap not seen": ("gap_unnoticed", count_with(look="never")),
            "gap seen late": ("changed_all_the_same", count_with(look="afterwards")),
            "another error": ("raised", count_with(gone=ValueError)),
            "one of each": ("lost", count_with(add=ONE)),
            "small letters": ("lost", count_with(add=LIKE)),
            "as Latin 1": ("doubled", count_with(name=lambda body: body.decode("latin-1"))),
            "stripped": ("lost", count_with(name=lambda body: body.decode().strip())),
            "returns the end": ("miscounted", count_with(returned="end")),
            "returns nothing": ("miscounted", count_with(returned="none")),
            "in memory": ("doubled", count_from_memory),
            "from the start": ("doubled", count_with(begin="first", look="never")),
            "counts anew": ("lost", rebuild),
            "always gone": ("raised", always_gone),
        },
    )
}


def test_answers(case):
    case.judge()

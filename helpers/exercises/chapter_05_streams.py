"""Grader of the lab on streams."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from ..waiting import wait_until
from .answers import Errors, Wrong
from .grading import grader
from .lives import KILLED, live, mortal
from .places import amqp, new_queue, publish

CountSold = Callable[[BlockingChannel, str, sqlite3.Connection, int], int]
PRODUCTS = ("tea", "teapot", "tea ", "Tea", "café")
STEPS = 60  # statements of one life; before each of them, one may be killed
DEADLINE = 6.0  # seconds; a right answer has all that it waits for in the stream
LATE = Wrong(
    "no_end",
    "the function was still waiting when all messages up to `end` had come.",
    "Look first whether there is anything to do; acknowledge, or the broker stops sending; and end "
    "with the message before `end`.",
)


@grader("5.12", needs=("rabbitmq",))
def count_what_was_sold(count_sold: CountSold, data: Random) -> str:
    """Several times in a row, with its messages gone, and killed between any two statements."""
    with _stream() as (channel, stream), TemporaryDirectory() as folder:
        sold = data.choices(PRODUCTS, k=data.randint(120, 160))
        sold[: len(PRODUCTS)] = PRODUCTS
        end = data.randint(101, 110)
        _publish(channel, stream, sold)
        path = _database(Path(folder) / "whole.db")
        for start, stop in ((0, 1), (1, end), (end, end), (end, end - 5), (end, len(sold))):
            returned = _answer(count_sold, stream, path, stop)
            _expect_counted(path, sold[: max(start, stop)], f"offsets {start} to {stop - 1}")
            _expect_returned(returned, max(stop - start, 0), start, stop)
        _with_messages_gone(count_sold, data)
        few = sold[:2]
        for fatal in range(1, STEPS):
            path = _database(Path(folder) / f"killed-{fatal}.db")
            if _answer(count_sold, stream, path, len(few), fatal) is not KILLED:
                break  # it sends no more than that
            _answer(count_sold, stream, path, len(few))
            _expect_counted(path, few, f"a kill before statement {fatal} and another call")
    return "each sale counted once, wherever it was killed, and what is gone was noticed."


# -- the stream and the database -----------------------------------------------------------------


@contextmanager
def _stream(**limits: Any) -> Iterator[tuple[BlockingChannel, str]]:
    with amqp() as connection:
        channel = connection.channel()
        with new_queue(channel, x_queue_type="stream", **limits) as stream:
            yield channel, stream


def _publish(channel: BlockingChannel, stream: str, products: Sequence[str]) -> None:
    """All at once, so that a chunk of the stream has several; then one that is confirmed."""
    for product in products[:-1]:
        channel.basic_publish("", stream, product.encode())
    publish(channel, "", stream, [products[-1].encode().decode("latin-1")])


def _database(path: Path, place: int = 0) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE sold (product TEXT PRIMARY KEY, number INTEGER)")
        database.execute("CREATE TABLE place (next INTEGER)")
        database.execute("INSERT INTO place VALUES (?)", [place])
        database.commit()
    return path


def _answer(
    count_sold: CountSold,
    stream: str,
    path: Path,
    end: int,
    fatal: int = 0,
    may_raise: Errors = (),
) -> Any:
    """Call it in a life of its own, which ends before a statement if that is to be fatal."""

    def work() -> Any:
        with mortal(path, fatal) as database:
            # Its connection ends with its life: to close it after `consume` would put back what
            # was fetched ahead, and RabbitMQ 3.10 allows that to no reader of a stream.
            return count_sold(amqp().channel(), stream, database, end)

    return live(count_sold, work, seconds=DEADLINE, may_raise=may_raise, late=LATE)


# -- what is to be found ---------------------------------------------------------------------------


def _expect_counted(path: Path, sold: Sequence[str], after: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        found = dict(database.execute("SELECT product, number FROM sold").fetchall())
        places = [place for (place,) in database.execute("SELECT next FROM place")]
    wanted = Counter(sold)
    for product in sorted({*wanted, *found}, key=repr):
        if found.get(product, 0) != wanted[product]:
            lost = (found.get(product) or 0) < wanted[product]
            raise Wrong(
                "lost" if lost else "doubled",
                f"after {after}, {product!r} has {found.get(product)} in the table; "
                f"{wanted[product]} were sold.",
                "What is counted and where to go on have to change together, in one transaction; "
                "and each message adds to what is there.",
            )
    if places != [len(sold)]:
        raise Wrong(
            "wrong_place",
            f"after {after}, the table `place` has {places}; the next message has offset "
            f"{len(sold)}.",
            "Note the offset at which to go on: the one after the last that was counted.",
        )


def _expect_returned(returned: Any, wanted: int, start: int, stop: int) -> None:
    if returned != wanted or isinstance(returned, bool):
        raise Wrong(
            "miscounted",
            f"called at offset {start} with the end {stop}, it returned {returned!r}, not {wanted}.",
            "Return how many messages this call has counted.",
        )


def _with_messages_gone(count_sold: CountSold, data: Random) -> None:
    """The beginning of the stream is cut off; somebody asks for what is gone, and for what is not."""
    limits = {"x_max_length_bytes": 50_000, "x_stream_max_segment_size_bytes": 10_000}
    with _stream(**limits) as (channel, stream), TemporaryDirectory() as folder:
        publish(channel, "", stream, [data.choice("abc") * 1000 for _ in range(150)])
        last = _offset(stream, "last")  # each was confirmed alone, so the last chunk has one
        oldest = wait_until(
            lambda: (first := _offset(stream, "first")) > last - 50 and first,
            "fifty messages to be left",  # then nothing is cut away while an answer reads
        )
        for place in (0, oldest - 1):
            path = _database(Path(folder) / f"{place}.db", place)
            said = _answer(count_sold, stream, path, last + 1, may_raise=(LookupError,))
            if not isinstance(said, LookupError):
                raise Wrong(
                    "gap_unnoticed",
                    f"the noted offset was {place}, the oldest message left has {oldest}, and the "
                    f"function returned {said!r}.",
                    "Compare the first offset that comes with the one you asked for.",
                )
            _expect_untouched(path, place)
        path = _database(Path(folder) / "left.db", last)
        _expect_returned(_answer(count_sold, stream, path, last + 1), 1, last, last + 1)


def _offset(stream: str, place: str) -> int:
    """The offset of the first message that a reader gets who begins at this place."""

    def begin() -> Any:
        with amqp() as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1)
            where = {"x-stream-offset": place}
            return next(channel.consume(stream, arguments=where, inactivity_timeout=5))[1]

    amid_the_cut = (pika.exceptions.ConnectionClosedByBroker,)  # a file goes as a reader opens it
    found = wait_until(begin, f"a message of {stream}", 20, tolerate=amid_the_cut)
    return int(found.headers["x-stream-offset"])


def _expect_untouched(path: Path, place: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        sold = database.execute("SELECT product, number FROM sold").fetchall()
        places = database.execute("SELECT next FROM place").fetchall()
    if sold or places != [(place,)]:
        raise Wrong(
            "changed_all_the_same",
            f"the message at offset {place} was gone, the function raised LookupError, and the "
            f"database has {len(sold)} products and the place {[p for (p,) in places]}.",
            "Look at the offset before you count.",
        )

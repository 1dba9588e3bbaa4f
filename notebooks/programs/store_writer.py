"""A writer of an event store: it opens an account, and can be held up just before the commit.

An event's number is its position. It prints "begins STREAM TIME", and "handled STREAM TIME" once the
event is committed, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/store_writer.py FILE STREAM in-turn
"""

import argparse
import sqlite3

import accounts

from helpers.programs import pause, say

NUMBERS = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY AUTOINCREMENT)"


def in_turn(args: argparse.Namespace, db: sqlite3.Connection) -> None:
    """The number is given out inside the transaction."""
    db.execute("BEGIN IMMEDIATE")  # a second writer waits here
    insert(db, None, args.stream)
    hold_up(args)
    db.execute("COMMIT")


def number_first(args: argparse.Namespace, db: sqlite3.Connection) -> None:
    """The number is given out before, in a transaction of its own: nobody has to wait."""
    db.execute(NUMBERS)
    number = db.execute("INSERT INTO numbers DEFAULT VALUES").lastrowid  # committed at once
    hold_up(args)
    insert(db, number, args.stream)


def insert(db: sqlite3.Connection, number: int | None, stream: str) -> None:
    """Insert the event at this number; without one, at the next."""
    row = [number, stream, 1, "opened", '{"cents": 10000}', accounts.now()]
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)


def hold_up(args: argparse.Namespace) -> None:
    """Be slow, if we were told so."""
    if args.slow:
        pause()


WAYS = {"in-turn": in_turn, "number-first": number_first}


def main() -> None:
    """Append one event."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("stream")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--slow", action="store_true", help="pause before the commit")
    args = parser.parse_args()

    db = accounts.connect(args.file)
    say("begins", args.stream)
    WAYS[args.way](args, db)
    say("handled", args.stream)


if __name__ == "__main__":
    main()

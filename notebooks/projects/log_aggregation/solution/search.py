"""Finds lines in the index: those that have every one of the words, in the order of the log.

Prints a JSON object for each; and, as a warning, which records are missing.

By hand: python search.py "timeout payment" --service payment --level ERROR --database FILE
"""

import argparse
import json
import sys
from pathlib import Path

import index

COLUMNS = "service", "time", "level", "message", "error"


def quoted(words):
    """Words for FTS5, whose own language knows AND, NOT, quotes and stars: here they are words."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words.split())


def search(database, words, service, level):
    """The lines that were found."""
    query = f"SELECT {', '.join(f'lines.{name}' for name in COLUMNS)} FROM lines WHERE true"
    values = []
    if words.split():
        query += " AND number IN (SELECT rowid FROM words WHERE words MATCH ?)"
        values.append(quoted(words))
    for column, value in (("service", service), ("level", level)):
        if value is not None:
            query += f" AND {column} = ?"
            values.append(value)
    return database.execute(f"{query} ORDER BY number", values)


def main():
    """Search once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="?", default="", help="all of them; none finds everything")
    parser.add_argument("--service")
    parser.add_argument("--level")
    parser.add_argument("--database", type=Path, required=True, help="the index")
    args = parser.parse_args()
    if not args.database.is_file():
        parser.error(f"there is no index {args.database}: the indexer makes it")
    database = index.connect(args.database)
    for row in search(database, args.words, args.service, args.level):
        print(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False))
    for partition, first, following in database.execute("SELECT * FROM gaps"):
        missing = f"missing: partition {partition}, offsets {first} to {following - 1}"
        print(missing, file=sys.stderr)


if __name__ == "__main__":
    main()

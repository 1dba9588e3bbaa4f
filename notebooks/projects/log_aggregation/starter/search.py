"""Finds lines in the index: those that have every one of the words. Prints a JSON object for each.

By hand: python search.py "timeout payment" --service payment --level ERROR --database FILE
"""

import argparse
import json
import sqlite3

COLUMNS = "service", "time", "level", "message", "error"


def search(database, words, service, level):
    """The lines that were found."""
    query, values = "SELECT * FROM lines WHERE true", []
    for condition, value in (
        ("lines MATCH ?", words),
        ("service = ?", service),
        ("level = ?", level),
    ):
        if value:
            query += f" AND {condition}"
            values.append(value)
    return database.execute(f"{query} ORDER BY rowid", values)


def main():
    """Search once."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("words", nargs="?", default="", help="all of them; none finds everything")
    parser.add_argument("--service")
    parser.add_argument("--level")
    parser.add_argument("--database", required=True, help="the index")
    args = parser.parse_args()
    database = sqlite3.connect(args.database)
    for row in search(database, args.words, args.service, args.level):
        print(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False))


if __name__ == "__main__":
    main()

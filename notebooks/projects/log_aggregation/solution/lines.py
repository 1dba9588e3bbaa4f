"""A line of a log on its way: what the shipper puts into a record, and what the indexer takes out."""

import argparse
import json
import re

LONGEST = 64 * 1024  # bytes of a line; what is longer is cut
TOKEN = re.compile(r"tok_[A-Za-z0-9]+")  # whoever has it can charge the card
TEXTS = "time", "level", "message"


class BadLineError(Exception):
    """What can't be indexed; it says why."""


def arguments(description):
    """A parser with what shipper and indexer are told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument("--name", required=True, help="what the topic of this run begins with")
    return parser


def pack(place, content):
    """A record's value: where the line stands (file and offset, the same whenever it is sent), and
    the line. It is masked here, whatever it is: also what is no JSON holds secrets."""
    whole = content.endswith(b"\n")
    line = TOKEN.sub("tok_***", content.rstrip(b"\n").decode(errors="backslashreplace"))
    return json.dumps({"place": place, "line": line, "whole": whole}).encode()


def unpack(value):
    """The place, the line, and whether it is whole.

    Raises:
        BadLineError: no shipper has written this.
    """
    try:
        content = json.loads(value)
        place, line, whole = content["place"], content["line"], content["whole"]
        (place + line).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadLineError(f"not from a shipper: {type(error).__name__}: {error}") from error
    return place, line, whole


def read(line, whole):
    """Time, level, message and error of a line; the error is "" if there is none.

    Raises:
        BadLineError: it is no entry of a log.
    """
    if not whole:
        raise BadLineError(f"longer than {LONGEST} bytes, this is the beginning")
    try:
        content = json.loads(line)
        row = [content[name] for name in TEXTS] + [content.get("error", "")]
        "".join(row).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadLineError(f"no entry of a log: {type(error).__name__}: {error}") from error
    return row

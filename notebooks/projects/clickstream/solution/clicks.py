"""A click, as it stands in the topic: JSON, with the visitor as the record's key."""

import json

FIELDS = {"id": str, "visitor": str, "page": str, "time": int}
LONGEST = 200  # signs of a text
AHEAD = 60_000  # milliseconds that a visitor's clock may be ahead of the website's


class BadClickError(Exception):
    """A record that is no click; it says why."""


def read(record):
    """The click in a record.

    Raises:
        BadClickError: it is none.
    """
    try:
        said = json.loads(record.value)
        click = {name: said[name] for name in FIELDS}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadClickError(f"no click: {error!r}"[:LONGEST]) from error
    for name, content in click.items():
        if type(content) is not FIELDS[name] or (FIELDS[name] is str and not is_text(content)):
            raise BadClickError(f"{name} can't be {content!r}"[:LONGEST])
    if not click["page"].startswith("/"):
        raise BadClickError("page does not begin with /")
    if record.key != click["visitor"].encode():
        raise BadClickError(
            "the key is not the visitor: another partition has this visitor's clicks"
        )
    if not 0 <= click["time"] <= record.timestamp + AHEAD:
        raise BadClickError("clicked at a time that had not come when it arrived")
    return click


def is_text(content):
    """Is it a line of text, and not too long a one?"""
    return 0 < len(content) <= LONGEST and content.isprintable()

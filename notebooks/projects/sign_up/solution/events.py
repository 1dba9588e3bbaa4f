"""What happened to a person, as it stands in the topic: JSON, in the envelope of CloudEvents 1.0."""

import json
import re
import uuid

SCHEMA = "person/1"  # of the data; whoever changes their shape gives them another number
REGISTERED, CHANGED, DELETED = "person.registered", "person.changed", "person.deleted"
LONGEST = 200  # signs of a name, or whatever else
TYPES = {"email": str, "name": str, "address": str, "country": str, "day": str, "news": bool}


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # no line, in any script


class BadEventError(Exception):
    """A record that is no event, or none that we understand; it says why."""


def new_event(kind, user, data):
    """An event: what happened, to whom, and what else is to be known of it."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/sign-up/registration",
        "type": kind,
        "subject": user,
        "dataschema": SCHEMA,
        "data": data,
    }


def is_text(content):
    """Is it a line of text, and not too long a one? Names are written in all scripts of the world."""
    if not isinstance(content, str) or CONTROL.search(content):
        return False
    return 0 < len(content.strip()) <= len(content) <= LONGEST


def is_as_said(name, content):
    """Is there such a field, and does it hold what it should?"""
    return type(content) is TYPES.get(name) and (type(content) is bool or is_text(content))


def read(value):
    """The event in a record.

    Raises:
        BadEventError: it is none, or of a schema that is not ours: nobody guesses.
    """
    try:
        event = json.loads(value)
        schema, known = event["dataschema"], (event["id"], event["type"], event["subject"])
        data = event["data"]
        wrong = {name for name, content in data.items() if not is_as_said(name, content)}
        missing = TYPES.keys() - data.keys() if event["type"] == REGISTERED else ()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadEventError(f"no event: {error!r}") from error
    if schema != SCHEMA:
        raise BadEventError(f"of schema {schema!r}, and we know {SCHEMA}")
    if event["type"] not in (REGISTERED, CHANGED, DELETED):
        raise BadEventError(f"of type {event['type']!r}, and we know three")
    if wrong or missing or not all(map(is_text, known)):
        raise BadEventError(f"not as {SCHEMA} has it: {sorted({*wrong, *missing})}")
    return event

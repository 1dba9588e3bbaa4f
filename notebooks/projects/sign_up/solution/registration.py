"""The registration: takes requests of people, refuses bad ones, and says what has happened.

It alone knows which address is taken. What it decides, and the events that tell of it, it saves in one
transaction; then it publishes them in their order, each when the one before is safe. It is one process.

By hand: python registration.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import json
import uuid
from datetime import date

import subscriber
from events import CHANGED, DELETED, LONGEST, REGISTERED, TYPES, is_text, new_event

from helpers.programs import asked_to_end

TABLES = """
    CREATE TABLE IF NOT EXISTS people (email TEXT PRIMARY KEY, user TEXT);
    CREATE TABLE IF NOT EXISTS outbox
        (position INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, key BLOB, value BLOB, reason TEXT);
"""
CHANGEABLE = {"name", "address", "country", "news"}


class RefusedError(Exception):
    """A request that is not granted; it says why."""


def read(value):
    """What a request asks for: its id, the verb, the e-mail address, and all that is said.

    Raises:
        RefusedError: it is no request.
    """
    try:
        said = json.loads(value)
        request, verb = said.pop("request"), said.pop("do")
        email = said["email"] = said["email"].casefold()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RefusedError(f"no request: {error!r}") from error
    if not is_text(request) or verb not in ("register", "change", "delete"):
        raise RefusedError(f"{request!r} asks to {verb!r}")
    return request, verb, email, said


def check(verb, said):
    """Are just the right fields there, and does each hold what it should?

    Raises:
        RefusedError: with the first that is wrong.
    """
    given = said.keys() - {"email"}
    asked = {"register": TYPES.keys() - {"email"}, "change": given & CHANGEABLE, "delete": set()}
    if given != asked[verb] or (verb == "change" and not given):
        raise RefusedError(f"to {verb} with {sorted(given)} is not possible")
    for name, content in said.items():
        if type(content) is not TYPES[name] or not is_right(name, content):
            raise RefusedError(f"{name} can't be {content!r}")


def is_right(name, content):
    """Can this be such a thing? Names are written in all scripts of the world."""
    if name == "news":
        return True
    if not is_text(content):
        return False
    if name == "email":
        return all(content.partition("@")) and content.count("@") == 1 and " " not in content
    if name == "country":
        return len(content) == 2 and content.isascii() and content.isupper()
    return name != "day" or is_day(content)


def is_day(content):
    """Is it a date, as 2026-03-01?"""
    try:
        return date.fromisoformat(content).isoformat() == content
    except ValueError:
        return False


def decide(database, verb, email, said):
    """Grant a request, and return the event that tells of it.

    Raises:
        RefusedError: the address is taken, or not known.
    """
    row = database.execute("SELECT user FROM people WHERE email = ?", [email]).fetchone()
    if (row is None) != (verb == "register"):
        raise RefusedError(
            f"{email} is {'not registered' if row is None else 'registered already'}"
        )
    if verb == "register":
        user = str(uuid.uuid4())
        database.execute("INSERT INTO people VALUES (?, ?)", [email, user])
        return new_event(REGISTERED, user, said)
    if verb == "change":
        return new_event(CHANGED, row[0], {name: said[name] for name in said.keys() - {"email"}})
    database.execute("DELETE FROM people WHERE email = ?", [email])
    return new_event(DELETED, row[0], {})


def handle(database, record):
    """One transaction: what is decided, and what is to be published."""
    save = "INSERT INTO outbox (topic, key, value, reason) VALUES (?, ?, ?, ?)"
    with database:
        try:
            request, verb, email, said = read(record.value)
            if not subscriber.is_new(database, {"id": request}):
                return
            check(verb, said)
            event = decide(database, verb, email, said)
        except RefusedError as error:
            key, why = subscriber.key_of(record), str(error)[:LONGEST]
            database.execute(save, ["rejected", key, record.value, why])
        else:
            value = json.dumps(event).encode()
            database.execute(save, ["people", event["subject"].encode(), value, None])


def publish(args, database, producer):
    """Publish what is in the outbox, in its order; strike each out once the brokers have it."""
    rows = database.execute("SELECT * FROM outbox ORDER BY position").fetchall()
    for position, topic, key, value, reason in rows:
        why = [("reason", reason.encode())] if reason else []
        producer.send(f"{args.name}.{topic}", key=key, value=value, headers=why).get(timeout=20)
        with database:
            database.execute("DELETE FROM outbox WHERE position = ?", [position])


def main():
    """Register people until we are asked to end."""
    args = subscriber.arguments(__doc__.partition("\n")[0]).parse_args()
    asked = asked_to_end()
    database, producer = subscriber.connect(args, TABLES), subscriber.producer(args)
    group = subscriber.consumer(args, "requests", "registration")
    publish(args, database, producer)
    while not asked.is_set():
        records = subscriber.poll(group)
        for record in records:
            handle(database, record)
        if records:
            publish(args, database, producer)
            subscriber.commit(group)
    group.close()


if __name__ == "__main__":
    main()

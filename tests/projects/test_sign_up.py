"""The suite of the sign-up: the reference keeps every promise, and each wrong solution breaks one."""

import json
from random import Random

from helpers.accept import _suite
from tests.projects.solutions import Solutions

REGISTRATION, MAILER, ANALYTICS, CRM = "registration.py", "mailer.py", "analytics.py", "crm.py"
SUBSCRIBER, EVENTS = "subscriber.py", "events.py"
POLL = "    return [record for some in group.poll(timeout_ms=200).values() for record in some]\n"
POLL_AND_COMMIT = (
    "    records = [record for some in group.poll(timeout_ms=200).values() for record in some]\n"
    "    commit(group)\n"
    "    return records\n"
)
GRANTED = """            value = json.dumps(event).encode()
            database.execute(save, ["people", event["subject"].encode(), value, None])
"""
PUBLISHED = """        _, topic, key, value, why = database.execute("SELECT * FROM outbox").fetchone()
        reason = [("reason", (why or "").encode())]
        producer.send(f"{args.name}.{topic}", value, key, headers=reason).get(timeout=20)
        database.execute("DELETE FROM outbox")
"""
IS_NEW = "    return noted.rowcount == 1"
ASKED_BEFORE = """            if not subscriber.is_new(database, {"id": request}):
                return
"""


ANSWERS = {
    "sign_up": Solutions(
        {
            "committed before the work": ("nothing_lost", (SUBSCRIBER, POLL, POLL_AND_COMMIT)),
            "not waited for the brokers": (
                "nothing_lost",
                (REGISTRATION, "headers=why).get(timeout=20)", "headers=why)"),
            ),
            "no outbox": (
                "nothing_lost",
                (
                    REGISTRATION,
                    "    rows = database.execute(",
                    "    with database:\n        rows = database.execute(",
                ),
                (
                    REGISTRATION,
                    "fetchall()\n    for position",
                    'fetchall()\n        database.execute("DELETE FROM outbox")\n    for position',
                ),
            ),
            "published before the commit, without an outbox": (
                "counted_once",
                (REGISTRATION, "def handle(database, r", "def handle(args, producer, database, r"),
                (REGISTRATION, " handle(database, r", " handle(args, producer, database, r"),
                (REGISTRATION, GRANTED, GRANTED + PUBLISHED),
            ),
            "no key": (
                "last_change_wins",
                (
                    REGISTRATION,
                    '["people", event["subject"].encode(), value',
                    '["people", None, value',
                ),
            ),
            "no inbox": (
                "counted_once",
                (SUBSCRIBER, IS_NEW, "    return noted.rowcount >= 0"),
            ),
            "the inbox in a transaction of its own": (
                "nothing_lost",
                (SUBSCRIBER, IS_NEW, f"    database.commit()\n{IS_NEW}"),
            ),
            "no inbox of the mailer's": (
                "greeted_once",
                (MAILER, "    if seen:", "    if seen and False:"),
            ),
            "a new Message-ID for each mail": (
                "greeted_once",
                (
                    MAILER,
                    "f\"<{event['id']}@sign-up.example>\"",
                    "smtplib.email.utils.make_msgid()",
                ),
            ),
            "a late subscriber begins at the end": (
                "late_is_complete",
                (SUBSCRIBER, '"earliest"', '"latest" if service == "newsletter" else "earliest"'),
            ),
            "what can't be read ends the service": (
                "drained",
                (SUBSCRIBER, "except BadEventError as error", "except ZeroDivisionError as error"),
            ),
            "an address that is refused ends the mailer": (
                "drained",
                (MAILER, "if code < 500:", "if code > 0:"),
            ),
            "an address that can't be written ends the mailer": (
                "drained",
                (MAILER, "except smtplib.SMTPNotSupportedError", "except ZeroDivisionError"),
            ),
            "a reason as long as the request": (
                "drained",
                (REGISTRATION, "str(error)[:LONGEST]", "str(error)"),
            ),
            "neither a key nor a value": (
                "drained",
                (SUBSCRIBER, "key=key_of(record)", "key=record.key"),
            ),
            "any type is a change": (
                "bad_is_parked",
                (EVENTS, "not in (REGISTERED, CHANGED, DELETED)", "is None"),
            ),
            "texts that are none": (
                "drained",
                (EVENTS, " and (type(content) is bool or is_text(content))", ""),
            ),
            "any schema will do": (
                "bad_is_parked",
                (EVENTS, "    if schema != SCHEMA:", "    if not schema:"),
            ),
            "counts in memory": (
                "counted_once",
                (
                    ANALYTICS,
                    "subscriber.connect(args, TABLE)",
                    'subscriber.sqlite3.connect(":memory:")',
                ),
                (
                    ANALYTICS,
                    "    subscriber.follow",
                    "    database.executescript(subscriber.HANDLED + TABLE)\n    subscriber.follow",
                ),
            ),
            "the deleted stay in the customer base": (
                "forgotten",
                (CRM, '"DELETE FROM contacts WHERE user = ?", [user]', '"SELECT ?", [user]'),
            ),
            "a request that is read again is refused": (
                "good_is_granted",
                (REGISTRATION, ASKED_BEFORE, ""),
            ),
            "names in Latin letters only": (
                "good_is_granted",
                (EVENTS, "CONTROL.search(content)", "not content.isascii()"),
            ),
            "refused without a word why": (
                "says_why",
                (REGISTRATION, '[("reason", reason.encode())] if reason else []', "[]"),
            ),
        }
    )
}


def test_answers(case, own_ports):
    case.judge()


def test_nobody_asks_anything_about_somebody_who_registers_for_good():
    suite = _suite("sign_up")
    for seed in range(200):
        people = suite._People(Random(seed))
        guest = people.person()
        said = [people.register_for_good(guest), *people.requests(40), *people.repeated(20)]
        asked = [json.loads(value) for _, value in said]
        of_the_guest = [
            one["do"] for one in asked if one["email"].casefold() == guest["email"].casefold()
        ]
        assert of_the_guest == ["register"]

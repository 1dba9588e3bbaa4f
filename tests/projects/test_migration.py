"""The suite of the migration: the reference keeps every promise, and each wrong solution breaks one."""

from collections import Counter

import pytest

from helpers import accept
from tests.projects.solutions import Solutions

RELAY, OLD, NEW, MIGRATE = "relay.py", "old_consumer.py", "new_consumer.py", "migrate.py"
TO_KAFKA, TO_RABBITMQ = "bridge_to_kafka.py", "bridge_to_rabbitmq.py"
MESSAGES, LEDGER, STATE = "messages.py", "ledger.py", "state.py"
SEND = "            send(messages.Message(message_id, str(order), body))\n"
STRIKE_OUT = """            with shop:
                shop.execute("DELETE FROM outbox WHERE position = ?", [position])
"""
AND_TO_KAFKA = """            if role == "rabbitmq" and State(args.folder).read()[0] >= 1:
                open_kafka(args)(messages.Message(message_id, str(order), body, "rabbitmq"))
"""
HAND_ON = 'messages.to_kafka(producer, f"{args.name}.orders", on)'
UNHEARD = """producer.send(
                    f"{args.name}.orders", on.body, (on.key or "").encode(),
                    [("message_id", (on.id or "").encode()), ("origin", b"rabbitmq")])"""
ORIGIN = "if message.origin is None:"
REMOVE = "            self._wait_for_marker(queues)\n"
TAKE_OVER = '                ledger.copy(database, "shadow", "ledger")\n'
BOOK = '                ledger.book(database, "shadow", message, "new_consumer")\n'
ALSO_BOOK = """                if role == "book":
                    ledger.book(database, "ledger", message, "new_consumer")
"""
HANDLE = "            for record in records:\n"
COMMIT = "            if records:\n                consumer.commit()\n"

OLD_WORKS = '"work" if low < 5 else "rest"\n    return "book"'

ANSWERS = {
    "migration": Solutions(
        {
            "dual write": (
                "mirrored",
                (RELAY, "import messages\n", "import messages\nfrom state import State\n"),
                (
                    RELAY,
                    SEND,
                    SEND.replace("body)", 'body, "kafka" if role == "rabbitmq" else None)'),
                ),
                (RELAY, STRIKE_OUT, STRIKE_OUT + AND_TO_KAFKA),
            ),
            "struck out before it is sent": (
                "nothing_lost",
                (RELAY, SEND + STRIKE_OUT, STRIKE_OUT + SEND),
            ),
            "the bridge acknowledges before Kafka has it": (
                "mirrored",
                (TO_KAFKA, HAND_ON, UNHEARD),
            ),
            "automatic acknowledgement": (
                "nothing_lost",
                (MESSAGES, "        channel.basic_ack(method.delivery_tag)\n", ""),
                (MESSAGES, "basic_consume(queue, react)", "basic_consume(queue, react, True)"),
            ),
            "a new id on the way": (
                "shadow",
                (
                    MESSAGES,
                    "replace(message, origin=origin)",
                    "replace(message, origin=origin, id=message.id and message.id[::-1])",
                ),
            ),
            "no key on the way": (
                "order",
                (MESSAGES, "origin=origin)", "origin=origin, key=None)"),
            ),
            "no word of the origin": (
                "no_loops",
                (TO_KAFKA, ORIGIN, "if True:"),
                (TO_RABBITMQ, ORIGIN, "if True:"),
            ),
            "the new consumer begins at the end": ("shadow", (MESSAGES, '"earliest"', '"latest"')),
            "the shadow begins too early": (
                "shadow",
                (MIGRATE, '    (1, 2): "look_whether_the_old_is_booked",\n', ""),
            ),
            "each consumer has an inbox of its own": (
                "once",
                (
                    LEDGER,
                    "UNIQUE (message_id)",
                    "UNIQUE (message_id{', booked_by' if table == 'ledger' else ''})",
                ),
            ),
            "stopped and switched": (
                "nothing_lost",
                (STATE, OLD_WORKS, OLD_WORKS.replace("low < 5", "high < 3")),
                (NEW, TAKE_OVER, "                pass\n"),
                (NEW, BOOK, BOOK + ALSO_BOOK),
            ),
            "the relay moves at once": (
                "order",
                (STATE, '"rabbitmq" if high < 4 else', '"rabbitmq" if low < 4 else'),
                (MIGRATE, '    (3, 4): "hand_over_to_kafka",\n', ""),
            ),
            "nothing is carried back": (
                "others",
                (STATE, '"work" if 1 <= high < 5', '"work" if 1 > high >= 5'),
            ),
            "deleted without a look": (
                "not_deleted",
                (MIGRATE, REMOVE, ""),
                (MIGRATE, "not _ready(channel, q)", "True"),
            ),
            "what is in a consumer's hands does not count": ("not_deleted", (MIGRATE, REMOVE, "")),
            "what is too large is tried for ever": (
                "moves",
                (TO_KAFKA, "except MessageSizeTooLargeError", "except ZeroDivisionError"),
            ),
            "committed before the work": (
                "shadow",
                (MESSAGES, COMMIT, ""),
                (MESSAGES, HANDLE, COMMIT + HANDLE),
            ),
            "what can't be booked is dropped": (
                "bad_is_parked",
                (
                    MESSAGES,
                    'channel.basic_publish("", f"{name}.parked", body, why, mandatory=True)',
                    "print(why)",
                ),
            ),
            "parked without a reason": ("says_why", (NEW, ", reason=str(error))", ")  # {error}")),
        }
    )
}


def test_answers(case):
    case.judge()


def test_no_step_is_taken_once_a_bridge_loops():
    suite = accept._suite("migration")
    system = object.__new__(suite._System)
    system._step, system._topic = 1, lambda: Counter({"one message": suite.COPIES + 1})
    with pytest.raises(suite.StuckError):
        system._go(2)  # it has no services that it could ask

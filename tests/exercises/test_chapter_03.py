"""Chapter 3's graders tell right answers from wrong ones."""

from __future__ import annotations

import json
import urllib.request
from contextlib import suppress

import pytest

from helpers import wait_until
from helpers.brokers import Brokers
from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")
CLASSIC = {"x-queue-type": "classic"}


def subscribe_with(name="{exchange}.{service}", bind=True, arguments=None, **options):
    """A subscription that gets right what it is told to, and no more."""
    options = {"durable": True} | options

    def subscribe(channel, exchange, service):
        queue = name.format(exchange=exchange, service=service)
        channel.queue_declare(queue, arguments=CLASSIC | (arguments or {}), **options)
        if bind:
            channel.queue_bind(queue, exchange)
        return queue

    return subscribe


def subscribe_with_a_quorum_queue(channel, exchange, service):
    wanted = {"x-queue-type": "quorum", "x-delivery-limit": 5}
    queue = channel.queue_declare(f"{service}-of-{exchange}", durable=True, arguments=wanted)
    channel.queue_bind(queue=queue.method.queue, exchange=exchange, routing_key="anything")
    return queue.method.queue


def subscribe_with_a_dead_letter_exchange(channel, exchange, service):
    arguments = {"x-dead-letter-exchange": "amq.fanout", "x-max-priority": 3}
    return subscribe_with(arguments=arguments)(channel, exchange, service)


def subscribe_server_named(channel, exchange, service):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange)
    return queue


made = {}


def subscribe_and_remember(channel, exchange, service):
    """One name for a service, as long as the program lives."""
    if (exchange, service) not in made:
        queue = channel.queue_declare("", durable=True, arguments=CLASSIC).method.queue
        channel.queue_bind(queue, exchange)
        made[exchange, service] = queue
    return made[exchange, service]


def subscribe_afresh(channel, exchange, service):
    channel.queue_delete(f"{exchange}.{service}")
    return subscribe_with()(channel, exchange, service)


def subscribe_and_purge(channel, exchange, service):
    queue = subscribe_with()(channel, exchange, service)
    channel.queue_purge(queue)
    return queue


def subscribe_anew(channel, exchange, service):
    """For a moment, the queue isn't bound."""
    queue = subscribe_with(bind=False)(channel, exchange, service)
    channel.queue_unbind(queue, exchange)
    channel.queue_bind(queue, exchange)
    return queue


def subscribe_with_a_fragile_queue(channel, exchange, service):
    """What a consumer had in hand when it died is dropped."""
    wanted = {"x-queue-type": "quorum", "x-delivery-limit": 0}
    queue = channel.queue_declare(f"{exchange}.{service}", durable=True, arguments=wanted)
    channel.queue_bind(queue.method.queue, exchange)
    return queue.method.queue


def subscribe_by_hash(channel, exchange, service):
    """In another process the same text has another hash."""
    return subscribe_with(name=f"subscription-{hash((exchange, service))}")(
        channel, exchange, service
    )


def subscribe_by_three_letters(channel, exchange, service):
    return subscribe_with()(channel, exchange, service[:3])


def subscribe_by_initial(channel, exchange, service):
    return subscribe_with()(channel, exchange, service[0].lower())


def subscribe_and_return_nothing(channel, exchange, service):
    subscribe_with()(channel, exchange, service)


def charge_with(look=True, commit=True, row=("{}", 10)):
    def charge(database, order):
        found = database.execute("SELECT 1 FROM charges WHERE order_id = ?", [order]).fetchone()
        if look and found:
            return
        database.execute("INSERT INTO charges VALUES (?, ?)", (row[0].format(order), row[1]))
        if commit:
            database.commit()

    return charge


def charge_in_one_statement(database, order):
    with database:
        database.execute(
            "INSERT INTO charges SELECT ?, 10"
            " WHERE NOT EXISTS (SELECT 1 FROM charges WHERE order_id = ?)",
            (order, order),
        )


def charge_by_a_unique_index(database, order):
    cursor = database.cursor()
    cursor.execute("CREATE UNIQUE INDEX IF NOT EXISTS once ON charges (order_id)")
    cursor.execute("INSERT INTO charges VALUES (?, 10) ON CONFLICT DO NOTHING", [order])
    database.commit()


def charge_and_note(database, order):
    """Right too: what it remembers has a name that the check might have had in mind."""
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
        if database.execute("INSERT OR IGNORE INTO seen VALUES (?)", [order]).rowcount:
            database.execute("INSERT INTO charges VALUES (?, 10)", [order])


def charge_unless(condition):
    def charge(database, order):
        look = f"SELECT 1 FROM charges WHERE {condition}"
        if not database.execute(look, [order]).fetchone():
            charge_with(look=False)(database, order)

    return charge


def charge_unless_it_was_of_the_last_five(database, order):
    rows = database.execute("SELECT order_id FROM charges ORDER BY rowid DESC LIMIT 5").fetchall()
    if (order,) not in rows:
        charge_with(look=False)(database, order)


calls = []


def charge_three_at_a_time(database, order):
    """Commits each third charge."""
    calls.append(order)
    charge_with(commit=len(calls) % 3 == 0)(database, order)


charged = set()


def charge_by_a_set(database, order):
    if order not in charged:
        charged.add(order)
        charge_with(look=False)(database, order)


def charge_by_an_attribute(database, order):
    """The same, written otherwise."""
    done = charge_by_an_attribute.__dict__
    if order not in done:
        charge_with(look=False)(database, order)
        done[order] = True


def charge_unless_it_was_of_the_last_hundred(database, order):
    rows = database.execute("SELECT order_id FROM charges ORDER BY rowid DESC LIMIT 100").fetchall()
    if (order,) not in rows:
        charge_with(look=False)(database, order)


def charge_unless_it_was_the_last(database, order):
    last = database.execute("SELECT order_id FROM charges ORDER BY rowid DESC LIMIT 1").fetchone()
    if last != (order,):
        charge_with(look=False)(database, order)


def charge_after_deleting(database, order):
    database.execute("DELETE FROM charges WHERE order_id = ?", [order])
    charge_with(look=False)(database, order)


def charge_by_replacing(database, order):
    database.execute("CREATE UNIQUE INDEX IF NOT EXISTS once ON charges (order_id)")
    with database:
        database.execute("INSERT OR REPLACE INTO charges VALUES (?, 10)", [order])


def charge_in_two_steps(database, order):
    """Notes the order, and charges it: a death in between, and nobody pays."""
    database.execute("CREATE TABLE IF NOT EXISTS done (order_id TEXT PRIMARY KEY)")
    if database.execute("INSERT OR IGNORE INTO done VALUES (?)", [order]).rowcount:
        database.commit()
        charge_with(look=False)(database, order)


def charge_in_two_scripts(database, order):
    """Charges the order, and notes it: a death in between, and somebody pays twice."""
    database.execute("CREATE TABLE IF NOT EXISTS done (order_id TEXT PRIMARY KEY)")
    if not database.execute("SELECT 1 FROM done WHERE order_id = ?", [order]).fetchone():
        database.executescript(f"INSERT INTO charges VALUES ('{order}', 10)")
        database.executescript(f"INSERT INTO done VALUES ('{order}')")


def charge_and_ignore_all(database, order):
    try:  # noqa: SIM105
        charge_with(look=False)(database, order)
    except:  # noqa: E722, S110
        pass


ANSWERS = {
    "3.1": Answers(
        right={
            "reference": subscribe_with(),
            "quorum queue": subscribe_with_a_quorum_queue,
            "dead-letter exchange": subscribe_with_a_dead_letter_exchange,
        },
        wrong={
            "by hash": ("queue_for_each_instance", subscribe_by_hash),
            "by three letters": ("shared_queue", subscribe_by_three_letters),
            "server-named": ("queue_gone", subscribe_server_named),
            "exclusive": ("queue_gone", subscribe_with(durable=False, exclusive=True)),
            "remembered": ("queue_for_each_instance", subscribe_and_remember),
            "one for all": ("shared_queue", subscribe_with("{exchange}")),
            "not durable": ("queue_does_not_last", subscribe_with(durable=False)),
            "auto-delete": ("queue_does_not_last", subscribe_with(auto_delete=True)),
            "expires": ("queue_does_not_last", subscribe_with(arguments={"x-expires": 60000})),
            "six at most": ("queue_does_not_last", subscribe_with(arguments={"x-max-length": 6})),
            "perishable": (
                "queue_does_not_last",
                subscribe_with(arguments={"x-message-ttl": 60000}),
            ),
            "not bound": ("messages_missing", subscribe_with(bind=False)),
            "deleted first": ("messages_missing", subscribe_afresh),
            "purged first": ("messages_missing", subscribe_and_purge),
            "bound anew": ("messages_missing", subscribe_anew),
            "fragile": ("messages_missing", subscribe_with_a_fragile_queue),
            "one consumer": (
                "work_not_shared",
                subscribe_with(arguments={"x-single-active-consumer": True}),
            ),
            "by initial": ("shared_queue", subscribe_by_initial),
            "nothing returned": ("no_name", subscribe_and_return_nothing),
            "not begun": ("not_attempted", stub),
        },
    ),
    "3.2": Answers(
        right={
            "reference": charge_in_one_statement,
            "look first": charge_with(),
            "unique index": charge_by_a_unique_index,
            "a table of its own": charge_and_note,
        },
        wrong={
            "the last hundred": ("charged_twice", charge_unless_it_was_of_the_last_hundred),
            "blanks cut off": ("never_charged", charge_unless("trim(order_id) = trim(?)")),
            "always": ("charged_twice", charge_with(look=False)),
            "set": ("charged_twice", charge_by_a_set),
            "attribute": ("charged_twice", charge_by_an_attribute),
            "last row": ("charged_twice", charge_unless_it_was_the_last),
            "last five": ("charged_twice", charge_unless_it_was_of_the_last_five),
            "every third": ("never_charged", charge_three_at_a_time),
            "part of another": ("never_charged", charge_unless("instr(order_id, ?)")),
            "LIKE": ("never_charged", charge_unless("order_id LIKE ?")),
            "upper case": ("never_charged", charge_unless("lower(order_id) = lower(?)")),
            "delete, insert": ("charged_again", charge_after_deleting),
            "replace": ("charged_again", charge_by_replacing),
            "no commit": ("never_charged", charge_with(commit=False)),
            "note first": ("never_charged", charge_in_two_steps),
            "two scripts": ("charged_twice", charge_in_two_scripts),
            "other amount": ("wrong_row", charge_with(row=("{}", 11))),
            "bare except": ("charged_twice", charge_and_ignore_all),
        },
    ),
}


def test_answers(case):
    case.judge()


def test_graders_leave_no_queue_behind(live: Brokers):
    def queues() -> set[str]:
        request = urllib.request.Request(f"{live.management}/api/queues")
        request.add_header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")
        return {row["name"] for row in json.load(urllib.request.urlopen(request))}

    names = ("reference", "by hash", "server-named", "remembered", "auto-delete", "not bound")
    cases = {case.name: case for case in ANSWERS["3.1"].drawn("3.1", seed=1, every=True)}
    before = queues()
    for name in names:
        with suppress(AssertionError):
            cases[name].judge()
    wait_until(lambda: queues() <= before, "the answers' queues to be gone")

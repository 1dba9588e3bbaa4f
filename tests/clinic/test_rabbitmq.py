"""Patients on RabbitMQ leave the clinic when they are cured, and not when a symptom is gone."""

import pytest

from helpers import clients, clinic, wait_until
from tests.clinic.repairs import Repairs, both, nothing

pytestmark = pytest.mark.usefixtures("live")

PARK = '{"dead-letter-exchange": "", "dead-letter-routing-key": "parking"}'
TTL = '{"message-ttl": 1000}'


def every(**options):
    return lambda patient: [patient.restart(name, **options) for name in list(patient.programs)]


def policy(definition, pattern="^orders$", name="orders"):
    return lambda p: p.ctl("set_policy", "-p", p.vhost, name, pattern, definition)


def on_channel(deed):
    def do(patient):
        with patient.connect() as connection:
            deed(patient, connection.channel())

    return do


@on_channel
def purge(patient, channel):
    channel.queue_purge(patient.queue)


@on_channel
def delete(patient, channel):
    channel.queue_delete(patient.queue)


def declare(kind="classic", **more):
    return on_channel(
        lambda patient, channel: clients.declare_queue(channel, patient.queue, kind, **more)
    )


def anew(kind="classic", **more):
    return both(delete, declare(kind, **more), every())


@on_channel
def send_missing(patient, channel):
    wait = patient.bodies(patient.queue) + patient.bodies(patient.parking)
    missing = [o for o in patient.book if o not in patient.handled() and o not in wait]
    clients.publish(channel, patient.queue, missing)


@on_channel
def send_all(patient, channel):
    clients.publish(channel, patient.queue, patient.book)


@on_channel
def move_the_first(patient, channel):
    """What a conscientious person does by hand, at the head of the queue."""
    for name in list(patient.programs):
        patient.stop(name)
    while True:
        method, _, body = channel.basic_get(patient.queue)
        if not body.decode().isdecimal():
            break
        channel.basic_nack(method.delivery_tag)
    clients.publish(channel, patient.parking, [body.decode()])
    channel.basic_ack(method.delivery_tag)
    patient.start("packer-2")


@on_channel
def way_to_parking(patient, channel):
    """The exchange or the binding that is missing; or a policy, if there is no exchange to be found."""
    exchange = patient.api("/api/queues/{vhost}/orders")["arguments"].get("x-dead-letter-exchange")
    if exchange:
        channel.exchange_declare(exchange, "fanout", durable=True)
        channel.queue_bind(patient.parking, exchange)
    else:
        policy(PARK)(patient)


@on_channel
def empty_parking_too(patient, channel):
    wait_until(lambda: clients.ready(channel, patient.parking), "something to be parked")
    channel.queue_purge(patient.parking)


@on_channel
def empty_invoices(patient, channel):
    channel.queue_purge(patient.invoices)


@on_channel
def purge_with_all_stopped(patient, channel):
    names = list(patient.programs)
    for name in reversed(names):  # the old one last: the others are fast
        patient.stop(name)
    wait_until(lambda: clients.ready(channel, patient.queue), "the orders to come back")
    channel.queue_purge(patient.queue)
    for name in names:
        patient.start(name, prefetch=1)


ANSWERS = {
    "poison loop": Repairs(
        right={
            "reject and park": both(policy(PARK), every(unreadable="reject")),
            "park by an exchange": both(
                on_channel(
                    lambda p, c: [
                        c.exchange_declare("dead", "fanout", durable=True),
                        c.queue_bind(p.parking, "dead"),
                    ]
                ),
                policy('{"dead-letter-exchange": "dead"}'),
                every(unreadable="reject"),
            ),
        },
        wrong={
            "nothing": ("still_blocked", nothing),
            "restarted": ("still_blocked", every()),
            "larger prefetch": ("lost_unreadable", every(prefetch=50)),
            "purged": ("lost", both(purge, every())),
            "queue anew": ("lost", anew()),
            "rejected": ("lost_unreadable", every(unreadable="reject")),
            "acknowledged": ("lost_unreadable", every(unreadable="acknowledge")),
            "moved by hand": ("comes_again", move_the_first),
            "others' queue emptied": (
                "invoices",
                both(policy(PARK), every(unreadable="reject"), empty_invoices),
            ),
            "parked, and thrown away": (
                "lost_unreadable",
                both(policy(PARK), every(unreadable="reject"), empty_parking_too),
            ),
        },
    ),
    "unbounded prefetch": Repairs(
        right={"one each": every(prefetch=1), "ten each": every(prefetch=10)},
        wrong={
            "nothing": ("still_hoarding", nothing),
            "restarted": ("still_hoarding", every()),
            "a thousand": ("still_hoarding", every(prefetch=1000)),
            "only the old one": ("still_hoarding", lambda p: p.restart("old", prefetch=1)),
            "old one stopped": ("stopped", lambda p: p.stop("old")),
            "purged": ("lost", purge_with_all_stopped),
            "queue anew": ("lost", both(anew(), every(prefetch=1))),
            "all sent again": ("doubled", both(every(prefetch=1), send_all)),
        },
    ),
    "delivery limit without a dead-letter target": Repairs(
        right={
            "a way to parking": both(way_to_parking, send_missing),
        },
        wrong={
            "nothing": ("lost_unreadable", nothing),
            "lost ones forgotten": ("lost_unreadable", way_to_parking),
            "sent again, no way": ("lost_unreadable", send_missing),
            "higher limit": (
                "still_blocked",
                both(anew("quorum", x_delivery_limit=100_000), send_missing),
            ),
            "acknowledged": ("lost_unreadable", every(unreadable="acknowledge")),
            "all sent again": ("doubled", both(way_to_parking, send_all)),
            "purged": ("lost_unreadable", both(way_to_parking, purge)),
        },
    ),
    "expired messages": Repairs(
        right={
            "offers only": both(policy(TTL, "^offers$", "offers"), send_missing),
            "a policy that goes first": both(
                lambda p: p.ctl(
                    "set_policy", "-p", p.vhost, "--priority", "9", "keep", "^orders$", PARK
                ),
                send_missing,
            ),
        },
        wrong={
            "nothing": ("still_expiring", nothing),
            "lost ones forgotten": ("lost", policy(TTL, "^offers$", "offers")),
            "no policy": (
                "offers",
                both(lambda p: p.ctl("clear_policy", "-p", p.vhost, "offers"), send_missing),
            ),
            "ten seconds": ("still_expiring", policy(TTL[:-1] + "0}", "^o", "offers")),
            "more packers": ("still_expiring", lambda p: [p.start("second"), p.start("third")]),
            "queue anew": ("still_expiring", anew()),
            "all sent again": ("doubled", both(policy(TTL, "^offers$", "offers"), send_all)),
        },
    ),
}


def test_answers(case):
    case.judge()


def test_a_policy_that_is_changed_is_seen_at_once():
    patient = clinic.admit("expired messages", seed=7)
    try:
        for pattern, holds in (("^offers$", False), ("^o", True), ("^offers$", False)):
            policy(TTL, pattern, "offers")(patient)
            wait_until(
                lambda holds=holds: bool(patient.policy("orders")) == holds,
                "the policy to be seen",
                timeout=2,
            )
    finally:
        patient.close()

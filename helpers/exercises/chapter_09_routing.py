"""Grader of the lab on routing: a station that sends messages on by their routing slip."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from .. import clients
from ..names import fresh
from .answers import Wrong
from .grading import grader
from .lives import KILLED, Journal, die, live
from .places import amqp, expect_persistent, new_queue, publish, take
from .proxy import Proxy

IN_HAND = "another message"
Deaths = tuple[tuple[str, bool], ...]  # before or after a call: its name, and whether it is made
EVERYWHERE: Deaths = (
    ("basic_publish", False),
    ("basic_publish", True),
    ("basic_ack", False),
)


@dataclass(frozen=True)
class Message:
    """A message as it arrives at the station."""

    body: str
    slip: list[str]
    properties: pika.BasicProperties


@grader("9.8", needs=("rabbitmq",))
def station(forward: Callable, data: Random) -> str:
    """Slips of all lengths; deaths before and after each effect; a queue that isn't there."""
    with (
        amqp() as connection,
        new_queue(channel := connection.channel()) as aside,
        new_queue(channel, x_dead_letter_exchange="", x_dead_letter_routing_key=aside) as here,
        new_queue(channel, fresh("First") + " ") as first,
        new_queue(channel) as second,
    ):
        desk = _Desk(forward, channel, here, aside, [first, second])
        stops = [first, second]
        data.shuffle(stops)
        for slip in ([stops[0]], stops, [*stops, stops[0]], [stops[1]] * 3, []):
            desk.expect(_message(data, slip), ())
        desk.expect(_message(data, stops), EVERYWHERE)
        desk.expect(_message(data, []), EVERYWHERE)
        desk.expect(_message(data, [fresh("nowhere"), *stops]), (("basic_publish", False),))
        desk.expect(_message(data, stops), (), fails=True)
    return "worked on, sent on with a shorter slip, and never gone before the next queue had it."


def _message(data: Random, slip: list[str]) -> Message:
    headers = {
        "slip": slip,
        "Customer": f" C-{data.randrange(10**6)}",
        "pieces": data.randint(2, 9),
    }
    number = data.randrange(10**6)
    body = json.dumps({"order": number, "note": "é  \x00"}, ensure_ascii=False)
    properties = pika.BasicProperties(
        message_id=f"order-{number}",
        content_type="application/json",
        correlation_id=f"call-{data.randrange(10**6)}",
        content_encoding="utf-8",
        priority=data.randint(1, 4),
        reply_to=f"answers-{number}",
        timestamp=10**9 + number,
        type="poster",
        app_id="shop",
        headers=headers,
        delivery_mode=1,
    )
    return Message(body, slip, properties)


@dataclass
class _Desk:
    """The station's queue, and those where its messages may go.

    The station has a second message in hand all the time, which came before the one that it handles.
    """

    forward: Callable
    channel: BlockingChannel
    here: str
    aside: str
    stops: list[str]

    def expect(self, message: Message, deaths: Deaths, fails: bool = False) -> None:
        """The message comes; the station dies so often, and then lives; look where it is."""
        publish(self.channel, "", self.here, [IN_HAND])
        self.channel.basic_publish(
            "", self.here, message.body.encode("latin-1"), message.properties
        )
        done, copies = Journal(), 1
        for death in deaths:
            work = partial(self._live, message, done, death, fails)
            killed = live(self.forward, work, seconds=20, may_raise=(_Refused,)) is KILLED
            copies += killed and death != ("basic_publish", False) and bool(message.slip)
            clients.wait_for_consumers(self.channel, self.here, 0)
            if clients.ready(self.channel, self.here) < 2:
                break  # acknowledged, or lost: what is where will tell
        if clients.ready(self.channel, self.here) == 2:
            work = partial(self._live, message, done, ("", False), fails)
            live(self.forward, work, seconds=20, may_raise=(_Refused,))
            clients.wait_for_consumers(self.channel, self.here, 0)
        self._look(message, copies, bool(done.read()), fails)

    def _live(self, message: Message, done: Journal, death: tuple[str, bool], fails: bool) -> None:
        """One life of the station: it handles one message."""
        calls = 0

        def work(body: bytes) -> bytes:
            if body != message.body.encode("latin-1"):
                what = f"work got {body!r}, expected {message.body.encode('latin-1')!r}."
                raise Wrong("wrong_body", what, "It works on the body as it came, in bytes.")
            nonlocal calls
            calls += 1
            if calls > 1:
                what = "work was called twice for one message."
                raise Wrong("worked_twice", what, "Keep what it returned.")
            done.note("worked")
            if fails:
                raise _Refused("the press is jammed")
            return _worked(body)

        def deadly(original: Callable, *args: Any, **options: Any) -> Any:
            if death[1]:
                original(*args, **options)
            channel.queue_declare(self.here, passive=True)  # the broker has read all before it
            die()

        with amqp() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=2)
            deliveries = channel.consume(self.here, inactivity_timeout=10)
            _in_hand, (method, properties, body) = next(deliveries), next(deliveries)
            watched = Proxy(channel, **({death[0]: deadly} if death[0] else {}))
            self.forward(watched, method, properties, body, work)

    def _look(self, message: Message, copies: int, worked: bool, fails: bool) -> None:
        """Where is the message now, how often, and what does it look like?"""
        found = {queue: take(self.channel, queue) for queue in [self.here, self.aside, *self.stops]}
        told = f"A message with the slip {len(message.slip)} long"
        known = not message.slip or message.slip[0] in self.stops
        kept, aside = found.pop(self.here), found.pop(self.aside)
        self._expect_in_hand(kept)
        if fails:
            self._expect_kept(kept, elsewhere=bool(aside or any(found.values())))
            return
        if kept:
            what = f"{told} is still in the station's queue when your function has returned."
            raise Wrong("kept", what, "Each message gets a word to the broker, a yes or a no.")
        if not known:
            self._expect_aside(aside, message)
            aside = []
        if aside:
            what = f"{told} was set aside, though its next queue is there."
            raise Wrong("set_aside", what, "Only a queue that isn't there is a reason.")
        if not worked and known:
            what = f"{told}: work was not called."
            raise Wrong("no_work", what, "At the last station there is work, too.")
        onward = found.pop(message.slip[0], []) if message.slip else []
        if any(found.values()):
            what = f"{told} went to a queue that is not the next one."
            raise Wrong("astray", what, "The first queue of its slip is next, and no other.")
        if known and message.slip:
            self._expect_copies(onward, copies, told)
            for body, properties in onward:
                _expect_handed_on(body, properties, message)
            expect_persistent(onward)

    def _expect_in_hand(self, kept: list) -> None:
        """That nothing was said of the other message; it is struck off from what was kept."""
        if not kept or kept[0][0] != IN_HAND:
            what = "Another message, which the station had in hand, is not in its queue any more."
            hint = "Of which messages does your answer to the broker speak, besides your own?"
            raise Wrong("spoke_for_others", what, hint)
        del kept[0]

    def _expect_kept(self, kept: list, elsewhere: bool) -> None:
        if elsewhere or not kept:
            what = "work raised an exception, and its message is not where it was."
            raise Wrong("lost", what, "What was not worked on stays with the broker.")

    def _expect_aside(self, aside: list, message: Message) -> None:
        if not aside:
            what = "A message whose next queue isn't there is gone."
            raise Wrong("lost", what, "The broker tells of it only whoever asks: mandatory=True.")
        body, properties = aside[0]
        if body != message.body or properties.headers.get("slip") != message.slip:
            what = f"Set aside: {body!r}, slip {properties.headers.get('slip')}; not as it came."
            raise Wrong("wrong_body", what, "RabbitMQ can set aside the message that you hold.")

    def _expect_copies(self, messages: list, due: int, told: str) -> None:
        if len(messages) < due:
            what = f"{told} was killed at some points: {len(messages)} copies, expected {due}."
            if due == 1:
                what = f"{told} is not in its next queue."
            raise Wrong("lost", what, "Acknowledge when the next queue has it, not before.")
        if len(messages) > due:
            what = f"{told}: {len(messages)} copies in its next queue, expected {due}."
            raise Wrong("doubled", what, "Send once; only a death may make it twice.")


class _Refused(Exception):  # noqa: N818 (work's own)
    """What `work` raises."""


def _worked(body: bytes) -> bytes:
    return b" " + body[::-1] + b"!\n"


def _expect_handed_on(body: str, found: pika.BasicProperties, message: Message) -> None:
    """That a message at its next queue is what it should be."""
    wanted = _worked(message.body.encode("latin-1")).decode("latin-1")
    if body != wanted:
        what = f"The next queue got {body!r}, expected what work returned: {wanted!r}."
        raise Wrong("wrong_body", what, "Send on what work has made of it.")
    headers = dict(found.headers or {})
    if headers.get("slip") != message.slip[1:]:
        what = f"A slip of {len(message.slip)} queues was sent on as {headers.get('slip')}."
        raise Wrong("wrong_slip", what, "The station that was reached is struck off, no other.")
    names = [
        "message_id", "content_type", "correlation_id", "content_encoding", "priority",
        "reply_to", "timestamp", "type", "app_id",
    ]  # fmt: skip
    before = {name: getattr(message.properties, name) for name in names}
    before |= {k: v for k, v in message.properties.headers.items() if k != "slip"}
    after = {name: getattr(found, name) for name in names} | headers
    if changed := [name for name in before if after.get(name) != before[name]]:
        name = changed[0]
        what = f"{name} was {before[name]!r}, and is {after.get(name)!r} in the next queue."
        raise Wrong("wrong_properties", what, "The rest of its properties is not yours to change.")

"""The grader of the lab on protocols: a subscriber of MQTT that misses nothing."""

from __future__ import annotations

import gc
import json
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pika

from .. import clients
from ..names import fresh
from ..nodes import RabbitMQ
from .answers import Wrong
from .grading import grader
from .lives import KILLED, die, live

Listen = Callable[[int, str, str, Callable[[bytes], None], float], None]
BRIEF, ENOUGH = 1.5, 4.0  # seconds that a call has: to subscribe, and to catch up
LATE = 10.0  # seconds that a call may take longer, on a busy machine
IN_HAND = 1.0  # seconds of work before a death: what is acknowledged before its work, is so by then
KEPT = 3600  # seconds that a session is kept, or more
WRONG_KIND = b"?"


@grader("2.3")
def missed_nothing(answer: Listen, data: Random, node: RabbitMQ) -> str:
    """Two names; one of them is killed in the middle of a message, the other loses its connection. Each is
    to get all of its topic."""
    topic, other = f"readings/{fresh('probe')}", f"readings/{fresh('probe')}"
    names = [fresh("device"), fresh("device")]
    letters = iter(data.sample("abcdefghijklmnopqrstuvwxyz", 12))
    parts = [[next(letters).encode() for _ in range(many)] for many in (3, 2, 2)]
    with tempfile.TemporaryDirectory() as folder:
        run = partial(_run, answer, node.ports["mqtt"], topic, Path(folder))
        for name in names:
            run(name, BRIEF)
        _publish(node, topic, parts[0])
        if run(names[0], ENOUGH, dies_at=parts[0][1]) is not KILLED:
            _expect_bytes(_handled(Path(folder), names[0]))
            raise Wrong(
                "lost",
                f"{len(parts[0])} messages came while no listen ran, and handle was not called for "
                "the second of them by the next one.",
                "The broker keeps messages for a session that it knows, at a quality that it keeps.",
            )
        _publish(node, topic, parts[1])
        run(names[0], ENOUGH)
        _publish(node, topic, parts[2])
        _publish(node, other, [stray := next(letters).encode()])
        run(names[0], ENOUGH)
        run(names[1], ENOUGH, cut_at=parts[0][1])
        sent = [body for part in parts for body in part]
        in_hand = set(parts[0]), set(sent)  # when it was killed, and when it was cut off
        for name, killed in zip(names, in_hand, strict=True):
            found = _handled(Path(folder), name)
            _expect(found, sent, killed, name == names[0])
            if stray in found:
                raise Wrong(
                    "another_topic",
                    f"listen was given {topic!r}, and handled {stray.decode()!r}, which is of {other!r}.",
                    "Subscribe to the topic that you are given, and to nothing else.",
                )
    _expect_kept(node, names)
    return (
        "nothing was missed: not while nobody listened, and not what a dead listener had in hand."
    )


def _run(
    answer: Listen,
    port: int,
    topic: str,
    folder: Path,
    name: str,
    seconds: float,
    dies_at: bytes = b"",
    cut_at: bytes = b"",
) -> object:
    to_cut = [cut_at] if cut_at else []

    def handle(payload: bytes) -> None:
        if payload == dies_at:
            time.sleep(IN_HAND)
            die()
        if payload in to_cut:
            to_cut.clear()
            _cut(port)
        right = isinstance(payload, bytes | bytearray)
        with (folder / name).open("ab") as file:
            file.write((payload if right else WRONG_KIND) + b"\n")

    def work() -> float:
        begun = time.monotonic()
        answer(port, name, topic, handle, seconds)
        return time.monotonic() - begun

    took = live(answer, work, seconds=seconds + LATE)
    if isinstance(took, float) and took < 0.8 * seconds:
        raise Wrong(
            "left_early",
            f"listen had {seconds:g} s, and returned after {took:.1f}.",
            "It is to listen until the time is over, whether something comes or not.",
        )
    return took


def _cut(port: int) -> None:
    """End each connection of this process to the broker, as a broker does that is started again."""
    for found in [one for one in gc.get_objects() if isinstance(one, socket.socket)]:
        with suppress(OSError):  # it isn't connected
            if found.getpeername()[1] == port:
                found.shutdown(socket.SHUT_RDWR)


def _publish(node: RabbitMQ, topic: str, bodies: list[bytes]) -> None:
    """As a publisher of AMQP does, each confirmed by the broker."""
    with pika.BlockingConnection(node.rabbitmq) as connection:
        channel, key = connection.channel(), topic.replace("/", ".")
        orders = [body.decode() for body in bodies]
        clients.publish(channel, key, orders, exchange="amq.topic")


def _handled(folder: Path, name: str) -> list[bytes]:
    file = folder / name
    return file.read_bytes().split() if file.is_file() else []


def _expect(found: list[bytes], sent: list[bytes], killed: set[bytes], was_killed: bool) -> None:
    who = "the one that was killed" if was_killed else "the other, whose connection was lost,"
    _expect_bytes(found)
    if lost := [body for body in sent if body not in found]:
        raise Wrong(
            "lost",
            f"{len(sent)} messages were sent, and {who} has not handled {len(lost)}, "
            f"{lost[0].decode()!r} for instance.",
            "When is a message acknowledged, and whose session is it? handle first, then PUBACK. And who "
            "connects again?",
        )
    often = [body for body, times in Counter(found).items() if times > 1 and body not in killed]
    if often:
        raise Wrong(
            "twice",
            f"{often[0].decode()!r} was handled more than once by {who}, and nobody had died of it.",
            "A message that was handled is acknowledged; then it doesn't come again.",
        )


def _expect_kept(node: RabbitMQ, names: list[str]) -> None:
    """The queues of these sessions outlive an hour without a listener."""
    listing = node.ctl("list_queues", "name", "arguments", "--formatter", "json", "--silent")
    for queue in json.loads(listing):
        for key, _, value in queue["arguments"]:
            mine = any(name in queue["name"] for name in names)
            if mine and key == "x-expires" and value < 1000 * KEPT:
                raise Wrong(
                    "forgotten",
                    f"while no listen runs, the broker keeps the session for {value // 1000} s.",
                    f"SessionExpiryInterval: {KEPT} s at least.",
                )


def _expect_bytes(found: list[bytes]) -> None:
    if WRONG_KIND in found:
        raise Wrong("no_bytes", "handle was not given bytes.", "Give it the payload as it came.")

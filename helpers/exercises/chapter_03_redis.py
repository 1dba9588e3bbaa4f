"""Grader of the lab on Redis Streams: the program that claims what lies in dead workers' hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from ..extras import need
from ..extras.redis import Server
from ..settings import HOST
from .answers import Wrong
from .grading import grader
from .lives import KILLED, Journal, die, live

Fields = Mapping[bytes, bytes]
Rescue = Callable[[Any, str, str, str, Callable[[Fields], None]], None]
HOUR = 3_600_000  # milliseconds
SECONDS = 30.0  # for a life
LIVES = 8
STREAM, GROUP, NAME, ALIVE = "orders", "packers", "rescuer", "worker-alive"


class Plan(NamedTuple):
    """Which orders lie in whose hand, and where the program dies."""

    old: list[str]
    young: set[str]
    deadly: set[str]
    dies_before: set[str]
    dies_after: set[str]


@grader("3.4")
def rescues(rescue: Rescue, data: Random) -> str:
    """Hundreds of pending orders; some young, some deadly; the program is killed at the worst moments."""
    need("redis")
    with Server() as server:
        plan = _fill(server, data)
        journal = Journal()
        for _ in range(LIVES):
            if _life(rescue, server.port, plan, journal) is not KILLED:
                break
            _let_an_hour_pass(server.client(), [NAME])
        _judge(server.client(), plan, journal)
    return "all that was old is handled or aside, and what is young stayed where it was."


def _fill(server: Server, data: Random) -> Plan:
    redis: Any = server.client()
    total = data.randint(730, 800)  # more than all lives together can see in one page each
    orders = [f"order-{number}" for number in data.sample(range(1000, 9999), total)]
    redis.xgroup_create(STREAM, GROUP, mkstream=True)
    numbers = {order: redis.xadd(STREAM, {"order": order}) for order in orders}
    dead = ["worker-1", "worker-2"]
    for worker in (*dead, ALIVE):
        redis.xreadgroup(GROUP, worker, {STREAM: ">"}, count=total if worker == ALIVE else 60)
    young = set(data.sample(orders, 5))
    deadly = set(data.sample([order for order in orders if order not in young], 4))
    for order, number in numbers.items():
        worker = ALIVE if order in young else data.choice(dead)
        times = data.randint(11, 40) if order in deadly else data.randint(1, 3)
        idle = 0 if order in young else HOUR
        redis.xclaim(STREAM, GROUP, worker, 0, [number], idle=idle, retrycount=times, justid=True)
    old = [order for order in orders if order not in young]
    good = data.sample([order for order in old if order not in deadly], 4)
    return Plan(old, young, deadly, set(good[:2]), set(good[2:]))


def _let_an_hour_pass(redis: Any, workers: list[str]) -> None:
    """What these have in hand has been idle for an hour."""
    for worker in workers:
        for entry in redis.xpending_range(STREAM, GROUP, "-", "+", 10_000, worker):
            number = entry["message_id"]
            redis.xclaim(STREAM, GROUP, worker, 0, [number], idle=HOUR, justid=True)


def _mortal(port: int, plan: Plan, journal: Journal) -> Any:
    """A client whose process is killed once after it has set something aside by a command of its own,
    and once after it has acknowledged a deadly order by one."""
    from valkey import Valkey  # not before it is needed: other graders of the chapter do without

    deadly: set[bytes] = set()

    def dies(why: str) -> None:
        if ["dies", why] not in journal.read():
            journal.note("dies", why)
            die()

    class Mortal(Valkey):
        def execute_command(self, *args: Any, **options: Any) -> Any:
            said = super().execute_command(*args, **options)
            if str(args[0]).upper() == "XADD":
                dies("aside alone")
            if str(args[0]).upper() == "XACK" and deadly & {_bytes(one) for one in args[3:]}:
                dies("acknowledged alone")
            return said

    redis: Any = Mortal(host=HOST, port=port)
    entries = redis.xrange(STREAM)
    deadly |= {number for number, fields in entries if fields[b"order"].decode() in plan.deadly}
    return redis


def _life(rescue: Rescue, port: int, plan: Plan, journal: Journal) -> object:
    """One process of the program: until it returns, or is killed."""

    def handle(fields: Fields) -> None:
        order = bytes(fields[b"order"]).decode()
        if order in plan.dies_before and ["dies", order] not in journal.read():
            journal.note("dies", order)
            die()
        journal.note("handled", order)
        if order in plan.dies_after and ["dies", order] not in journal.read():
            journal.note("dies", order)
            die()

    def run() -> None:
        redis = _mortal(port, plan, journal)
        rescue(redis, STREAM, GROUP, NAME, handle)

    return live(rescue, run, seconds=SECONDS)


def _judge(redis: Any, plan: Plan, journal: Journal) -> None:
    handled = Counter(order for what, order in journal.read() if what == "handled")
    aside = Counter(
        fields.get(b"order", b"?").decode() for _, fields in redis.xrange(f"{STREAM}.aside")
    )
    names = {number: fields[b"order"].decode() for number, fields in redis.xrange(STREAM)}
    pending = {
        names[entry["message_id"]]: entry["consumer"].decode()
        for entry in redis.xpending_range(STREAM, GROUP, "-", "+", 10_000)
    }
    _expect_patience(plan, handled, aside, pending)
    if bad := [order for order in plan.deadly if handled[order]]:
        raise Wrong(
            "deadly",
            f"{bad[0]} had been delivered more than ten times, and was given to handle().",
            "`times_delivered` says how often. What is more than 10 goes aside.",
        )
    for order in plan.old:
        if pending.get(order):
            raise Wrong(
                "left",
                f"{len(set(pending) & set(plan.old))} old entries are still pending, {order} for one.",
                "A pending list may be longer than one answer: ask on from where the last one "
                "ended. And acknowledge what is handled or aside.",
            )
        _expect_once(order, plan, handled[order], aside[order])


def _expect_patience(
    plan: Plan, handled: Counter[str], aside: Counter[str], pending: Mapping[str, str]
) -> None:
    for order in sorted(plan.young):
        if handled[order] or aside[order] or pending.get(order) != ALIVE:
            raise Wrong(
                "took_young",
                f"{order} was in the hand of {ALIVE} for less than a minute, and was taken away.",
                "Claim only what has been idle for 60,000 ms: whoever has the rest may be working.",
            )


def _expect_once(order: str, plan: Plan, handled: int, aside: int) -> None:
    if order in plan.deadly:
        if aside != 1:
            raise Wrong(
                "aside_lost" if not aside else "aside_twice",
                f"{order}, which nobody survives, is {aside} times in {STREAM}.aside.",
                "The program may be killed between two commands. One pipeline has both, XADD and "
                "XACK, done or neither.",
            )
        return
    if aside:
        raise Wrong(
            "aside_wrong",
            f"{order} was not delivered more than ten times, and was set aside.",
            "Handle what was delivered ten times or less.",
        )
    may = 2 if order in plan.dies_after else 1
    if not handled:
        raise Wrong(
            "lost",
            f"{order} was acknowledged, and never handled.",
            "Acknowledge after the work. Your program may be killed right before it.",
        )
    if handled > may:
        raise Wrong(
            "repeated",
            f"{order} was handled {handled} times, {may} would be enough.",
            "Acknowledge each entry right after it is handled, so that a death catches one only.",
        )


def _bytes(one: Any) -> bytes:
    return one if isinstance(one, bytes) else str(one).encode()

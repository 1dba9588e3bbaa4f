"""Grader of the lab on Redis Streams: the program that claims what lies in dead workers' hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from ..extras import need
from ..extras.redis import Server
from ..settings import HOST
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live

Fields = Mapping[bytes, bytes]
Rescue = Callable[[Any, str, str, str, Callable[[Fields], None]], None]
MINUTE, HOUR = 60_000, 3_600_000  # milliseconds
YOUNG = 20_000  # milliseconds: less than a minute, also at the end of the longest life
SECONDS = 30.0  # for a life
LIVES = 8
ALIVE, LATE = "worker-alive", "worker-late"


class Plan(NamedTuple):
    """How all is called, which orders lie in whose hand, and where the program dies."""

    stream: str
    group: str
    name: str
    numbers: dict[str, bytes]
    times: dict[str, int]
    old: list[str]
    young: set[str]
    deadly: set[str]
    dies_before: set[str]
    dies_after: set[str]


@grader("3.4")
def rescues(rescue: Rescue, data: Random) -> str:
    """Hundreds of pending orders; some young, some deadly; the program is killed at the worst moments.

    When all deaths are over, one order has been delivered ten times and one eleven times."""
    need("redis")
    with Server() as server:
        redis = server.client()
        plan = _fill(redis, data)
        journal = Journal()
        for late in (YOUNG, HOUR):
            for _ in range(LIVES):
                for worker, idle in {plan.name: HOUR, ALIVE: YOUNG, LATE: late}.items():
                    _let_pass(redis, plan, worker, idle)
                if _life(rescue, server, plan, journal) is not KILLED:
                    break
        _judge(redis, plan, journal)
    return "all that was old is handled or aside, and what is young stayed where it was."


def _fill(redis: Any, data: Random) -> Plan:
    stream, group, name = (
        f"{word}-{data.randrange(1000)}" for word in ("orders", "packers", "rescuer")
    )
    total = data.randint(730, 800)  # more than all lives together can see in one page each
    orders = [f"order-{number}" for number in data.sample(range(1000, 9999), total)]
    redis.xgroup_create(stream, group, mkstream=True)
    numbers = {
        order: redis.xadd(stream, {"order": order, "cups": data.randint(1, 12)}) for order in orders
    }
    redis.xreadgroup(group, ALIVE, {stream: ">"}, count=total)
    ten, eleven, *drawn = data.sample(orders, 15)
    young, deadly, good = set(drawn[:5]), {eleven, *drawn[5:9]}, drawn[9:]
    hands = dict.fromkeys(young, ALIVE) | {ten: LATE, eleven: LATE}
    times = {
        order: data.randint(11, 40) if order in deadly else data.randint(1, 3) for order in orders
    }
    times |= {ten: 10, eleven: 11}
    for order, number in numbers.items():
        worker = hands.get(order) or data.choice(["worker-1", "worker-2"])
        often = {"retrycount": times[order]}
        redis.xclaim(stream, group, worker, 0, [number], idle=HOUR, justid=True, **often)
    old = [order for order in orders if order not in young]
    dies = set(good[:2]), set(good[2:])
    return Plan(stream, group, name, numbers, times, old, young, deadly, *dies)


def _let_pass(redis: Any, plan: Plan, worker: str, idle: int) -> None:
    """What this one has in hand has been idle for so long."""
    for entry in redis.xpending_range(plan.stream, plan.group, "-", "+", 10_000, worker):
        number = entry["message_id"]
        redis.xclaim(plan.stream, plan.group, worker, 0, [number], idle=idle, justid=True)


def _mortal(port: int, plan: Plan, journal: Journal) -> Any:
    """A client whose process is killed once after it has set something aside by a command of its own,
    and once after it has acknowledged a deadly order by one."""
    from valkey import Valkey  # not before it is needed: other graders of the chapter do without

    deadly = {plan.numbers[order] for order in plan.deadly}

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

    return Mortal(host=HOST, port=port)


def _life(rescue: Rescue, server: Server, plan: Plan, journal: Journal) -> object:
    """One process of the program: until it returns, or is killed."""
    watcher = server.client()
    taken = any(what == "taken" for what, _ in journal.read())

    def handle(fields: Fields) -> None:
        nonlocal taken
        order = bytes(fields[b"order"]).decode()
        _expect_claimed(watcher, plan, order)
        taken = taken or _let_another_claim(watcher, plan, order, journal)
        if order in plan.dies_before and ["dies", order] not in journal.read():
            journal.note("dies", order)
            die()
        journal.note("handled", order)
        if order in plan.dies_after and ["dies", order] not in journal.read():
            journal.note("dies", order)
            die()

    def run() -> None:
        redis = _mortal(server.port, plan, journal)
        rescue(redis, plan.stream, plan.group, plan.name, handle)

    return live(rescue, run, seconds=SECONDS)


def _expect_claimed(redis: Any, plan: Plan, order: str) -> None:
    number = plan.numbers[order]
    for entry in redis.xpending_range(plan.stream, plan.group, number, number, 1):
        if (consumer := entry["consumer"].decode()) != plan.name:
            stop(
                Wrong(
                    "not_claimed",
                    f"{order} was given to handle(), and was in the hand of {consumer}, not of "
                    f"{plan.name}.",
                    "Claim it for `name` before the work; otherwise the next program claims it as "
                    "well.",
                )
            )


def _let_another_claim(redis: Any, plan: Plan, order: str, journal: Journal) -> bool:
    """While an order is worked on, somebody else claims the next old one, if there is one."""
    place, after = (plan.stream, plan.group), b"(" + plan.numbers[order]
    for entry in redis.xpending_range(*place, after, "+", 1, idle=MINUTE):
        for _, fields in redis.xclaim(*place, ALIVE, MINUTE, [entry["message_id"]]):
            journal.note("taken", fields[b"order"].decode())
            return True
    return False


def _judge(redis: Any, plan: Plan, journal: Journal) -> None:
    handled = Counter(order for what, order in journal.read() if what == "handled")
    taken = {order for what, order in journal.read() if what == "taken"}
    old = [order for order in plan.old if order not in taken]
    plan = plan._replace(old=old, young=plan.young | taken)
    entries = redis.xrange(f"{plan.stream}.aside")
    aside = Counter(fields.get(b"order", b"?").decode() for _, fields in entries)
    names = {number: order for order, number in plan.numbers.items()}
    pending = {
        names[entry["message_id"]]: entry["consumer"].decode()
        for entry in redis.xpending_range(plan.stream, plan.group, "-", "+", 10_000)
    }
    _expect_patience(plan, handled, aside, pending)
    given = [fields for _, fields in redis.xrange(plan.stream)]
    if others := [fields for _, fields in entries if fields not in given]:
        raise Wrong(
            "other_fields",
            f"{plan.stream}.aside has {others[0]}, which no entry of {plan.stream} has.",
            "Append the fields that `xclaim` has returned, all of them and no others.",
        )
    if bad := [order for order in plan.deadly if handled[order]]:
        raise Wrong(
            "deadly",
            f"{bad[0]} had been delivered {plan.times[bad[0]]} times, and was given to handle().",
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
                "Claim only what has been idle for 60,000 ms, and say so to `xclaim` as well: whoever "
                "has the rest may be working.",
            )


def _expect_once(order: str, plan: Plan, handled: int, aside: int) -> None:
    if order in plan.deadly:
        if aside != 1:
            raise Wrong(
                "aside_lost" if not aside else "aside_twice",
                f"{order}, which nobody survives, is {aside} times in {plan.stream}.aside.",
                "The program may be killed between two commands. One pipeline has both, XADD and "
                "XACK, done or neither.",
            )
        return
    if aside:
        raise Wrong(
            "aside_wrong",
            f"{order} had been delivered {plan.times[order]} times, and was set aside.",
            "Handle what was delivered ten times or less. Your own claim counts as one more.",
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

"""Grader of the lab on capacity: how many partitions are enough, given who orders how much."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from kafka.partitioner.default import murmur2

from .answers import Wrong, ask
from .grading import grader

WORST_FIRST = "changed", "no_number", "too_few", "too_many", "given_up", "out_of_range"


@dataclass(frozen=True)
class Plan:
    """What a learner is asked: the measured orders of each customer, and what is wished for."""

    orders: dict[str, int]
    rate: int
    worker: int
    busy: float
    most: int

    def busiest(self, partitions: int) -> int:
        """How many of the orders the busiest worker has."""
        work: Counter[int] = Counter()
        for customer, number in self.orders.items():
            work[place(customer, partitions)] += number
        return max(work.values())

    def spare(self, partitions: int) -> float:
        """How far the busiest worker is from its limit; below 0 it has too much to do."""
        may = self.busy * self.worker * sum(self.orders.values())
        return may - self.busiest(partitions) * self.rate

    def enough(self, partitions: int) -> bool:
        """Has no worker more to do than it may?"""
        return self.spare(partitions) >= 0

    @property
    def fewest(self) -> int | None:
        """The right answer."""
        return next((n for n in range(1, self.most + 1) if self.enough(n)), None)

    @property
    def by_formula(self) -> int:
        """What the formula says, which looks at no customer."""
        return int(-(-self.rate // (self.busy * self.worker)))


def place(customer: str, partitions: int) -> int:
    """The partition of a key, as Kafka's clients find it."""
    return _hash(customer) % partitions


@functools.lru_cache(maxsize=10_000)
def _hash(customer: str) -> int:
    return int(murmur2(customer.encode()) & 0x7FFFFFFF)


@grader("10.7")
def enough_partitions(needed: Callable[..., Any], data: Random) -> str:
    """Shops with many like customers, with one big one, and such as are just within their limits."""
    plans = [plan for kind in KINDS for plan in _drawn(kind, data, 3)]
    data.shuffle(plans)
    wrong: dict[str, Wrong] = {}
    for plan in plans:
        orders = dict(plan.orders)
        said = ask(needed, orders, plan.rate, plan.worker, plan.busy, plan.most, place, seconds=5)
        if found := _judged(plan, said, changed=orders != plan.orders):
            wrong.setdefault(found.kind, found)
    for kind in WORST_FIRST:
        if kind in wrong:
            raise wrong[kind]
    return f"{len(plans)} plans, with customers of every size."


def _judged(plan: Plan, said: Any, changed: bool) -> Wrong | None:
    """What is wrong with an answer."""
    biggest = max(plan.orders.values()) / sum(plan.orders.values())
    call = (
        f"{len(plan.orders)} customers, the biggest with {biggest:.0%}; {plan.rate} orders a second,"
        f" workers that do {plan.worker}, busy up to {plan.busy}, at most {plan.most} partitions"
    )
    if changed:
        return Wrong("changed", f"{call}: the orders were changed.", "only look at them.")
    if said is not None and (not isinstance(said, int) or isinstance(said, bool)):
        return Wrong("no_number", f"{call}: returned {said!r}.", "return a whole number, or None.")
    if said == plan.fewest:
        return None
    meant = f"{call}: you say {said}, it is {plan.fewest}."
    if said is None:
        return Wrong("given_up", meant, "try every number of partitions, the greatest as well.")
    if said < 1 or said > plan.most:
        return Wrong("out_of_range", meant, "where no number up to the greatest will do: None.")
    if plan.enough(said):
        return Wrong("too_many", meant, "with fewer, which worker would have too much to do?")
    return Wrong(
        "too_few", meant, "with so many, how many orders a second would the busiest worker get?"
    )


# -- plans, by what is telling about them --------------------------------------------------------


def _plan(data: Random, sizes: list[int], most: int = 40) -> Plan:
    names = data.sample(range(10**6), len(sizes))
    orders = {f"customer-{name}": size for name, size in zip(names, sizes, strict=True)}
    worker = data.choice((40, 60, 80, 120, 200))
    rate = worker * data.randint(2, 5) + data.randint(1, 9)
    return Plan(orders, rate, worker, data.choice((0.5, 0.75)), most)


def _uneven(data: Random) -> Plan:
    return _plan(data, [data.randint(1, 30) for _ in range(data.randint(40, 90))])


def _one_big(data: Random) -> Plan:
    sizes = [data.randint(1, 9) for _ in range(data.randint(20, 40))]
    return _plan(data, [*sizes, sum(sizes) * data.randint(2, 4)])


def _quiet(data: Random) -> Plan:
    plan = _uneven(data)
    return Plan(plan.orders, plan.worker // 4, plan.worker, plan.busy, plan.most)


def _just(data: Random) -> Plan:
    """The busiest worker of the answer is exactly as busy as it may be."""
    sizes = [0]
    while sum(sizes) != 128:  # a power of two: fractions of it are exact, however one divides
        sizes = [data.randint(1, 9) for _ in range(26)]
    plan = _plan(data, sizes)
    rate, worker = 2 * sum(sizes), 4 * plan.busiest(data.randint(2, 8))
    return Plan(plan.orders, rate, worker, 0.5, plan.most)


def _at_the_end(data: Random) -> Plan:
    plan = _uneven(data)
    return Plan(plan.orders, plan.rate, plan.worker, plan.busy, plan.fewest or 1)


def _up_and_down(plan: Plan) -> bool:
    """With one more, or with twice as many, somebody has too much to do again."""
    fewest = plan.fewest
    return fewest is not None and not (plan.enough(fewest + 1) and plan.enough(2 * fewest))


KINDS: dict[str, tuple[Callable[[Random], Plan], Callable[[Plan], bool]]] = {
    "more than the formula says": (_uneven, lambda p: (p.fewest or 0) > p.by_formula),
    "more does not help for ever": (_uneven, _up_and_down),
    "one big customer": (_one_big, lambda p: p.fewest is None),
    "one is enough": (_quiet, lambda p: p.fewest == 1),
    "just within the limit": (_just, lambda p: p.spare(p.fewest or 1) == 0),
    "the greatest number": (_at_the_end, lambda p: p.fewest == p.most > 1),
}


def _drawn(kind: str, data: Random, number: int) -> list[Plan]:
    draw, telling = KINDS[kind]
    found: list[Plan] = []
    while len(found) < number:
        plan = draw(data)
        if telling(plan):
            found.append(plan)
    return found

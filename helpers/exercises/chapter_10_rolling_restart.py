"""Grader of the lab on rolling restarts: what it costs to stop some nodes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from .answers import Wrong, ask
from .grading import grader

Partition = dict[str, Any]
Name = tuple[str, int]
Cost = Callable[[set[int], list[Partition]], Mapping[str, set[Name]]]
PARTS = ("offline", "read only", "already")


@grader("10.4")
def costs(cost: Cost, data: Random) -> str:
    """One partition in each of its states, then a cluster of five nodes that has them all."""
    number = data.randrange(10**4)
    topics = [f"Topic-{number}", f"topic-{number}", f"topic_{number}", f"topic-{number}0"]
    for nodes, partitions in _small(topics):
        _check(cost, nodes, partitions)
    for _ in range(12):
        nodes = set(data.sample(range(1, 6), data.randint(0, 4)))
        partitions = [_drawn(data, topic, number) for topic in topics for number in range(5)]
        data.shuffle(partitions)
        _check(cost, nodes, partitions)
    return "offline, read only and already are told apart, whichever nodes are stopped."


def _small(topics: list[str]) -> list[tuple[set[int], list[Partition]]]:
    """The smallest cases that tell one mistake from another."""
    one = lambda replicas, in_sync, minimum: _partition(topics[0], 0, replicas, in_sync, minimum)  # noqa: E731
    full = one([1, 2, 3], [1, 2, 3], 2)
    return [
        (set(), []),
        (set(), [full]),
        ({1}, [full]),
        ({1, 2}, [full]),  # a rack: each of them alone would do no harm
        ({1, 2, 3}, [full]),
        ({4}, [full]),
        ({2}, [one([1, 2, 3], [1, 3], 2)]),  # out of sync already
        ({1}, [one([1, 2, 3], [1, 3], 2)]),
        ({3}, [one([1, 2, 3], [1, 3], 2)]),  # not the leader
        ({1}, [one([1], [1], 1)]),
        ({2}, [one([2, 1], [1], 1)]),
        ({1}, [one([2, 1], [1], 1)]),
        ({1}, [one([1, 2, 3], [1, 2, 3], 3)]),
        ({1}, [one([1, 2, 3], [1, 2, 3], 1)]),
        ({1, 2}, [one([1, 2, 3], [1, 2, 3], 1)]),
        ({2}, [one([1, 2, 3], [1], 2)]),  # already, and still read
        ({1}, [one([1, 2, 3], [1], 2)]),  # already, and offline now
        ({1}, [one([1, 2, 3], [], 2)]),  # nothing to lose
        ({1}, [one([1, 2, 3], [], 1)]),
        ({1}, [one([1, 2], [1, 2], 3)]),  # a minimum that can't be met
        ({1, 2}, [one([1, 2], [1, 2], 3)]),
        ({3}, [_partition(topics[n % 2], n // 2, [1, 2, 3], [3, 1], 1 + n % 2) for n in range(4)]),
    ]


def _partition(
    topic: str, number: int, replicas: list[int], in_sync: list[int], minimum: int
) -> Partition:
    return {
        "topic": topic,
        "partition": number,
        "replicas": replicas,
        "in_sync": in_sync,
        "minimum": minimum,
    }


def _drawn(data: Random, topic: str, number: int) -> Partition:
    replicas = data.sample(range(1, 6), data.randint(1, 4))
    in_sync = data.sample(replicas, data.randint(0, len(replicas)))
    return _partition(topic, number, replicas, in_sync, data.randint(1, 3))


def _check(cost: Cost, nodes: set[int], partitions: list[Partition]) -> None:
    given, there = set(nodes), copy.deepcopy(partitions)
    said = ask(cost, given, there)
    case = f"cost({nodes or '{}'}, …)"
    if given != nodes or there != partitions:
        raise Wrong("changed", f"{case} changed what it was given.", "make sets of your own.")
    if not isinstance(said, dict) or set(said) != set(PARTS):
        raise Wrong("no_cost", f"{case} returned {said!r:.80}.", f"return a dictionary of {PARTS}.")
    expected = _expected(nodes, partitions)
    for part in PARTS:
        if not isinstance(said[part], set):
            raise Wrong("no_set", f"{case}: {part!r} is {said[part]!r:.60}.", "make it a set.")
        if strange := said[part] - {_name(one) for one in partitions}:
            raise Wrong(
                "no_such_partition",
                f"{case}: {part!r} has {next(iter(strange))!r:.60}, which isn't a partition.",
                "a partition is named by the pair of its topic and its number.",
            )
        for one in partitions:
            if (_name(one) in said[part]) != (_name(one) in expected[part]):
                verb = "is" if _name(one) in said[part] else "isn't"
                raise Wrong(
                    f"wrong_{part.replace(' ', '_')}",
                    f"{case}: partition {_name(one)} {verb} in {part!r}. Its replicas are "
                    f"{one['replicas']}, in sync are {one['in_sync']}, the minimum is "
                    f"{one['minimum']}.",
                    "compare those in sync now with those in sync when all the nodes are stopped.",
                )


def _name(partition: Partition) -> Name:
    return partition["topic"], partition["partition"]


def _expected(nodes: set[int], partitions: list[Partition]) -> dict[str, set[Name]]:
    expected: dict[str, set[Name]] = {part: set() for part in PARTS}
    for one in partitions:
        now, minimum = len(one["in_sync"]), one["minimum"]
        then = sum(node not in nodes for node in one["in_sync"])
        if now and not then:
            expected["offline"].add(_name(one))
        if now >= minimum > then > 0:
            expected["read only"].add(_name(one))
        if now < minimum:
            expected["already"].add(_name(one))
    return expected

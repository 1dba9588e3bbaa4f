"""Grader of the lab on sharing a broker: the fewest rights with which a service can work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random

from .answers import Wrong, ask
from .grading import grader

Did = list[tuple[str, ...]]
Rights = Callable[[Did], dict[str, str]]
PARTS = ("configure", "write", "read")
WORK = ["order", "bill", "parcel", "refund", "stock"]


@grader("10.9")
def fewest_rights(rights: Rights, data: Random) -> str:
    """Each action alone, then services that do several things with names that look alike."""
    for did in _small(data):
        _check(rights, did)
    for _ in range(10):
        _check(rights, _drawn(data))
    return "each service may do what it does, and nothing to a name beside it."


def needed(did: Did) -> dict[str, set[str]]:
    """The names for which each right is needed, as RabbitMQ asks for it."""
    names: dict[str, set[str]] = {part: set() for part in PARTS}
    for action, *on in did:
        if action == "declare":
            names["configure"].add(on[0])
        if action == "publish":
            names["write"].add(on[0] or "amq.default")
        if action == "bind":
            names["write"].add(on[0])
            names["read"].add(on[1])
        if action == "consume":
            names["read"].add(on[0])
    return names


def _small(data: Random) -> list[Did]:
    queue, exchange = _name(data, "."), _name(data) + "-out"
    return [
        [],
        [("consume", queue)],
        [("declare", queue)],
        [("publish", exchange)],
        [("publish", "")],
        [("bind", queue, exchange)],
        [("consume", queue), ("consume", queue + ".late")],
    ]


def _drawn(data: Random) -> Did:
    queues = [_name(data) for _ in range(2)]
    exchanges = [_name(data) + data.choice(["-out", ".x", "+"]), ""]
    actions: Did = [("declare", queue) for queue in queues]
    actions += [("consume", queue) for queue in queues]
    actions += [("publish", exchange) for exchange in exchanges]
    actions += [("bind", queue, exchanges[0]) for queue in queues]
    return data.sample(actions, data.randint(1, len(actions)))


def _name(data: Random, between: str = ".-_") -> str:
    return f"{data.choice(WORK)}{data.choice(between)}{data.randint(10, 99)}"


def _check(rights: Rights, did: Did) -> None:
    said = ask(rights, list(did))
    if not isinstance(said, dict) or set(said) != set(PARTS):
        raise Wrong("no_rights", f"rights({did}) returned {said!r:.80}.", f"a pattern for {PARTS}.")
    for part, names in needed(did).items():
        allows = _allows(said[part], part)
        for name in [*sorted(names), *sorted(set(_beside(did)) - names)]:  # what can't work first
            if allows(name) != (name in names):
                raise Wrong(
                    f"{part}_too_{'little' if name in names else 'much'}",
                    f"rights({did}): {part!r} is {said[part]!r}, which "
                    f"{'refuses' if name in names else 'allows'} {name!r}.",
                    "a pattern finds its text anywhere in a name, unless it says where the name begins "
                    "and ends; a dot stands for any character, unless it is escaped."
                    if name not in names
                    else "look again at the table of rights: which right does each action need?",
                )


def _allows(pattern: object, part: str) -> Callable[[str], bool]:
    """As RabbitMQ reads it: the empty pattern allows nothing."""
    try:
        found = re.compile(str(pattern) or "^$") if isinstance(pattern, str) else None
    except re.error:
        found = None
    if found is None:
        raise Wrong("no_pattern", f"{part!r} is {pattern!r:.60}.", "make it a regular expression.")
    return lambda name: found.search(name) is not None


def _beside(did: Did) -> Iterable[str]:
    """Names that look like those that were used, and are others; and all that were used."""
    for _, *on in did or [("", "orders")]:
        for name in (used or "amq.default" for used in on):
            yield from (name, name + "s", "my-" + name, re.sub("[.+]", "x", name) + "x", name[:-1])
            if "." in name:
                yield name.replace(".", "x")

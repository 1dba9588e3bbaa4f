"""The grader of the lab on another broker: which version of each request two sides agree on."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from kafka import KafkaAdminClient

from .answers import Wrong, ask
from .grading import grader
from .places import kafka_options

Known = dict[str, tuple[int, int]]
Versions = Callable[[Known, Known], dict[str, int | None]]
ROUNDS = 5


@grader("4.14", needs=("kafka",))
def versions(answer: Versions, data: Random) -> str:
    """What the learner's broker knows, with clients that are drawn: older, newer, and of another world."""
    with KafkaAdminClient(**kafka_options()) as admin:
        broker = {kind.name: pair for kind, pair in admin.api_versions().items()}
    for _ in range(ROUNDS):
        _expect(answer, _client(broker, data), dict(broker))
    strange = {kind: (low + 3, high + 3) for kind, (low, high) in broker.items()}
    _expect(answer, {"Vote": (0, 0), **strange}, dict(broker))
    _expect(answer, strange, {})
    _expect(answer, {}, dict(broker))
    return f"the right version of each request, with {ROUNDS + 3} clients, old and new."


def _client(broker: Known, data: Random) -> Known:
    """Each case is there: a client that is older, newer, too old, too new, within, around, at zero."""
    kinds = data.sample(sorted(broker), 24)
    client: Known = {}
    for number, kind in enumerate(kinds):
        low, high = broker[kind]
        client[kind] = [
            (max(low - 2, 0), low + data.randint(0, high - low)),  # older
            (low + data.randint(0, high - low), high + data.randint(1, 3)),  # newer
            (high + 1, high + data.randint(1, 4)),  # too new
            (low, low),
            (0, high + 1),
            (max(low - 3, 0), max(low - 1, 0)),  # too old, unless the broker knows version 0
        ][number % 6]
    client[f"Teleport{data.randint(1, 9)}"] = (0, data.randint(0, 3))
    client["Brew"] = (0, 0)
    return client


def _expect(answer: Versions, client: Known, broker: Known) -> None:
    expected: dict[str, int | None] = {}
    for kind, (oldest, newest) in client.items():
        common = [n for n in range(oldest, newest + 1) if _knows(broker, kind, n)]
        expected[kind] = max(common, default=None)
    said = ask(answer, dict(client), dict(broker))
    if not isinstance(said, dict):
        raise Wrong("no_dictionary", f"versions returned {said!r:.60}.", "Return a dictionary.")
    if extra := said.keys() - client.keys():
        kind = min(extra, key=str)
        what = f"{kind!r} has an entry, and the client doesn't know it."
        raise Wrong("invented", what, "An entry for each request that the client knows.")
    if left := expected.keys() - said.keys():
        kind = min(left)
        what = f"{kind} has no entry; {_case(client, broker, kind)}; expected {expected[kind]}."
        raise Wrong("left_out", what, "An entry for each request that the client knows.")
    for kind in sorted(expected):
        right, found = expected[kind], said[kind]
        if found != right or isinstance(found, bool):
            raise Wrong(
                "wrong_version",
                f"{kind}: {_case(client, broker, kind)}; expected {right}, found {found!r}.",
                "The newest that lies in both ranges; version 0 is a version, too.",
            )


def _knows(broker: Known, kind: str, version: int) -> bool:
    return kind in broker and broker[kind][0] <= version <= broker[kind][1]


def _case(client: Known, broker: Known, kind: str) -> str:
    there = f"the broker {broker[kind]}" if kind in broker else "the broker nothing"
    return f"the client knows {client[kind]}, {there}"

"""The grader of the lab on another broker tells right answers from wrong ones."""

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")
NONE = (0, -1)


def versions_with(
    best=min, check_low=True, nothing=NONE, zero_counts=True, unknown=True, only=True
):
    """An answer that gets right what it is told to."""

    def versions(client, broker):
        found = {}
        for kind in client if only else {**client, **broker}:
            if not unknown and kind not in broker:
                continue
            (oldest, newest), (first, last) = client.get(kind, NONE), broker.get(kind, nothing)
            top = best(newest, last)
            fits = top >= max(oldest, first) if check_low else True
            found[kind] = top if fits and (top or zero_counts) else None
        return found

    return versions


def by_sets(client, broker):
    """Right too: every version of both sides."""

    def all_of(known, kind):
        oldest, newest = known.get(kind, NONE)
        return set(range(oldest, newest + 1))

    return {kind: max(all_of(client, kind) & all_of(broker, kind), default=None) for kind in client}


def downwards(client, broker):
    """Right too: from the client's newest down, until the broker agrees."""
    found = dict.fromkeys(client)
    for kind in client.keys() & broker.keys():
        version = client[kind][1]
        while version >= client[kind][0] and found[kind] is None:
            if broker[kind][0] <= version <= broker[kind][1]:
                found[kind] = version
            version -= 1
    return found


ANSWERS = {
    "4.14": Answers(
        right={"reference": versions_with(), "sets": by_sets, "downwards": downwards},
        wrong={
            "the newest of all": ("wrong_version", versions_with(best=max)),
            "the client's newest": ("wrong_version", versions_with(best=lambda a, _: a)),
            "the broker's newest": ("wrong_version", versions_with(best=lambda _, b: b)),
            "the lower ends are not looked at": ("wrong_version", versions_with(check_low=False)),
            "version 0 is none": ("wrong_version", versions_with(zero_counts=False)),
            "an unknown request has version 0": ("wrong_version", versions_with(nothing=(0, 0))),
            "unknown requests are left out": ("left_out", versions_with(unknown=False)),
            "the broker's requests too": ("invented", versions_with(only=False)),
            "nothing": ("left_out", lambda *_: {}),
            "a list": ("no_dictionary", lambda *both: list(versions_with()(*both).items())),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()

"""The grader of the lab on draining a node tells right answers from wrong ones."""

from tests.exercises.answers import Answers, ignoring, stub


def up_to(tag, multiple, held):
    return [t for t in held if t == tag or (multiple and (t < tag or tag == 0))]


def again_with(
    acked=up_to,
    renews=True,
    at_end=False,
    twice=lambda back, handled: back & handled,
    only_last=False,
):
    """A right answer, but for what it is told."""

    def again(log):
        said = {"again": set(), "twice": set()}
        held, handled = {}, set()
        for what, *of in [*log, *([("lost",)] if at_end else [])]:
            if what == "delivered":
                held[of[0]] = of[1]
            elif what == "handled":
                handled.add(of[0])
            elif what == "acked":
                for tag in acked(*of, held):
                    del held[tag]
            else:
                back = set(held.values())
                if only_last:
                    said = {"again": set(), "twice": set()}
                said["again"] |= back
                said["twice"] |= twice(back, handled)
                held = {} if renews else held
        return said

    return again


def again_by_connections(log):
    """Right too, and otherwise: each connection's part of the log by itself."""
    parts, again, twice, before = [[]], set(), set(), set()
    for entry in log:
        if entry[0] == "lost":
            parts.append([])
        else:
            parts[-1].append(entry)
    for part in parts[:-1]:
        came = [(n, entry[1], entry[2]) for n, entry in enumerate(part) if entry[0] == "delivered"]
        acks = [(n, *entry[1:]) for n, entry in enumerate(part) if entry[0] == "acked"]
        before |= {entry[1] for entry in part if entry[0] == "handled"}
        for at, tag, order in came:
            if not any(
                at < n and (acked == tag or (several and (tag < acked or not acked)))
                for n, acked, several in acks
            ):
                again.add(order)
                twice |= {order} & before
    return {"again": again, "twice": twice}


def as_lists(log):
    return {part: sorted(orders) for part, orders in again_with()(log).items()}


def one_tag(tag, _multiple, held):
    return [tag] if tag in held else []


def always_up_to(tag, _multiple, held):
    return up_to(tag, True, held)


def zero_is_none(tag, multiple, held):
    return [t for t in held if t == tag or (multiple and t < tag)]


def below(tag, multiple, held):
    return [t for t in held if (t < tag or tag == 0 if multiple else t == tag)]


ANSWERS = {
    "10.10": Answers(
        right={
            "reference": again_with(),
            "by connections": again_by_connections,
            "in another order": lambda log: dict(reversed(again_with()(log).items())),
        },
        wrong={
            "multiple is ignored": ("wrong_again", again_with(acked=one_tag)),
            "always multiple": ("wrong_again", again_with(acked=always_up_to)),
            "0 is no tag": ("wrong_again", again_with(acked=zero_is_none)),
            "up to, without it": ("wrong_again", again_with(acked=below)),
            "nothing is acknowledged": ("wrong_again", again_with(acked=lambda *_: [])),
            "tags go on": ("wrong_twice", again_with(renews=False)),
            "the end is a loss": ("wrong_again", again_with(at_end=True)),
            "the last loss only": ("wrong_again", again_with(only_last=True)),
            "all that comes again": ("wrong_twice", again_with(twice=lambda back, _: back)),
            "all that was handled": (
                "wrong_twice",
                again_with(twice=lambda _, handled: set(handled)),
            ),
            "never twice": ("wrong_twice", again_with(twice=lambda *_: set())),
            "lists": ("no_sets", as_lists),
            "nothing": ("no_sets", lambda _: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

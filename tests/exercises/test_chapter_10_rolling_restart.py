"""The grader of the lab on rolling restarts tells right answers from wrong ones."""

from collections import defaultdict

from tests.exercises.answers import Answers, ignoring, stub


def cost_with(
    replicas="in_sync",
    name=lambda one: (one["topic"], one["partition"]),
    remaining=lambda nodes, in_sync: set(in_sync) - nodes,
    offline=lambda now, then, minimum: now and not then,
    read_only=lambda now, then, minimum: now >= minimum > then > 0,
    already=lambda now, then, minimum: now < minimum,
    minimum=lambda one: one["minimum"],
):
    """An answer that gets right all but what it is told."""
    tests = {"offline": offline, "read only": read_only, "already": already}

    def cost(nodes, partitions):
        said = {part: set() for part in tests}
        for one in partitions:
            now, then = len(one[replicas]), len(remaining(nodes, one[replicas]))
            for part, test in tests.items():
                if test(now, then, minimum(one)):
                    said[part].add(name(one))
        return said

    return cost


def cost_by_comprehension(nodes, partitions):
    """Right too, and otherwise."""
    rows = [
        ((one["topic"], one["partition"]), set(one["in_sync"]), one["minimum"])
        for one in partitions
    ]
    already = {name for name, now, minimum in rows if len(now) < minimum}
    offline = {name for name, now, _ in rows if now and now <= nodes}
    refused = {name for name, now, minimum in rows if len(now - nodes) < minimum}
    return {"offline": offline, "read only": refused - already - offline, "already": already}


def cost_by_words(nodes, partitions):
    """Right too, and otherwise: a partition's words before and after, and what they make together."""

    def words(one, stopped):
        here = sum(node not in stopped for node in one["in_sync"])
        return ("read" if here else ""), ("write" if here >= one["minimum"] else "")

    said = defaultdict(set)
    for one in partitions:
        (reads, writes), after = words(one, ()), words(one, nodes)
        name = one["topic"], one["partition"]
        if not writes:
            said["already"] |= {name}
        if reads and not after[0]:
            said["offline"] |= {name}
        if writes and after == ("read", ""):
            said["read only"] |= {name}
    return {part: said[part] for part in ("already", "offline", "read only")}


def cost_and_remove(nodes, partitions):
    for one in partitions:
        one["in_sync"] = [node for node in one["in_sync"] if node not in nodes]
    return cost_with()(nodes, partitions)


def cost_as_lists(nodes, partitions):
    return {part: sorted(found) for part, found in cost_with()(nodes, partitions).items()}


def one_by_one(nodes, partitions):
    """Each node alone, and not all together."""
    said = {"offline": set(), "read only": set(), "already": set()}
    for node in nodes or {0}:
        for part, found in cost_with()({node}, partitions).items():
            said[part] |= found
    return said


def leader_only(nodes, in_sync):
    """Looks at the first replica only, as if it were the leader."""
    return set(in_sync) - ({in_sync[0]} & nodes if in_sync else set())


def at_minimum(now, then, minimum):
    return now >= minimum >= then > 0


def refused_or_offline(now, then, minimum):
    return now >= minimum > then


def refused_then(now, then, minimum):
    return 0 < then < minimum


ANSWERS = {
    "10.4": Answers(
        right={
            "reference": cost_with(),
            "by comprehension": cost_by_comprehension,
            "words": cost_by_words,
        },
        wrong={
            "topics in lower case": (
                "no_such_partition",
                cost_with(name=lambda one: (one["topic"].lower(), one["partition"])),
            ),
            "replicas for in sync": ("wrong_read_only", cost_with(replicas="replicas")),
            "one by one": ("wrong_read_only", one_by_one),
            "the leader only": ("wrong_read_only", cost_with(remaining=leader_only)),
            "at the minimum": ("wrong_read_only", cost_with(read_only=at_minimum)),
            "offline is read only": ("wrong_read_only", cost_with(read_only=refused_or_offline)),
            "already is read only": ("wrong_read_only", cost_with(read_only=refused_then)),
            "a minimum of two": ("wrong_already", cost_with(minimum=lambda one: 2)),
            "at the minimum is already": (
                "wrong_already",
                cost_with(already=lambda now, then, minimum: now <= minimum),
            ),
            "then is already": (
                "wrong_already",
                cost_with(already=lambda now, then, minimum: then < minimum),
            ),
            "nothing to lose is offline": (
                "wrong_offline",
                cost_with(offline=lambda now, then, minimum: not then),
            ),
            "already can't be offline": (
                "wrong_offline",
                cost_with(offline=lambda now, then, minimum: now >= minimum and not then),
            ),
            "topics only": ("no_such_partition", cost_with(name=lambda one: one["topic"])),
            "as text": (
                "no_such_partition",
                cost_with(name=lambda one: f"{one['topic']}-{one['partition']}"),
            ),
            "the first partition": (
                "wrong_read_only",
                lambda nodes, partitions: cost_with()(nodes, partitions[:1]),
            ),
            "lists": ("no_set", cost_as_lists),
            "changes its argument": ("changed", cost_and_remove),
            "nothing": ("no_cost", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

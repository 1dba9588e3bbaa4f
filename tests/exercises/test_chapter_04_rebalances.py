"""The grader of the lab on rebalances tells right answers from wrong ones."""

from tests.exercises.answers import Answers, ignoring, stub


def deal_with(gone=True, new=True, most_first=True, fair=True, copies=True, idle=True):
    """An answer that gets right what it is told to."""

    def deal(partitions, owned):
        shares = owned if not copies else {name: list(had) for name, had in owned.items()}
        if gone:
            for name in shares:
                shares[name] = [number for number in shares[name] if number in partitions]
        taken = {number for share in shares.values() for number in share}
        free = [number for number in partitions if number not in taken] if new else []
        least, extra = divmod(len(partitions), len(shares))
        order = sorted(shares, key=lambda name: -len(shares[name])) if most_first else list(shares)
        quota = {name: least + (place < extra) for place, name in enumerate(order)}
        for name in shares if fair else ():
            free += shares[name][quota[name] :]
            shares[name] = shares[name][: quota[name]]
        for name in shares:
            while free and (len(shares[name]) < quota[name] or not fair):
                shares[name].append(free.pop())
        return {name: share for name, share in shares.items() if share or idle}

    return deal


def deal_in_turn(partitions, owned):
    names = list(owned)
    return {name: partitions[place :: len(names)] for place, name in enumerate(names)}


def deal_step_by_step(partitions, owned):
    """Right too, and otherwise: from the largest share to the smallest, until that is fair."""
    shares = {name: sorted(set(had) & set(partitions)) for name, had in owned.items()}

    def size(name):
        return len(shares[name])

    for number in set(partitions) - set().union(*shares.values()):
        shares[min(shares, key=size)].append(number)
    while size(most := max(shares, key=size)) - size(fewest := min(shares, key=size)) > 1:
        shares[fewest].append(shares[most].pop(0))
    return shares


def deal_by_quota(partitions, owned):
    """Right too: in the order of what each has."""
    left, rest, shares = list(partitions), [], {}
    most_first = sorted(owned, key=lambda name: -len(set(owned[name]) & set(partitions)))
    for place, name in enumerate(most_first):
        quota = len(partitions) // len(owned) + (place < len(partitions) % len(owned))
        shares[name] = [number for number in owned[name] if number in left][:quota]
        left = [number for number in left if number not in shares[name]]
        rest.append((name, quota))
    for name, quota in rest:
        while len(shares[name]) < quota:
            shares[name].append(left.pop(0))
    return shares


ANSWERS = {
    "4.7": Answers(
        right={
            "reference": deal_with(),
            "step by step": deal_step_by_step,
            "by quota": deal_by_quota,
        },
        wrong={
            "in turn": ("moved_in_vain", deal_in_turn),
            "one more to the first": ("moved_in_vain", deal_with(most_first=False)),
            "only what is free": ("unfair", deal_with(fair=False)),
            "not what is new": ("owners", deal_with(new=False)),
            "what is gone": ("owners", deal_with(gone=False)),
            "changes its argument": ("changed", deal_with(copies=False)),
            "idle left out": ("wrong_members", deal_with(idle=False)),
            "as it was": ("unfair", lambda partitions, owned: owned),
            "nothing": ("no_shares", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

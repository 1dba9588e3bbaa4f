"""The grader of the lab on capacity tells right answers from wrong ones."""

import math
from collections import Counter
from fractions import Fraction
from itertools import groupby

from tests.exercises.answers import Answers, ignoring, stub


def needed(first=1, beyond=1, least=None, share=max, limit=1.0, strict=False, none=None):
    """An answer that gets right what it is told to."""

    def partitions_needed(orders, rate, worker, busy, most, place):
        total = sum(orders.values())
        for partitions in range(least(rate, worker, busy) if least else first, most + beyond):
            work = Counter()
            for customer, number in orders.items():
                work[place(customer, partitions)] += number
            found, allowed = share(work.values()) * rate, busy * worker * total * limit
            if found < allowed or (found == allowed and not strict):
                return partitions
        return none(most) if none else None

    return partitions_needed


def needed_by_shares(orders, rate, worker, busy, most, place):
    total = sum(orders.values())
    for partitions in range(1, most + 1):
        shares = Counter()
        for customer, number in orders.items():
            shares[place(customer, partitions)] += number / total
        if max(shares.values()) * rate / worker <= busy:
            return partitions
    return None


def by_formula(orders, rate, worker, busy, most, place):
    return math.ceil(rate / (worker * busy))


def by_formula_within(orders, rate, worker, busy, most, place):
    wanted = by_formula(orders, rate, worker, busy, most, place)
    return wanted if wanted <= most else None


def by_biggest_customer(orders, rate, worker, busy, most, place):
    """None for a customer who is too big; else the formula."""
    if max(orders.values()) / sum(orders.values()) * rate > busy * worker:
        return None
    return by_formula_within(orders, rate, worker, busy, most, place)


def counting_customers(orders, rate, worker, busy, most, place):
    return needed()(dict.fromkeys(orders, 1), rate, worker, busy, most, place)


def without_headroom(orders, rate, worker, busy, most, place):
    return needed()(orders, rate, worker, 1, most, place)


def by_halves(orders, rate, worker, busy, most, place):
    """As if more were always better."""
    low, high = 1, most + 1
    while low < high:
        middle = (low + high) // 2
        enough = needed(first=middle, beyond=1 - (most - middle))
        if enough(orders, rate, worker, busy, most, place) == middle:
            high = middle
        else:
            low = middle + 1
    return low if low <= most else None


def by_doubling(orders, rate, worker, busy, most, place):
    partitions = 1
    while partitions <= most:
        enough = needed(first=partitions, beyond=1 - (most - partitions))
        if enough(orders, rate, worker, busy, most, place):
            return partitions
        partitions *= 2
    return None


def changing(orders, rate, worker, busy, most, place):
    said = needed()(orders, rate, worker, busy, most, place)
    orders.clear()
    return said


def mean(numbers):
    return sum(numbers) / len(numbers)


def needed_by_groups(orders, rate, worker, busy, most, place):
    """Right too, and otherwise: customers by their partition, and fractions."""
    share = Fraction(worker) * Fraction(busy) / Fraction(rate) * sum(orders.values())

    def is_enough(partitions):
        def where(customer):
            return place(customer, partitions)

        groups = groupby(sorted(orders, key=where), key=where)
        return all(sum(orders[one] for one in customers) <= share for _, customers in groups)

    return next(filter(is_enough, range(1, most + 1)), None)


def start_at_formula(rate, worker, busy):
    return max(1, math.ceil(rate / (worker * busy)))


ANSWERS = {
    "10.7": Answers(
        right={
            "reference": needed(),
            "from the formula on": needed(least=start_at_formula),
            "by groups": needed_by_groups,
            "in fractions": needed_by_shares,
        },
        wrong={
            "stub": ("not_attempted", stub),
            "for ever": ("no_deadline", ignoring()),
            "text": ("no_number", lambda *_: "4"),
            "nothing": ("given_up", lambda *_: None),
            "true": ("no_number", lambda *_: True),
            "formula": ("too_few", by_formula),
            "formula within": ("too_few", by_formula_within),
            "formula and biggest": ("too_few", by_biggest_customer),
            "customers alike": ("too_few", counting_customers),
            "no headroom": ("too_few", without_headroom),
            "on average": ("too_few", needed(share=mean)),
            "by halves": ("too_many", by_halves),
            "powers of two": ("too_many", by_doubling),
            "one too few tried": ("given_up", needed(beyond=0)),
            "one more tried": ("out_of_range", needed(beyond=1, none=lambda most: most + 1)),
            "the greatest": ("too_few", needed(none=lambda most: most)),
            "less than the limit": ("too_many", needed(strict=True)),
            "not one": ("too_many", needed(first=2)),
            "changed": ("changed", changing),
        },
    )
}


def test_answers(case):
    case.judge()

"""Grader of the lab on lost records: the books of an experiment."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from random import Random

from .answers import Wrong, ask
from .grading import grader

Answers = dict[int, bool | None]
Books = Mapping[str, set[int]]
PARTS = ("lost", "twice", "arrived", "missing", "strange")


@grader("4.5")
def settles(settle: Callable[[Answers, list[int]], Books], data: Random) -> str:
    """Small books, one thing in each, and large ones with everything in them."""
    for answers, found in _experiments(data):
        _check(settle, answers, found)
    return "lost, twice, arrived, missing and strange are told apart."


def _experiments(data: Random) -> list[tuple[Answers, list[int]]]:
    a, b, c = data.sample(range(1, 10**6), 3)
    experiments: list[tuple[Answers, list[int]]] = [
        ({}, []),
        ({a: True}, [a]),
        ({a: True, b: True}, [b]),
        ({a: True, b: True}, [a, b, a]),
        ({a: None, b: None}, [b]),
        ({a: None}, [a, a]),  # arrived, and twice
        ({a: False, b: False}, [a]),
        ({a: False}, [a, a, a]),
        ({a: True}, [a, b]),
        ({}, [c, c]),
        ({0: True, 1: None, 2: False}, []),
        ({0: None, 1: True}, [1, 0]),
    ]
    for _ in range(10):
        orders = data.sample(range(10**4), 60)
        answers = {order: data.choice([True, True, False, None]) for order in orders[:50]}
        experiments.append((answers, data.choices(orders, k=data.randint(1, 90))))
    return experiments


def _check(
    settle: Callable[[Answers, list[int]], Books], answers: Answers, found: list[int]
) -> None:
    given, there = copy.copy(answers), list(found)
    said = ask(settle, given, there)
    case = f"settle({answers}, {found})" if len(answers) < 5 else "with 50 orders, settle"
    if given != answers or there != found:
        raise Wrong("changed", f"{case} changed what it was given.", "make sets of your own.")
    if not isinstance(said, dict) or set(said) != set(PARTS):
        raise Wrong(
            "no_books", f"{case} returned {said!r:.80}.", f"return a dictionary of {PARTS}."
        )
    for part, expected in _books(answers, found).items():
        if not isinstance(said[part], set):
            raise Wrong(
                "no_set", f"{case}: {part} is {said[part]!r:.60}.", "each part is a set of orders."
            )
        if wrong := sorted(said[part] ^ expected):
            order = wrong[0]
            words = {True: "acknowledged", False: "refused", None: "without an answer"}
            word = words[answers[order]] if order in answers else "never sent"
            raise Wrong(
                f"wrong_{part}",
                f"{case}: order {order} was {word}, is there "
                f"{found.count(order)} times, and {'is' if order in said[part] else 'is not'} "
                f"in {part!r}.",
                "read the five descriptions again; an order may be in two of the sets.",
            )


def _books(answers: Answers, found: list[int]) -> dict[str, set[int]]:
    books: dict[str, set[int]] = {part: set() for part in PARTS}
    for order in {*answers, *found}:
        times, answer = found.count(order), answers.get(order, False)
        if times > 1:
            books["twice"].add(order)
        if answer is None:
            books["arrived" if times else "missing"].add(order)
        elif answer and not times:
            books["lost"].add(order)
        elif times and not answer:
            books["strange"].add(order)
    return books

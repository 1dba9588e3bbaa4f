"""The grader of the lab on lost records tells right answers from wrong ones."""

from collections import Counter, defaultdict

from tests.exercises.answers import Answers, ignoring, stub


def settle_with(**changed):
    """An answer that gets right all parts but those that it is told."""

    def settle(answers, found):
        there = set(found)
        unknown = {order for order, answer in answers.items() if answer is None}
        acknowledged = {order for order, answer in answers.items() if answer is True}
        books = {
            "lost": acknowledged - there,
            "twice": {order for order in there if found.count(order) > 1},
            "arrived": unknown & there,
            "missing": unknown - there,
            "strange": there - acknowledged - unknown,
        }
        return books | {part: make(answers, found) for part, make in changed.items()}

    return settle


def settle_by_counting(answers, found):
    """Right too, and otherwise."""
    times = Counter(found)
    books = {part: set() for part in ("lost", "twice", "arrived", "missing", "strange")}
    for order, answer in answers.items():
        if answer is None:
            books["arrived" if times[order] else "missing"].add(order)
        elif answer and not times[order]:
            books["lost"].add(order)
        elif times[order] and not answer:
            books["strange"].add(order)
    books["twice"] |= {order for order, number in times.items() if number > 1}
    books["strange"] |= set(times) - set(answers)
    return books


def settle_case_by_case(answers, found):
    """Right too, and otherwise: each order that anybody knows of, and what is said of it."""
    books = defaultdict(set)
    for order in {*answers, *found}:
        times = sum(other == order for other in found)
        match answers.get(order, "never sent"), times:
            case True, 0:
                books["lost"].add(order)
            case None, 0:
                books["missing"].add(order)
            case None, _:
                books["arrived"].add(order)
            case False | "never sent", number if number:
                books["strange"].add(order)
        if times >= 2:
            books["twice"].add(order)
    return {part: books[part] for part in ("lost", "twice", "arrived", "missing", "strange")}


def settle_and_empty(answers, found):
    said = settle_with()(answers, found)
    found.clear()
    return said


def as_lists(answers, found):
    return {part: list(orders) for part, orders in settle_with()(answers, found).items()}


def as_numbers(answers, found):
    return {part: len(orders) for part, orders in settle_with()(answers, found).items()}


def lost_if_falsy(answers, found):
    return {order for order, answer in answers.items() if not answer} - set(found)


def unanswered_too(answers, found):
    return {order for order, answer in answers.items() if answer is not False} - set(found)


def falsy_and_there(answers, found):
    return {order for order, answer in answers.items() if not answer} & set(found)


def falsy_and_missing(answers, found):
    return {order for order, answer in answers.items() if not answer} - set(found)


def twice_if_acknowledged(answers, found):
    return {order for order, answer in answers.items() if answer and found.count(order) > 1}


def exactly_two(answers, found):
    return {order for order in found if found.count(order) == 2}


def refused_and_there(answers, found):
    return {order for order, answer in answers.items() if answer is False} & set(found)


def never_sent(answers, found):
    return set(found) - set(answers)


ANSWERS = {
    "4.5": Answers(
        right={
            "reference": settle_with(),
            "by counting": settle_by_counting,
            "case by case": settle_case_by_case,
        },
        wrong={
            "refused is lost": ("wrong_lost", settle_with(lost=lost_if_falsy)),
            "unanswered is lost": ("wrong_lost", settle_with(lost=unanswered_too)),
            "refused is unknown": ("wrong_missing", settle_with(missing=falsy_and_missing)),
            "refused has arrived": ("wrong_arrived", settle_with(arrived=falsy_and_there)),
            "twice if acknowledged": ("wrong_twice", settle_with(twice=twice_if_acknowledged)),
            "three times": ("wrong_twice", settle_with(twice=exactly_two)),
            "never sent forgotten": ("wrong_strange", settle_with(strange=refused_and_there)),
            "refused forgotten": ("wrong_strange", settle_with(strange=never_sent)),
            "lists": ("no_set", as_lists),
            "numbers": ("no_set", as_numbers),
            "empties its argument": ("changed", settle_and_empty),
            "nothing": ("no_books", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

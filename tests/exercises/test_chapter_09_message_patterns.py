"""The graders of chapter 9 tell right answers from wrong ones."""

import heapq
from bisect import bisect_left
from itertools import count, takewhile
from operator import itemgetter

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


# -- 9.1 -------------------------------------------------------------------------------------------


def resequence_with(
    late=False, limit=True, lowest=min, end=True, copies=False, more=0, passes=False
):
    """An answer that gets right what it is told to."""

    def resequence(arrivals, room):
        waiting, due, taken = {}, 1, 0
        for number, order in arrivals:
            if number < due and passes:
                yield number, order
            if number >= due or late:
                waiting[number] = order
                taken += 1
            if due not in waiting and limit and (taken if copies else len(waiting)) > room + more:
                due = lowest(waiting)
            while due in waiting:
                yield due, waiting.pop(due)
                due, taken = due + 1, taken - 1
        if end:
            yield from sorted(waiting.items())

    return resequence


def by_its_order(arrivals, room):
    """What has the same text is taken for the same pair."""
    seen = set()
    for number, order in resequence_with()(arrivals, room):
        if order not in seen:
            seen.add(order)
            yield number, order


def by_heap(arrivals, room):
    heap, due = [], 1
    for pair in arrivals:
        if pair[0] >= due and pair not in heap:
            heapq.heappush(heap, pair)
        if len(heap) > room and heap[0][0] != due:
            due = heap[0][0]
        while heap and heap[0][0] == due:
            yield heapq.heappop(heap)
            due += 1
    while heap:
        yield heapq.heappop(heap)


def by_a_shelf(arrivals, room):
    """Right too, and otherwise: a sorted list, whose first pair is looked at."""
    shelf, due = [], 1
    for pair in arrivals:
        at = bisect_left(shelf, pair[0], key=itemgetter(0))
        known = at < len(shelf) and shelf[at][0] == pair[0]
        if known or pair[0] < due:
            continue
        shelf.insert(at, pair)
        if len(shelf) > room:
            due = shelf[0][0]
        ready = list(
            takewhile(lambda numbered: numbered[0] == numbered[1][0], zip(count(due), shelf))
        )
        for _, next_pair in ready:
            shelf.remove(next_pair)
            due += 1
            yield next_pair
    yield from shelf


def all_sorted(arrivals, room):
    yield from sorted(set(arrivals))


def as_they_come(arrivals, room):
    yield from arrivals


def only_numbers(arrivals, room):
    for number, _ in resequence_with()(arrivals, room):
        yield number


def a_list(arrivals, room):
    return list(resequence_with()(arrivals, room))


def next_number(waiting):
    return min(waiting) - 1


# -- 9.2 -------------------------------------------------------------------------------------------


def add_with(
    once=True, late=True, tidy=True, of=None, cents=False, commits=False, counts="count(*)",
    name=lambda order: order, same_order="order_id = ?", costs=False,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def add(database, line):
        own = name(line["order"])
        order, row = [own], [own, line["line"], line["cents"]]
        through = f"SELECT 1 FROM complete WHERE {same_order}"
        if late and database.execute(through, order).fetchone():
            return
        same = "SELECT 1 FROM lines WHERE order_id = ? AND line = ?"
        same += " AND cents = ?" if cents else " AND ? IS NOT NULL"
        if once and database.execute(same, row).fetchone():
            return
        database.execute("INSERT INTO lines VALUES (?, ?, ?)", row)
        if commits:
            database.commit()
        total = f"SELECT {counts}, sum(cents) FROM lines WHERE order_id = ?"
        number, paid = database.execute(total, order).fetchone()
        if number == (of or line["of"]) and (paid or not costs):
            if commits and tidy:
                database.execute("DELETE FROM lines WHERE order_id = ?", order)
                database.commit()
            database.execute("INSERT INTO complete VALUES (?, ?)", [*order, paid])
            if tidy:
                database.execute("DELETE FROM lines WHERE order_id = ?", order)

    return add


def add_by_python(database, line):
    done = {name for (name,) in database.execute("SELECT order_id FROM complete")}
    if line["order"] in done:
        return
    had = dict(
        database.execute("SELECT line, cents FROM lines WHERE order_id = ?", [line["order"]])
    )
    new = had | {line["line"]: line["cents"]}
    if len(new) == line["of"]:
        database.execute("DELETE FROM lines WHERE order_id = ?", [line["order"]])
        database.execute("INSERT INTO complete VALUES (?, ?)", [line["order"], sum(new.values())])
    elif len(new) > len(had):
        row = line["order"], line["line"], line["cents"]
        database.execute("INSERT INTO lines VALUES (?, ?, ?)", row)


def add_in_sql(database, line):
    """Right too, and otherwise: three statements, and each says itself whether it is its turn."""
    database.execute(
        """
        INSERT INTO lines SELECT :order, :line, :cents
        WHERE NOT EXISTS (SELECT * FROM complete WHERE order_id = :order)
        AND NOT EXISTS (SELECT * FROM lines WHERE (order_id, line) = (:order, :line))
        """,
        line,
    )
    database.execute(
        """
        INSERT INTO complete SELECT order_id, sum(cents) FROM lines
        WHERE order_id = :order GROUP BY order_id HAVING count(*) >= :of
        """,
        line,
    )
    database.execute("DELETE FROM lines WHERE order_id IN (SELECT order_id FROM complete)")


def add_and_commit(database, line):
    add_with()(database, line)
    database.commit()


MEMORY = {}


def add_in_memory(database, line):
    order = MEMORY.setdefault((id(MEMORY), line["order"]), {})
    before = len(order)
    order[line["line"]] = line["cents"]
    if before < len(order) == line["of"]:
        row = [line["order"], sum(order.values())]
        database.execute("INSERT INTO complete VALUES (?, ?)", row)


ANSWERS = {
    "9.1": Answers(
        right={
            "reference": resequence_with(),
            "heap": by_heap,
            "a shelf": by_a_shelf,
        },
        wrong={
            "as they come": ("wrong_order", as_they_come),
            "one text, one pair": ("kept_too_long", by_its_order),
            "sorted at the end": ("kept_too_long", all_sorted),
            "a list": ("kept_too_long", a_list),
            "no limit": ("kept_too_long", resequence_with(limit=False)),
            "one more": ("kept_too_long", resequence_with(more=1)),
            "one less": ("gave_up_early", resequence_with(more=-1)),
            "copies take room": ("gave_up_early", resequence_with(copies=True)),
            "late ones wait": ("wrong_order", resequence_with(late=True)),
            "late ones pass": ("wrong_order", resequence_with(passes=True)),
            "drops the end": ("lost", resequence_with(end=False)),
            "only numbers": ("wrong_pair", only_numbers),
            "nothing": ("kept_too_long", lambda arrivals, room: iter(list(arrivals)[:0])),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
    "9.2": Answers(
        right={
            "reference": add_with(),
            "python": add_by_python,
            "in SQL": add_in_sql,
        },
        wrong={
            "in memory": ("lost", add_in_memory),
            "counts repeats": ("invented", add_with(once=False)),
            "opens again": ("doubled", add_with(late=False)),
            "keeps the lines": ("left_behind", add_with(tidy=False)),
            "three lines": ("lost", add_with(of=3)),
            "distinct cents": ("lost", add_with(counts="count(DISTINCT cents)")),
            "commits": ("lost", add_with(commits=True)),
            "commits, and nothing is lost": ("committed", add_and_commit),
            "names without blanks": ("lost", add_with(name=str.strip)),
            "names in lower case": ("lost", add_with(name=str.lower)),
            "names that are alike": ("lost", add_with(same_order="order_id LIKE ?")),
            "no sum, no order": ("lost", add_with(costs=True)),
            "nothing": ("lost", lambda database, line: None),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()

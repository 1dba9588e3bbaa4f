"""The grader of the lab on stream processing tells right answers from wrong ones."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def count_with(table=True, place=True, per_item=True, once=True, later=0, name=str):
    """An answer that gets right what it is told to."""

    def count(orders, totals, send):
        last = {record.key: record.value for record in totals} if table else {}
        furthest = max((value["offset"] for value in last.values()), default=-1)
        for order in orders:
            numbers = Counter(map(name, order.value.split()))
            for item, number in numbers.items():
                had = last.get(item, {"total": 0, "offset": -1})
                done = had["offset"] if per_item else furthest
                if place and order.offset <= done + later:
                    continue
                for part in [number] if once else [1] * number:
                    had = {"total": had["total"] + part, "offset": order.offset}
                    last[item] = had
                    send(item, had)

    return count


def count_by_the_tail(orders, totals, send):
    """Right too: how far the last life was stands at the end of the topic."""
    table = {record.key: record.value["total"] for record in totals}
    at = totals[-1].value["at"] if totals else -1
    told = {record.key for record in totals if record.value["at"] == at}
    for order in orders:
        if order.offset < at:
            continue
        for item in sorted(set(order.value.split())):
            if order.offset == at and item in told:
                continue
            table[item] = table.get(item, 0) + order.value.split().count(item)
            send(item, {"total": table[item], "at": order.offset})


def count_with_everything(orders, totals, send):
    """Right too: each record holds the whole state."""
    state = totals[-1].value["state"] if totals else {}
    for order in orders:
        for item in dict.fromkeys(order.value.split()):
            number, done = state.get(item, [0, -1])
            if done < order.offset:
                state[item] = [number + order.value.split().count(item), order.offset]
                send(item, {"total": state[item][0], "state": state})


def count_anew(orders, totals, send):
    """All orders from the beginning, and what was sent already left out."""
    sold, steps = Counter(), []
    for order in orders:
        sold.update(order.value.split())
        steps += [(item, sold[item]) for item in dict.fromkeys(order.value.split())]
    for item, total in steps[len(totals) :]:
        send(item, {"total": total})


def count_by_place_in_list(orders, totals, send):
    last = {record.key: record.value for record in totals}
    for place, order in enumerate(orders):
        for item, number in Counter(order.value.split()).items():
            had = last.get(item, {"total": 0, "place": -1})
            if place > had["place"]:
                last[item] = {"total": had["total"] + number, "place": place}
                send(item, last[item])


def count_with_a_note(early):
    """The place in a record of its own: two writes."""

    def count(orders, totals, send):
        last = {record.key: record.value for record in totals}
        for order in orders:
            if order.offset > last.get("place", {"total": -1})["total"]:
                if early:
                    send("place", {"total": order.offset})
                for item, number in Counter(order.value.split()).items():
                    last[item] = {"total": last.get(item, {"total": 0})["total"] + number}
                    send(item, last[item])
                send("place", {"total": order.offset})

    return count


def count_with_a_file(early):
    """The place in a file, noted before or after each total."""
    file = Path(tempfile.mkdtemp(), "place.json")

    def count(orders, totals, send):
        noted = json.loads(file.read_text()) if file.exists() else []
        last = {record.key: record.value["total"] for record in totals}
        for order in orders:
            for item, number in Counter(order.value.split()).items():
                if [order.offset, item] in noted:
                    continue
                last[item] = last.get(item, 0) + number
                noted.append([order.offset, item])
                if early:
                    file.write_text(json.dumps(noted))
                send(item, {"total": last[item]})
                file.write_text(json.dumps(noted))

    return count


def count_at_the_end(orders, totals, send):
    last = {record.key: record.value for record in totals}
    changed = {}
    for order in orders:
        for item, number in Counter(order.value.split()).items():
            had = last.get(item, {"total": 0, "offset": -1})
            if order.offset > had["offset"]:
                last[item] = {"total": had["total"] + number, "offset": order.offset}
                changed[item] = last[item]
    for item, value in changed.items():
        send(item, value)


ANSWERS = {
    "4.9": Answers(
        right={
            "reference": count_with(),
            "by the tail": count_by_the_tail,
            "everything in each": count_with_everything,
        },
        wrong={
            "starts at zero": ("forgotten", count_with(table=False)),
            "no place": ("doubled", count_with(place=False)),
            "the place of all items": ("lost", count_with(per_item=False)),
            "an order back": ("doubled", count_with(later=-1)),
            "an order ahead": ("lost", count_with(later=1)),
            "one record each": ("lost", count_with(once=False)),
            "only the last totals": ("wrong_steps", count_at_the_end),
            "anew from the first": ("lost", count_anew),
            "place in the list": ("lost", count_by_place_in_list),
            "a note after": ("doubled", count_with_a_note(early=False)),
            "a note before": ("unknown_item", count_with_a_note(early=True)),
            "noted before": ("lost", count_with_a_file(early=True)),
            "noted after": ("doubled", count_with_a_file(early=False)),
            "lower case": ("doubled", count_with(name=str.lower)),
            "commas cut off": ("doubled", count_with(name=lambda item: item.strip(","))),
            "no total": ("no_total", lambda orders, totals, send: [send("tea", 1) for _ in orders]),
            "nothing": ("lost", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

"""The grader of the lab on windows tells right answers from wrong ones."""

from tests.exercises.answers import Answers, ignoring, stub


def count_with(
    behind=lambda delay: delay,
    reached=lambda end, mark: end <= mark,
    hour=lambda minute: minute // 60,
    late_counts=False,
    late_after=False,
    latest_of=max,
    most=None,
    key=str,
    first=int,
    tell=int,
    leaves=True,
    backwards=False,
):
    """An answer that gets right what it is told to."""

    def count(state, order, delay):
        before, hours = state.get("latest", 0), dict(state.get("open", {}))
        latest = latest_of(before, order.minute)
        mark = (latest if late_after else before) - behind(delay)
        end = lambda name: 60 * (int(name) + 1)  # noqa: E731
        name = key(hour(order.minute))
        late = reached(end(name), mark)
        if not late or late_counts:
            hours[name] = hours.get(name, 0) + 1
        over = sorted((h for h in hours if reached(end(h), latest - behind(delay))), key=first)
        told = [(tell(h), hours[h]) for h in over][:most]
        if leaves:
            hours = {h: number for h, number in hours.items() if h not in over[:most]}
        return {"latest": latest, "open": hours}, told[::-1] if backwards else told, late

    return count


def count_with_all_orders(state, order, delay):
    """Right, but for a state that has every order of the past."""
    minutes = state.get("minutes", [])
    mark = max(minutes, default=0) - delay
    late = (order.minute // 60 + 1) * 60 <= mark
    now = max([*minutes, order.minute]) - delay
    kept = minutes if late else [*minutes, order.minute]
    ends = sorted({m // 60 for m in kept if mark < (m // 60 + 1) * 60 <= now})
    told = [(h, sum(m // 60 == h for m in kept)) for h in ends]
    return {"minutes": kept}, told, late


def count_open_orders(state, order, delay):
    """Right too: the state has the open orders, and no numbers."""
    mark, late = state.get("mark", -delay), False
    minutes = state.get("minutes", [])
    if (order.minute // 60 + 1) * 60 <= mark:
        late = True
    else:
        minutes = [*minutes, order.minute]
    mark = max(mark, order.minute - delay)
    over = [m // 60 for m in minutes if (m // 60 + 1) * 60 <= mark]
    told = [[h, over.count(h)] for h in sorted(set(over))]
    return {"mark": mark, "minutes": [m for m in minutes if m // 60 not in over]}, told, late


def count_what_was_told(state, order, delay):
    """Late is what belongs to an hour that was told, and to no other."""
    told = set(state.get("told", []))
    late = order.minute // 60 in told
    rest = {name: value for name, value in state.items() if name != "told"}
    new, closed, _ = count_with()(rest, order, delay)
    return {**new, "told": sorted(told | {h for h, _ in closed})}, closed, late


def remembering():
    """The hours in a variable, the watermark in the state."""
    hours = {}

    def count(state, order, delay):
        if not state:
            hours.clear()
        new, closed, late = count_with()({**state, "open": dict(hours)}, order, delay)
        hours.clear()
        hours.update(new["open"])
        return {"latest": new["latest"]}, closed, late

    return count


def count_in_a_set(state, order, delay):
    return {"hours": {order.minute // 60}}, [], False


ANSWERS = {
    "4.15": Answers(
        right={
            "reference": count_with(),
            "open orders": count_open_orders,
            "late or not, by the order's own watermark": count_with(late_after=True),
        },
        wrong={
            "no delay": ("too_early", count_with(behind=lambda delay: 0)),
            "twice the delay": ("not_told", count_with(behind=lambda delay: 2 * delay)),
            "after the end": ("not_told", count_with(reached=lambda end, mark: end < mark)),
            "a minute early": ("too_early", count_with(reached=lambda end, mark: end - 1 <= mark)),
            "late ones too": ("told_twice", count_with(late_counts=True)),
            "the last order's time": (
                "counted_late",
                count_with(latest_of=lambda _, minute: minute),
            ),
            "one at a time": ("not_told", count_with(most=1)),
            "numbers as keys": ("wrong_number", count_with(key=int)),
            "nothing leaves": ("told_twice", count_with(leaves=False)),
            "the latest hour first": ("wrong_order", count_with(backwards=True)),
            "in the order of texts": ("wrong_order", count_with(first=str)),
            "as they came": ("wrong_order", count_with(first=lambda _: 0)),
            "hours as texts": ("no_numbers", count_with(tell=str)),
            "hours of a day": ("called_late", count_with(hour=lambda minute: minute // 60 % 24)),
            "what was told": ("counted_late", count_what_was_told),
            "all orders": ("grows", count_with_all_orders),
            "in a variable": ("not_in_state", remembering()),
            "a set": ("not_json", count_in_a_set),
            "two things": ("not_three", lambda state, order, delay: (state, [])),
            "nothing": ("not_three", lambda *_: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()

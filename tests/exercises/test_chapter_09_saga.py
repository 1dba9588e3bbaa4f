"""The grader of the lab on sagas tells right answers from wrong ones."""

from __future__ import annotations

from contextlib import ExitStack

from tests.exercises.answers import Answers, ignoring, stub

FAILED = (ValueError, TimeoutError)


def read(database, order):
    found = database.execute("SELECT state FROM sagas WHERE order_id = ?", [order]).fetchone()
    return found[0] if found else "there"


def write(database, order, state):
    database.execute("INSERT OR REPLACE INTO sagas VALUES (?, ?)", [order, state])
    database.commit()


def undo_until_done(step, order):
    while True:
        try:
            return step.undo(order)
        except TimeoutError:
            continue


def undo_at_most(times):
    def undo(step, order):
        for _ in range(times):
            try:
                return step.undo(order)
            except TimeoutError:
                continue
        return None

    return undo


def carry_out_with(
    undo=undo_until_done,
    turn=write,  # before the way back
    end=write,
    which=lambda steps, failed: steps,  # to undo
    backwards=reversed,
    failing=FAILED,
    read=read,
    results=("done", "undone"),
):
    """Right, but for what it is told."""

    def carry_out(database, order, steps):
        state = read(database, order)
        if state in results:
            return state
        failed = len(steps)
        if state == "there":
            try:
                for number, step in enumerate(steps):
                    failed = number
                    step.do(order)
                end(database, order, results[0])
                return results[0]
            except failing:
                turn(database, order, "back")
        for step in backwards(list(which(steps, failed))):
            undo(step, order)
        end(database, order, results[1])
        return results[1]

    return carry_out


def carry_out_by_a_log(database, order, steps):
    """Right too, and otherwise: each step forward is noted, before it is asked."""
    state = read(database, order)
    way, _, number = state.partition(" ")
    if way in ("done", "undone"):
        return way
    number = int(number or 0)
    while way == "there" and number < len(steps):
        write(database, order, f"there {number}")
        try:
            steps[number].do(order)
            number += 1
        except FAILED:
            way = "back"
            write(database, order, f"back {number}")
    if way == "there":
        write(database, order, "done")
        return "done"
    while number >= 0:
        undo_until_done(steps[number], order)
        number -= 1
        write(database, order, f"back {number}")
    write(database, order, "undone")
    return "undone"


def carry_out_by_a_stack(database, order, steps):
    """Right too, and otherwise: a stack of what is to be undone, which the language unwinds."""
    database.isolation_level = None

    def note(state):
        database.execute("UPDATE sagas SET state = ? WHERE order_id = ?", [state, order])

    database.execute("INSERT OR IGNORE INTO sagas VALUES (?, 'going')", [order])
    [(state,)] = database.execute("SELECT state FROM sagas WHERE order_id = ?", [order])
    if state in ("done", "undone"):
        return state
    with ExitStack() as back:
        for step in steps:
            back.callback(undo_until_done, step, order)
            try:
                if state == "going":
                    step.do(order)
            except FAILED:
                state = "back"
                note(state)
        if state == "going":
            back.pop_all()
    ended = "done" if state == "going" else "undone"
    note(ended)
    return ended


def nothing(*_):
    return None


def carry_out_in_memory(database, order, steps, ended={}):  # noqa: B006 (what a learner might write)
    if order not in ended:
        ended[order] = carry_out_with(turn=nothing, end=nothing)(database, order, steps)
    return ended[order]


def without_commit(database, order, state):
    database.execute("INSERT OR REPLACE INTO sagas VALUES (?, ?)", [order, state])


def insert_only(database, order, state):
    database.execute("INSERT OR IGNORE INTO sagas VALUES (?, ?)", [order, state])
    database.commit()


def any_order(database, order):
    found = database.execute("SELECT state FROM sagas").fetchone()
    return found[0] if found else "there"


def for_all(database, order, state):
    database.execute("INSERT OR IGNORE INTO sagas VALUES (?, ?)", [order, state])
    database.execute("UPDATE sagas SET state = ?", [state])
    database.commit()


def by_its_beginning(database, order):
    sql = "SELECT state FROM sagas WHERE order_id LIKE ? || '%'"
    found = database.execute(sql, [order]).fetchone()
    return found[0] if found else "there"


def note_progress_only(database, order, steps):
    """Knows how far it was, and not which way it went."""
    state = read(database, order)
    if state in ("done", "undone"):
        return state
    number = int(state) if state.isdigit() else 0
    try:
        while number < len(steps):
            steps[number].do(order)
            number += 1
            write(database, order, str(number))
    except FAILED:
        for step in reversed(steps[: number + 1]):
            undo_until_done(step, order)
        write(database, order, "undone")
        return "undone"
    write(database, order, "done")
    return "done"


def turn_afterwards(database, order, steps):
    """Undoes first, and notes it then."""
    return carry_out_with(turn=nothing)(database, order, steps)


ANSWERS = {
    "9.5": Answers(
        right={
            "reference": carry_out_with(),
            "log": carry_out_by_a_log,
            "a stack": carry_out_by_a_stack,
        },
        wrong={
            "in memory": ("not_finished", carry_out_in_memory),
            "turned, not noted": ("half_done", turn_afterwards),
            "progress only": ("half_done", note_progress_only),
            "turned, not committed": ("half_done", carry_out_with(turn=without_commit)),
            "only what answered": (
                "half_done",
                carry_out_with(which=lambda steps, failed: steps[:failed]),
            ),
            "undone forwards": ("wrong_order", carry_out_with(backwards=list)),
            "undone once": ("raised", carry_out_with(undo=lambda step, order: step.undo(order))),
            "undone three times": ("half_done", carry_out_with(undo=undo_at_most(3))),
            "undone ten times": ("half_done", carry_out_with(undo=undo_at_most(10))),
            "refusals only": ("raised", carry_out_with(failing=ValueError)),
            "end not noted": ("not_finished", carry_out_with(end=nothing)),
            "end inserted": ("not_finished", carry_out_with(end=insert_only)),
            "one saga for all": ("half_done", carry_out_with(read=any_order)),
            "noted for all": ("not_finished", carry_out_with(end=for_all)),
            "found by its beginning": ("half_done", carry_out_with(read=by_its_beginning)),
            "says nothing": ("wrong_result", lambda *given: carry_out_with()(*given) and None),
            "true and false": ("wrong_result", carry_out_with(results=("true", "false"))),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

"""The grader of the lab on the outbox tells right answers from wrong ones."""

from tests.exercises.answers import Answers, ignoring, stub

ROWS = "SELECT position, subject, event FROM outbox ORDER BY position"
DELETE = "DELETE FROM outbox WHERE position = ?"
DELETE_ALIKE = "DELETE FROM outbox WHERE position LIKE ? || '%'"


def relay_with(
    query=ROWS, when="after", stuck="wait", swallow=ConnectionError, commit=True, same=str.__eq__,
    tries=1, body=str, name=str, delete=DELETE, column=0,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def relay(database, send):
        waiting, done = set(), []
        for row in database.execute(query).fetchall():
            _, subject, event = row
            if any(same(subject, other) for other in waiting):
                continue
            if when == "before":
                with database:
                    database.execute(delete, [row[column]])
            try:
                for turn in range(tries):
                    try:
                        send(name(subject), body(event))
                        break
                    except swallow:
                        if turn == tries - 1:
                            raise
            except swallow:
                if stuck == "stop":
                    break
                if stuck == "wait":
                    waiting.add(subject)
                if stuck != "drop":
                    continue
            done.append([row[column]])
            if when == "after":
                database.execute(delete, [row[column]])
                if commit:
                    database.commit()
        if when == "end":
            with database:
                database.executemany(delete, done)

    return relay


def relay_row_by_row(database, send):
    """Right too, and otherwise: positions first, and each row when its turn has come."""
    waits = {}
    for position in [
        place for (place,) in database.execute("SELECT position FROM outbox ORDER BY 1")
    ]:
        row = database.execute("SELECT * FROM outbox WHERE position = ?", (position,)).fetchone()
        if row is None or waits.get(row[1]):
            continue
        try:
            send(row[1], row[2])
        except ConnectionError:
            waits[row[1]] = True
        if row[1] not in waits:
            database.execute(DELETE, (position,))
            database.commit()


def relay_by_subject(database, send):
    """Right too, and otherwise: the next row whose subject is free, asked for anew each time."""
    database.isolation_level = None
    stuck, last = [], 0
    while True:
        marks = ", ".join("?" * len(stuck))
        query = f"SELECT * FROM outbox WHERE position > ? AND subject NOT IN ({marks})"
        row = database.execute(f"{query} ORDER BY position LIMIT 1", [last, *stuck]).fetchone()
        if row is None:
            return
        last = row[0]
        try:
            send(*row[1:])
        except ConnectionError:
            stuck.append(row[1])
        else:
            database.execute(DELETE, [last])


def clear_the_table(database, send):
    for _, subject, event in database.execute(ROWS).fetchall():
        send(subject, event)
    with database:
        database.execute("DELETE FROM outbox")


def delete_up_to(database, send):
    """Deletes by position what it has passed, the stuck ones included."""
    stuck = set()
    for position, subject, event in database.execute(ROWS).fetchall():
        if subject in stuck:
            continue
        try:
            send(subject, event)
        except ConnectionError:
            stuck.add(subject)
        else:
            with database:
                database.execute("DELETE FROM outbox WHERE position <= ?", [position])


def delete_by_texts(database, send):
    """Two events may have one text."""
    stuck = set()
    for _, subject, event in database.execute(ROWS).fetchall():
        if subject in stuck:
            continue
        try:
            send(subject, event)
        except ConnectionError:
            stuck.add(subject)
        else:
            with database:
                query = "DELETE FROM outbox WHERE subject = ? AND event = ?"
                database.execute(query, [subject, event])


def by_text(database, send):
    """A dictionary forgets what it has under the same name."""
    rows = {row[1:]: row[0] for row in reversed(database.execute(ROWS).fetchall())}
    stuck = set()
    for (subject, event), position in sorted(rows.items(), key=lambda row: row[1]):
        if subject in stuck:
            continue
        try:
            send(subject, event)
        except ConnectionError:
            stuck.add(subject)
        else:
            with database:
                database.execute(DELETE, [position])


def until_all_are_sent(database, send):
    while database.execute("SELECT count(*) FROM outbox").fetchone()[0]:
        relay_with()(database, send)


ANSWERS = {
    "9.4": Answers(
        right={
            "reference": relay_with(),
            "one by one": relay_by_subject,
            "row by row": relay_row_by_row,
        },
        wrong={
            "by the text": ("overtaken", relay_with(query=ROWS.replace("BY position", "BY event"))),
            "positions alike": ("lost", relay_with(delete=DELETE_ALIKE)),
            "deletes by the text": (
                "lost",
                relay_with(delete="DELETE FROM outbox WHERE event = ?", column=2),
            ),
            "deletes by both texts": ("lost", delete_by_texts),
            "each text once": ("not_sent", by_text),
            "blanks cut off": (
                "not_sent",
                relay_with(same=lambda one, other: one.strip() == other.strip()),
            ),
            "subject tidied up": ("wrong_body", relay_with(name=str.strip)),
            "event tidied up": ("wrong_body", relay_with(body=str.strip)),
            "deletes first": ("lost", relay_with(when="before")),
            "deletes at the end": ("doubled", relay_with(when="end")),
            "doesn't commit": ("not_deleted", relay_with(commit=False)),
            "never deletes": ("not_deleted", relay_with(when="never")),
            "stops": ("not_sent", relay_with(stuck="stop")),
            "overtakes": ("overtaken", relay_with(stuck="go on")),
            "drops what fails": ("overtaken", relay_with(stuck="drop")),
            "a name within a name": ("not_sent", relay_with(same=str.startswith)),
            "upper or lower case": (
                "not_sent",
                relay_with(same=lambda one, other: one.lower() == other.lower()),
            ),
            "not in order": (
                "overtaken",
                relay_with(query=ROWS.partition(" ORDER")[0] + " ORDER BY subject DESC"),
            ),
            "newest first": ("overtaken", relay_with(query=f"{ROWS} DESC")),
            "only the first": ("not_sent", relay_with(query=f"{ROWS} LIMIT 1")),
            "tries three times": ("doubled", relay_with(tries=3)),
            "for ever": ("doubled", until_all_are_sent),
            "hangs": ("no_deadline", ignoring()),
            "lets the error out": ("raised", relay_with(swallow=KeyError)),
            "clears the table": ("raised", clear_the_table),
            "deletes up to": ("lost", delete_up_to),
            "tidied up": ("wrong_body", relay_with(body=str.upper)),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()

"""Chapter 8: one model decides, others answer."""

from __future__ import annotations

from .drawing import BLUE_INK, GREEN_INK, MESSAGE, OTHER, RED_INK, SMALL, WHITE, Diagram, diagram


@diagram(
    "Two models, one database",
    "The simple form: commands go to a write model, which decides; queries go to a read model. Both"
    " use one database, and the tables are changed in one transaction, so an answer is never stale.",
    height=330,
)
def cqrs_one_database(d: Diagram) -> None:
    d.person(46, 76, "ada")
    write = d.program(226, 84, "write model", width=136)
    d.arrow((70, 84), write.left)
    d.text(110, 62, "command", size=SMALL)
    d.note(226, 124, "decides", anchor="middle")
    database = d.frame(340, 16, 284, 176, "one database")
    d.database(412, 92, "orders", width=116)
    view = d.database(552, 92, "view", width=116)
    d.arrow(write.right, (database.x, 84))
    d.text(482, 162, "both in one transaction", size=SMALL, colour=GREEN_INK)
    d.person(46, 250, "bob")
    read = d.program(226, 258, "read model", width=136)
    d.arrow((70, 248), (read.x, 248))
    d.arrow((read.x, 272), (70, 272), answer=True)
    d.text(112, 228, "query", size=SMALL)
    d.text(112, 294, "answer", size=SMALL)
    d.arrow((600, view.y + view.height), (600, 258), read.right)
    d.text(440, 280, "never behind", size=SMALL, colour=GREEN_INK)


@diagram(
    "CQRS with a log between the models",
    "A command goes to the write model, which decides and stores an event; the event is published to"
    " the log. A projector follows the log and brings the view up to date. Queries ask the view,"
    " which may be a little behind.",
    height=330,
)
def cqrs_log(d: Diagram) -> None:
    d.person(46, 56, "ada")
    write = d.program(226, 56, "write model", width=136)
    d.arrow((70, 56), write.left)
    d.text(112, 36, "command", size=SMALL)
    events = d.database(423, 56, "events", width=110)
    d.arrow(write.right, events.left)
    d.frame(150, 118, 474, 84, "Kafka")
    log = d.log(270, 168, ["e", "e", "e", "e", "e"], offsets=False)
    d.arrow(events.bottom, (423, log.y - 2))
    d.note(436, 102, "published")
    projector = d.program(560, 268, "projector", width=120)
    d.arrow((log.right[0] + 4, 168), (560, 168), projector.top)
    view = d.database(330, 268, "view", width=110)
    d.arrow(projector.left, view.right)
    d.person(46, 260, "bob")
    d.arrow((70, 258), (view.x, 258))
    d.arrow((view.x, 282), (70, 282), answer=True)
    d.text(170, 238, "query", size=SMALL)
    d.text(170, 304, "a little behind", size=SMALL, colour=RED_INK)


@diagram(
    "Read your own writes",
    "Ada's receipt says that her event has offset 5. The view has projected up to offset 3, so an"
    " answer now would be too old. She waits until the view has passed offset 5, and then asks.",
    height=330,
)
def read_your_writes(d: Diagram) -> None:
    size, x = 60, 170
    d.heading(20, 30, "ada's event is at offset 5; the view is behind")
    d.log(x, 130, [""] * 6, "log", size=size, fills=[OTHER] * 4 + [MESSAGE] * 2)
    d.bookmark(x + 4 * size, 108, "the view is here")
    d.text(x + 5.5 * size, 130, "ada", size=SMALL)
    rows = (
        ("asks now", "“no such order”", RED_INK),
        ("waits for offset 5", "“placed”", GREEN_INK),
    )
    for n, (how, answer, colour) in enumerate(rows):
        y = 210 + n * 70
        reader = d.program(120, y, how, width=200, fill=WHITE)
        view = d.database(370, y, "view", width=100, height=56)
        d.arrow(reader.right, view.left)
        d.text(440, y, answer, colour=colour, anchor="start")


@diagram(
    "Rebuild a view: blue and green",
    "The blue view answers while a second projector builds the green view from the beginning of the"
    " log. When green has caught up, queries are switched over, and blue is dropped.",
    height=370,
)
def rebuild_blue_green(d: Diagram) -> None:
    log = d.log(30, 190, ["", "", "", "", ""], offsets=False, fills=[MESSAGE] * 5)
    d.text(115, 160, "log", size=SMALL)
    for y, name, note in ((82, "blue", "up to date"), (298, "green", "from the start")):
        projector = d.program(310, y, "projector", width=120)
        start = (log.x + 160, 168) if name == "blue" else (log.x + 10, 212)
        d.arrow(start, (start[0], y), projector.left)
        view = d.database(476, y, name, width=96)
        d.arrow(projector.right, view.left)
        d.text(200 if name == "blue" else 144, y - 18, note, size=SMALL, anchor="middle")
    d.program(582, 190, "page", width=84)
    d.arrow((582, 168), (582, 82), (524, 82))
    d.arrow((582, 212), (582, 298), (524, 298))
    d.step(612, 128, 1)
    d.step(612, 252, 2)
    d.text(476, 140, "1 now", size=SMALL, colour=BLUE_INK)
    d.text(470, 240, "2 when green\nhas caught up", size=SMALL, colour=GREEN_INK)

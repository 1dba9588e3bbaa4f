"""Chapter 7: events as the truth."""

from __future__ import annotations

from .drawing import (
    BLUE_INK,
    GREEN_INK,
    GREY_INK,
    MESSAGE,
    OTHER,
    RED_INK,
    SMALL,
    WHITE,
    Diagram,
    diagram,
)


@diagram(
    "An event store",
    "An event store is a table that is only appended to. Each event has a position among all events,"
    " and a version in its own stream: here the streams of two accounts.",
    height=330,
)
def event_store_append(d: Diagram) -> None:
    d.text(60, 34, "position", size=SMALL, colour=GREY_INK)
    d.text(190, 34, "stream", size=SMALL, colour=GREY_INK)
    d.text(322, 34, "version", size=SMALL, colour=GREY_INK)
    d.text(480, 34, "event", size=SMALL, colour=GREY_INK)
    rows = (
        ("acc-123", 1, "opened 100.00"),
        ("acc-456", 1, "opened 10.00"),
        ("acc-123", 2, "deposited 50.00"),
        ("acc-123", 3, "withdrawn 20.00"),
    )
    for position, (stream, version, event) in enumerate(rows, start=1):
        y = 70 + (position - 1) * 42
        fill = OTHER if stream == "acc-123" else MESSAGE
        for x, width, content in (
            (24, 72, str(position)), (96, 188, stream), (284, 76, str(version)), (360, 240, event),
        ):  # fmt: skip
            d.cells(x, y, [content], size=width, height=42, fills=[fill])
    d.cells(24, 238, [""], size=72, height=42)
    d.cells(96, 238, [""], size=188, height=42)
    d.cells(284, 238, [""], size=76, height=42)
    d.cells(360, 238, [""], size=240, height=42)
    d.text(480, 238, "append here, only here", size=SMALL, colour=BLUE_INK)
    d.text(24, 294, "one stream = one account, versions 1, 2, 3 …", size=SMALL, anchor="start")


@diagram(
    "The state is what the events add up to",
    "Replaying the events of an account, one after the other, gives its state after each: opened with"
    " 100, then 50 deposited makes 150, then 20 withdrawn makes 130.",
    height=260,
)
def fold_to_state(d: Diagram) -> None:
    d.text(20, 68, "events", size=SMALL, colour=GREY_INK, anchor="start")
    d.text(20, 196, "state", size=SMALL, colour=GREY_INK, anchor="start")
    first = d.program(120, 196, "0", width=56, fill=WHITE)
    previous = first
    for n, (event, state) in enumerate(
        (("opened\n100", "100"), ("deposited\n50", "150"), ("withdrawn\n20", "130"))
    ):
        x = 196 + n * 152
        paper = d.paper(x, 68, event, width=126, height=60)
        box = d.program(x + 76, 196, state, width=70, fill=WHITE)
        d.arrow(previous.right, box.left)
        d.arrow(paper.bottom, (x, 194))
        previous = box
    d.text(
        232 + 76,
        238,
        "replay: from left to right, every time the same",
        size=SMALL,
        colour=BLUE_INK,
    )


@diagram(
    "Two writers, one stream",
    "Both tellers have read version 3 of the account. Both append and name the version that they know."
    " The first succeeds, and the stream is at version 4. The second is refused with a conflict; it"
    " reads again and decides again.",
    height=440,
)
def optimistic_concurrency(d: Diagram) -> None:
    one, store, two = 90, 320, 550
    d.program(one, 36, "teller 1", width=120)
    d.program(store, 36, "event store", width=140, fill=WHITE)
    d.program(two, 36, "teller 2", width=120)
    for x in (one, store, two):
        d.line((x, 58), (x, 424), dashed=True)
    d.arrow((store, 112), (one, 112), answer=True)
    d.text(205, 96, "version 3", size=SMALL)
    d.arrow((store, 112), (two, 112), answer=True)
    d.text(435, 96, "version 3", size=SMALL)
    d.step(28, 112, 1)
    d.arrow((one, 176), (store, 176))
    d.text(205, 160, "append, expects 3", size=SMALL)
    d.step(28, 176, 2)
    d.text(334, 176, "now version 4", size=SMALL, colour=GREEN_INK, anchor="start")
    d.arrow((two, 246), (store + 15, 246))
    d.text(435, 230, "append, expects 3", size=SMALL)
    d.step(28, 246, 3)
    d.arrow((store, 300), (two, 300), answer=True)
    d.text(435, 284, "Conflict", size=SMALL, colour=RED_INK)
    d.cross(store, 246)
    d.step(28, 300, 4)
    d.arrow((store, 352), (two, 352), answer=True)
    d.text(435, 336, "reads version 4", size=SMALL)
    d.step(28, 352, 5)
    d.arrow((two, 404), (store, 404))
    d.text(435, 388, "append, expects 4", size=SMALL)
    d.step(28, 404, 6)


@diagram(
    "A snapshot",
    "A snapshot keeps the state at version 500 beside the events. To load the account, take the"
    " snapshot and replay only the events after it. It is a cache: to lose it costs time, nothing"
    " else.",
    height=260,
)
def snapshot(d: Diagram) -> None:
    size = 58
    x = 40
    labels = ["1", "2", "…", "499", "500", "501", "502", "503"]
    fills = [WHITE] * 5 + [OTHER] * 3
    d.heading(20, 30, "events of one account, by version")
    d.log(x, 92, labels, size=size, offsets=False, fills=fills)
    d.paper(x + 5 * size, 200, "snapshot\nversion 500", width=130, height=60)
    d.line((x + 5 * size, 114), (x + 5 * size, 166), dashed=True)
    d.text(x + 2.5 * size, 136, "not read", size=SMALL, colour=GREY_INK)
    d.text(x + 6.6 * size, 136, "replayed", size=SMALL, colour=BLUE_INK)
    state = d.program(548, 200, "state", width=110, fill=WHITE)
    d.arrow((x + 5 * size + 65, 200), state.left)
    d.arrow((x + 8 * size + 6, 92), (548, 92), state.top)


@diagram(
    "Replay rebuilds a view, and must not write letters",
    "A projector makes a view of the events. After a bug is mended the view is thrown away and built"
    " again from all events. Letters are no view: a replay must not send them a second time.",
    height=380,
)
def projection_replay(d: Diagram) -> None:
    d.text(20, 52, "first time", size=SMALL, colour=GREY_INK, anchor="start")
    d.text(20, 278, "replay", size=SMALL, colour=GREY_INK, anchor="start")
    log = d.log(24, 190, ["1", "2", "3", "4"], "", offsets=False)
    d.text(92, 160, "events", size=SMALL)
    for y, name, again in ((92, "projector", False), (300, "projector 2", True)):
        projector = d.program(290, y, name, width=130)
        d.arrow((log.right[0] + 6, 180 if y < 190 else 200), projector.left)
        view = d.database(530, y - 36, "view" if not again else "new view", width=120, height=56)
        letters = d.paper(530, y + 36, "letters", width=120, height=44)
        d.arrow(projector.right, view.left)
        d.arrow(projector.right, letters.left, lost=again)
        if not again:
            d.cross(view.x + view.width, view.y)
    d.text(290, 146, "has a bug", size=SMALL, colour=RED_INK)
    d.text(290, 344, "bug mended", size=SMALL, colour=GREEN_INK)

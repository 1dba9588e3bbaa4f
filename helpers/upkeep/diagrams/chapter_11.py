"""Chapter 11: what an acceptance suite does."""

from __future__ import annotations

from .drawing import GREEN_TINT, SMALL, Diagram, diagram


@diagram(
    "An acceptance suite",
    "A suite gives work to the services and brokers of your system. While they work, it kills some and"
    " freezes others, sends things twice, and mixes in what can't be done. When all is quiet, it looks"
    " at the effects, and says of each promise whether it was kept.",
    height=290,
)
def acceptance_suite(d: Diagram) -> None:
    suite = d.program(62, 150, "suite", width=90, height=190)
    system = d.group(246, 16, 176, 262, "your system")
    for y, deed in ((86, "kill, freeze"), (150, "send twice"), (214, "send poison")):
        d.arrow((suite.x + suite.width, y), (system.x, y))
        d.text(176, y - 14, deed, size=SMALL)
    d.program(334, 76, "services", width=120)
    d.program(334, 160, "brokers", width=120, fill=GREEN_TINT)
    d.database(334, 234, "files, rows", width=130)
    d.arrow((334, 98), (334, 138))
    d.arrow((334, 182), (334, 202))
    effects = d.paper(536, 86, "effects:\nwhat is there now", width=180, height=70)
    promises = d.paper(536, 222, "✔ nothing lost\n✘ counted once", width=160, height=70)
    d.arrow((system.x + system.width, 86), effects.left)
    d.arrow(effects.bottom, promises.top)

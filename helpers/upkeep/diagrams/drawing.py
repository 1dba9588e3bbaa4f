"""What every diagram is drawn with: one sign for each kind of thing, and its SVG.

A coordinate is in units of the drawing, from its upper left corner; a drawing is at most `WIDTH`
units wide, and a page shows a unit as one pixel at most. A text is placed by its middle line. What
does not fit into its box is an error when it is drawn, not a surprise when it is looked at.

| sign | what it is |
|---|---|
| rounded box, blue | a program: producer, consumer, service |
| large grey frame | a broker, or a group |
| row of slots between rails | a queue; the head is where an arrow leaves it |
| hexagon, green | an exchange |
| row of cells with numbers beneath | a partition: a log and its offsets |
| cylinder, purple | a database or a table |
| paper with a folded corner | what is written: an event, a letter |
| dotted frame, blue | what belongs together: a group, a transaction |
| arrow, solid | a message |
| arrow, dashed | an acknowledgement, a refusal, an answer |
| cross, and a dashed border | dead, or lost |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
from PIL import ImageFont

WIDTH = 640
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TEXT, SMALL = 18, 17  # units; smaller can't be read on a phone
MARGIN = 5  # between a text and the border of its box

INK, GROUND, WHITE, GREY = "#1A1A1A", "#FBFAF7", "#FFFFFF", "#6B6B6B"
BLUE, GREEN, PURPLE, VERMILION = "#0072B2", "#009E73", "#CC79A7", "#D55E00"  # Okabe and Ito
BLUE_TINT, GREEN_TINT, PURPLE_TINT, GREY_TINT = "#E3F1FA", "#DDF3EA", "#F8E8F1", "#F0EFEA"
MESSAGE, OTHER = "#FBDD9B", "#BFE0F5"  # the fill of a cell that holds a message
BLUE_INK, GREEN_INK, PURPLE_INK, RED_INK, GREY_INK = (
    "#005A8C", "#00664A", "#8A3A65", "#A84600", "#555555",
)  # fmt: skip

Point = tuple[float, float]


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: wider than the fonts that pages are shown in."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 100)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is in units, in a wide font."""
    return _font(bold).getlength(text) * size / 100


@dataclass(frozen=True)
class Box:
    """Where a sign stands. Arrows begin and end at its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def left(self) -> Point:
        return self.x, self.middle[1]

    @property
    def right(self) -> Point:
        return self.x + self.width, self.middle[1]

    @property
    def top(self) -> Point:
        return self.middle[0], self.y

    @property
    def bottom(self) -> Point:
        return self.middle[0], self.y + self.height


@dataclass
class Diagram:
    """A drawing, sign by sign; what is drawn later lies on top."""

    name: str
    title: str
    fact: str
    height: int
    elements: list[str] = field(default_factory=list)

    # ------------------------------------------------------------------ texts

    def text(
        self, x: float, y: float, text: str, *, size: float = TEXT, bold: bool = False,
        colour: str = INK, anchor: str = "middle",
    ) -> None:  # fmt: skip
        """Lines of text; `y` is the middle of them all."""
        lines = text.split("\n")
        first = y - (len(lines) - 1) * size * 0.61
        weight = ' font-weight="bold"' if bold else ""
        for n, line in enumerate(lines):
            baseline = first + n * size * 1.22 + size * 0.35
            self._add(
                f'<text x="{x:g}" y="{baseline:.1f}" font-size="{size:g}" fill="{colour}"'
                f' text-anchor="{anchor}"{weight}>{escape(line)}</text>'
            )

    def note(self, x: float, y: float, text: str, *, anchor: str = "start") -> None:
        """A remark beside a sign."""
        self.text(x, y, text, size=SMALL, colour=GREY_INK, anchor=anchor)

    def heading(self, x: float, y: float, text: str) -> None:
        self.text(x, y, text, bold=True, anchor="start")

    def step(self, x: float, y: float, number: int) -> None:
        """A numbered step: what happens first, second, third."""
        self._add(f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="{INK}"/>')
        self.text(x, y, str(number), size=SMALL, bold=True, colour=WHITE)

    # ------------------------------------------------------------------ signs

    def program(
        self, x: float, y: float, label: str, *, width: float = 116, height: float = 44,
        dead: bool = False, fill: str = BLUE_TINT,
    ) -> Box:  # fmt: skip
        """A running program around (x, y); a dead one has a dashed border and a cross."""
        box = Box(x - width / 2, y - height / 2, width, height)
        self._fits(label, width, height, TEXT)
        if dead:
            self._rect(box, 10, WHITE, VERMILION, ' stroke-dasharray="6 4"')
        else:
            self._rect(box, 10, fill, BLUE)
        self.text(*box.middle, label)
        if dead:
            self.cross(box.x + box.width, box.y)
        return box

    def frame(self, x: float, y: float, width: float, height: float, label: str = "") -> Box:
        """A broker, or another thing that holds others; its name stands in the upper left."""
        box = Box(x, y, width, height)
        self._fits(label, width, 30, TEXT, bold=True)
        self._rect(box, 8, GREY_TINT, GREY)
        if label:
            self.heading(x + 12, y + 20, label)
        return box

    def group(self, x: float, y: float, width: float, height: float, label: str = "") -> Box:
        """What belongs together: a consumer group, a transaction, a connection."""
        box = Box(x, y, width, height)
        self._rect(box, 14, GROUND, BLUE, ' stroke-dasharray="2 4"')
        if label:
            self._fits(label, width, 30, SMALL)
            self.text(x + 12, y + 19, label, size=SMALL, colour=BLUE_INK, anchor="start")
        return box

    def exchange(self, x: float, y: float, label: str, *, width: float = 120) -> Box:
        """An exchange around (x, y): a hexagon."""
        box, slope = Box(x - width / 2, y - 26, width, 52), 14
        self._fits(label, width - 2 * slope + 2 * MARGIN, 52, TEXT)
        corners = [
            box.left, (box.x + slope, box.y), (box.x + width - slope, box.y),
            box.right, (box.x + width - slope, box.y + 52), (box.x + slope, box.y + 52),
        ]  # fmt: skip
        points = " ".join(f"{px:g},{py:g}" for px, py in corners)
        self._add(
            f'<polygon points="{points}" fill="{GREEN_TINT}" stroke="{GREEN}" stroke-width="2"/>'
        )
        self.text(x, y, label)
        return box

    def cells(
        self, x: float, y: float, contents: Sequence[str], *, size: float = 34, height: float = 34,
        fills: Sequence[str] | None = None,
    ) -> Box:  # fmt: skip
        """A row of cells from the left; an empty text is an empty cell, ✗ a lost message."""
        for n, content in enumerate(contents):
            box = Box(x + n * size, y - height / 2, size, height)
            lost = content == "✗"
            fill = fills[n] if fills else (WHITE if lost or not content else MESSAGE)
            self._rect(box, 0, fill, GREY, width=1.5)
            if lost:
                self.cross(*box.middle)
            elif content:
                self._fits(content, size + 2 * MARGIN - 4, height, SMALL)
                self.text(*box.middle, content, size=SMALL)
        return Box(x, y - height / 2, size * len(contents), height)

    def queue(
        self, x: float, y: float, contents: Sequence[str], label: str = "", *, size: float = 34,
    ) -> Box:  # fmt: skip
        """A queue from x on: slots between two rails, the name above."""
        box = self.cells(x, y, contents, size=size)
        for edge in (box.y, box.y + box.height):
            self._line([(box.x - 6, edge), (box.x + box.width + 6, edge)], INK, 3)
        if label:
            self.text(box.middle[0], box.y - 15, label, size=SMALL)
        return Box(box.x - 6, box.y, box.width + 12, box.height)

    def log(
        self, x: float, y: float, contents: Sequence[str], label: str = "", *, first: int = 0,
        size: float = 34, offsets: bool = True, fills: Sequence[str] | None = None,
    ) -> Box:  # fmt: skip
        """A partition from x on: cells that grow to the right, their offsets beneath."""
        box = self.cells(x, y, contents, size=size, fills=fills)
        self._line([(x, box.y - 4), (x, box.y + box.height + 4)], INK, 4)
        if offsets:
            for n in range(len(contents)):
                self.note(x + (n + 0.5) * size, y + 28, str(first + n), anchor="middle")
        if label:
            self.text(x - 10, y, label, size=SMALL, anchor="end")
        return box

    def database(
        self, x: float, y: float, label: str, *, width: float = 120, height: float = 64
    ) -> Box:
        """A database or a table around (x, y): a cylinder."""
        self._fits(label, width, height - 18, TEXT)
        left, right, top, low = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        ry = 8
        paint = f'fill="{PURPLE_TINT}" stroke="{PURPLE}" stroke-width="2"'
        self._add(
            f'<path d="M {left:g} {top + ry:g} L {left:g} {low - ry:g} A {width / 2:g} {ry} 0 0 0'
            f' {right:g} {low - ry:g} L {right:g} {top + ry:g} Z" {paint}/>'
        )
        self._add(f'<ellipse cx="{x:g}" cy="{top + ry:g}" rx="{width / 2:g}" ry="{ry}" {paint}/>')
        self.text(x, y + ry / 2 + 1, label)
        return Box(left, top, width, height)

    def paper(
        self, x: float, y: float, label: str, *, width: float = 120, height: float = 52
    ) -> Box:
        """A written thing around (x, y): a file, a record, a sentence."""
        self._fits(label, width, height, TEXT)
        box, fold = Box(x - width / 2, y - height / 2, width, height), 12
        right, low = box.x + width, box.y + height
        self._add(
            f'<path d="M {box.x:g} {box.y:g} L {right - fold:g} {box.y:g} L {right:g}'
            f' {box.y + fold:g} L {right:g} {low:g} L {box.x:g} {low:g} Z" fill="{WHITE}"'
            f' stroke="{GREY}" stroke-width="2"/>'
        )
        self.text(*box.middle, label)
        return box

    def person(self, x: float, y: float, label: str) -> Box:
        """Somebody, 52 units high around (x, y), with the name below."""
        paint = f'fill="{BLUE_TINT}" stroke="{BLUE}" stroke-width="2"'
        self._add(f'<circle cx="{x:g}" cy="{y - 15:g}" r="11" {paint}/>')
        self._add(
            f'<path d="M {x - 20:g} {y + 26:g} A 20 26 0 0 1 {x + 20:g} {y + 26:g} Z" {paint}/>'
        )
        self.text(x, y + 42, label, size=SMALL)
        return Box(x - 20, y - 26, 40, 52)

    def bookmark(self, x: float, y: float, label: str) -> None:
        """A place in a log, at its upper edge (x, y): a triangle, with the name above it."""
        self._add(
            f'<polygon points="{x:g},{y:g} {x - 8:g},{y - 14:g} {x + 8:g},{y - 14:g}" fill="{BLUE}"/>'
        )
        middle = y - 26 - label.count("\n") * SMALL * 0.61
        self.text(x, middle, label, size=SMALL, colour=BLUE_INK)

    # ------------------------------------------------------------------ lines and marks

    def arrow(self, *points: Point, answer: bool = False, lost: bool = False) -> None:
        """From point to point: solid for a message, dashed for an answer, a cross if it's lost."""
        colour = VERMILION if lost else INK
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        tip = (x1 - 2 * ux, y1 - 2 * uy)
        base = (tip[0] - 12 * ux, tip[1] - 12 * uy)
        self._line([*points[:-1], base], colour, 2, ' stroke-dasharray="7 5"' if answer else "")
        corners = [tip, (base[0] - 6 * uy, base[1] + 6 * ux), (base[0] + 6 * uy, base[1] - 6 * ux)]
        points_text = " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)
        self._add(f'<polygon points="{points_text}" fill="{colour}"/>')
        if lost:
            self.cross((x0 + x1) / 2, (y0 + y1) / 2)

    def line(self, *points: Point, colour: str = GREY, dashed: bool = False) -> None:
        """A line without a head: an axis, a boundary, a binding."""
        self._line(list(points), colour, 2, ' stroke-dasharray="2 5"' if dashed else "")

    def area(self, *points: Point, fill: str) -> None:
        """A filled area between points: an amount over time."""
        corners = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._add(f'<polygon points="{corners}" fill="{fill}" stroke="{GREY}" stroke-width="1.5"/>')

    def cross(self, x: float, y: float) -> None:
        """Dead, or lost."""
        self._add(f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="{WHITE}" stroke="{VERMILION}"/>')
        for way in (1, -1):
            self._line([(x - 7, y - 7 * way), (x + 7, y + 7 * way)], VERMILION, 4)

    # ------------------------------------------------------------------ the file

    def svg(self) -> str:
        """The whole file. Its first words say what it shows, for who can't see it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}"'
            f' height="{self.height}" viewBox="0 0 {WIDTH} {self.height}"'
            f' font-family="{FONTS}">\n'
            f"<title>{escape(self.title)}</title>\n<desc>{escape(self.fact)}</desc>\n"
            "<!-- Drawn by `make diagrams`: change it in helpers/upkeep/diagrams/, not here. -->\n"
        )
        ground = (
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{self.height - 2}" rx="14"'
            f' fill="{GROUND}" stroke="#D6D3CB" stroke-width="1"/>\n'
        )
        return head + ground + "\n".join(self.elements) + "\n</svg>\n"

    def _add(self, element: str) -> None:
        self.elements.append(element)

    def _rect(
        self, box: Box, radius: float, fill: str, stroke: str, more: str = "", width: float = 2
    ) -> None:
        self._add(
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
            f' rx="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"{more}/>'
        )

    def _line(self, points: list[Point], colour: str, width: float, more: str = "") -> None:
        path = " L ".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._add(
            f'<path d="M {path}" fill="none" stroke="{colour}" stroke-width="{width:g}"'
            f' stroke-linejoin="round"{more}/>'
        )

    def _fits(
        self, text: str, width: float, height: float, size: float, bold: bool = False
    ) -> None:
        lines = text.split("\n")
        wide = max(text_width(line, size, bold) for line in lines) + 2 * MARGIN
        high = len(lines) * size * 1.22
        if wide > width or high > height:
            raise ValueError(
                f"{self.name}: {text!r} needs a box of {wide:.0f} × {high:.0f} units,"
                f" and this one is {width:g} × {height:g}: make the box larger or the text shorter"
            )


DRAWN: dict[str, Callable[[], Diagram]] = {}


def diagram(
    title: str, fact: str, *, height: int
) -> Callable[[Callable[[Diagram], None]], Callable[[Diagram], None]]:
    """Register a function that draws the diagram of its own name.

    Args:
        title: what the diagram shows, a few words.
        fact: what it says, a sentence or two; notebooks use it as the alt text.
        height: in units.
    """

    def register(draw: Callable[[Diagram], None]) -> Callable[[Diagram], None]:
        def drawn() -> Diagram:
            page = Diagram(draw.__name__, title, fact, height)
            draw(page)
            return page

        if draw.__name__ in DRAWN:
            raise ValueError(f"two diagrams are called {draw.__name__}: rename one")
        DRAWN[draw.__name__] = drawn
        return draw

    return register

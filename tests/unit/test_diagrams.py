"""The diagrams: what is stored is what the script draws, and each can be read by everybody."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from itertools import combinations, pairwise

import pytest

from helpers.upkeep.diagrams.__main__ import IMAGES
from helpers.upkeep.diagrams.drawing import DRAWN, MARGIN, SMALL, WIDTH, Diagram, text_width

SVG = "{http://www.w3.org/2000/svg}"
CONTRAST = 4.5  # WCAG AA, for text of any size


@dataclass(frozen=True)
class Area:
    """Where something lies: two corners, and what it is filled with or says."""

    left: float
    top: float
    right: float
    low: float
    what: str

    def holds(self, other: Area, margin: float = 0) -> bool:
        across = self.left + margin <= other.left and other.right <= self.right - margin
        return across and self.top <= other.top and other.low <= self.low

    def meets(self, other: Area) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.low and other.top < self.low


def text_area(element: ElementTree.Element) -> Area:
    """The letters' own rectangle, without what a line has above and below them."""
    size, x, y = (float(element.attrib[name]) for name in ("font-size", "x", "y"))
    width = text_width(element.text or "", size, "font-weight" in element.attrib)
    left = x - {"start": 0, "middle": width / 2, "end": width}[element.attrib["text-anchor"]]
    return Area(left, y - 0.76 * size, left + width, y + 0.22 * size, element.text or "")


def corners(element: ElementTree.Element) -> list[tuple[float, float]]:
    """The points of a path or polygon; of an arc, its ends."""
    source = element.get("points") or re.sub(r"A \S+ \S+ \S+ \S+ \S+ ", "", element.attrib["d"])
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", source)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def shape_area(element: ElementTree.Element) -> Area:
    """The rectangle around a filled shape, and its colour."""

    def number(name: str) -> float:
        return float(element.attrib[name])

    fill = element.attrib["fill"]
    if element.tag == f"{SVG}rect":
        x, y = number("x"), number("y")
        return Area(x, y, x + number("width"), y + number("height"), fill)
    if element.tag in (f"{SVG}circle", f"{SVG}ellipse"):
        rx, ry = (number("r"), number("r")) if element.get("r") else (number("rx"), number("ry"))
        return Area(
            number("cx") - rx, number("cy") - ry, number("cx") + rx, number("cy") + ry, fill
        )
    xs, ys = zip(*corners(element), strict=True)
    return Area(min(xs), min(ys), max(xs), max(ys), fill)


def faults(svg: str) -> list[str]:
    """What is wrong with a drawing, a sentence each."""
    root = ElementTree.fromstring(svg)
    found = []
    for name in ("title", "desc"):
        if not (root.findtext(f"{SVG}{name}") or "").strip():
            found.append(f"there is no <{name}>")
    box = [float(number) for number in root.attrib["viewBox"].split()]
    if box[2] > WIDTH:
        found.append(f"it is {box[2]:g} units wide, and {WIDTH} is the most")
    page = Area(box[0], box[1], box[0] + box[2], box[1] + box[3], "page")
    texts: list[Area] = []
    shapes: list[Area] = []
    lines: list[tuple[int, ElementTree.Element]] = []
    for element in root:
        if element.tag == f"{SVG}text":
            texts.append(text_area(element))
            found += text_faults(element, texts[-1], shapes, page)
        elif element.get("fill") == "none":
            lines.append((len(texts), element))
        elif "fill" in element.attrib:
            shapes.append(shape_area(element))
    for one, other in combinations(texts, 2):
        if one.meets(other):
            found.append(f"{one.what!r} and {other.what!r} overlap")
    for text in texts:
        for shape in shapes:
            if text.meets(shape) and not shape.holds(text):
                found.append(f"{text.what!r} crosses the border of a shape ({shape.what})")
        if any(crosses(corners(line), text) for _, line in lines):
            found.append(f"a line runs through {text.what!r}")
    return found


def text_faults(
    element: ElementTree.Element, text: Area, below: list[Area], page: Area
) -> list[str]:
    found = []
    if float(element.attrib["font-size"]) < SMALL:
        found.append(f"{text.what!r} is smaller than {SMALL} units")
    if not page.holds(text, MARGIN):
        found.append(f"{text.what!r} does not fit on the page")
    grounds = [shape for shape in below if shape.holds(text)]
    ratio = contrast(element.attrib["fill"], grounds[-1].what) if grounds else 0
    if ratio < CONTRAST:
        found.append(f"{text.what!r} has a contrast of {ratio:.1f} against its ground")
    return found


def crosses(points: list[tuple[float, float]], text: Area) -> bool:
    """Whether a line comes within the letters: looked at in a hundred places of each stretch."""
    for (x0, y0), (x1, y1) in pairwise(points):
        for n in range(101):
            x, y = x0 + (x1 - x0) * n / 100, y0 + (y1 - y0) * n / 100
            if text.left < x < text.right and text.top < y < text.low:
                return True
    return False


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, from 1 to 21."""

    def luminance(colour: str) -> float:
        channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", DRAWN)
def test_a_diagram_can_be_read(name):
    assert not faults(DRAWN[name]().svg())


def test_the_stored_drawings_are_what_the_script_draws():
    stored = {path.stem: path.read_text(encoding="utf-8") for path in IMAGES.glob("*.svg")}
    drawn = {name: draw().svg() for name, draw in DRAWN.items()}
    assert sorted(stored) == sorted(drawn), "run `make diagrams`, and remove what is not drawn"
    stale = [name for name in drawn if stored[name] != drawn[name]]
    assert not stale, "run `make diagrams`"


def page() -> Diagram:
    return Diagram("name", "title", "fact", height=200)


def too_small(d: Diagram) -> None:
    d.text(100, 100, "orders", size=SMALL - 1)


def too_pale(d: Diagram) -> None:
    d.text(100, 100, "orders", colour="#999999")


def off_the_page(d: Diagram) -> None:
    d.text(20, 100, "orders")


def on_top_of_each_other(d: Diagram) -> None:
    d.text(100, 100, "orders")
    d.text(130, 105, "queue")


def over_a_border(d: Diagram) -> None:
    d.cells(100, 100, ["1", "2"])
    d.text(90, 100, "orders")


def struck_through(d: Diagram) -> None:
    d.text(100, 100, "orders")
    d.arrow((20, 20), (180, 180))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (too_small, "smaller than"),
        (too_pale, "contrast of"),
        (off_the_page, "does not fit"),
        (on_top_of_each_other, "overlap"),
        (over_a_border, "border"),
        (struck_through, "line runs through"),
    ],
)
def test_what_can_not_be_read_is_found(draw, said):
    drawing = page()
    draw(drawing)
    assert any(said in fault for fault in faults(drawing.svg()))


def test_a_drawing_that_is_too_wide_or_says_nothing_is_found():
    silent = Diagram("name", "", " ", height=200).svg()
    assert len(faults(silent.replace('viewBox="0 0 640', 'viewBox="0 0 641'))) == 3


def test_a_text_that_does_not_fit_into_its_box_is_an_error():
    with pytest.raises(ValueError, match="make the box larger or the text shorter"):
        page().program(100, 100, "a service with a long name")

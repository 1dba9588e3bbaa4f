"""The course's figures, all in one style. Each is drawn from what a ledger or a broker reported.

Every function returns a matplotlib figure: as a cell's last expression it is shown once. The
colours are Okabe and Ito's, which colour-blind readers can tell apart, and nothing is said by
colour alone.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ledger import Ledger, inversions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, FAINT, GRID = "#222222", "#767676", "#E2E2E2"
WIDTH = 8.0  # inches
STYLE = Path(__file__).with_name("charts.mplstyle")


def deliveries(
    panels: Mapping[str, Ledger | Mapping[str, Sequence[Hashable]]], title: str
) -> Figure:
    """Who got which message: a row for each consumer, a dot for each delivery.

    A message that its subscription had before is a ring. The number at the end of a row counts all.

    Args:
        panels: what stands above each panel, and the ledger to draw in it. Consumers and their ids
            in a plain mapping do as well; then each consumer is a subscription of its own.
        title: what is shown; what came out is for the reader to see.
    """
    logs = {name: _rows(source) for name, source in panels.items()}
    dots = [dot for rows in logs.values() for row in rows.values() for dot in row]
    messages: list[Any] = sorted({message for message, _ in dots})
    place = {message: n for n, message in enumerate(messages)}
    tallest = max(len(rows) for rows in logs.values())
    size = min(8.0, 640 / (len(logs) * max(1, len(messages))))
    with _figure(title, 1.35 + 0.36 * tallest, columns=len(logs)) as (figure, axes):
        for ax, (name, rows) in zip(axes, logs.items(), strict=True):
            ax.set_title(name)
            ax.annotate("read", (1.02, 1.0), xycoords="axes fraction", color=FAINT, fontsize=9)
            for y, row in enumerate(rows.values()):
                colour = COLOURS[y % len(COLOURS)]
                ax.axhline(y, color=GRID, linewidth=1, zorder=0)
                for message, repeat in row:
                    face = "white" if repeat else colour
                    ax.plot(
                        place[message], y, "o", markersize=size, clip_on=False, color=colour,
                        markerfacecolor=face, markeredgewidth=size / 4.5,
                    )  # fmt: skip
                ax.text(1.02, y, str(len(row)), transform=ax.get_yaxis_transform(), va="center")
            ax.set_yticks(range(len(rows)), rows)
            ax.set_ylim(tallest - 0.5, -0.5)
            step = max(1, -(-len(messages) * len(logs) // 24))
            ax.set_xticks(range(0, len(messages), step), map(str, messages[::step]), fontsize=8)
            ax.set_xlim(-0.7, len(messages) - 0.3)
            again = any(repeat for _, repeat in dots)
            ax.set_xlabel("message (ring: read again)" if again else "message")
            ax.spines["left"].set_visible(False)
            ax.tick_params(length=0)
    return figure


def counts(ledgers: Iterable[Ledger], title: str) -> Figure:
    """What became of the messages: read, lost, duplicated and unknown, a row for each ledger.

    Args:
        ledgers: the arms of an experiment, all finished. One with several subscriptions has a row
            for each.
        title: what is shown; what came out is for the reader to see.
    """
    table = Ledger.table(*ledgers)
    columns = ("read", "lost", "duplicated", "unknown")
    longest = max(1, int(table[list(columns)].to_numpy().max()))
    height = 1.15 + 0.38 * len(table)
    with _figure(title, height, columns=len(columns), share_rows=True) as (figure, axes):
        for ax, column, colour in zip(axes, columns, COLOURS, strict=False):
            ax.set_title(column)
            bars = ax.barh(range(len(table)), table[column], height=0.62, color=colour)
            ax.bar_label(bars, padding=3)
            ax.set_xlim(0, longest * 1.3)
            ax.set_xticks([])
            ax.spines["bottom"].set_visible(False)
            _name_rows(ax, table.index)
        axes[0].set_xlabel("messages", loc="left")
    return figure


def order(sequences: Mapping[str, Sequence[int]], title: str) -> Figure:
    """In which order messages arrived: each panel rises steadily if it was the order of sending.

    Args:
        sequences: a name for each arm, and its message numbers as they arrived. Numbers are in the
            order of sending.
        title: what is shown; what came out is for the reader to see.
    """
    highest = max((n for numbers in sequences.values() for n in numbers), default=1)
    with _figure(title, 3.2, columns=len(sequences), share_rows=True) as (figure, axes):
        for ax, (name, numbers) in zip(axes, sequences.items(), strict=True):
            pairs = inversions(numbers)
            colour = COLOURS[1] if pairs else COLOURS[0]
            ax.set_title(textwrap.fill(name, 90 // len(sequences)), pad=20)
            found = "1 inversion" if pairs == 1 else f"{pairs} inversions"
            ax.annotate(
                found, (0, 1), (0, 7), "axes fraction", textcoords="offset points", color=colour,
                fontweight="bold",
            )  # fmt: skip
            mark = "D" if pairs else "o"
            ax.plot(range(1, len(numbers) + 1), numbers, f"{mark}-", color=colour, markersize=4.5)
            ax.set_xlim(0.2, max(len(numbers), 2) + 0.8)
            ax.set_ylim(0, highest * 1.06)
            ax.set_xlabel("place in the sequence")
            ax.grid(axis="y", color=GRID)
            ax.locator_params(integer=True, nbins=5)
        axes[0].set_ylabel("message number")
    return figure


def matrix(
    table: DataFrame, title: str, bad: Collection[str] = ("lost", "duplicated", "unexpected")
) -> Figure:
    """A table of counts: each number in its cell, with a cross where there should be none.

    Args:
        table: one row for each arm of an experiment, one column for each outcome, whole numbers.
        title: what is shown; what came out is for the reader to see.
        bad: the columns in which anything but zero is a failure.
    """
    with _figure(title, 1.1 + 0.36 * len(table)) as (figure, (ax,)):
        for y, row in enumerate(table.to_numpy().tolist()):
            for x, (column, number) in enumerate(zip(table.columns, row, strict=True)):
                failed = bool(number) and column in bad
                face = "#F2B48C" if failed else "#DCEBF5" if number else "#F4F4F4"
                ax.barh(y, 0.96, 0.92, x - 0.48, facecolor=face)
                words, weight = (f"✗ {number}", "bold") if failed else (str(number), "normal")
                _centred(ax, x, y, words, face, fontweight=weight)
        ax.set_xticks(range(len(table.columns)), map(str, table.columns))
        _name_rows(ax, list(map(_joined, table.index)))
        ax.set_xlim(-0.5, len(table.columns) - 0.5)
        ax.xaxis.tick_top()
        ax.spines[:].set_visible(False)
    return figure


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    x: str,
    y: str,
    marks: Mapping[float, str] | None = None,
) -> Figure:
    """Curves over one axis, each labelled where it ends.

    Args:
        series: a name for each curve, and its points (x, y) in order.
        title: what is shown; what came out is for the reader to see.
        x: what the horizontal axis shows, with its unit.
        y: what the vertical axis shows, with its unit.
        marks: events: where on the horizontal axis, and what happened there.
    """
    highest = max((value for points in series.values() for _, value in points), default=1)
    lift = _apart({name: points[-1][1] / (highest or 1) for name, points in series.items()})
    with _figure(title, 3.4) as (figure, (ax,)):
        for (name, points), colour in zip(series.items(), cycle(COLOURS), strict=False):
            ax.plot(*zip(*points, strict=True), color=colour, label=name)
            ax.annotate(
                name, points[-1], (5, 170 * lift[name]), textcoords="offset points", color=colour,
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        for place, what in (marks or {}).items():
            ax.axvline(place, color=FAINT, linewidth=1, linestyle="--", zorder=0)
            ax.annotate(
                f"{what} ", (place, 1.0), xycoords=("data", "axes fraction"), color=FAINT,
                rotation=90, ha="right", va="top", fontsize=8.5,
            )  # fmt: skip
        ax.set_ylim(0, (highest or 1) * 1.08)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.grid(axis="y", color=GRID)
    return figure


def gantt(
    lanes: Mapping[str, Sequence[tuple[float, float, str]]], title: str, x: str = "seconds"
) -> Figure:
    """Who did what from when to when: a lane for each worker, a bar for each piece of work.

    Args:
        lanes: each lane's bars, as (start, end, label). Bars of one label have one colour.
        title: what is shown; what came out is for the reader to see.
        x: what the horizontal axis shows, with its unit.
    """
    labels = list(dict.fromkeys(label for bars in lanes.values() for _, _, label in bars))
    colour = dict(zip(labels, cycle(COLOURS), strict=False))
    latest = max((end for bars in lanes.values() for _, end, _ in bars), default=1)
    with _figure(title, 1.3 + 0.42 * len(lanes)) as (figure, (ax,)):
        for row, bars in enumerate(lanes.values()):
            for start, end, label in bars:
                ax.barh(row, end - start, 0.7, start, facecolor=colour[label], edgecolor="white")
                if end - start > latest * 0.012 * (len(label) + 1):
                    _centred(ax, (start + end) / 2, row, label, colour[label], fontsize=8.5)
        _name_rows(ax, lanes)
        ax.set_xlim(0, latest * 1.01)
        ax.set_xlabel(x)
        ax.spines["left"].set_visible(False)
    return figure


def bars(values: Mapping[str, float], title: str, x: str) -> Figure:
    """One number for each name, as a bar with the number at its end.

    Args:
        values: the names, and their numbers.
        title: what is shown; what came out is for the reader to see.
        x: what the numbers are, with their unit.
    """
    longest = max(values.values(), default=1) or 1
    with _figure(title, 1.15 + 0.36 * len(values)) as (figure, (ax,)):
        drawn = ax.barh(range(len(values)), list(values.values()), height=0.62, color=COLOURS[0])
        ax.bar_label(drawn, [f"{number:,.3g}" if number < 100 else f"{number:,.0f}"
                             for number in values.values()], padding=3)  # fmt: skip
        _name_rows(ax, values)
        ax.set_xlim(0, longest * 1.15)
        ax.set_xlabel(x)
    return figure


# -- the style -------------------------------------------------------------------------------


@contextmanager
def _figure(
    title: str, height: float, columns: int = 1, share_rows: bool = False
) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    """A figure of the course's style. pyplot, and with it the backend, knows nothing of it."""
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with style.context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, wspace=0.03)
        figure = Figure(figsize=(WIDTH, height), layout=layout)
        axes = figure.subplots(1, columns, sharey=share_rows, squeeze=False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        yield figure, axes[0]


def _display() -> None:
    """Have a notebook show figures: it does so by itself only for some values of MPLBACKEND."""
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        from IPython.core.pylabtools import print_figure

        png = shell.display_formatter.formatters["image/png"]
        png.for_type_by_name("matplotlib.figure", "Figure", print_figure)


_display()


def _rows(
    source: Ledger | Mapping[str, Sequence[Hashable]],
) -> dict[str, list[tuple[Hashable, bool]]]:
    """Each consumer's deliveries: the message, and whether its subscription had it before."""
    rows: dict[str, list[tuple[Hashable, bool]]] = {}
    if not isinstance(source, Ledger):
        for consumer, messages in source.items():
            rows[consumer] = [(m, m in messages[:n]) for n, m in enumerate(messages)]
        return rows
    for subscription in source.subscriptions:
        rows |= {consumer: [] for consumer in source.by_consumer(subscription)}
        seen: set[Hashable] = set()
        for consumer, message in source.log(subscription):
            rows[consumer].append((message, message in seen))
            seen.add(message)
    return rows


def _apart(heights: Mapping[str, float], gap: float = 0.08) -> dict[str, float]:
    """How far each label must be lifted, so that none lies on another; in parts of the axis."""
    lift, lowest = {}, 0.0
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        lift[name] = max(0.0, lowest - height)
        lowest = height + lift[name] + gap
    return lift


def _name_rows(ax: Axes, names: Collection[str]) -> None:
    """Name the rows, the first one at the top, and have no ticks."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(length=0)


def _centred(ax: Axes, x: float, y: float, words: str, background: str, **style: Any) -> None:
    """Write on a coloured ground, in ink or in white: the one of higher contrast."""
    red, green, blue = (int(background[n : n + 2], 16) for n in (1, 3, 5))
    colour = INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
    ax.text(x, y, words, ha="center", va="center", color=colour, **style)


def _joined(label: Hashable) -> str:
    """A row's name; the parts of one with several, from an index of several levels, in one line."""
    return " · ".join(map(str, label)) if isinstance(label, tuple) else str(label)

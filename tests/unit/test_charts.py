"""Figures: drawn from ledgers, shown once, and legible."""

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from matplotlib._pylab_helpers import Gcf
from nbclient import NotebookClient

mpl.use("agg")
from helpers import charts
from helpers.ledger import Ledger, LedgerError


def ledger(title="jobs", *, finished=True) -> Ledger:
    """Two workers, six messages; message 3 comes twice, message 6 not at all."""
    ledger = Ledger(title)
    for number in range(1, 7):
        ledger.attempt(number)
        ledger.acknowledge(number)
    for number in (1, 2, 3):
        ledger.read(number, "worker-1")
    for number in (3, 4, 5):
        ledger.read(number, "worker-2")
    ledger.join("worker-3")
    if finished:
        ledger.finish("test")
    return ledger


def texts(figure) -> list[str]:
    """What can be read in a figure, in its order."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


COUNTS = pd.DataFrame(
    {"lost": [200, 0], "unknown": [0, 3]},
    index=pd.MultiIndex.from_tuples([("acks=0", "kill"), ("acks=all", "kill")]),
)
LONG_NAMES = ("RabbitMQ, one long name", "Kafka, one long name", "c", "d", "e")
FIGURES = {
    "deliveries": lambda: charts.deliveries({"a": ledger(), "b": ledger()}, title="t"),
    "counts": lambda: charts.counts([ledger("one"), ledger("two")], title="t"),
    "order": lambda: charts.order({name: [3, 1, 2] for name in LONG_NAMES}, title="t"),
    "matrix": lambda: charts.matrix(COUNTS, title="t"),
    "lines": lambda: charts.lines({"a": [(0, 1), (1, 3)]}, "t", "x", "y", {0.5: "kill"}),
    "curves that end together": lambda: charts.lines(
        {name: [(0, at), (1, end)] for name, at, end in (("a", 9, 0), ("b", 1, 0.1), ("c", 0, 0))},
        *("t", "x", "y"),
    ),
    "gantt": lambda: charts.gantt({"a": [(0, 1, "job 1")], "b": [(0, 2, "job 2")]}, title="t"),
    "bars": lambda: charts.bars({"a": 812.4, "b": 3.25}, "t", "messages"),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_nobodys_but_its_cells_and_has_its_title(draw):
    figure = draw()
    assert Gcf.figs == {}
    assert figure.get_suptitle() == "t"


def drawn(figure) -> list:
    """Every text that is drawn. Of the labels of ticks, matplotlib keeps some that are not."""
    found = [*figure.texts]
    for axes in figure.axes:
        titles = [child for child in axes.get_children() if isinstance(child, mpl.text.Text)]
        ticks = [tick for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
        labels = [tick.label1 for tick in ticks if tick.label1.get_visible()]
        found += [*titles, axes.xaxis.label, axes.yaxis.label, *labels]
    return [text for text in found if text.get_text()]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_nothing_is_cropped_and_no_texts_overlap(draw):
    figure = draw()
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figure)]
    assert len(boxes) > 5
    for _, box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    for n, (text, box) in enumerate(boxes):
        for other, other_box in boxes[n + 1 :]:
            assert not box.overlaps(other_box), (text, other)


def test_the_style_stays_inside(monkeypatch):
    monkeypatch.setitem(mpl.rcParams, "font.size", 7.0)
    FIGURES["order"]()
    assert mpl.rcParams["font.size"] == 7.0


def dots(axes) -> list[tuple[int, int, bool]]:
    """Every delivery in a panel: message, row, and whether it is a ring."""
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    return [
        (line.get_xdata()[0] + 1, line.get_ydata()[0], line.get_markerfacecolor() == "white")
        for line in lines
    ]


def test_deliveries_are_dots_and_repeats_are_rings():
    (axes,) = charts.deliveries({"one": ledger()}, title="t").axes
    first = [(1, 0, False), (2, 0, False), (3, 0, False)]
    second = [(3, 1, True), (4, 1, False), (5, 1, False)]
    assert dots(axes) == first + second
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["worker-1", "worker-2", "worker-3"]
    assert axes.get_xlabel() == "message (ring: read again)"


def test_a_copy_for_each_subscription_is_no_repeat():
    both = Ledger("fanout")
    for service in ("crm", "email"):
        both.read(1, service, subscription=service)
    both.finish("test")
    (axes,) = charts.deliveries({"fanout": both}, title="t").axes
    assert dots(axes) == [(1, 0, False), (1, 1, False)]


def test_a_plain_mapping_does_as_well():
    (axes,) = charts.deliveries({"one": {"crm": [1, 2, 1], "email": [1]}}, title="t").axes
    assert dots(axes) == [(1, 0, False), (2, 0, False), (1, 0, True), (1, 1, False)]
    assert "0" not in texts(axes.figure)


def test_counts_are_written_at_the_bars():
    figure = charts.counts([ledger("with a crash")], title="t")
    written = {axes.get_title("left"): axes.texts[0].get_text() for axes in figure.axes}
    assert written == {"read": "6", "lost": "1", "duplicated": "1", "unknown": "0"}
    assert "with a crash" in texts(figure)


def test_counts_of_an_unfinished_ledger_are_refused():
    with pytest.raises(LedgerError, match="finished"):
        charts.counts([ledger(finished=False)], title="t")


def test_order_says_how_many_inversions():
    said = texts(charts.order({"a": [1, 2, 3], "b": [2, 3, 1], "c": [2, 1, 3]}, title="t"))
    assert {"0 inversions", "2 inversions", "1 inversion"} <= set(said)


def test_order_has_room_for_who_received_nothing():
    assert "0 inversions" in texts(charts.order({"a": [], "b": []}, title="t"))


def test_a_matrix_writes_every_number_beside_its_row_and_column():
    found = texts(charts.matrix(COUNTS, title="t"))
    assert {"✗ 200", "0", "3", "lost", "unknown", "acks=0 · kill", "acks=all · kill"} <= set(found)


def test_a_gantt_leaves_out_a_label_that_its_bar_has_no_room_for():
    found = texts(charts.gantt({"a": [(0, 10, "long"), (10, 10.01, "short")]}, title="t"))
    assert "long" in found
    assert "short" not in found


def test_curves_are_named_where_they_end_and_events_where_they_happen():
    found = texts(charts.lines({"depth": [(0, 1), (1, 3)]}, "t", "x", "y", {0.5: "kill"}))
    assert {"depth", "kill "} <= set(found)


OURS = """
from helpers import charts
charts.bars({"a": 1, "b": 2}, "t", "x")
"""
PYPLOT = """
from helpers import charts
from matplotlib import pyplot
figure, _ = pyplot.subplots(figsize=(8, 3), dpi=110)
pyplot.close(figure)
figure
"""


@pytest.mark.parametrize(
    ("cell", "backend"), [(OURS, None), (OURS, "agg"), (OURS, "TkAgg"), (PYPLOT, "agg")]
)
def test_a_notebook_shows_figures_whatever_mplbackend_says(monkeypatch, cell, backend):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    if backend:
        monkeypatch.setenv("MPLBACKEND", backend)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    NotebookClient(notebook, km=manager, timeout=60).execute(cleanup_kc=True)
    [output] = notebook.cells[0].outputs
    assert output.data["image/png"]
    assert output.data["text/plain"].startswith("<Figure size 880x")

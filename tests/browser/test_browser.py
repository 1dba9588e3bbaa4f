"""The course as a reader has it: JupyterLab in a real browser, a page run from its beginning to its end.

Needs a Chromium that is on this machine. What takes minutes is left to ``make test-extras``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import pytest
from playwright import sync_api

from helpers import settings, wait_until, workbook
from tests import pages
from tests.chromium import BROWSER, barriers, opened
from tests.labs import Lab

pytestmark = pytest.mark.skipif(not BROWSER, reason="needs a Chromium: install chromium")

BUILT = settings.CHECKOUT / "build"
CLUSTER = "labs/05_quorum_failover.ipynb"
LENGTHY = ["03_queue_vs_pubsub.ipynb", CLUSTER]
RUN = ["00_start_here.ipynb", *(pytest.param(name, marks=pytest.mark.lengthy) for name in LENGTHY)]
OURS = ".jp-RenderedMarkdown, .jp-RenderedHTML"  # the rest is JupyterLab's own
PATIENCE = 120_000  # milliseconds; a lab takes a third of that on a quiet machine


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An open lab whose brokers are up."""
    lab = Lab(tmp_path_factory.mktemp("lab") / "said")
    assert "are up" in lab.run("up")
    lab.start()
    lab.address()
    yield lab
    lab.leave_nothing()


@pytest.fixture
def tab(lab: Lab) -> Iterator[sync_api.Page]:
    """A tab of a browser that knows nobody, logged in at the lab."""
    with opened(viewport={"width": 1440, "height": 900}) as tab:
        tab.set_default_timeout(PATIENCE)
        tab.goto(lab.address())
        yield tab


@pytest.fixture
def copies() -> Iterator[Path]:
    """Copies of all notebooks, as a workbook has them: within the lab's root, and nobody's own."""
    BUILT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILT, prefix="browser-") as folder:
        workbook.sync(workbook=Path(folder))
        yield Path(folder)


class Notebook:
    """A notebook, open in JupyterLab."""

    def __init__(self, tab: sync_api.Page, lab: Lab, path: Path) -> None:
        self.tab, self.path = tab, path
        base = lab.address().partition("lab/tree")[0]
        tab.goto(f"{base}lab/tree/{path.relative_to(settings.CHECKOUT)}?reset")
        status = tab.locator("#jp-main-statusbar")
        sync_api.expect(status).to_contain_text("(ipykernel) | Idle", timeout=PATIENCE)

    def choose(self, menu: str, item: str) -> None:
        """Click an item of a menu."""
        self.tab.get_by_role("menuitem", name=menu, exact=True).click()
        self.tab.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def saved(self) -> list[dict[str, Any]]:
        """The code cells, as they are stored after a click on Save."""
        self.tab.get_by_role("button", name="Save and create checkpoint").click()
        half_written = json.JSONDecodeError
        return wait_until(
            lambda: pages.cells(self.path, "code"), "the file", timeout=30, tolerate=(half_written,)
        )

    def has_run(self, cells: list[dict[str, Any]]) -> bool:
        """Has each code cell been run, all in their order?"""
        return [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]

    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings below its cells."""
        outputs = [output for cell in self.saved() for output in cell["outputs"]]
        return [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]

    def runs_to_its_end(self) -> None:
        """Wait until it has, and see that there was no error, no warning, and no box in front of it."""

        def ended() -> bool:
            return self.has_run(self.saved()) or bool(self.complaints())

        wait_until(ended, "the last cell", timeout=2 * PATIENCE / 1000, every=1)
        assert self.complaints() == []
        assert self.tab.locator(".jp-Dialog, .Toastify__toast").all_text_contents() == []


def take_picture(notebook: Notebook) -> None:
    """The first figure of a page, and the verdict that follows: for the front page of the course."""
    notebook.tab.set_viewport_size({"width": 1300, "height": 1105})
    notebook.choose("View", "Collapse All Code")
    panel = notebook.tab.locator(".jp-NotebookPanel")
    figure = panel.locator(".jp-Cell", has=notebook.tab.locator(".jp-RenderedImage")).first
    figure.evaluate("cell => cell.scrollIntoView()")
    panel.screenshot(path=BUILT / "experiment.png")


@pytest.mark.parametrize("name", RUN)
def test_a_page_runs_to_its_end_without_an_error_a_warning_or_a_box(tab, lab, copies, name):
    notebook = Notebook(tab, lab, copies / name)
    notebook.choose("Run", "Run All Cells")
    notebook.runs_to_its_end()
    assert "WARNING" not in lab.said()
    width = "images => images.map(image => image.naturalWidth)"
    widths = tab.locator(".jp-RenderedMarkdown img").evaluate_all(width)
    assert len(widths) == len(pages.images(settings.NOTEBOOKS / name))
    assert all(widths)
    assert barriers(tab, OURS) == []
    if name == CLUSTER:
        take_picture(notebook)


@pytest.mark.lengthy
def test_a_cluster_lab_can_be_begun_again_in_its_middle(tab, lab, copies):
    notebook = Notebook(tab, lab, copies / CLUSTER)
    notebook.choose("Run", "Run All Cells")
    half = len(notebook.saved()) // 2
    wait_until(
        lambda: notebook.saved()[half]["execution_count"], "the middle", timeout=120, every=1
    )
    notebook.choose("Kernel", "Restart Kernel and Run All Cells…")
    tab.get_by_role("button", name="Confirm Kernel Restart").click()
    wait_until(lambda: not notebook.saved()[half]["execution_count"], "the restart", timeout=60)
    notebook.runs_to_its_end()


def test_the_management_page_shows_a_queue_and_a_page_of_its_own(tab, lab):
    port = lab.places()["rabbitmq"].port
    with pika.BlockingConnection(pika.ConnectionParameters(settings.HOST, port)) as connection:
        connection.channel().queue_declare("orders of today", durable=True)
    base = lab.address().partition("lab/tree")[0]
    tab.goto(f"{base}rabbitmq/")
    tab.locator("input[name=username]").fill("guest")
    tab.locator("input[name=password]").fill("guest")
    tab.locator("input[type=submit]").click()
    tab.get_by_role("link", name=re.compile(r"^Queues( and Streams)?$")).click()  # 3.10: Queues
    tab.get_by_role("link", name="orders of today").click()
    sync_api.expect(tab.locator("h1")).to_contain_text("orders of today")
    assert quote("orders of today") in tab.url

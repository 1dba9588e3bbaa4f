"""What each notebook takes: a plugin of pytest for `make bench`, beside nbval's in two processes.

``-p tests.footprint --numbers FILE`` writes into FILE, as JSON, for each notebook ``[seconds, bytes]``: those
of its cells and of starting its kernel, and the most that its kernel and all that this started (programs,
clusters, databases) were resident with at one time. The single brokers, which all share, are not among it.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

INTERVAL = 0.5  # seconds between two looks at the memory
RESIDENT = "resident bytes"

_seconds: defaultdict[str, float] = defaultdict(float)
_resident: defaultdict[str, int] = defaultdict(int)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--numbers", type=Path, required=True, help="where they are written to")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Look at the memory while a cell runs, and when it has run."""
    seen, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL):
            seen.append(started_resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        item.user_properties.append((RESIDENT, max(*seen, started_resident())))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    notebook = report.nodeid.partition("::")[0]
    _seconds[notebook] += report.duration
    resident = [int(str(value)) for name, value in report.user_properties if name == RESIDENT]
    _resident[notebook] = max(_resident[notebook], *resident, 0)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        found = {name: [_seconds[name], _resident[name]] for name in sorted(_seconds)}
        session.config.getoption("--numbers").write_text(json.dumps(found, indent=1))


def started_resident() -> int:
    """Bytes in which everything is resident that this process has started, and what that started."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended just now
            total += child.memory_info().rss
    return total

"""Tests on live brokers: ports of their own, nothing left behind, the brokers' last words on failure."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbval.kernel
import pytest
from jupyter_client.manager import KernelManager

from helpers import brokers, settings
from helpers.brokers import process

_broken: set[Path] = set()
_sockets = tempfile.TemporaryDirectory(prefix="breaking-brokers-kernels-")
_kernels = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-answers", action="store_true", help="try every answer on the exercises' graders"
    )
    parser.addoption("--reverse", action="store_true", help="run the notebooks in reverse order")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before nbval's cells run, which no fixture reaches, have brokers for their kernels."""
    if not session.config.getoption("nbval", False):
        return
    nbval.kernel.KernelManager = _kernel
    if _is_main(session):
        _use_own_ports()
        brokers.up()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_main(session) and os.environ.get("BREAKING_BROKERS_OWNER") == process.owner_token():
        _leave_nothing()


@pytest.fixture(scope="session")
def live() -> Iterator[brokers.Brokers]:
    """Kafka and RabbitMQ for the tests of this session, on ports that no learner uses."""
    _use_own_ports()
    yield brokers.up()
    _leave_nothing()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --reverse, the last notebook comes first; the cells of each stay in their order."""
    if config.getoption("--reverse"):
        order = {path: n for n, path in enumerate(dict.fromkeys(item.path for item in items))}
        items.sort(key=lambda item: -order[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.path in _broken:
        pytest.skip("an earlier cell of this notebook failed")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """One failure for a notebook, not a cascade; and what the brokers said last."""
    report = (yield).get_result()
    if call.when == "call" and report.failed and item.path.suffix == ".ipynb":
        _broken.add(item.path)
        for node in brokers.native.nodes_here():
            if tail := node.log_tail(15):
                report.sections.append((f"log of {node.name}", tail))


def _kernel(**options: Any) -> KernelManager:
    """A kernel behind Unix sockets of its own. Jupyter picks TCP ports that are free and has the kernel
    bind them half a second later; if another process was faster, the kernel dies, and says nothing."""
    address = Path(_sockets.name) / str(next(_kernels))
    return KernelManager(transport="ipc", ip=str(address), **options)


def _is_main(session: pytest.Session) -> bool:
    return not hasattr(session.config, "workerinput") and not session.config.option.collectonly


def _use_own_ports() -> None:
    """Native brokers go to free ports and end with this process, even if it is killed.

    Compose or external brokers, if the environment asks for them, are used as they are."""
    if settings.forced_backend() in (None, "native") and not brokers.external.wanted():
        os.environ["BREAKING_BROKERS_OWNER"] = process.owner_token()
        os.environ["BREAKING_BROKERS_BACKEND"] = "native"
        os.environ["BREAKING_BROKERS_PORT_OFFSET"] = str(_free_offset())


def _leave_nothing() -> None:
    brokers.down(delete_data=True)
    if settings.port_offset() and settings.forced_backend() == "native":
        shutil.rmtree(settings.run_dir())


def _free_offset() -> int:
    for offset in random.sample(range(1000, 7000, 20), 50):
        ports = settings.ports(offset)
        wanted = [ports.kafka, ports.amqp, ports.management, ports.epmd, ports.kafka_cluster[0]]
        if not any(process.port_taken(port) for port in wanted):
            return offset
    raise pytest.UsageError("no free ports for the brokers: is another test run using them all?")

"""Tests on live brokers: ports of their own, nothing left behind, the brokers' last words on failure."""

from __future__ import annotations

import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import nbval.kernel
import pytest
from jupyter_client.manager import KernelManager
from nbval.plugin import IPyNbCell
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from helpers import brokers, extras, notebooks, settings
from helpers.brokers import marks, neighbours, ports
from helpers.brokers.places import epmd_port, every_place

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SUITE = re.compile(r'\baccept\(\\"(\w+)')  # in a notebook that runs one
CLINIC = re.compile(r"import .*\bclinic\b")
# Waits until the tests are over or killed, and leaves nothing of their brokers and temporary files.
LEAVE_NOTHING = """
import shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
from helpers import brokers, settings
brokers.down(delete_data=True)
shutil.rmtree(settings.run_dir())
for space in sys.argv[1:]:
    shutil.rmtree(space, ignore_errors=True)
"""

_broken: set[Path] = set()
_spaces: list[str] = []
_ends: list[subprocess.Popen] = []
_reserved: list[socket.socket] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="draws the order of the notebooks, and answers")
    parser.addoption(
        "--all-answers", action="store_true", help="try every answer on the exercises' graders"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "native_files: reads what is fetched for native brokers only"
    )
    config.addinivalue_line("markers", "lengthy: takes minutes; left to `make test-extras`")
    _seed(config)
    if not hasattr(config, "workerinput"):
        _use_own_space(config)
    if threading.current_thread() is threading.main_thread():
        # a command in a script's background has Ctrl-C ignored, and so would have what it starts
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    which = "every answer" if config.getoption("all_answers") else "two answers an exercise"
    return f"exercises: {which}; --seed {_seed(config)} has the same answers and data again"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Draw the answers that a test of graders tries as ``case``: see tests/exercises/answers.py."""
    if "case" not in metafunc.fixturenames:
        return
    every, seed = metafunc.config.getoption("all_answers"), _seed(metafunc.config)
    answers = metafunc.module.ANSWERS
    wanted = metafunc.function.__name__.removeprefix("test_").replace("_", ".")
    own = {name for name in answers if hasattr(metafunc.module, f"test_{name.replace('.', '_')}")}
    exercises = [wanted] if wanted in own else [name for name in answers if name not in own]
    cases = [case for name in exercises for case in answers[name].drawn(name, seed, every)]
    metafunc.parametrize("case", cases, ids=[f"{case.exercise} {case.name}" for case in cases])


def _seed(config: pytest.Config) -> int:
    """That of the whole run; else drawn once, for the workers too, which inherit the environment."""
    given = config.getoption("seed")
    drawn = os.environ.setdefault("BREAKING_BROKERS_SEED", str(random.randrange(10**6)))
    return int(drawn) if given is None else int(given)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before nbval's cells run, which no fixture reaches, have brokers for their kernels."""
    if not session.config.getoption("nbval", False) or session.config.option.collectonly:
        return
    nbval.kernel.KernelManager = _kernel
    if _is_main(session):
        _use_own_ports()
        with warnings.catch_warnings():  # pytest's filters do not hold here
            warnings.simplefilter("ignore", DeprecationWarning)
            brokers.up()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_main(session):
        _leave_nothing()


@pytest.fixture(scope="session")
def own_ports() -> Iterator[None]:
    """What the tests of this session start is on ports that no learner uses."""
    _use_own_ports()
    yield
    _leave_nothing()


@pytest.fixture(scope="session")
def live(own_ports: None) -> brokers.Brokers:  # noqa: ARG001 (they come first)
    """Kafka and RabbitMQ for the tests of this session."""
    return brokers.up()


@pytest.fixture
def no_brokers_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have asked for a backend, or for brokers of somebody else."""
    for variable in ("BREAKING_BROKERS_BACKEND", *brokers.external.VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a seed, notebooks come in an order drawn from it; the cells of each stay in theirs. Those that
    use clusters come first: see `OneClusterOfEach`.

    Who tries answers has ports of his own, since graders start brokers."""
    for item in items:
        names = getattr(item, "fixturenames", [])
        if "case" in names and "own_ports" not in names:
            names.insert(0, "own_ports")
    if (seed := config.getoption("--seed")) is not None:
        order = sorted({item.path for item in items if isinstance(item, IPyNbCell)})
        random.Random(seed).shuffle(order)
        order.sort(key=lambda path: len(clusters(path)), reverse=True)
        place = {path: n for n, path in enumerate(order)}
        items.sort(key=lambda item: place.get(item.path, -1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.path in _broken:
        pytest.skip("an earlier cell of this notebook failed")
    if isinstance(item, IPyNbCell) and (missing := _missing(item.path)):
        pytest.skip(f"needs {missing}")
    backend = settings.forced_backend() or "native"
    if item.get_closest_marker("native_files") and backend != "native":
        pytest.skip(
            f"needs files that are fetched for native brokers only; here they are {backend}"
        )


class OneClusterOfEach(LoadScopeScheduling):
    """There is one cluster of each broker, and who comes second waits until it is free. So a worker gets a
    notebook that uses none of those that the other workers' notebooks use. Where only such are left, a
    worker ends, if there is another one for them."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        others = {other: units for other, units in self.assigned_work.items() if other is not node}
        units = [unit for of in others.values() for unit in of.items()]
        running = [notebook for notebook, cells in units if not all(cells.values())]
        free = next_of(self.workqueue, running)
        if not free and not all(other.shutting_down for other in others):
            node.shutdown()
            return
        if free:
            self.workqueue.move_to_end(free, last=False)
        super()._assign_work_unit(node)


def next_of(waiting: Iterable[str], running: Iterable[str]) -> str:
    """The first notebook that waits and uses no cluster of these, or an empty text."""
    used = {broker for notebook in running for broker in clusters(settings.CHECKOUT / notebook)}
    free = (one for one in waiting if not clusters(settings.CHECKOUT / one) & used)
    return next(free, "")


@pytest.hookimpl(optionalhook=True)  # whoever runs without xdist needs no scheduler
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneClusterOfEach | None:
    """For notebooks; other tests are shared out as ``--dist`` says."""
    return OneClusterOfEach(config, log) if config.getoption("nbval", False) else None


@functools.cache
def clusters(notebook: Path) -> frozenset[str]:
    """The brokers of which a notebook, or a suite or a case that it calls, uses the cluster."""
    if not notebook.is_file():  # a test's own, outside the course
        return frozenset()
    text = notebook.read_text(encoding="utf-8")
    files = [
        settings.CHECKOUT / "notebooks/projects" / name / "suite.py" for name in SUITE.findall(text)
    ]
    if CLINIC.search(text):
        files.append(settings.CHECKOUT / "helpers/clinic/clusters.py")
    text += "".join(file.read_text(encoding="utf-8") for file in files)
    return frozenset(name for name in ("kafka", "rabbitmq") if f"{name}_cluster(" in text)


@functools.cache
def _missing(notebook: Path) -> str:
    """The systems that a notebook declares, and that are not on this machine."""
    return extras.missing(*notebooks.extras(notebook))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A picture that comes or goes is a difference too; nbval looks at none."""
    yield
    if isinstance(item, IPyNbCell) and item.options["check"]:
        stored, drawn = (_pictures(outputs) for outputs in (item.cell.outputs, item.test_outputs))
        if stored != drawn:
            item.raise_cell_error(f"Cell draws {drawn} pictures, not {stored}, as stored")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """One failure for a notebook, not a cascade; and what the brokers said last."""
    report = yield
    if call.when == "call" and report.failed and isinstance(item, IPyNbCell):
        _broken.add(item.path)
        report.longrepr = COLOURS.sub("", str(report.longrepr))
        report.sections += [(f"log of {name}", text) for name, text in _last_words().items()]
    return report


def _last_words() -> dict[str, str]:
    try:
        return brokers.logs(15)
    except brokers.BrokerError as error:  # an engine that has gone away, say
        return {"no broker": str(error)}


def _pictures(outputs: list[dict[str, Any]]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def _kernel(**options: Any) -> KernelManager:
    """A kernel behind Unix sockets of its own. Jupyter picks TCP ports that are free and has the kernel
    bind them half a second later; if another process was faster, the kernel dies, and says nothing."""
    address = Path(tempfile.mkdtemp(prefix="kernel-"), "port")
    return KernelManager(transport="ipc", ip=str(address), **options)


def _is_main(session: pytest.Session) -> bool:
    return not hasattr(session.config, "workerinput") and not session.config.option.collectonly


def containers(offset: int | str) -> set[str]:
    """The ids of the containers, running or not, of a run whose ports are moved by so much."""
    label = f"label=com.docker.compose.project=breaking-brokers-{offset}"
    listing = ["docker", "ps", "--all", "--quiet", "--filter", label]
    return set(subprocess.check_output(listing, text=True).split())


def _use_own_space(config: pytest.Config) -> None:
    """Temporary files go to a directory that ends with the tests: nbval kills its kernels, which leave
    theirs. Its name is short, for a socket's path has room for a hundred letters."""
    space = tempfile.mkdtemp(prefix="bb-")
    os.chmod(space, 0o711)  # noqa: S103 (PostgreSQL, which another user runs, has its files below)
    _spaces.append(space)
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", space)
    patch.setattr(tempfile, "tempdir", space)
    config.add_cleanup(patch.undo)
    config.add_cleanup(lambda: shutil.rmtree(_spaces.pop(), ignore_errors=True))


def _use_own_ports() -> None:
    """Brokers go to free ports, whatever runs them, and end with this process, even if it is killed.

    External ones, if the environment asks for them, are used as they are."""
    if brokers.external.chosen():
        return
    os.environ["BREAKING_BROKERS_OWNER"] = marks.identity()
    os.environ["BREAKING_BROKERS_BACKEND"] = settings.forced_backend() or "native"
    os.environ["BREAKING_BROKERS_PORT_OFFSET"] = str(_free_offset())
    _ends.append(
        subprocess.Popen(
            [sys.executable, "-c", LEAVE_NOTHING, *_spaces],
            cwd=settings.CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
    )


def _leave_nothing() -> None:
    while _ends:
        end = _ends.pop()
        end.communicate()
        assert end.returncode == 0, "the brokers of these tests were not ended: see above"


def _reserve(port: int) -> bool:
    """Hold its namesake of UDP, which nothing here uses, until this process ends: another run of tests that
    looks at the same moment, when nobody listens yet, goes elsewhere."""
    namesake = socket.socket(type=socket.SOCK_DGRAM)
    try:
        namesake.bind((settings.HOST, port))
    except OSError:
        namesake.close()
        return False
    _reserved.append(namesake)
    return True


def _free_offset() -> int:
    """One at which no port is taken, nor can be by another process of this run of tests."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first, step = 1000 + neighbours.STEP * worker, neighbours.STEP * workers
    offsets = range(first, 1000 + neighbours.END, step)  # beyond, RabbitMQ would meet a Kafka
    for offset in random.sample(offsets, len(offsets)):
        wanted = [port for place in every_place(offset).values() for port in place.listens]
        wanted.append(epmd_port(offset))
        if not any(map(ports.taken, wanted)) and _reserve(epmd_port(offset)):
            return offset
    raise pytest.UsageError("no free ports for the brokers: is another test run using them all?")

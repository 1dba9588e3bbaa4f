"""Programs of the lessons: real processes, that print, fail, are killed, and end with their kernel."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from helpers import Ledger, programs, settings, wait_until
from helpers.brokers import marks
from helpers.programs import Program, show

WORKER = '''
"""A worker."""
import os
import sys
import time

from shared import GREETING


def decorate(function):
    return function


@decorate
def handle(order):
    return order.upper()  # the effect


class Shop:
    def sell(self):
        """Sells."""


if __name__ == "__main__":
    print(GREETING, sys.argv[1:], "SECRET" in os.environ, flush=True)
    if "fail" in sys.argv:
        raise KeyError("order 7")
    while True:
        time.sleep(60)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "worker.py").write_text(WORKER)
    (folder / "shared.py").write_text("GREETING = 'ready'\n")
    (tmp_path / "labs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(programs, "COURSE", tmp_path / "none")
    return folder


@pytest.fixture
def start(folder):
    started = []

    def begin(*arguments):
        started.append(Program("worker.py", *arguments))
        return started[-1]

    yield begin
    for program in started:
        program.close()


def test_a_program_of_a_program_is_nobodys_but_its_own(folder, monkeypatch, tmp_path):
    for name, value in marks.own(tmp_path / "parent").environment().items():
        monkeypatch.setenv(name, value)
    with Program("worker.py") as worker:
        worker.wait_for("ready")
        assert worker.running()
    assert not worker.processes()


def test_it_runs_in_a_clean_environment_with_its_arguments(start, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    worker = start("orders", 7)
    assert worker.wait_for("ready") == "ready ['orders', '7'] False"
    assert worker.running()


def test_it_is_killed_and_started_again(start):
    worker = start()
    worker.wait_for("ready")
    worker.kill()
    assert not worker.running()
    worker.start()
    wait_until(lambda: len(worker.lines()) == 2, "the second life")
    worker.stop()
    assert not worker.running()
    assert worker.errors() == []


def test_what_two_programs_have_handled_is_read_in_order_of_time(folder, start):
    (folder / "worker.py").write_text(
        "import sys\nfor line in sys.argv[1:]: print(line)\nprint('ready')\n"
    )
    one, other = start("handled 2 20.5", "handled x 40.0"), start("handled 10 30.0", "handled")
    one.wait_for("ready"), other.wait_for("ready")
    assert one.handled() == [(20.5, "2"), (40.0, "x")]
    ledger = Ledger("two")
    ledger.read_from({"one": one, "other": other})
    ledger.finish("both have ended")
    assert ledger.log() == [("one", 2), ("other", 10), ("one", "x")]


def test_one_that_pauses_lives_and_goes_on_when_told(folder, start):
    (folder / "worker.py").write_text("while True: print(1, flush=True)\n")
    worker = start()
    worker.wait_for("1")
    worker.pause()
    [process] = worker.processes()
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the worker to be frozen")
    before = len(worker.lines())
    worker.resume()
    wait_until(lambda: len(worker.lines()) > before, "the worker to go on")


def test_one_that_is_told_to_go_on_before_it_has_stopped_goes_on_all_the_same(folder, start):
    stop = "import os, signal, time\nprint('paused', flush=True)\ntime.sleep(1)\n"
    (folder / "worker.py").write_text(f"{stop}os.kill(os.getpid(), signal.SIGSTOP)\nprint('on')\n")
    worker = start()
    worker.wait_for("paused")
    worker.resume()
    worker.wait_for("on")


def test_an_error_ends_the_wait_at_once_and_is_shown(start):
    worker = start("fail")
    with pytest.raises(TimeoutError, match=r"(?s)ended before it printed 'done'.*KeyError"):
        worker.wait_for("done", timeout=60)
    assert worker.errors()[-1] == "KeyError: 'order 7'"
    assert worker.lines() == ["ready ['fail'] False"]


def test_a_lab_finds_it_in_the_folder_above(start, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "labs")
    assert start().wait_for("ready")


def test_a_project_finds_it_in_a_folder_of_its_own(start, monkeypatch, tmp_path):
    (tmp_path / "shop" / "starter").mkdir(parents=True)
    (tmp_path / "shop" / "starter" / "till.py").write_text("print('a till')\n")
    monkeypatch.chdir(tmp_path / "shop")
    till = programs.Program("starter/till.py")
    try:
        till.wait_for("a till")
    finally:
        till.close()


def test_one_that_is_not_there_is_an_error_that_names_those_that_are(folder):
    with pytest.raises(FileNotFoundError, match=r"no program 'order.py'.*shared.py, worker.py"):
        Program("order.py")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_kernel(folder, number):
    kernel = subprocess.Popen(
        [sys.executable, "-c", "from helpers.programs import Program; import time\n"
         "w = Program('worker.py'); w.wait_for('ready'); print(*[p.pid for p in w.processes()])\n"
         "import sys; sys.stdout.flush(); time.sleep(60)"],
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(programs.settings.CHECKOUT)},
    )  # fmt: skip
    with kernel:
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
        assert pids
        assert all(psutil.pid_exists(pid) for pid in pids)
        kernel.send_signal(number)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the worker to end")


@pytest.fixture
def forget_programs():
    """No program is loaded as a module before the test, nor left loaded by it."""
    before = {name: sys.modules.pop(name) for name in _loaded()}
    yield
    for name in _loaded():
        del sys.modules[name]
    sys.modules.update(before)


def _loaded():
    return [name for name in sys.modules if name.partition(".")[0] == "programs"]


def test_an_old_copy_is_told(start, folder, tmp_path, monkeypatch, capsys):
    course = tmp_path / "course"
    (course / "programs").mkdir(parents=True)
    (course / "programs" / "worker.py").write_text(WORKER)
    monkeypatch.setattr(settings, "NOTEBOOKS", course)
    start()
    assert capsys.readouterr().out == ""
    digest = hashlib.sha256(WORKER.encode()).hexdigest()
    (tmp_path / ".course.json").write_text(json.dumps({"programs/worker.py": digest}))
    (folder / "worker.py").write_text(WORKER + "# mine\n")
    start()
    assert capsys.readouterr().out == ""  # changed by the learner, from today's
    (course / "programs" / "worker.py").write_text(WORKER + "# new\n")
    start()
    assert "newer worker.py than your copy" in capsys.readouterr().out


def test_an_old_copy_of_a_project_is_told(tmp_path, monkeypatch, capsys):
    name, course = "projects/shop/starter/till.py", tmp_path / "course"
    for root in (tmp_path, course):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("")
    (tmp_path / ".course.json").write_text(json.dumps({name: hashlib.sha256(b"").hexdigest()}))
    monkeypatch.setattr(settings, "NOTEBOOKS", course)
    for content, said in (("", ""), ("new = 1", "newer")):
        (course / name).write_text(content)
        programs.Program(str(tmp_path / name)).close()
        assert said in capsys.readouterr().out


def test_a_lab_can_call_what_a_program_defines(folder, monkeypatch, tmp_path, forget_programs):
    (folder / "till.py").write_text("from . import shared\nSAID = shared.GREETING\n")
    monkeypatch.chdir(tmp_path / "labs")
    assert programs.module("till.py").SAID == "ready"
    assert programs.module("shared.py") is programs.module("till.py").shared
    with pytest.raises(FileNotFoundError, match=r"no program 'shop.py'.*shared\.py"):
        programs.module("shop.py")


def test_a_program_of_another_folder_can_be_called_afterwards(
    folder, monkeypatch, tmp_path, forget_programs
):
    monkeypatch.chdir(folder.parent)
    assert programs.module("shared.py").GREETING == "ready"
    there = tmp_path / "there"
    (there / "programs").mkdir(parents=True)
    (there / "programs" / "certificate.py").write_text("NAME = 'theirs'\n")
    monkeypatch.chdir(there)
    assert programs.module("certificate.py").NAME == "theirs"


def test_show_has_the_function_and_a_link(folder, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda made: shown.append(made.data))
    monkeypatch.chdir(tmp_path / "labs")
    show("worker.py", "handle")
    assert shown.pop() == (
        "From [worker.py](../programs/worker.py):\n\n```python\n@decorate\ndef handle(order):\n"
        "    return order.upper()  # the effect\n```"
    )
    show("worker.py", "Shop.sell")
    assert '"""Sells."""' in shown.pop()
    show("shared.py")
    assert "GREETING" in shown.pop()
    with pytest.raises(LookupError, match=r"no 'buy'. It has decorate, handle, Shop, Shop.sell"):
        show("worker.py", "buy")


def test_one_that_was_paused_stands_still_when_pause_returns(folder, start):
    (folder / "worker.py").write_text("while True: print(1, flush=True)\n")
    worker = start()
    worker.wait_for("1")
    for _ in range(20):
        worker.pause()
        [process] = worker.processes()
        assert process.status() == psutil.STATUS_STOPPED
        worker.resume()


def test_one_that_pauses_is_closed_at_once(folder, start):
    (folder / "worker.py").write_text("print(1, flush=True)\nimport time\ntime.sleep(60)\n")
    worker = start()
    worker.wait_for("1")
    worker.pause()
    before = time.monotonic()
    worker.close()
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("owner", ["", "12:34"])
def test_brokers_that_it_starts_are_not_its_kernels(folder, start, monkeypatch, tmp_path, owner):
    """A learner's brokers outlive a kernel, and so does what they store."""
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(marks.OWNER, owner)
    claim = "from helpers.brokers import marks\nmarks.claim_run()\nprint('claimed', flush=True)\n"
    (folder / "worker.py").write_text(claim)
    start().wait_for("claimed")
    note = settings.run_dir() / "owner"
    assert (note.read_text() if note.exists() else "") == owner


def test_a_line_that_is_still_being_written_is_not_read(folder, start):
    (folder / "worker.py").write_text(
        "print('handled 1 2.0\\nhandled 12', end='', flush=True)\ninput()\n"
    )
    worker = start()
    worker.wait_for("handled 1")
    assert worker.lines() == ["handled 1 2.0"]


SIGNALLED = """
import signal
from helpers.programs import Signalled

event = Signalled(signal.SIGALRM)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
print(event.wait(10))
for _ in range(5000):
    event.wait(0.0001)
print(event.is_set())
"""


def test_a_signal_may_come_at_any_moment_of_a_wait_for_it():
    run = [sys.executable, "-c", SIGNALLED]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=settings.CHECKOUT)
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_a_signal_that_does_not_come_is_not_waited_for_longer():
    event = programs.Signalled(signal.SIGUSR1)
    try:
        assert (event.wait(0.01), event.is_set()) == (False, False)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)

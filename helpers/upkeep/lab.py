"""``make lab``: the workbook brought up to date, the brokers starting, and JupyterLab open on it.

This process becomes JupyterLab, so Ctrl-C, a closed terminal and a kill reach it as ever. The
brokers start beside it in a session of their own. A shell waits for the end of this process,
however it comes about, and then has the brokers stopped, if a lab started them and no other lab
is open.
"""

import os
import secrets
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import psutil

from .. import brokers, notebooks, settings, workbook
from ..brokers import external, locks, neighbours

FRONT_DOOR = f"workbook/{notebooks.FRONT_DOOR}"
DEFAULTS = Path(__file__).parent / "jupyter"
LOG = "lab.log"
STOPPING = "Waiting for the brokers of the last lab to stop"
# Its standard input is a pipe whose other end is the lab's: `cat` returns when the lab is gone. What
# the terminal is told goes to standard error, all else to the log.
MINDER = """
"$0" -m helpers.upkeep.lab start </dev/null
exec 2>&1
cat >/dev/null
exec "$0" -m helpers.upkeep.lab stop </dev/null
"""


def main() -> int:
    """Run until JupyterLab ends."""
    _have_a_home()
    for line in workbook.sync().lines():
        print(line)
    with _own_ports(), _register() as _:
        minder = _start_brokers()
        server = _server()
        address = f"{server.local_url.partition('?')[0]}?token={server.identity_provider.token}"
        print(f"\nJupyterLab is at {address}\nCtrl-C ends it.\n", flush=True)
        server.start()
    minder.close()  # when this lab is no longer registered: the minder looks whether it was the last
    print("The brokers are stopped in the background, unless another lab uses them.")
    return 0


def _have_a_home() -> None:
    """Jupyter keeps files in the home directory; some containers' users have none."""
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute() or not os.access(home, os.W_OK):
        home = settings.cache_dir() / "home"
        home.mkdir(exist_ok=True)
        os.environ["BREAKING_BROKERS_CACHE"] = str(settings.cache_dir())  # else below the new home
        os.environ["HOME"] = str(home)


def _own_ports() -> AbstractContextManager[None]:
    """As long as a lab is open, no other copy of the course takes its ports."""
    return nullcontext() if external.chosen() else neighbours.settled()


def _register() -> IO[str]:
    """Say that a lab is open, for as long as this process lives; and whose the brokers are.

    The file has a word in it if it was a lab that found no brokers running.
    """
    with _one_at_a_time():
        path, file = _open_labs()
        locks.try_lock(file, path, shared=True)
        if path.stat().st_mtime < psutil.boot_time():  # the machine went down under the last lab
            file.truncate(0)
        if not brokers.status():
            file.write("a lab started the brokers")
            file.flush()
    return file


def start() -> None:
    """Start the brokers; if that fails, tell the terminal so in one line, and the log the rest."""
    try:
        brokers.up()
        if not external.chosen() and settings.forced_backend() != "compose":
            brokers.native.install()  # what labs need besides, so that they need no network
    except (brokers.BrokerError, settings.SettingsError, OSError) as error:
        print(error)
        reason = str(error).partition("\n")[0]
        more = f"More in {settings.run_dir() / LOG}; a notebook's first cell tries again."
        print(f"The brokers did not start: {reason} {more}", file=sys.stderr)


def stop_if_last() -> None:
    """Stop the brokers that a lab started, when no lab is open any more."""
    with _one_at_a_time():
        path, file = _open_labs()
        with file:
            if not locks.try_lock(file, path):
                return
            file.seek(0)
            try:
                if file.read():
                    brokers.down()
            finally:
                file.truncate(0)


def _one_at_a_time() -> AbstractContextManager[None]:
    """Held while brokers are claimed or stopped: who claims them meets those that stay."""
    return locks.held(settings.run_dir() / "lab-claim.lock", STOPPING)


def _open_labs() -> tuple[Path, IO[str]]:
    path = settings.run_dir() / "lab.lock"
    return path, path.open("a+")


def _start_brokers() -> IO[bytes]:
    """Start them without waiting. Closing what is returned, or dying, has them stopped."""
    with (settings.run_dir() / LOG).open("ab") as log:
        minder = subprocess.Popen(
            ["/bin/sh", "-c", MINDER, sys.executable],
            cwd=settings.CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=log,
            start_new_session=True,
        )
    assert minder.stdin is not None
    return minder.stdin


def _server() -> Any:
    """JupyterLab, listening: it knows its port, and the token that is new each time."""
    from jupyterlab.labapp import LabApp

    os.environ.setdefault("JUPYTER_TOKEN", secrets.token_hex(24))
    if not os.environ.get("JUPYTER_PORT", "").isdecimal():  # Kubernetes has another use for it
        os.environ["JUPYTER_PORT"] = str(_port())
    given = os.environ.get("JUPYTER_CONFIG_PATH")  # ours has no question about news in it
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(DEFAULTS), given]))
    arguments = [
        f"--ServerApp.root_dir={settings.CHECKOUT}",
        f"--LabApp.default_url=/lab/tree/{FRONT_DOOR}",
        f"--FileContentsManager.preferred_dir={Path(FRONT_DOOR).parent}",
        "--ServerApp.kernel_spec_manager_class=jupyter_client.kernelspec.KernelSpecManager",
        "--ServerApp.use_redirect_file=False",  # a browser in a sandbox can't read the file
        "--MappingKernelManager.transport_encryption=auto",  # else each kernel warns in the terminal
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
    ]
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    if not _has_display():
        arguments.append("--no-browser")
    server = LabApp.initialize_server(argv=arguments)
    # This Python is the one kernel: another one called python3 would have none of our packages.
    server.kernel_spec_manager.kernel_dirs = []
    return server


def _port() -> int:
    """Where JupyterLab looks first, another one for each set of ports that a copy of the course can have.
    It looks for a free port and takes it a moment later: two that start at once could find the same."""
    return 8888 + settings.port_offset() // neighbours.STEP % (neighbours.END // neighbours.STEP)


def _has_display() -> bool:
    """Can a browser window open here?"""
    told = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in told)


if __name__ == "__main__":
    {"start": start, "stop": stop_if_last}[sys.argv[1]]()

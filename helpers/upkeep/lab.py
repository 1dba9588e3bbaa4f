"""``make lab``: the workbook brought up to date, the brokers starting, and JupyterLab open on it.

This process becomes JupyterLab, so Ctrl-C, a closed terminal and a kill reach it as ever. The
brokers start beside it in a session of their own. A shell waits for the end of this process,
however it comes about, and then has the brokers stopped, if a lab started them and no other lab
is open.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import IO

from .. import brokers, settings
from . import workbook

FRONT_DOOR = "workbook/00_start_here.ipynb"
DEFAULTS = Path(__file__).parent / "jupyter"
LOG = "lab.log"
# Its standard input is a pipe whose other end is the lab's: `cat` returns when the lab is gone.
MINDER = '"$0" -m helpers up </dev/null; cat >/dev/null; exec "$0" -m helpers.upkeep.lab </dev/null'


def main() -> int:
    """Run until JupyterLab ends."""
    for line in workbook.sync().lines():
        print(line)
    with _register() as _:
        minder = _start_brokers()
        server = _server()
        address = f"{server.local_url.partition('?')[0]}?token={server.identity_provider.token}"
        print(f"\nJupyterLab is at {address}\nCtrl-C ends it.\n", flush=True)
        server.start()
        minder.close()
    print("The brokers are stopped in the background, unless another lab uses them.")
    return 0


def _register() -> IO[str]:
    """Say that a lab is open, for as long as this process lives; and whose the brokers are.

    The file has a word in it if it was a lab that found no brokers running.
    """
    file = _lock_file()
    fcntl.flock(file, fcntl.LOCK_SH)
    if not brokers.status():
        file.write("a lab started the brokers")
        file.flush()
    return file


def stop_if_last() -> None:
    """Stop the brokers that a lab started, when no lab is open any more."""
    with _lock_file() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        file.seek(0)
        started_by_a_lab = bool(file.read())
        file.truncate(0)
    if started_by_a_lab:
        brokers.down()


def _lock_file() -> IO[str]:
    return (settings.run_dir() / "lab.lock").open("a+")


def _start_brokers() -> IO[bytes]:
    """Start them without waiting. Closing what is returned, or dying, has them stopped."""
    with (settings.run_dir() / LOG).open("ab") as log:
        minder = subprocess.Popen(
            ["/bin/sh", "-c", MINDER, sys.executable],
            cwd=settings.CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return minder.stdin


def _server():
    """JupyterLab, listening: it knows its port, and the token that is new each time."""
    from jupyterlab.labapp import LabApp

    os.environ.setdefault("JUPYTER_TOKEN", secrets.token_hex(24))
    given = os.environ.get("JUPYTER_CONFIG_PATH")  # ours has no question about news in it
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(DEFAULTS), given]))
    arguments = [
        f"--ServerApp.root_dir={settings.CHECKOUT}",
        f"--LabApp.default_url=/lab/tree/{FRONT_DOOR}",
        f"--FileContentsManager.preferred_dir={Path(FRONT_DOOR).parent}",
        "--ServerApp.use_redirect_file=False",  # a browser in a sandbox can't read the file
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
    ]
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    if not _has_display():
        arguments.append("--no-browser")
    return LabApp.initialize_server(argv=arguments)


def _has_display() -> bool:
    """Can a browser window open here?"""
    told = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in told)


if __name__ == "__main__":
    stop_if_last()

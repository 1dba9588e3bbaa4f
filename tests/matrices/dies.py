"""Run a program of the shop, and die in the middle of an order, before a statement.

It prints each statement that is run for the order, from the call that handles its event until the
broker has been told that it is handled; those of the shop's own files, not those of libraries.

    python -m tests.matrices.dies ORDER NUMBER FILE ARGUMENTS …

NUMBER counts these statements from 0: before that one the process kills itself. With -1 it doesn't.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

TOOLS = ("between",)  # ours, to stop a service; no part of its work
HEADER = (ast.With, ast.For, ast.If, ast.While, ast.Try, ast.FunctionDef)
LAST = 'print("handled"'


@functools.cache
def statements(file: str) -> dict[int, str]:
    """The statement that each line belongs to; of one with a body, only its head."""
    found, source = {}, Path(file).read_text()
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            after = node.body[0].lineno if isinstance(node, HEADER) else (node.end_lineno or 0) + 1
            part = range(node.lineno, max(after, node.lineno + 1))
            text = " ".join(lines[number - 1].strip() for number in part)
            found |= dict.fromkeys(part, text)
    return found


class Tracer:
    """Follows the program's statements, and kills the process before the chosen one."""

    def __init__(self, folder: Path, order: str, number: int) -> None:
        self.folder, self.order, self.number = str(folder), order, number
        self.count, self.open = 0, False
        self.last: tuple[FrameType, str] | None = None

    def __call__(self, frame: FrameType, event: str, _arg: object) -> Callable[..., Any] | None:
        """Called by Python for each call, line and return; what it returns traces the rest of it."""
        code = frame.f_code
        if os.path.dirname(code.co_filename) != self.folder or code.co_name in TOOLS:
            return None
        if event == "call" and code.co_name == "handle" and self.count == 0:
            self.open = str(frame.f_locals["event"]["data"]["order"]) == self.order
        elif event == "line" and self.open:
            self.reach(frame, statements(code.co_filename)[frame.f_lineno])
        return self

    def reach(self, frame: FrameType, text: str) -> None:
        """Say where we are, once for a statement of several lines; and die here if this is the place."""
        if (frame, text) == self.last:
            return
        self.last = frame, text
        sys.stdout.write(json.dumps([frame.f_code.co_name, text]) + "\n")
        sys.stdout.flush()
        if self.count == self.number:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        self.open = not text.startswith(LAST)


def end_with_the_parent() -> None:
    """Our standard input ends when the process does that started us."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Run the file as if by hand."""
    order, number, file, *arguments = sys.argv[1:]
    sys.argv = [file, *arguments]
    folder = Path(file).resolve().parent
    sys.path[0] = str(folder)
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    sys.settrace(Tracer(folder, order, int(number)))
    runpy.run_path(str(folder / Path(file).name), run_name="__main__")


if __name__ == "__main__":
    main()

"""A service on trial that stands still right before a commit, or right after one, to be killed there.

What is noted in two transactions instead of one, or told before it is noted, is lost or done twice by who
dies in between. That moment is too short to be met by chance.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

from . import programs

FUSE = "commit"  # a file beside what a service prints
BEFORE, AFTER = "before", "after"
ENDS = "COMMIT", "END"


class Service(programs.Program):
    """A program that can be made to stop itself (SIGSTOP) at a commit. Its databases are SQLite's."""

    entry = programs.ENTRY.replace(programs.__name__, __name__)

    def start(self) -> None:
        """Start it again, if it has ended or was killed; it stops nowhere by itself."""
        self._fuse.unlink(missing_ok=True)
        super().start()

    def stop_at_commit(self, when: str = AFTER, word: str = "") -> None:
        """Let it stand still at the next commit of a change.

        Args:
            when: "before" or "after" it; after is before the next statement, as far as there is one.
            word: a statement of the transaction has it, as the name of a table.
        """
        draft = self._fuse.with_suffix(".draft")
        draft.write_text(f"{when} {word}")
        draft.replace(self._fuse)

    @property
    def _fuse(self) -> Path:
        return self.directory / FUSE


def run(errors: str, file: str, *arguments: str) -> None:
    """In the new process: run the file, with an eye on its databases."""
    fuse, connect = Path(errors).with_name(FUSE), sqlite3.connect

    def watched(*given: Any, **options: Any) -> sqlite3.Connection:
        database, said = connect(*given, **options), set[str]()
        changes, lit = 0, False

        def look(statement: str) -> None:
            """Called before each statement."""
            nonlocal changes, lit
            within, was_lit, lit = database.in_transaction, lit, fuse.exists()
            if database.total_changes > changes:
                if within and lit and statement.strip().upper().startswith(ENDS):
                    _stop(fuse, BEFORE, said)
                if not within and was_lit:  # else it was committed before anybody asked
                    _stop(fuse, AFTER, said)
            if not within:
                changes = database.total_changes
                said.clear()
            said.add(statement)

        database.set_trace_callback(look)
        return database

    sqlite3.connect = sqlite3.dbapi2.connect = watched  # type: ignore[assignment]
    programs.run(errors, file, *arguments)


def _stop(fuse: Path, when: str, said: set[str]) -> None:
    """Stop, if this is the transaction and the moment that were asked for."""
    asked, _, word = fuse.read_text().partition(" ")
    if asked == when and any(word in statement for statement in said):
        fuse.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)

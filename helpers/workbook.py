"""The learner's own copy of the notebooks, ``workbook/``: outputs cleared, and theirs to change.

``sync()`` lays what is missing and brings up to date what the learner left as it was. A file that
the learner changed is never written to: where the course moved on, the new version is laid beside
it. What was laid is remembered by its SHA-256 in ``workbook/.course.json``, written last, so that a
run that is cut short is made good by the next one.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import settings
from .brokers import files
from .notes import WORKBOOK

LAID = ".course.json"  # in the workbook: what was laid there
NOT_COPIED = {"__pycache__", "conftest.py"}  # and whatever begins with a dot


@dataclass
class Changes:
    """What one ``sync()`` did, as paths relative to the workbook."""

    laid: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What the learner should know, a sentence each. A new file is nothing to talk about."""
        said = [f"New version of a file that you changed, beside yours: {p}" for p in self.beside]
        if self.updated:
            said.append(f"Updated: {', '.join(self.updated)}")
        if self.removed:
            said.append(f"No longer part of the course: {', '.join(self.removed)}")
        return said


def sync(source: Path = settings.NOTEBOOKS, workbook: Path = WORKBOOK) -> Changes:
    """Bring the workbook up to the course, and leave what the learner changed as it is.

    Raises:
        OSError: a full disk, no permission; what was done until then is kept and sound.
    """
    changes, before, now = Changes(), _read_state(workbook), {}
    for name, content in _course(source):
        target = workbook / name
        new, current, was = _digest(content), _digest_of(target), before.get(name)
        now[name] = new
        if current == new:
            continue
        if current is None:
            _write(target, content)
            changes.laid.append(name)
        elif current == was:
            _write(target, content)
            changes.updated.append(name)
        else:
            offer = _beside(name, new)
            if was != new and _digest_of(workbook / offer) != new:
                _write(workbook / offer, content)
                changes.beside.append(offer)
            if _digest_of(workbook / offer) == new:
                now[offer] = new
    for name in sorted(before.keys() - now.keys()):
        if _digest_of(workbook / name) == before[name]:
            (workbook / name).unlink()
            _prune(workbook / name, workbook)
            changes.removed.append(name)
    if now != before:
        _write(workbook / LAID, json.dumps(now, indent=1, sort_keys=True).encode())
    return changes


def is_old(file: Path) -> bool:
    """Has the course's file changed since this copy of it was laid, or last compared?"""
    workbook = next((above for above in file.parents if (above / LAID).is_file()), file.parent)
    name = file.relative_to(workbook).as_posix()
    new = _digest_of(settings.NOTEBOOKS / name)
    if new in (None, _digest_of(file)):
        return False
    if _digest_of(workbook / _beside(name, str(new))):
        return True
    return _read_state(workbook).get(name, new) != new


def cleared(notebook: bytes) -> bytes:
    """A notebook without outputs and execution counts, written as Jupyter writes it."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": "))
    return (text + "\n").encode()


def _course(source: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the course, as the workbook is to have it."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if any(part in NOT_COPIED or part.startswith(".") for part in name.parts):
            continue
        if path.is_file():
            content = path.read_bytes()
            yield name.as_posix(), cleared(content) if path.suffix == ".ipynb" else content


def _beside(name: str, digest: str) -> str:
    path = Path(name)
    return path.with_name(f"{path.stem}.new-{digest[:8]}{path.suffix}").as_posix()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """None where there is nothing; for anything but a file a word that equals no digest."""
    if path.is_file():
        return _digest(path.read_bytes())
    return "not a file" if os.path.lexists(path) else None


def _read_state(workbook: Path) -> dict[str, str]:
    """Digests by name. Without them every file that differs counts as changed by the learner."""
    try:
        state = json.loads((workbook / LAID).read_bytes())
        return {str(name): str(digest) for name, digest in state.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(target: Path, content: bytes) -> None:
    """In one step, into a folder that has the usual permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write(target, content)


def _prune(path: Path, workbook: Path) -> None:
    """Remove the directories that a removed file leaves empty."""
    for folder in path.parents:
        if folder == workbook or any(folder.iterdir()):
            return
        folder.rmdir()

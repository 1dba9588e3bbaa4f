"""Small files of a run: written so that no reader ever sees half of one."""

import os
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one. It never has more
    permissions than ``mode``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
    except OSError:  # a full disk, say
        draft.unlink(missing_ok=True)
        raise

"""Lay out the sources of the web book in `build/book/source/`: the first half of `make book`."""

from __future__ import annotations

from pathlib import Path

from .layout import lay_out

ROOT = Path(__file__).resolve().parents[3]

if __name__ == "__main__":
    lay_out(ROOT, ROOT / "build" / "book" / "source")

"""Draw every diagram into `notebooks/images/`: `python -m diagrams`."""

from __future__ import annotations

from pathlib import Path

from . import (  # noqa: F401 - a chapter's module registers what it draws
    chapter_00,
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
    chapter_07,
    chapter_08,
    labs_04,
    labs_05,
)
from .drawing import DRAWN

IMAGES = Path(__file__).resolve().parents[1] / "notebooks" / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, drawn in DRAWN.items():
        (IMAGES / f"{name}.svg").write_text(drawn().svg(), encoding="utf-8")
    print(f"{len(DRAWN)} diagrams drawn into {IMAGES.relative_to(IMAGES.parents[1])}.")


if __name__ == "__main__":
    main()

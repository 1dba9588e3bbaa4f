"""Draw every diagram into `notebooks/images/`: `make diagrams`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from .drawing import DRAWN

IMAGES = Path(__file__).resolve().parents[3] / "notebooks" / "images"

for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if module.name.startswith(("chapter_", "labs_", "projects_")):
        import_module(f"{__package__}.{module.name}")  # which registers what it draws


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, drawn in DRAWN.items():
        (IMAGES / f"{name}.svg").write_text(drawn().svg(), encoding="utf-8")
    print(f"{len(DRAWN)} diagrams drawn into {IMAGES.relative_to(IMAGES.parents[1])}.")


if __name__ == "__main__":
    main()

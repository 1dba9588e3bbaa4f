"""What a page shows of a program in Go stands in that program."""

from __future__ import annotations

import re

import pytest

from helpers import notebooks, settings
from helpers.extras.parts import SOURCES
from tests import pages

PAGES = [p for p in notebooks.paths(settings.CHECKOUT / "notebooks") if "```go" in pages.prose(p)]


@pytest.mark.parametrize("path", PAGES, ids=pages.name)
def test_a_listing_in_go_is_part_of_a_program(path):
    programs = [file.read_text(encoding="utf-8") for file in SOURCES.rglob("main.go")]
    for listing in re.findall(r"```go\n(.*?)```", pages.prose(path), re.DOTALL):
        lines = [line.strip() for line in listing.strip().splitlines()]
        assert any("\n".join(lines) in _stripped(program) for program in programs), listing


def _stripped(program: str) -> str:
    return "\n".join(line.strip() for line in program.splitlines())

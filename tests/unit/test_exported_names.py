"""What a lesson imports from ``helpers``: a dozen names, read in an evening."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import helpers

MOST = 14


def test_there_are_few():
    assert len(helpers.__all__) <= MOST
    assert sorted(set(helpers.__all__)) == helpers.__all__


@pytest.mark.parametrize("name", helpers.__all__)
def test_each_is_there_and_documented(name):
    importlib.import_module("helpers.clients")  # the only one that isn't there before
    first_paragraph = getattr(helpers, name).__doc__.partition("\n\n")[0]
    assert first_paragraph.strip().endswith(".")


def test_starting_brokers_is_for_the_command_line_to_undo():
    assert {"down", "status"}.isdisjoint(vars(helpers))


def test_importing_them_brings_nothing_that_is_slow_to_load():
    slow = "{'matplotlib', 'pandas', 'IPython', 'kafka', 'pika'}"
    seen = subprocess.run(
        [sys.executable, "-c", f"import helpers.programs, sys; print({slow} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "set()\n"

"""Other systems: what is not there is named with the command that gets it; a lab says what it needs."""

from __future__ import annotations

import ast
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from helpers import extras, notebooks, settings
from helpers.brokers import BrokerError, rabbitmq_install
from helpers.extras import packages, parts
from helpers.extras.packages import Packages
from helpers.extras.parts import GoProgram
from tests import pages

pytestmark = pytest.mark.usefixtures("no_brokers_asked_for")
NOWHERE = Packages("pip", "no-such-package-anywhere")
LABS = [path for path in notebooks.paths(settings.CHECKOUT / "notebooks") if notebooks.extras(path)]
MAIN = "package main\n\nfunc main() { println(%s) }\n"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, extras.Extra]:
    """One system that is here, one that can't be, and one that could not be fetched."""

    class OutOfReach:
        def there(self) -> bool:
            return False

        def obtain(self) -> None:
            raise BrokerError("no network")

    found = {
        "here": extras.Extra("Pip", (Packages("pip"),)),
        "nowhere": extras.Extra("Nowhere", (NOWHERE,)),
        "cut off": extras.Extra("Far", (OutOfReach(),)),
    }
    monkeypatch.setattr(extras, "EXTRAS", found)
    monkeypatch.setattr(packages, "install", lambda: None)
    return found


def test_a_lab_goes_on_where_its_system_is_here(registered):
    assert extras.need("here") is None


def test_what_is_missing_is_named_with_the_command_that_gets_it(registered):
    with pytest.raises(BrokerError, match=r"needs Nowhere and Far,.*`make extras`"):
        extras.need("nowhere", "here", "cut off")


def test_what_a_machine_cannot_have_is_said_and_is_no_failure(registered, capsys):
    del registered["cut off"]
    assert extras.obtain()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Pip: here"
    assert said[1] == (
        "Nowhere: not for this machine: there is no Python package no-such-package-anywhere for it."
    )


def test_what_cannot_be_fetched_is_a_failure_and_the_rest_is_fetched(registered, capsys):
    registered["later"] = registered["here"]
    assert not extras.obtain()
    assert capsys.readouterr().out.splitlines()[2:] == ["Far: FAILED. no network", "Pip: here"]


@pytest.mark.parametrize(
    ("release", "lacking"),
    [((3, 10), ["4.0", "4.3"]), ((4, 0), ["4.3"]), ((4, 3), []), ((4, 4), []), (None, [])],
)
def test_a_lab_that_needs_a_newer_rabbitmq_is_not_for_an_older(monkeypatch, release, lacking):
    monkeypatch.setattr(rabbitmq_install, "release", lambda: release)
    wanted = " and ".join(f"RabbitMQ {series} or newer" for series in lacking)
    assert extras.missing("rabbitmq-4", "rabbitmq-4.3") == wanted
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "compose")
    assert not extras.missing("rabbitmq-4.3")  # its image is pinned


def test_which_series_is_here_is_said_and_what_asks_for_another(monkeypatch):
    monkeypatch.setattr(rabbitmq_install, "release", lambda: (3, 10))
    monkeypatch.setattr(rabbitmq_install, "version", lambda: "3.10.8")
    with pytest.raises(extras.NotHere, match=r"RabbitMQ is 3\.10\.8 here"):
        extras.EXTRAS["rabbitmq-4.3"].parts[0].obtain()
    with pytest.raises(
        BrokerError,
        match=r"RabbitMQ 4\.3 or newer\..*3\.10\.8 here\. Set BREAKING_BROKERS_RABBITMQ=4\.3",
    ):
        extras.need("rabbitmq-4.3")
    monkeypatch.setitem(extras.EXTRAS, "here", extras.Extra("Pip", (Packages("pip"),)))
    with pytest.raises(BrokerError, match=r"Set BREAKING_BROKERS_RABBITMQ=4\.3"):
        extras.need("here", "rabbitmq-4.3")  # `make extras` would change nothing


def test_a_series_is_nothing_that_is_fetched():
    assert not extras.fetched("rabbitmq-4", "rabbitmq-4.3", "native")
    assert extras.fetched("rabbitmq-4.3", "nats")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BREAKING_BROKERS_BACKEND", "compose", "backend is compose"),
        ("AMQP_URL", "amqp://somebody.else", "backend is external"),
    ],
)
def test_a_lab_for_native_brokers_refuses_others(monkeypatch, variable, value, said):
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "native")
    assert extras.need("native") is None
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    monkeypatch.setenv(variable, value)
    with pytest.raises(BrokerError, match=rf"needs native brokers\. The {said} here\. Unset"):
        extras.need("native")
    assert extras.missing("native") == "native brokers"  # by which the tests skip it, named


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package that is here, one that is older here, one to be fetched, one to be built; the installer is
    a script."""
    here = f"pip=={metadata.version('pip')}"
    wanted = (here, "pytest==999.0", "far-away==1.0", "raw==1.0")
    entries = [f"{package} \\\n    --hash=sha256:00\n" for package in wanted]
    (tmp_path / "lock").write_text("# made\n" + "".join(entries))
    monkeypatch.setattr(packages, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(packages, "BUILT", ("raw",))
    monkeypatch.setattr(packages.sys, "prefix", str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").touch(0o700)
    return tmp_path


def installer(lock: Path, refuses: str) -> None:
    """Have the installer note what it is asked for, and refuse one package."""
    script = f'for file; do :; done; grep == "$file" >> {lock}/asked; ! grep {refuses} "$file" >&2'
    (lock / "bin/uv").write_text(f"#!/bin/sh\n{script}\n")


def test_what_has_to_be_built_comes_last_and_its_failure_harms_nobody(lock, capsys):
    installer(lock, refuses="raw")
    packages.install()
    asked = (lock / "asked").read_text().split()
    assert [word for word in asked if "==" in word] == [
        "pytest==999.0",
        "far-away==1.0",
        "raw==1.0",
    ]
    assert capsys.readouterr().out.startswith("raw==1.0 could not be built")


def test_what_cannot_be_fetched_is_said_with_the_installers_words(lock):
    installer(lock, refuses="far")
    with pytest.raises(BrokerError, match=r"far-away==1\.0[^?]+network\?"):
        packages.install()


@pytest.fixture
def a_go_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The source of a small one."""
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(parts, "SOURCES", tmp_path)
    source = tmp_path / "hello"
    source.mkdir()
    (source / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (source / "go.sum").write_text("")
    (source / "main.go").write_text(MAIN % '"hello"')
    return source / "main.go"


def test_without_go_it_says_so(a_go_program, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(parts.NotHere, match="install it"):
        GoProgram("hello").obtain()


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_another_source_is_built_again_and_a_broken_one_says_where(a_go_program):
    program = GoProgram("hello")
    program.obtain()
    assert program.there()
    a_go_program.write_text(MAIN % "hello")
    assert not program.there()
    with pytest.raises(BrokerError, match=r"main.go:3:.*undefined: hello"):
        program.obtain()
    assert not program.there()


@pytest.mark.parametrize("path", LABS, ids=pages.name)
def test_a_lab_asks_for_what_it_declares_before_all_else(path):
    needs = [(n, call) for n, cell in enumerate(pages.cells(path, "code")) for call in _needs(cell)]
    [(first, call)] = needs
    assert first == 0
    assert [argument.value for argument in call.args] == notebooks.extras(path)
    assert set(notebooks.extras(path)) <= set(extras.EXTRAS)


def _needs(cell: dict) -> list[ast.Call]:
    calls = [
        node for node in ast.walk(pages.parsed(pages.text(cell))) if isinstance(node, ast.Call)
    ]
    return [call for call in calls if ast.unparse(call.func) == "extras.need"]

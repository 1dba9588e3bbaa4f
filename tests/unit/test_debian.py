"""Packages without root, from a mirror that is a directory here: signed, unsigned, out of date, dead."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.brokers import debian

pytestmark = pytest.mark.skipif(not debian.available(), reason="needs apt and dpkg")
PACKAGES = {  # what each depends on, and its section
    "tool": ("erlang-part, libdirect1, helper", "net"),
    "erlang-part": ("libfar1 (>= 1)", "interpreters"),
    "libdirect1": ("", "libs"),
    "libfar1": ("", "libs"),
    "helper": ("libhelper1", "admin"),
    "libhelper1": ("", "libs"),
}
NEXT = "next"  # the name of another release on the same mirror


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Path:
    """A mirror with the packages, known to apt as this release's; and hooks that leave a trace."""
    mirror = tmp_path / "mirror"
    index = "".join(package(mirror, name) for name in PACKAGES)
    for suite in (debian.system()[1], NEXT):
        folder = mirror / "dists" / suite / "main" / f"binary-{architecture()}"
        folder.mkdir(parents=True)
        (folder / "Packages").write_text(index)
    (tmp_path / "parts").mkdir()
    sources(tmp_path, f"deb [trusted=yes] file:{mirror} {debian.system()[1]} main")
    hook = f'{{"touch {tmp_path}/hooked";}};'
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::parts "{tmp_path}/parts"; Dir::Etc::sourceparts "{tmp_path}/parts";\n'
        f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\n'
        f"APT::Update::Pre-Invoke {hook} APT::Update::Post-Invoke-Success {hook}\n"
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return mirror


def sources(folder: Path, *lines: str) -> None:
    (folder / "sources.list").write_text("\n".join(lines) + "\n")


def architecture() -> str:
    done = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def package(mirror: Path, name: str) -> str:
    """Build a package that holds one file; returns its entry in the index."""
    depends, section = PACKAGES[name]
    fields = (
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nSection: {section}\n"
        f"Maintainer: nobody <nobody@localhost>\n"
        + (f"Depends: {depends}\n" if depends else "")
        + f"Description: {name}\n"
    )
    tree = mirror / "trees" / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(fields)
    (tree / "usr").mkdir()
    (tree / "usr" / name).touch()
    deb = mirror / f"{name}.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(deb)], capture_output=True, check=True)
    data = deb.read_bytes()
    sums = f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    return f"{fields}Filename: {deb.name}\n{sums}\n"


def unpacked(tmp_path: Path, **options: str) -> set[str]:
    debian.unpack("tool", tmp_path / "root", lambda _: None, **options)
    return {path.name for path in (tmp_path / "root/usr").iterdir()}


def sign(mirror: Path, home: Path, monkeypatch: pytest.MonkeyPatch, until: str) -> None:
    """Sign the other release with a new key, which this machine trusts from now on."""
    folder = mirror / "dists" / NEXT
    sums = "".join(
        f" {hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_size} "
        f"{file.relative_to(folder)}\n"
        for file in folder.rglob("Packages")
    )
    date = "Date: Sat, 01 Jan 2022 00:00:00 UTC\n"
    (folder / "Release").write_text(
        f"Suite: {NEXT}\nCodename: {NEXT}\nComponents: main\nArchitectures: {architecture()} all\n"
        f"{date}Valid-Until: Thu, 01 Jan {until} 00:00:00 UTC\nSHA256:\n{sums}"
    )
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", ""]
    make = [*gpg, "--quick-gen-key", "nobody@localhost", "rsa3072", "sign", "never"]
    seal = [*gpg, "-o", str(folder / "InRelease"), "--clearsign", str(folder / "Release")]
    export = [*gpg, "-o", str(home / "keys.gpg"), "--export"]
    for command in (make, seal, export):
        subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    monkeypatch.setattr(debian, "KEYRING", home / "keys.gpg")


def test_what_is_asked_for_comes_along_and_no_hook_of_the_system_runs(mirror, tmp_path):
    assert unpacked(tmp_path, also="erlang-.*") == {"tool", "erlang-part"}
    assert not (tmp_path / "hooked").exists()
    assert not (tmp_path / "root.apt").exists()


def test_a_source_that_is_dead_does_not_matter_where_another_has_the_package(mirror, tmp_path):
    dead = f"deb [trusted=yes] file:{tmp_path}/gone {debian.system()[1]} main"
    sources(tmp_path, dead, *(tmp_path / "sources.list").read_text().splitlines())
    assert unpacked(tmp_path) == {"tool"}


def test_an_update_that_failed_is_named_where_nothing_has_the_package(mirror, tmp_path):
    shutil.rmtree(mirror / "dists")
    with pytest.raises(debian.AptError, match=r"(?s)apt-get update.*did not find tool.*mirror"):
        unpacked(tmp_path)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home for gpg. Its agent listens at a socket there, whose path must be a short one."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        yield Path(folder)


@pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg to sign a release")
class TestAnotherRelease:
    def test_its_libraries_come_along(self, mirror, tmp_path, home, monkeypatch):
        sign(mirror, home, monkeypatch, until="2099")
        found = unpacked(tmp_path, also="erlang-.*", suite=NEXT)
        assert found == {"tool", "erlang-part", "libdirect1", "libfar1"}  # not the helper's
        assert not (tmp_path / "hooked").exists()

    def test_that_others_signed_is_refused(self, mirror, tmp_path, home, monkeypatch):
        sign(mirror, home, monkeypatch, until="2099")
        monkeypatch.undo()
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
        with pytest.raises(debian.AptError, match="NO_PUBKEY"):
            unpacked(tmp_path, suite=NEXT)

    def test_that_is_out_of_date_is_refused_unless_the_system_takes_it(
        self, mirror, tmp_path, home, monkeypatch
    ):
        sign(mirror, home, monkeypatch, until="2023")
        with pytest.raises(debian.AptError, match="expired"):
            unpacked(tmp_path, suite=NEXT)
        shutil.rmtree(tmp_path / "root")
        with Path(os.environ["APT_CONFIG"]).open("a") as file:
            file.write('Acquire::Check-Valid-Until "false";\n')
        assert "tool" in unpacked(tmp_path, suite=NEXT)

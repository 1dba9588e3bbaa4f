"""Which RabbitMQ is taken: a supported one where there is one, the next where that is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers import settings
from helpers.brokers import BrokerError, debian, process, rabbitmq_install

HAS = {"forky": "4.3.6", "trixie": "4.0.5", "bookworm": "3.10.8", "noble": "3.12.1"}


class Machine:
    """A system, what its mirror has, what does not start on it, and what was fetched so far."""

    def __init__(self, system: str, release: str, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.mirror, self.broken, self.fetched = dict(HAS), set(), []
        self.own, self._installed = release, folder / "system/lib/rabbitmq"
        patch.setenv("BREAKING_BROKERS_CACHE", str(folder / "cache"))
        patch.delenv("BREAKING_BROKERS_RABBITMQ", raising=False)
        patch.setattr(rabbitmq_install, "USUAL_PLACES", (str(self._installed),))
        patch.setattr(rabbitmq_install.shutil, "which", lambda _: None)
        patch.setattr(debian, "system", lambda: (system, release))
        patch.setattr(debian, "unpack", self._unpack)
        patch.setattr(rabbitmq_install, "_relocate", lambda _: None)
        patch.setattr(rabbitmq_install, "_use_own_libraries", lambda _: None)
        patch.setattr(process, "output", self._output)

    def has_installed(self, version: str) -> None:
        _lay_out(self._installed, version)

    def _unpack(self, package: str, root: Path, say, also: str, suite: str) -> None:
        self.fetched.append(suite or self.own)
        if self.fetched[-1] not in self.mirror:
            raise debian.AptError("E: Release file is expired")
        _lay_out(root / "usr/lib/rabbitmq", self.mirror[self.fetched[-1]])

    def _output(self, name: str, command: list, folder: Path | None = None) -> str:
        if self.fetched[-1] in self.broken:
            (folder or Path.cwd()).joinpath("erl_crash.dump").touch()  # as Erlang does
            raise BrokerError(f"{name} ended with 1:\nno version GLIBC_9.0")
        return ""


def _lay_out(place: Path, version: str) -> None:
    (place / "lib" / f"rabbitmq_server-{version}").mkdir(parents=True)
    (place / "bin").mkdir()
    (place / "bin/rabbitmq-server").touch()


@pytest.fixture
def debian12(monkeypatch, tmp_path) -> Machine:
    return Machine("debian", "bookworm", monkeypatch, tmp_path)


def test_what_was_moved_since_it_was_unpacked_is_unpacked_again(debian12, monkeypatch, tmp_path):
    rabbitmq_install.install()
    (tmp_path / "cache").rename(tmp_path / "another")
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "another"))
    assert rabbitmq_install.scripts() is None  # its programs have the old place written into them
    rabbitmq_install.install()
    assert rabbitmq_install.scripts()
    (tmp_path / "cache").symlink_to(tmp_path / "another")
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
    assert rabbitmq_install.scripts()
    assert debian12.fetched == ["forky", "forky"]


def test_debian_takes_a_newer_release_once(debian12):
    for _ in range(2):
        rabbitmq_install.install()
    assert (rabbitmq_install.version(), rabbitmq_install.release()) == ("4.3.6", (4, 3))
    assert debian12.fetched == ["forky"]


@pytest.mark.parametrize(
    ("lacks", "broken", "found"),
    [
        ({"forky"}, set(), "4.0.5"),
        (set(), {"forky"}, "4.0.5"),
        ({"forky"}, {"trixie"}, "3.10.8"),
    ],
)
def test_what_is_refused_or_does_not_start_is_followed_by_the_next(
    debian12, monkeypatch, tmp_path, lacks, broken, found
):
    reader = tmp_path / "reader"
    reader.mkdir()
    monkeypatch.chdir(reader)
    for suite in lacks:
        del debian12.mirror[suite]
    debian12.broken = broken
    for _ in range(2):  # and what was refused is remembered
        rabbitmq_install.install()
    assert rabbitmq_install.version() == found
    assert len(debian12.fetched) == len(lacks | broken) + 1
    assert list(reader.iterdir()) == []


@pytest.mark.parametrize(("version", "taken"), [("4.4.0", True), ("5.0.1", False)])
def test_a_testing_release_may_move_on_within_its_series(debian12, version, taken):
    debian12.mirror["forky"] = version
    rabbitmq_install.install()
    assert rabbitmq_install.version() == (version if taken else "4.0.5")


def test_each_series_can_be_chosen_and_is_kept(debian12, monkeypatch):
    for _ in range(2):
        for series, version in {"3.10": "3.10.8", "4.3": "4.3.6", "4.0": "4.0.5"}.items():
            monkeypatch.setenv("BREAKING_BROKERS_RABBITMQ", series)
            rabbitmq_install.install()
            assert rabbitmq_install.version() == version
    assert sorted(debian12.fetched) == ["bookworm", "forky", "trixie"]


def test_a_series_that_was_chosen_once_does_not_stay_chosen(debian12, monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_RABBITMQ", "3.10")
    rabbitmq_install.install()
    monkeypatch.delenv("BREAKING_BROKERS_RABBITMQ")
    rabbitmq_install.install()
    assert rabbitmq_install.version() == "4.3.6"


def test_an_unknown_series_is_said(monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_RABBITMQ", "5")
    with pytest.raises(settings.SettingsError, match=r"BREAKING_BROKERS_RABBITMQ is '5'.* 4\.3"):
        settings.rabbitmq_series()


def test_an_installed_one_of_series_4_is_taken(debian12):
    debian12.has_installed("4.1.2")
    rabbitmq_install.install()
    assert (rabbitmq_install.version(), rabbitmq_install.root()) == ("4.1.2", None)
    assert debian12.fetched == []


@pytest.mark.parametrize(("network", "found"), [(True, "4.3.6"), (False, "3.10.8")])
def test_an_installed_older_one_is_taken_where_no_newer_can_be_had(debian12, network, found):
    debian12.has_installed("3.10.8")
    if not network:
        debian12.mirror.clear()
    rabbitmq_install.install()
    assert rabbitmq_install.version() == found


def test_ubuntu_has_its_own(monkeypatch, tmp_path):
    machine = Machine("ubuntu", "noble", monkeypatch, tmp_path)
    rabbitmq_install.install()
    assert rabbitmq_install.version() == "3.12.1"
    assert machine.fetched == ["noble"]


def test_nothing_to_be_had_is_said_with_each_reason(debian12):
    debian12.mirror.clear()
    with pytest.raises(BrokerError, match=r"(?s)forky: .*expired.*trixie: .*bookworm: .*network"):
        rabbitmq_install.install()


def test_without_apt_what_is_installed_is_taken_whatever_it_is(monkeypatch, tmp_path):
    machine = Machine("", "", monkeypatch, tmp_path)
    with pytest.raises(BrokerError, match="brew install rabbitmq"):
        rabbitmq_install.install()
    machine.has_installed("3.13.7")
    rabbitmq_install.install()
    assert rabbitmq_install.version() == "3.13.7"


def test_the_scripts_of_what_was_unpacked_bear_a_blank_in_the_path(tmp_path):
    root = tmp_path / "Jane Doe"
    scripts, erlang = root / "usr/lib/rabbitmq/bin", root / "usr/lib/erlang/bin"
    for folder in (scripts, erlang):
        folder.mkdir(parents=True)
    for name in ("erl", "start"):
        (erlang / name).write_text('ROOTDIR=/usr/lib/erlang\necho "$ROOTDIR"\n')
    (scripts / "rabbitmq-defaults").write_text("echo defaults\n")
    (scripts / "rabbitmq-env").write_text(  # as RabbitMQ has it
        'SCRIPT_PATH="$0"\nRABBITMQ_SCRIPTS_DIR=`dirname $SCRIPT_PATH`\n'
        ". ${RABBITMQ_SCRIPTS_DIR}/rabbitmq-defaults\n"
        'HOME="$(cd "${RABBITMQ_SCRIPTS_DIR}/.." && pwd)"\necho "$HOME"\n'
    )
    rabbitmq_install._relocate(root)
    for script, said in {
        scripts / "rabbitmq-env": f"defaults\n{scripts.parent}\n",
        erlang / "erl": f"{erlang.parent}\n",
    }.items():
        done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
        assert done.stdout == said, done.stderr

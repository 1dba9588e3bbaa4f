"""What a fresh clone is set up from: pins, lock, targets, Binder's files and the workflow agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def requirements() -> list[str]:
    """The lines of requirements.txt that ask for something, without their comments."""
    lines = (line.partition("#")[0].strip() for line in text("requirements.txt").splitlines())
    return [line for line in lines if line]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins() -> dict[str, str]:
    return dict(line.split("==") for line in requirements() if not line.startswith("-"))


def locked() -> dict[str, set[str]]:
    """The versions of each package in the lock: several, where Pythons differ."""
    found: dict[str, set[str]] = {}
    for line in text("requirements.lock").splitlines():
        if not line.startswith("#"):
            name, _, version = line.partition(";")[0].strip().partition("==")
            found.setdefault(name, set()).add(version)
    return found


def test_direct_requirements_are_pinned_and_the_lock_frames_them():
    first, *middle, last = requirements()
    assert (first, last) == ("-c requirements.lock", "-e .")
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in middle)


@pytest.mark.parametrize("name", pins())
def test_the_lock_has_each_direct_pin(name):
    assert locked().get(name) == {pins()[name]}, "run `make lock`"


def test_the_lock_is_exact():
    assert all(version for versions in locked().values() for version in versions)
    assert "make lock" in text("requirements.lock").partition("==")[0]


def test_this_environment_is_the_locked_one():
    done = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
    lock = locked()
    differing = {
        name: version
        for name, version in installed.items()
        if (known := lock.get(name.lower().replace("_", "-").replace(".", "-")))
        and version not in known
    }
    assert differing == {}
    missing = {name.lower().replace("_", "-") for name in pins()} - {
        name.lower().replace("_", "-") for name in installed
    }
    assert missing == set()


def test_the_build_requirement_is_pinned():
    (build,) = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    assert re.fullmatch(r"setuptools==[\d.]+", build)


def test_data_files_of_the_helpers_are_packaged():
    patterns = tomllib.loads(text("pyproject.toml"))["tool"]["setuptools"]["package-data"]["*"]
    kept = {Path(pattern).suffix for pattern in patterns} | {".py"}
    shown = subprocess.run(
        ["git", "ls-files", "helpers"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {Path(name).suffix for name in shown.stdout.split("\n") if name} <= kept


@pytest.mark.parametrize("file", ["README.md", ".github/workflows/test.yml", ".ci/run"])
def test_every_make_target_that_is_named_exists(file):
    named = re.findall(r"(?:`|run: |^\s*)make ([a-z]+)", text(file), re.MULTILINE)
    assert named
    assert set(named) <= targets()


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))


def test_help_names_every_target_meant_for_people():
    named = set(re.findall(r"@echo 'make ([a-z]+)", text("Makefile")))
    assert named == targets() - {"help", "environment"}


def test_ci_runs_the_test_command_and_no_more():
    lines = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "make test"]


def test_the_workflow_is_valid():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.github-workflows", ".github/workflows/test.yml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_workflow_pins_each_action_to_a_version():
    used = re.findall(r"uses: (\S+)", text(".github/workflows/test.yml"))
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used)


def test_binder_installs_the_same_requirements():
    assert text("binder/requirements.txt").split() == ["-r", "../requirements.txt"]
    assert re.fullmatch(r"python-3\.1[1-4]", text("binder/runtime.txt").strip())


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable_and_parse(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_binder_starts_what_it_is_given():
    assert text("binder/start").rstrip().endswith('exec "$@"')

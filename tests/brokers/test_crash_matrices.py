"""The places of the stored crash matrices are those of today's programs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

from tests.matrices import outbox, saga
from tests.matrices.tables import stored

AGAIN = "python -m tests.matrices {} makes the table anew"


def test_the_outbox_is_killed_at_the_statements_that_are_run_today(live):
    every = list(product(outbox.WAYS, outbox.SHOPS))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda one: outbox.places(live, one[1], one[0]), every)
        today = {
            (*one, *place) for one, places in zip(every, found, strict=True) for place in places
        }
    assert today == {tuple(row[:4]) for row in stored("outbox")}, AGAIN.format("outbox")


def test_the_saga_is_killed_at_the_steps_that_are_taken_today(live):
    every = list(product(saga.DIRECTED, saga.SHOPS))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda one: saga.deaths(live, one[1], one[0]), every)
        today = {
            (*one, *death.place())
            for one, deaths in zip(every, found, strict=True)
            for death in deaths
        }
    assert today == {tuple(row[:7]) for row in stored("saga")}, AGAIN.format("saga")

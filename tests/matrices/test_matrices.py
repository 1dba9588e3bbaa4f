"""The crash matrices, made anew: each row comes out as it is stored."""

from __future__ import annotations

import pytest

from tests.matrices.tables import MATRICES, stored


@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_comes_out_as_it_is_stored(live, name):
    assert MATRICES[name].rows(live) == stored(name)

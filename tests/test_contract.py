"""Every model × the same promises."""

from __future__ import annotations

import pytest

from tests.contract import CASES, PROMISES


@pytest.mark.parametrize("promise", PROMISES, ids=lambda p: p.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_contract(case, promise):
    promise(case)

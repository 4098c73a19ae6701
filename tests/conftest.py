"""Tables that many tests read; made once."""

from __future__ import annotations

import pytest

from benchmodels import datasets


@pytest.fixture(scope="session")
def country():
    return datasets.simulate_denmark()


@pytest.fixture(scope="session")
def pupils(country):
    return country.special_education()


@pytest.fixture(scope="session")
def districts():
    return datasets.star98()

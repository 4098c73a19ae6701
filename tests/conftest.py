"""Tables that many tests read; made once."""

from __future__ import annotations

import pytest

from benchmodels import datasets
from benchmodels.parallel import one_blas_thread


@pytest.fixture(scope="session", autouse=True)
def kernels_as_they_are_called():
    """The package calls its kernels under one BLAS thread; tests that call them by themselves do the same."""
    import scipy.linalg  # noqa: F401  (its BLAS is to be there when threads are limited)

    with one_blas_thread():
        yield


@pytest.fixture(scope="session")
def country():
    return datasets.simulate_denmark()


@pytest.fixture(scope="session")
def pupils(country):
    return country.special_education()


@pytest.fixture(scope="session")
def districts():
    return datasets.star98()

"""The promises of every model, asked of those whose fit is of another kind: panels, learners and posteriors."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from benchmodels import BayesianRandomEffects, CrossFitted, DataError, Panel, SpecificationError
from tests.contract import assert_same_comparison, cells, compared, panel


def learner(**more):
    from sklearn.linear_model import LogisticRegression

    # One unit left out at a time, so that nothing is drawn; without a penalty, so that units of measure do not count.
    estimator = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=200)
    return CrossFitted("y ~ x + g", unit="unit", trials="m", estimator=estimator, folds="units", rng=1, **more)


def posterior(**more):
    return BayesianRandomEffects("y ~ x + g", unit="unit", trials="m", draws=400, rng=1, **more)


def panel_model(**more):
    return Panel("y ~ x", unit="unit", period="year", **more)


@dataclass(frozen=True)
class Case:
    """A model, its table, and how exact its answers are when they ought to be the same."""

    name: str
    model: object
    table: object
    exact: float
    weighted: bool = True


CASES = [
    Case("CrossFitted", learner, lambda: cells("binomial", 3), 1e-6),
    # Rows of one unit and pattern are gathered in another order: the same draws, rounded otherwise.
    Case("BayesianRandomEffects", posterior, lambda: cells("binomial", 3), 1e-6),
    Case("Panel", panel_model, lambda: panel("gaussian", 3), 1e-5, weighted=False),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_data_are_not_changed(case):
    data = case.table()
    before = data.copy(deep=True)
    compared(case.model().fit(data))
    pd.testing.assert_frame_equal(data, before)


@each
def test_the_same_question_has_the_same_answer(case):
    data = case.table()
    first, second = (compared(case.model().fit(data)) for _ in range(2))
    for name in ("estimate", "lower", "upper", "std_error"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@each
def test_row_order_does_not_matter(case):
    data = case.table()
    first, second = (compared(case.model().fit(d)) for d in (data, data.sample(frac=1.0, random_state=1)))
    assert_same_comparison(first, second, rtol=case.exact)


@each
def test_kinds_of_table_and_label_do_not_matter(case):
    import polars as pl

    data = case.table()
    first = compared(case.model().fit(data))
    for other in (
        pl.from_pandas(data),
        data.assign(unit=data["unit"].astype("category")),
        data.set_index("x", drop=False),
    ):
        assert_same_comparison(first, compared(case.model().fit(other)), rtol=case.exact)
    # Labels in the same order.
    named = data.assign(unit=data["unit"].str.replace("unit", "Ø "))
    assert_same_comparison(first, compared(case.model().fit(named)), rtol=case.exact)


@each
def test_frequencies_are_repeated_rows(case):
    if not case.weighted:
        with pytest.raises((SpecificationError, TypeError)):
            case.model(frequency="w")
        return
    data = case.table()
    repeated = data.loc[data.index.repeat(data["w"])]
    first = compared(case.model().fit(repeated))
    second = compared(case.model(frequency="w").fit(data))
    assert_same_comparison(first, second, rtol=case.exact)


@each
def test_units_of_measure_of_covariates_do_not_matter(case):
    data = case.table()
    first = compared(case.model().fit(data))
    for factor in (1e-3, 1e3):
        assert_same_comparison(first, compared(case.model().fit(data.assign(x=data["x"] * factor))), rtol=1e-4)


@each
def test_a_comparison_can_be_kept_without_the_data(case):
    fit = case.model().fit(case.table())
    comparison = compared(fit)
    stored = pickle.dumps(comparison)
    assert_same_comparison(comparison, pickle.loads(stored), rtol=0.0)
    names = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            names.add(module)
            return super().find_class(module, name)

    Reader(io.BytesIO(stored)).load()
    assert not {
        name for name in names if name.startswith(("benchmodels.design", "benchmodels.adjustment", "pandas", "sklearn"))
    }
    again = pickle.loads(pickle.dumps(fit))
    assert_same_comparison(comparison, compared(again), rtol=case.exact)


@each
@pytest.mark.parametrize(
    "broken",
    [
        lambda data: data.iloc[:0],
        lambda data: data[data["unit"] == data["unit"].iloc[0]],
        lambda data: data.drop(columns="y"),
        lambda data: data.assign(x=np.nan),
        lambda data: data.assign(x=np.inf),
        lambda data: data.assign(y="many"),
        lambda data: data.assign(unit=None),
        lambda data: 3,
    ],
)
def test_bad_tables_end_in_an_error_of_ours(case, broken):
    with pytest.raises((DataError, SpecificationError)):
        compared(case.model().fit(broken(case.table())))


def test_a_column_without_variation_is_refused_where_it_has_a_slope():
    for model, table in ((posterior, cells("binomial", 3)), (panel_model, panel("gaussian", 3))):
        with pytest.raises((DataError, SpecificationError), match="x"):
            model().fit(table.assign(x=1.0))

"""Promises that every model of average practice keeps, as functions of (model, table).

`CASES` lists the models by name; each has a table it is at home in. A promise takes a case and asserts.
"""

from __future__ import annotations

import io
import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmodels import FixedEffects, PartialResultWarning, Pooled, RandomEffects
from tests import plain

EXACT = 1e-10
COMPARISONS = [
    {"standard": standard, "contrast": contrast, "reference": reference}
    for standard in ("indirect", "direct")
    for contrast in ("difference", "ratio")
    for reference in ("others", "all")
]


@dataclass(frozen=True)
class Case:
    """A model, and the table that it is asked about."""

    name: str
    model: object
    roles: dict
    noise: str
    rows: str = "cases"
    # An answer that is searched for is as exact as its search: decrements stop at 1e-8 standard errors.
    loose: float = 1.0

    @property
    def family(self):
        return self.roles["family"]

    def table(self, seed=0):
        return TABLES[self.rows](self.family, seed)

    def ask(self, data, formula="y ~ x + g", **more):
        return self.model(formula, unit="unit", **{**self.roles, **more}).fit(data)


def cells(family, seed, *, k=8, n=160):
    rng = np.random.default_rng(seed)
    unit = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    x = np.round(rng.normal(size=n) + 0.1 * unit, 1)
    group = rng.choice(["a", "b", "c"], n)
    size = rng.integers(1, 40, n)
    eta = -0.8 + 0.4 * x + 0.4 * (group == "b") + 0.3 * rng.normal(size=k)[unit]
    mu = (
        plain.mean({"beta_binomial": "binomial", "fractional": "binomial"}.get(family, family), eta)
        if family != "gaussian"
        else eta
    )
    outcome = {
        "binomial": lambda: rng.binomial(size, mu),
        "beta_binomial": lambda: rng.binomial(size, rng.beta(6 * mu, 6 * (1 - mu))),
        "fractional": lambda: rng.beta(6 * mu, 6 * (1 - mu)),
        "poisson": lambda: rng.poisson(size * mu),
        "negative_binomial": lambda: rng.poisson(size * mu * rng.gamma(3.0, 1 / 3.0, n)),
        "gamma": lambda: rng.gamma(2.0 * size, 0.5 * mu),
        "gaussian": lambda: size * (20 + eta) + np.sqrt(size) * rng.normal(size=n),
    }[family]()
    return pd.DataFrame(
        {
            "unit": [f"unit {i}" for i in unit],
            "x": x,
            "g": group,
            "y": outcome,
            "m": size,
            "w": rng.integers(1, 4, n),
            "s": rng.integers(0, 4, n),
            "other": rng.normal(size=n),
        }
    )


def one_case_a_row(family, seed):
    data = cells(family, seed, n=600)
    if family == "binomial":
        data["y"] = (np.random.default_rng(seed).random(len(data)) < data["y"] / data["m"]).astype(int)
    data["m"] = 1
    return data


def panel(family, seed, *, k=8, periods=5):
    rng = np.random.default_rng(seed)
    unit, year = np.repeat(np.arange(k), periods), np.tile(np.arange(2018, 2018 + periods), k)
    x, size = rng.normal(size=k * periods), np.repeat(rng.integers(100, 9000, k), periods)
    noise = rng.normal(size=k * periods)
    noise[1:] += 0.5 * noise[:-1]
    outcome = size * (20 + 0.5 * x + rng.normal(size=k)[unit] + noise)
    return pd.DataFrame(
        {
            "unit": [f"unit {i}" for i in unit],
            "year": year,
            "x": x,
            "g": rng.choice(["a", "b", "c"], len(x)),
            "y": outcome,
            "m": size,
            "w": 1,
        }
    )


TABLES = {"cases": one_case_a_row, "cells": cells, "panel": panel}

CASES = [
    Case(f"{model.__name__}-{name}", model, roles, noise, rows)
    for model in (Pooled, FixedEffects)
    for name, roles, noise, rows in (
        ("binomial cells", {"family": "binomial", "trials": "m"}, "counts", "cells"),
        ("binomial cases", {"family": "binomial"}, "counts", "cases"),
        ("poisson cells", {"family": "poisson", "exposure": "m"}, "counts", "cells"),
        ("gaussian cells", {"family": "gaussian", "exposure": "m"}, "cases", "cells"),
        ("gaussian cases", {"family": "gaussian"}, "cases", "cases"),
        ("binomial clusters", {"family": "binomial", "trials": "m", "cluster": "s"}, "clusters", "cells"),
        ("gaussian panel", {"family": "gaussian", "exposure": "m", "period": "year"}, "periods", "panel"),
    )
]

CASES += [
    Case(f"{model.__name__}-{name}", model, roles, noise, rows, loose=1e3)
    for model in (Pooled, FixedEffects)
    for name, roles, noise, rows in (
        ("probit cells", {"family": "binomial", "link": "probit", "trials": "m"}, "counts", "cells"),
        ("cloglog cases", {"family": "binomial", "link": "cloglog"}, "counts", "cases"),
        ("negative binomial", {"family": "negative_binomial", "exposure": "m"}, "counts", "cells"),
        ("beta-binomial", {"family": "beta_binomial", "trials": "m"}, "counts", "cells"),
        ("gamma", {"family": "gamma", "exposure": "m"}, "cases", "cells"),
        ("fractional", {"family": "fractional", "exposure": "m"}, "cases", "cells"),
    )
]
CASES += [
    Case(f"RandomEffects-{name}", RandomEffects, roles, noise, rows, loose=1e4)
    for name, roles, noise, rows in (
        ("binomial cells", {"family": "binomial", "trials": "m"}, "counts", "cells"),
        ("binomial within", {"family": "binomial", "trials": "m", "slopes": "within"}, "counts", "cells"),
        ("probit cases", {"family": "binomial", "link": "probit"}, "counts", "cases"),
        ("poisson cells", {"family": "poisson", "exposure": "m"}, "counts", "cells"),
        ("gaussian cells", {"family": "gaussian", "exposure": "m"}, "cases", "cells"),
        ("gaussian clusters", {"family": "gaussian", "exposure": "m", "cluster": "s"}, "clusters", "cells"),
        (
            "gaussian panel",
            {"family": "gaussian", "exposure": "m", "period": "year", "slopes": "within"},
            "periods",
            "panel",
        ),
    )
]


def compared(fit, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PartialResultWarning)
        return fit.compare(**options)


def assert_same_fit(first, second, *, rtol=EXACT, coefficients=True):
    """Slopes, levels, standard errors and expected values agree."""
    close(second.slopes, first.slopes, rtol)
    close(second.unit_levels, first.unit_levels, rtol)
    kinds = () if not coefficients else ("model", "CR1") if first.random is None else ("model",)
    for covariance in kinds:
        a, b = (fit.coefficients(covariance=covariance).select_dtypes("number") for fit in (first, second))
        close(b, a, 10 * rtol)
    for reference in ("others", "all"):
        close(second.expected(reference=reference), first.expected(reference=reference), rtol)


def assert_same_comparison(first, second, *, rtol=EXACT, order=None):
    order = np.arange(len(first)) if order is None else order
    for name in (
        "size",
        "observed",
        "expected",
        "estimate",
        "std_error",
        "lower",
        "upper",
        "null_std_error",
        "df",
    ):
        a, b = getattr(first, name), getattr(second, name)[order]
        scale = np.nanmax(np.abs(a)) if np.isfinite(a).any() else 1.0
        scale = scale if np.isfinite(scale) else 1.0
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * scale, err_msg=name)


def close(found, expected, rtol):
    expected = np.asarray(expected, dtype=float)
    scale = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
    np.testing.assert_allclose(np.asarray(found, dtype=float), expected, rtol=rtol, atol=rtol * scale)


# --- promises ---


def data_are_not_changed(case):
    data = case.table()
    before = data.copy(deep=True)
    fit = case.ask(data)
    compared(fit)
    fit.coefficients()
    pd.testing.assert_frame_equal(data, before)


def row_order_does_not_matter(case):
    data = case.table()
    first = case.ask(data)
    shuffled = data.sample(frac=1.0, random_state=1)
    second = case.ask(shuffled)
    assert_same_fit(first, second, rtol=case.loose * EXACT)
    for options in COMPARISONS:
        # What rests on a search for the serial correlation is as exact as that search.
        rtol = 1e-5 if case.noise == "periods" else case.loose * 1e-9
        assert_same_comparison(compared(first, **options), compared(second, **options), rtol=rtol)


def unit_labels_do_not_matter(case):
    data = case.table()
    first = case.ask(data)
    labels = dict(zip([f"unit {i}" for i in range(8)], ["Ø", "æ 2", "Å", "a", "Z z", "10", "9", "é"], strict=True))
    second = case.ask(data.assign(unit=data["unit"].map(labels)))
    names = second.design.units.tolist()
    order = np.array([names.index(labels[label]) for label in first.design.units])
    close(second.slopes, first.slopes, case.loose * EXACT)
    close(second.expected().to_numpy()[order], first.expected(), case.loose * EXACT)
    for options in COMPARISONS:
        a, b = compared(first, **options), compared(second, **options)
        assert_same_comparison(a, b, rtol=1e-5 if case.noise == "periods" else case.loose * 1e-9, order=order)
    numbers = case.ask(data.assign(unit=data["unit"].str.slice(5).astype(int) * 1000))
    close(numbers.expected(), first.expected(), case.loose * EXACT)


def frequencies_are_repeated_rows(case):
    data = case.table()
    repeated = data.loc[data.index.repeat(data["w"])]
    first, second = case.ask(repeated), case.ask(data, frequency="w")
    assert_same_fit(first, second, rtol=case.loose * EXACT)
    if case.family == "gaussian":
        close(second.dispersion, first.dispersion, case.loose * 1e-9)
    if case.noise == "clusters":
        return
    for options in COMPARISONS:
        assert_same_comparison(compared(first, **options), compared(second, **options), rtol=case.loose * 1e-8)


def units_of_measure_of_covariates_do_not_matter(case):
    data = case.table()
    first = case.ask(data)
    for factor in (1e-6, 1e6):
        second = case.ask(data.assign(x=data["x"] * factor))
        close(second.slopes["x"] * factor, first.slopes["x"], case.loose * 1e-9)
        close(second.expected(), first.expected(), case.loose * 1e-9)
        assert_same_comparison(
            compared(first), compared(second), rtol=1e-5 if case.noise == "periods" else case.loose * 1e-8
        )


def units_of_measure_of_outcome_and_exposure_do_not_matter(case):
    if case.family in ("binomial", "beta_binomial", "fractional"):
        return
    data = case.table()
    first = case.ask(data)
    factor = 1e6
    if case.family in ("gaussian", "gamma"):
        second = case.ask(data.assign(y=data["y"] * factor))
        close(second.expected() / factor, first.expected(), case.loose * 1e-9)
        for contrast, by in (("difference", factor), ("ratio", 1.0), ("rate", factor)):
            a, b = compared(first, contrast=contrast), compared(second, contrast=contrast)
            for name in ("estimate", "std_error", "lower", "upper"):
                close(getattr(b, name) / by, getattr(a, name), 1e-5 if case.noise == "periods" else case.loose * 1e-8)
    if "exposure" in case.roles:
        second = case.ask(data.assign(m=data["m"] * factor))
        close(second.expected(), first.expected(), case.loose * 1e-9)
        a, b = compared(first, contrast="ratio"), compared(second, contrast="ratio")
        for name in ("estimate", "std_error", "lower", "upper"):
            close(getattr(b, name), getattr(a, name), 1e-5 if case.noise == "periods" else case.loose * 1e-8)


def other_dataframes_are_read_alike(case):
    import polars as pl
    import pyarrow as pa

    data = case.table()
    first = case.ask(data)
    for other in (
        pl.from_pandas(data),
        pa.Table.from_pandas(data),
        data.convert_dtypes(),
        data.convert_dtypes(dtype_backend="pyarrow"),
        data.assign(g=data["g"].astype("category"), unit=data["unit"].astype("category")),
        data.set_index(data["unit"]),
    ):
        second = case.ask(other)
        assert second.design.units.tolist() == first.design.units.tolist()
        assert_same_fit(first, second, rtol=case.loose * EXACT)


def pickles_and_lets_go_of_the_data(case):
    data = case.table()
    fit = case.ask(data)
    again = pickle.loads(pickle.dumps(fit))
    assert again.model == fit.model
    close(again.expected(), fit.expected(), case.loose * EXACT)
    np.testing.assert_allclose(again.design.encode(data.head(3)), fit.design.encode(data.head(3)))
    comparison = compared(fit)
    stored = pickle.dumps(comparison)
    assert_same_comparison(comparison, pickle.loads(stored))
    names = seen_in(stored)
    assert not {"benchmodels.design", "benchmodels.adjustment.fit", "pandas.core.frame", "formulaic"} & names, names
    # k-sized arrays only: the same size with ten times the rows.
    more = pd.concat([data.assign(x=data["x"] + shift) for shift in range(10)])
    if case.noise != "periods":
        assert abs(len(pickle.dumps(compared(case.ask(more)))) - len(stored)) < 1000


def seen_in(stored):
    """Modules that a pickle refers to."""

    class Reader(pickle.Unpickler):
        names: set = set()

        def find_class(self, module, name):
            self.names.add(module)
            return super().find_class(module, name)

    Reader.names = set()
    Reader(io.BytesIO(stored)).load()
    return Reader.names


def a_second_fit_is_the_same_to_the_last_bit(case):
    data = case.table()
    first, second = case.ask(data), case.ask(data)
    np.testing.assert_array_equal(first.slopes, second.slopes)
    np.testing.assert_array_equal(compared(first).lower, compared(second).lower)


def threads_do_not_matter(case):
    from threadpoolctl import threadpool_limits

    data = case.table()
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fit = case.ask(data)
            results.append((fit, compared(fit)))
    assert_same_fit(results[0][0], results[1][0], rtol=case.loose * EXACT)
    assert_same_comparison(results[0][1], results[1][1], rtol=case.loose * EXACT)


def columns_that_are_not_used_do_not_matter(case):
    data = case.table()
    first = case.ask(data)
    second = case.ask(data.assign(other=np.nan, junk="text", more=[[1]] * len(data)))
    assert_same_fit(first, second, rtol=case.loose * EXACT)


def the_table_form_is_always_the_same(case):
    for options in COMPARISONS:
        frame = compared(case.ask(case.table()), **options).to_frame()
        assert list(frame.columns) == [
            "unit",
            "size",
            "observed",
            "expected",
            "estimate",
            "std_error",
            "lower",
            "upper",
        ]
        assert len(frame) == 8


def noise_rests_on_what_it_should(case):
    fit = case.ask(case.table())
    assert fit.noise_kind == case.noise


def covariance_is_the_square_of_the_standard_error(case):
    fit = case.ask(case.table())
    for options in COMPARISONS:
        comparison = compared(fit, **options)
        covariance = comparison.covariance()
        np.testing.assert_allclose(covariance, covariance.T, rtol=1e-9, atol=1e-18)
        known = np.isfinite(comparison.noise)
        np.testing.assert_allclose(np.sqrt(covariance.diagonal()[known]), comparison.std_error[known], rtol=1e-10)
        inner = covariance[np.ix_(known, known)]
        values = np.linalg.eigvalsh(inner / np.sqrt(np.outer(inner.diagonal(), inner.diagonal())))
        assert values[0] > -1e-9, (options, values[0])


def the_model_is_printable_comparable_and_frozen(case):
    data = case.table()
    model = case.ask(data).model
    assert model == case.ask(data).model
    assert "unit" in repr(model)
    assert hash(model) == hash(case.ask(data).model)
    try:
        model.family = "poisson"
    except AttributeError:
        return
    raise AssertionError("a model can be changed in place")


PROMISES = [
    data_are_not_changed,
    row_order_does_not_matter,
    unit_labels_do_not_matter,
    frequencies_are_repeated_rows,
    units_of_measure_of_covariates_do_not_matter,
    units_of_measure_of_outcome_and_exposure_do_not_matter,
    other_dataframes_are_read_alike,
    pickles_and_lets_go_of_the_data,
    a_second_fit_is_the_same_to_the_last_bit,
    threads_do_not_matter,
    columns_that_are_not_used_do_not_matter,
    the_table_form_is_always_the_same,
    noise_rests_on_what_it_should,
    covariance_is_the_square_of_the_standard_error,
    the_model_is_printable_comparable_and_frozen,
]

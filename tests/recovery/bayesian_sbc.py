"""Calibration of the Bayesian random effects by simulation: ranks of true values among draws must be uniform.

Parameters are drawn from the prior, effects and outcomes from the model, and the posterior from the outcomes. Whatever
the model, the rank of each true value among independent draws is then uniform (Talts et al. 2018, arXiv:1804.06788;
Cook, Gelman & Rubin 2006, JCGS 15:675). Run as a script this writes `bayesian_sbc.json`; `test_bayesian_sbc.py` repeats
a small part. From the root: python -m tests.recovery.bayesian_sbc
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi2, kstest

from benchmodels.adjustment.bayesian import BayesianRandomEffects, Prior
from benchmodels.adjustment.bayesian.importance import sample_importance
from benchmodels.adjustment.bayesian.model import problem
from benchmodels.errors import DataError
from tests.recovery.code import code_hash, functions_run

FILE = Path(__file__).with_name("bayesian_sbc.json")
UNITS, BINS, THINNED = 20, 10, 99
PRIOR = Prior(intercept_sd=1.0, slope_sd=0.5, unit_sd_scale=0.5)
FAMILIES = ("binomial", "poisson", "gaussian")


def one(family, seed, draws=1000):
    """Return the ranks (0 … 99) of true values among 99 of the draws, and k-hat, for one data set."""
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    unit = np.repeat(np.arange(UNITS), 2)
    x = rng.normal(size=len(unit))
    size = rng.integers(1, 12, len(unit)).astype(float)
    scaled = (x - np.average(x, weights=size)) / np.sqrt(np.cov(x, aweights=size, ddof=0))
    truth = {"intercept": PRIOR.intercept_sd * rng.normal(), "x": PRIOR.slope_sd * rng.normal()}
    truth["unit_sd"] = PRIOR.unit_sd_scale * abs(rng.normal())
    effects = truth["unit_sd"] * rng.normal(size=UNITS)
    if family == "gaussian":
        return _gaussian(rng, seed, draws)
    eta = truth["intercept"] + truth["x"] * scaled + effects[unit]
    table = pd.DataFrame({"unit": unit, "x": scaled, "size": size})
    if family == "binomial":
        table["y"] = rng.binomial(size.astype(int), 1.0 / (1.0 + np.exp(-eta)))
        roles = {"trials": "size"}
    else:
        table["y"] = rng.poisson(size * np.exp(eta))
        roles = {"exposure": "size", "family": "poisson"}
    return _ranks(table, roles, family, truth, effects, seed, draws)


def _gaussian(rng, seed, draws):
    """Priors of a measured outcome are in its own standard deviations: they are given so that they are those drawn."""
    unit = np.repeat(np.arange(UNITS), 3)
    x = rng.normal(size=len(unit))
    x = (x - x.mean()) / x.std()
    residual = abs(rng.normal())
    truth = {"intercept": rng.normal(), "x": 0.5 * rng.normal(), "unit_sd": 0.5 * abs(rng.normal())}
    effects = truth["unit_sd"] * rng.normal(size=UNITS)
    y = truth["intercept"] + truth["x"] * x + effects[unit] + residual * rng.normal(size=len(unit))
    table = pd.DataFrame({"unit": unit, "x": x, "y": y})
    sd = float(np.std(y))
    prior = Prior(intercept_sd=1.0 / sd, slope_sd=0.5 / sd, unit_sd_scale=0.5 / sd, residual_sd_scale=1.0 / sd)
    truth["residual_sd"] = residual
    return _ranks(table, {"family": "gaussian"}, "gaussian", truth, effects, seed, draws, prior)


def _ranks(table, roles, family, truth, effects, seed, draws, prior=PRIOR):
    model = BayesianRandomEffects("y ~ x", unit="unit", prior=prior, draws=draws, **roles)
    found = problem(model, table)
    # The intercept's prior is about zero here, as the truth was drawn, not about the table's own mean.
    object.__setattr__(found, "intercept_center", 0.0)
    fitted = sample_importance(found, draws=draws, rng=np.random.default_rng([seed, 7]))
    thin = np.linspace(0, draws - 1, THINNED).astype(int)
    ranks = {name: int((fitted.parameters[name][thin] < value).sum()) for name, value in truth.items()}
    ranks["effect"] = int((fitted.effects[thin, 0] < effects[0]).sum())
    return ranks, float(fitted.diagnostics.khat)


def table_of(family, sets, first=0, draws=1000):
    """Return counts of ranks in ten classes, χ² and Kolmogorov–Smirnov p values by parameter, and the largest k-hat."""
    ranks, khat = {}, []
    skipped = 0
    for seed in range(first, first + sets):
        try:
            found, tail = one(family, seed, draws)
        except DataError:
            # No events at all, or nothing but events: nothing to compare, and no posterior is given.
            skipped += 1
            continue
        khat.append(tail)
        for name, rank in found.items():
            ranks.setdefault(name, []).append(rank)
    result = {}
    for name, values in ranks.items():
        counts = np.histogram(values, bins=np.linspace(-0.5, THINNED + 0.5, BINS + 1))[0]
        expected = len(values) / BINS
        statistic = float(((counts - expected) ** 2 / expected).sum())
        # Spread over the class, so that whole ranks are continuous.
        spread = (np.array(values) + np.random.default_rng(1).random(len(values))) / (THINNED + 1)
        result[name] = {
            "counts": counts.tolist(),
            "chi2_p": round(float(chi2.sf(statistic, BINS - 1)), 4),
            "ks_p": round(float(kstest(spread, "uniform").pvalue), 4),
        }
    return {"sets": len(khat), "skipped": skipped, "largest_khat": round(max(khat), 3), "ranks": result}


def main(sets):
    functions = sorted({name for family in FAMILIES for name in functions_run(lambda f=family: one(f, 3))})
    found = {family: table_of(family, sets) for family in FAMILIES}
    for family, part in found.items():
        print(family, json.dumps(part), flush=True)
    written = {"code": code_hash(functions), "functions": functions, "draws": 1000, "families": found}
    FILE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

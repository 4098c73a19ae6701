"""How often do tests of a frontier reject what is true, and what is not? Simulated tables whose frontier is known.

``python -m tests.recovery.frontier_size [--draws 200]`` writes ``frontier_size.json`` beside this file, cell by cell,
so that it goes on where it was stopped, and ``size.json`` beside the tests' code, which withhold their verdict by it.

Bootstraps are judged by the warp-speed method of Giacomini, Politis & White (2013), Econom Theory 29:567-589: each
table has two replicates of its own (one under the alternative), and its statistic is held against those of all tables.
Cells that no rows are of were not simulated: their time is told beside.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from scipy import special

import benchmodels.frontier
from benchmodels.kernels.frontier_hypotheses import (
    association,
    coordinates,
    independence_replicates,
    null_scores,
    null_worlds,
    returns_ratios,
    returns_replicates,
    rule_of,
    share_beyond,
    split_statistics,
)
from benchmodels.kernels.frontier_means import (
    contrasts,
    distance_from_uniform,
    exponent,
    moments,
    own_scores,
    part_of,
)
from benchmodels.kernels.smoothed_scores import bandwidth_of
from benchmodels.kernels.technology import bounds_of
from tests.recovery.code import code_hash

FILE = Path(__file__).with_suffix(".json")
PACKAGED = Path(benchmodels.frontier.__file__).parent / "testing" / "size.json"
LEVELS = (0.01, 0.05, 0.10)
SPLITS, HALVINGS, HALVINGS_OF_MEANS = 10, 3, 20
GOODS = {2: (1, 1), 3: (2, 1), 4: (2, 2)}
UNITS = (98, 300)
# Tables of so many units have one replicate each, and there are half as many of them under the alternative.
LARGE = 300
# Of tables of many units one split alone is simulated; the time of all splits is projected.
MANY = 1000
SPREAD = 0.3
SPLIT = ("mean", "kolmogorov")
# Waste is of what is made, given what is used: it is not independent of what is made, as bootstraps of inputs take it
# to be. Where these are judged it is also made independent (`inward`), and the worse of both designs counts.
DESIGNS = {"independence": "inward"}
FUNCTIONS = [
    "kernels/frontier_hypotheses.py:_halved",
    "kernels/frontier_hypotheses.py:association",
    "kernels/frontier_hypotheses.py:coordinates",
    "kernels/frontier_hypotheses.py:independence_replicates",
    "kernels/frontier_hypotheses.py:null_scores",
    "kernels/frontier_hypotheses.py:null_worlds",
    "kernels/frontier_hypotheses.py:returns_ratios",
    "kernels/frontier_hypotheses.py:returns_replicates",
    "kernels/frontier_hypotheses.py:rule_of",
    "kernels/frontier_hypotheses.py:share_beyond",
    "kernels/frontier_hypotheses.py:split_statistics",
    "kernels/frontier_means.py:_kinds",
    "kernels/frontier_means.py:contrasts",
    "kernels/frontier_means.py:distance_from_uniform",
    "kernels/frontier_means.py:exponent",
    "kernels/frontier_means.py:moments",
    "kernels/frontier_means.py:part_of",
    "kernels/frontier_bootstrap.py:pseudo_replicates",
    "kernels/smoothed_scores.py:bandwidth_of",
    "kernels/smoothed_scores.py:smoothed_draws",
]


def draw(n, goods, rng, *, scale=1.0, level=1.0, spread=SPREAD):
    """n units: made of the inputs x is all of y with ‖y‖ ≤ level Π x^(scale / m), of which a unit makes exp(-u).

    u is half-normal, with a spread that may be each unit's own. Inputs could be multiplied by exp(-u / scale).
    """
    m, s = GOODS[goods]
    x = rng.uniform(10, 100, (n, m))
    u = np.abs(rng.normal(0, 1, n)) * spread
    mix = np.sqrt(rng.dirichlet(np.ones(s), n))
    return x, mix * (np.prod(x ** (scale / m), axis=1) * np.exp(-u) * level)[:, None]


def inward(n, goods, rng, *, scale=1.0):
    """n units, drawn on the frontier and moved inwards: waste has nothing to do with what is made, nor with the mix."""
    x, y = draw(n, goods, rng, scale=scale, spread=0.0)
    return x * np.exp(np.abs(rng.normal(0, SPREAD, n)))[:, None], y


def mean_of(scale, spread=SPREAD):
    """Return E exp(-u / scale), u half-normal."""
    a = spread / scale
    return 2.0 * np.exp(a * a / 2.0) * special.ndtr(-a)


def worlds(question, true, n, goods, rng, alike=False):
    """Return a table in which a test's null hypothesis is true or not, and the kinds of its units."""
    kinds = np.arange(n) % 2 if question == "separability" else None
    if alike:
        x, y = inward(n, goods, rng, scale=1.0 if question == "returns" else 0.9)
    elif question == "returns":
        x, y = draw(n, goods, rng, scale=1.0 if true else 0.8)
    elif question == "convexity":
        x, y = draw(n, goods, rng, scale=0.9 if true else 1.6)
    else:
        # Kinds may differ in waste under both hypotheses; in the frontier under the alternative.
        level = 1.0 if true else np.where(kinds == 0, 1.0, 0.75)
        x, y = draw(n, goods, rng, scale=0.9, level=level, spread=np.where(kinds == 0, 0.25, 0.35))
    return x, y, kinds


def by_splits(question, estimator, n, goods, true, draws, splits, alike=False):
    """Return p-values by statistic."""
    copies = 0 if splits == 1 else 2 if true and n < LARGE else 1
    found, pool = [], []
    for seed in range(draws if true or n < LARGE else draws // 2):
        rng = np.random.default_rng([seed, n, goods, len(question)])
        x, y, kinds = worlds(question, true, n, goods, rng, alike)
        children = rng.spawn(1 + copies)
        a, b = x[None], y[None]
        if copies:
            scores = null_scores(x, y, "input", rule_of(question, estimator, goods), kinds)
            more = null_worlds(x, y, "input", *scores, children[1:], kinds)
            a, b = np.concatenate([a, more[0]]), np.concatenate([b, more[1]])
        told = split_statistics(
            a, b, "input", question, estimator=estimator, splits=splits, halvings=HALVINGS, rngs=children, strata=kinds
        )
        found.append(told[0])
        pool.append(told[1:])
    found = np.array(found)
    p = {"one split": special.ndtr(-found[:, 0])}
    if copies:
        pool = np.concatenate(pool)
        p["mean"] = share_beyond(found.mean(axis=1), pool.mean(axis=1))
        p["kolmogorov"] = share_beyond(distance_from_uniform(found), distance_from_uniform(pool))
    return p


def of_means(estimator, n, goods, true, draws):
    """Return p-values of equal means of two groups, and of the interval of the mean of all."""
    found, kappa = {"means": [], "interval": []}, exponent(estimator, goods)
    scale = 1.0 if estimator == "crs" else 0.9
    for seed in range(draws):
        rng = np.random.default_rng([seed, n, goods, 77])
        group = np.arange(n) % 2
        x, y = draw(n, goods, rng, scale=scale, spread=SPREAD if true else np.where(group == 0, SPREAD, 0.5))
        a, b = (
            moments(
                x, y, "input", estimator, [units], kappa=kappa, parts=[part_of(len(units), estimator, goods)],
                halvings=HALVINGS_OF_MEANS, rngs=[rng],
            )
            for units in (np.flatnonzero(group == 0), np.flatnonzero(group == 1))
        )  # fmt: skip
        found["means"].append(2.0 * special.ndtr(-np.abs(contrasts(a, b)[0])))
        if true:
            every = moments(
                x, y, "input", estimator, [np.arange(n)], kappa=kappa, parts=[part_of(n, estimator, goods)],
                halvings=HALVINGS_OF_MEANS, rngs=[rng],
            )  # fmt: skip
            error = np.sqrt(every.variance[0] / every.part[0])
            z = (every.part_mean[0] - every.bias[0] - mean_of(scale)) / error
            found["interval"].append(2.0 * special.ndtr(-abs(z)))
    return {name: np.array(p) for name, p in found.items() if p}


def smoothed(question, n, goods, true, draws, alike=False):
    """Return p-values of the bootstraps of Simar & Wilson (2002) and after Wilson (2003)."""
    copies, found, pool = 2 if true else 1, [], []
    for seed in range(draws):
        rng = np.random.default_rng([seed, n, goods, 99])
        if question == "returns-2002":
            x, y = inward(n, goods, rng) if alike else draw(n, goods, rng, scale=1.0 if true else 0.8)
        else:
            # From the frontier inwards, so that what is made, and the mix, have nothing to do with waste; or have.
            x, y = draw(n, goods, rng, scale=0.9, spread=0.0)
            spread = SPREAD if true else 0.1 + 0.4 * (x[:, 0] - 10.0) / 90.0
            x = x * np.exp(spread * np.abs(rng.normal(0, 1, n)))[:, None]
        every = [np.arange(n)]
        variable = own_scores(x, y, "input", "vrs", every)[0]
        if question == "returns-2002":
            null = own_scores(x, y, "input", "crs", every)[0]
            delta = np.maximum(1.0 / null, 1.0)
            found.append([-w for w in returns_ratios(null, variable)])
            told = returns_replicates(
                x, y, "input", "crs", delta=delta, bandwidth=bandwidth_of(delta, "silverman"), count=copies, rng=rng
            )
            pool.append(-np.stack(told, axis=1))
        else:
            delta = np.maximum(1.0 / variable, 1.0)
            found.append([t[0] for t in association(1.0 / delta[None], coordinates(x, y, "input"))])
            told = independence_replicates(
                x, y, "input", bounds_of("vrs"), delta=delta, bandwidth=bandwidth_of(delta, "silverman"), count=copies,
                rng=rng,
            )  # fmt: skip
            pool.append(np.stack(told, axis=1))
    found, pool = np.array(found), np.concatenate(pool)
    names = ("sums", "ratios") if question == "returns-2002" else ("squares", "largest")
    return {name: share_beyond(found[:, i], pool[:, i]) for i, name in enumerate(names)}


def cells():
    """Yield what is simulated, the cheap and the small first."""
    for n in UNITS:
        for goods in GOODS:
            for question, estimator in ASKED:
                yield question, estimator, n, goods
            for question, estimator in WHOLE:
                yield question, estimator, n, goods
    for goods in GOODS:
        for question, estimator in (*ASKED, *WHOLE[:3]):
            yield question, estimator, MANY, goods


ASKED = (("separability", "fdh"), ("convexity", "vrs"), ("returns", "vrs"), ("separability", "vrs"))
WHOLE = (("means", "vrs"), ("means", "crs"), ("means", "fdh"), ("returns-2002", "crs"), ("independence", "vrs"))


def cell(question, estimator, n, goods, draws):
    """Return the rows of a cell: how often a true null hypothesis is rejected, and one that is not."""
    started, both = time.process_time(), []
    many = n > max(UNITS)
    for true in (True, False):
        if question == "means":
            both.append(of_means(estimator, n, goods, true, draws // 2 if many else draws))
        elif question in ("returns-2002", "independence"):
            both.append(smoothed(question, n, goods, true, draws))
        else:
            both.append(by_splits(question, estimator, n, goods, true, draws, 1 if many else SPLITS))
    seconds = time.process_time() - started
    rows = []
    for name, p in both[0].items():
        boot = 0 if name in ("one split", "means", "interval") else 1 if name in SPLIT and n >= LARGE else 2
        row = {"test": question, "statistic": name, "estimator": estimator, "units": n, "goods": goods}
        row |= {"design": DESIGNS.get(question, "outward"), "tables": len(p), "replicates": boot * len(p)}
        row |= {f"size_{level:g}": round(float(np.mean(p <= level)), 4) for level in LEVELS}
        other = both[1].get(name)
        row |= {f"power_{x:g}": None if other is None else round(float(np.mean(other <= x)), 4) for x in LEVELS}
        rows.append(row | {"seconds": round(seconds, 1)})
    return rows


def where_alike(draws):
    """Return rows of sizes where inefficiency is alike everywhere, as the bootstraps take it to be."""
    rows = []
    for question in ("returns-2002", "returns", "convexity"):
        for goods in GOODS:
            n = min(UNITS)
            asked = (n, goods, True, draws)
            if question == "returns-2002":
                found = smoothed(question, *asked, alike=True)
            else:
                found = by_splits(question, "vrs", *asked, SPLITS, alike=True)
            for name, p in found.items():
                row = {"test": question, "statistic": name, "estimator": "crs" if question[-1] == "2" else "vrs"}
                row |= {"units": n, "goods": goods, "design": "inward", "tables": len(p)}
                row |= {"replicates": 0 if name == "one split" else 2 * len(p)}
                row |= {f"size_{level:g}": round(float(np.mean(p <= level)), 4) for level in LEVELS}
                rows.append(row | {f"power_{level:g}": None for level in LEVELS})
    return rows


def run(draws):
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    code = code_hash(FUNCTIONS)
    rows = kept.get("rows", []) if kept.get("code") == code else []
    for asked in cells():
        if any((r["test"], r["estimator"], r["units"], r["goods"]) == asked for r in rows):
            continue
        rows += cell(*asked, draws)
        print(rows[-1], flush=True)
        table = {"levels": LEVELS, "splits": SPLITS, "halvings": HALVINGS, "halvings_of_means": HALVINGS_OF_MEANS}
        table |= {"side": "input", "functions": FUNCTIONS, "code": code, "rows": rows}
        text = json.dumps(table, indent=1) + "\n"
        spare = FILE.with_suffix(".part")
        spare.write_text(text, encoding="utf-8")
        os.replace(spare, FILE)
    table["rows_where_alike"] = where_alike(draws)
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    publish()


def projected(rows, question, estimator, n, goods):
    """Return the seconds that all splits of a cell would take, by those of the nearest that was simulated."""
    mine = [r for r in rows if (r["test"], r["estimator"]) == (question, estimator) and r["units"] in UNITS]
    near = min(mine, key=lambda r: (abs(np.log(n / r["units"])), abs(goods - r["goods"])))
    return round(near["seconds"] * (n / near["units"]) ** POWER, 0)


# Of the number of units, by which the time of a program over a batch of sets grew in the cells simulated.
POWER = 1.1


def publish():
    """Add what is empty, with its time, and write what the tests need to know beside their code."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    rows = table["rows"]
    there = {(r["test"], r["estimator"], r["units"], r["goods"]) for r in rows}
    names = ("test", "estimator", "units", "goods")
    lost = [asked for asked in cells() if asked not in there]
    every = [(q, e, MANY, goods) for goods in GOODS for q, e in ASKED]
    for name, asked in (("empty", lost), ("all_splits", every)):
        table[name] = [
            dict(zip(names, one, strict=True)) | {"projected_seconds": projected(rows, *one)} for one in asked
        ]
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    PACKAGED.write_text(json.dumps(packaged(table), indent=None) + "\n", encoding="utf-8")


def packaged(table):
    names = ("test", "statistic", "estimator", "units", "goods", "design", "tables", "replicates")
    sizes = [f"size_{level:g}" for level in table["levels"]] + [f"power_{level:g}" for level in table["levels"]]
    both = table["rows"] + table["rows_where_alike"]
    rows = [{name: row[name] for name in (*names, *sizes)} for row in both]
    return {name: table[name] for name in ("levels", "splits", "halvings", "halvings_of_means", "side")} | {
        "rows": rows
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=200)
    run(parser.parse_args().draws)


if __name__ == "__main__":
    main()

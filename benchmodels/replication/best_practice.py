"""The frontier half of a study: rows become one row a unit, and the answer becomes what a page and a file need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmodels.frontier import DEAFit
    from benchmodels.replication.study import Frontier, Study
    from benchmodels.replication.tables import Table
    from benchmodels.replication.uncertain import Best
    from benchmodels.report.chapter import BestPractice

__all__ = ["best_practice_of", "fit_frontier", "frontier_table"]

# Of an efficiency at 1, and of a slack as a share of the good.
_NEAR = 1e-7


def fit_frontier(study: Study, table: Table, units: Collection[object]) -> DEAFit | None:
    """Hold the units of a study against the best of them; None where the study does not ask for it.

    Parameters
    ----------
    study : Study
    table : Table
        Its rows before they are summed, without those of units kept back.
    units : collection of labels
        Those of the comparison: both halves are of the same units.

    Raises
    ------
    DataError, SpecificationError
        As the columns give cause to.
    """
    asked = study.frontier
    if asked is None:
        return None
    from benchmodels.frontier import DEA

    try:
        goods = _one_row_a_unit(study, asked, table, units)
        outputs = [name for name in goods.columns if name not in (study.roles.unit, *asked.inputs, *asked.conditions())]
        model = DEA(
            inputs=asked.inputs,
            outputs=outputs,
            unit=study.roles.unit,
            returns=asked.returns,
            orientation=asked.orientation,
            composition=asked.composition,
            nearest=asked.nearest,
            environment=asked.environment,
            missing="drop" if study.model.missing == "drop" else "raise",
        )
        return model.fit(goods)
    except BenchmodelsError as error:
        raise type(error)(f"frontier: {error}") from error


def _one_row_a_unit(study: Study, asked: Frontier, table: Table, units: Collection[object]) -> pd.DataFrame:
    """Sum goods and average conditions over the rows of each unit; where asked for, goods per period that it has."""
    roles = study.roles
    cases = table.cases[table.cases[roles.unit].isin(list(units))]
    for name in [*asked.inputs, *asked.outputs, *(n for n, kind in asked.environment.items() if kind != "same")]:
        if not pd.api.types.is_numeric_dtype(cases[name]):
            raise DataError(f"{table.name}: column {name!r} is not numeric")
    times = cases[roles.frequency] if roles.frequency else 1
    goods = [_summed(cases, asked.inputs, times, by=[roles.unit])]
    if asked.outputs_by is None:
        goods.append(_summed(cases, asked.outputs, times, by=[roles.unit]))
    else:
        if cases[asked.outputs_by].isna().any():
            raise DataError(f"{table.name}: {asked.outputs_by!r} lacks values, and outputs are split by it")
        sums = _summed(cases, asked.outputs, times, by=[roles.unit, asked.outputs_by])
        for output in asked.outputs:
            goods.append(pd.DataFrame(sums[output].unstack(fill_value=0)).add_prefix(f"{output}: "))
    size = cases[roles.trials or roles.exposure] * times if roles.trials or roles.exposure else 1.0 * times
    given = {name: _averaged(cases, name, size, asked, unit=roles.unit) for name in asked.conditions()}
    amounts = pd.concat(goods, axis=1)
    if asked.per_period:
        amounts = amounts.div(_periods(cases, roles.unit, str(roles.period), name=table.name), axis=0)
    frame = pd.concat([amounts, pd.DataFrame(given, index=amounts.index)], axis=1).reset_index()
    frame.attrs = {"source": table.source, "simulated": table.simulated}
    return frame


def _summed(cases: pd.DataFrame, names: list[str], times: Any, *, by: list[str]) -> pd.DataFrame:
    """Sum columns within groups; a sum that lacks a part is missing and not smaller."""
    values = cases[names].mul(times, axis=0) if isinstance(times, pd.Series) else cases[names]
    groups = values.groupby([cases[name] for name in by], observed=True)
    sums = groups.sum().astype(float)
    return sums.mask(groups.count().lt(groups.size(), axis=0))


def _periods(cases: pd.DataFrame, unit: str, period: str, *, name: str) -> pd.Series[Any]:
    """Count the periods of each unit; a row without one would belong to none of them."""
    if cases[period].isna().any():
        raise DataError(f"{name}: {period!r} lacks values, and goods are told per period")
    return cases.groupby(unit, observed=True)[period].nunique()


def _averaged(cases: pd.DataFrame, name: str, size: Any, asked: Frontier, *, unit: str) -> pd.Series[Any]:
    """Average a condition over the rows of each unit, by their size; of a kind, there must be one a unit."""
    values, labels = cases[name], cases[unit]
    if asked.environment.get(name) == "same":
        kinds = values.groupby(labels, observed=True).nunique(dropna=False)
        mixed = kinds.index[kinds > 1].tolist()
        if mixed:
            raise DataError(f"{name!r} is to be the same for peers, and is not one thing in {listed(mixed)}")
        return values.groupby(labels, observed=True).first()
    weight = pd.Series(size, index=cases.index, dtype=float)
    sums = pd.DataFrame({"value": values * weight, "weight": weight}).groupby(labels, observed=True).sum(min_count=1)
    known = values.isna().groupby(labels, observed=True).sum() == 0
    return (sums["value"] / sums["weight"]).where(known & (sums["weight"] > 0))


def best_practice_of(fit: DEAFit, best: Best | None = None) -> BestPractice:
    """Return what a page tells of a frontier.

    Parameters
    ----------
    fit : DEAFit
        Oriented to inputs or to outputs.
    best : Best, optional
        Its uncertainty.
    """
    from benchmodels.report.chapter import BestPractice

    model = fit.model
    targets, peers = fit.targets(), _peers(fit)
    scores = pd.DataFrame({"unit": fit.unit, "efficiency": fit.efficiency, "status": fit.status})
    scores["comparables"] = fit.comparables
    slack = targets["slack"] > _NEAR * targets["value"].abs().clip(lower=np.finfo(float).tiny)
    loose = scores["unit"].isin(targets.loc[slack, "unit"].tolist())
    reached = scores["efficiency"] > 1.0 - _NEAR
    scores["place"] = np.select(
        [scores["efficiency"].isna(), reached & ~loose, reached], ["none", "best", "slack"], default="within"
    )
    others = peers.loc[peers["unit"] != peers["peer"], "peer"].value_counts()
    scores["peer_for"] = [int(others.get(label, 0)) for label in scores["unit"].tolist()]
    uncertain: dict[str, Any] = {}
    if best is not None and best.bootstrap is not None:
        limits = best.to_frame().drop(columns="corrected").set_index("unit").astype(float)
        scores = scores.merge(limits, on="unit", validate="1:1")
        scores["withheld"] = best.comparison.withheld
        targets = targets.assign(**best.limits(targets))
        uncertain = {
            "level": best.bootstrap.level,
            "coverage": best.comparison.coverage,
            "drawn": best.drawn(),
            "noise": best.comparison.source.noise,
        }
    return BestPractice(
        scores=scores,
        peers=peers,
        targets=targets,
        circles=fit.comparable() if (fit.comparables < len(scores)).any() else None,
        orientation=model.orientation,
        returns=str(model.returns),
        composition=tuple(model.composition),
        nearest=model.nearest,
        environment=dict(model.environment),
        model=repr(model),
        certificate=fit.certificate,
        **uncertain,
    )


def _peers(fit: DEAFit) -> pd.DataFrame:
    """Return peers with their share of the target: of what is used, or of what is made, the mean over goods.

    A weight is no share where returns are constant: it is how many of a peer, which may be a fiftieth or twenty.
    """
    goods = fit.goods.inputs if fit.model.orientation == "input" else fit.goods.outputs
    place = {label: i for i, label in enumerate(fit.unit.tolist())}
    peers = fit.peers()
    amounts = pd.DataFrame(goods[[place[label] for label in peers["peer"]]]).mul(peers["weight"], axis=0)
    whole = amounts.groupby(peers["unit"].to_numpy()).transform("sum")
    peers["share"] = (amounts / whole.where(whole > 0)).mean(axis=1)
    peers["order"] = [place[label] for label in peers["unit"]]
    peers = peers.sort_values(["order", "share"], ascending=[True, False], kind="stable")
    return peers.drop(columns="order").reset_index(drop=True)


def frontier_table(fit: DEAFit, best: Best | None = None) -> pd.DataFrame:
    """Return peers and targets in one table: ``unit, part, name, weight, share, value, target, slack``.

    ``part`` is 'peer', 'input' or 'output', and ``name`` that of the peer or the good. Of a frontier that was drawn
    again also ``frequency`` of peers, and ``lower, upper`` of the targets that move.
    """
    peers, goods, more = _peers(fit), fit.targets(), []
    if best is not None and best.bootstrap is not None:
        peers = peers.merge(best.drawn()[["unit", "peer", "frequency"]], on=["unit", "peer"], how="left")
        goods, more = goods.assign(**best.limits(goods)), ["frequency", "lower", "upper"]
    peers = peers.rename(columns={"peer": "name"}).assign(part="peer")
    goods = goods.rename(columns={"good": "name"})
    both = pd.concat([peers, goods], ignore_index=True)
    place = {label: i for i, label in enumerate(fit.unit.tolist())}
    both = both.assign(order=[place[label] for label in both["unit"]]).sort_values("order", kind="stable")
    columns = ["unit", "part", "name", "weight", "share", "value", "target", "slack", *more]
    return both[columns].reset_index(drop=True)

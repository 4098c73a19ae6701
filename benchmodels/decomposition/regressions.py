"""A regression of each of two groups in one coding, and what their means and slopes are by term."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.adjustment.estimate import raise_dependent, rows_of
from benchmodels.design import read_design
from benchmodels.errors import BenchmodelsError, ConvergenceError, DataError, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.families import mean, mean_and_slope
from benchmodels.kernels.newton import fit_in_basis
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.design import Design
    from benchmodels.kernels.families import Family
    from benchmodels.roles import Roles

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Expansion", "Group", "expansion", "groups", "pooled"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Group:
    """One group with its own regression; c cells, p covariates.

    Parameters
    ----------
    label : str
    matrix : (c, p + 1) array
        Covariates, and 1 for the level last.
    outcome, size : (c,) arrays
    weight : (c,) array
        Share of the group's size.
    spread_weight : (c,) array
        By which squares about the mean add to the variance of a mean.
    theta : (p + 1,) array; covariance : (p + 1, p + 1) array
        Slopes and level, and their covariance given by the model.
    information : (p + 1, p + 1) array
        Without dispersion.
    total : float
        Cases, by which "size" weighs: rows, trials of shares, and exposure of counts.
    design_terms : DesignTerms
    family : Family
    simulated : bool
    """

    label: str
    matrix: Floats
    outcome: Floats
    size: Floats
    weight: Floats
    spread_weight: Floats
    theta: Floats
    covariance: Floats
    information: Floats
    total: float
    design_terms: tuple[tuple[str, tuple[str, ...], bool], ...]
    family: Family
    simulated: bool

    @property
    def mean(self) -> float:
        """Mean outcome per size."""
        return float(self.outcome.sum() / self.size.sum())

    def spread_of_means(self, thetas: tuple[Floats, ...]) -> Floats:
        """Return the covariance (p + 4, p + 4) of mean covariates and mean outcomes, were cases sampled."""
        values = np.column_stack([self.matrix, *(mean(self.family, self.matrix @ theta) for theta in thetas)])
        apart = values - self.weight @ values
        return np.asarray((apart * self.spread_weight[:, None]).T @ apart)


def groups(data: object, formula: str, roles: Roles, which: object, against: object) -> tuple[Group, Group]:
    """Return the unit and what it is held against, each with its own regression.

    Raises
    ------
    SpecificationError
        A label that is not there, or no covariates.
    DataError, ConvergenceError
        A regression that cannot be made; the message names whose.
    """
    design = read_design(formula, roles, data)
    if not design.names:
        raise SpecificationError(f"the formula {formula!r} has no covariates to explain a gap by")
    labels = design.units.tolist()
    for name, label in (("which", which), ("against", against)):
        if label is not None and label not in labels:
            near = get_close_matches(str(label), [str(there) for there in labels], n=3, cutoff=0.5)
            hint = f"; near: {listed(near)}" if near else ""
            raise SpecificationError(f"{name}={label!r}; {roles.unit!r} has {listed(labels, most=20)}{hint}")
    if which is None or which == against:
        raise SpecificationError(f"which={which!r}, against={against!r}; give one unit, and another or None for all")
    own = design.unit == labels.index(which)
    other = ~own if against is None else design.unit == labels.index(against)
    family = roles.kernel_family()
    with one_blas_thread():
        rows = rows_of(design, family, each=False)
        named = "others" if against is None else str(against)
        return _group(rows, design, own, str(which)), _group(rows, design, other, named)


def _group(rows: Rows, design: Design, inside: NDArray[np.bool_], label: str) -> Group:
    part = Rows(
        rows.columns[inside], rows.outcome[inside], rows.size[inside], rows.offset[inside], rows.codes[inside], 1,
        rows.family, rows.cases[inside],
    )  # fmt: skip
    _check(part, rows.family, label, float(design.cases[inside].sum()), len(design.names))
    of_part = _part_of(design, inside)
    try:
        fitted, basis, found = fit_in_basis(part)
        if found is None:
            raise_dependent(of_part, basis.dependent, each=False)
    except BenchmodelsError as error:
        raise type(error)(
            f"{label}: {error}. Each side has a regression of its own here; with few cases ask decompose or kitagawa"
        ) from error
    if not found.certificate.converged:
        raise ConvergenceError(
            f"{label}: no maximum found after {found.certificate.iterations} Newton steps, which is what separation "
            "looks like: a category, or a range of a covariate, with no events or nothing else. Merge categories, "
            "leave the covariate out, or ask kitagawa or decompose"
        )
    slopes = basis.to_columns(found.slopes)
    theta = np.append(slopes, found.levels[0] + basis.level_shift(found.slopes))
    inner = np.column_stack([fitted.columns, np.ones(len(fitted.outcome))])
    information, dispersion = _information(fitted, inner, np.append(found.slopes, found.levels[0]), of_part)
    # From the basis to the columns and the level on them.
    p = len(slopes)
    turn = np.eye(p) if basis.turn is None else basis.turn
    back = np.block([[turn, np.zeros((p, 1))], [-(basis.center @ turn)[None], np.ones((1, 1))]])
    forth = np.linalg.inv(back)
    total = float(part.size.sum())
    if rows.family.name == "binomial":
        spread_weight = part.size / total**2
    else:
        spread_weight = design.size_squares[inside] / total**2
    return Group(
        label=label,
        matrix=np.column_stack([part.columns, np.ones(len(part.outcome))]),
        outcome=part.outcome,
        size=part.size,
        weight=part.size / total,
        spread_weight=spread_weight,
        theta=theta,
        covariance=back @ np.linalg.inv(information) @ back.T * dispersion,
        information=forth.T @ information @ forth,
        total=total,
        design_terms=_terms(design),
        family=rows.family,
        simulated=design.simulated,
    )


def _part_of(design: Design, inside: NDArray[np.bool_]) -> Design:
    """Return the cells of one group, for messages and residual squares."""
    names = ["columns", "outcome", "size", "squares", "cases", "weights", "outcome_squares", "products"]
    names += ["size_squares", "inflation", "offset"]
    return replace(
        design,
        **{name: getattr(design, name)[inside] for name in names},
        unit=np.zeros(int(inside.sum()), dtype=np.intp),
        period=None,
        cluster=None,
    )


def _information(fitted: Rows, inner: Floats, gamma: Floats, part: Design) -> tuple[Floats, float]:
    """Return the information on slopes and level in the basis, and the dispersion."""
    mu, slope = mean_and_slope(fitted.family, inner @ gamma + fitted.offset)
    information = (inner * (fitted.size * slope)[:, None]).T @ inner
    if fitted.family.counted:
        return information, 1.0
    df = float(part.cases.sum()) - len(gamma)
    squares = float((part.squares - 2.0 * mu * part.outcome + mu**2 * part.size).sum())
    return information, max(squares, 0.0) / df if df > 0 else float("nan")


def _check(part: Rows, family: Family, label: str, cases: float, p: int) -> None:
    """Raise where one side has too little for a regression of its own."""
    total, size = float(part.outcome.sum()), float(part.size.sum())
    if size <= 0:
        raise DataError(f"{label} has no cases of any size")
    if family.link != "identity" and (total <= 0 or (family.share and total >= size)):
        what = "no events" if total <= 0 else "nothing but events"
        raise DataError(f"{label} has {what}, so its slopes are not known; ask kitagawa or decompose")
    if family.link == "identity" and cases <= p + 1:
        raise DataError(f"{label} has {cases:g} cases for {p} slopes and a level; ask decompose, or fewer covariates")


def _terms(design: Design) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    """Return terms, their columns, and whether they are a plain category coded against one that is left out."""
    found = []
    for name, where in design.terms:
        own = design.names[where]
        columns = design.columns[:, where]
        plain = all("[T." in column for column in own) and ":" not in name
        plain &= bool(np.all((columns == 0) | (columns == 1)) and np.all(columns.sum(1) <= 1))
        found.append((name, own, plain))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Expansion:
    """Covariates with the categories that are left out, and the level.

    Parameters
    ----------
    terms : tuple of str
    code : (w,) array of int
        Term of each of the w wide columns.
    theta : (w, p + 1) array
        Slopes and level on the wide columns, of those on the narrow.
    take : (w, p + 1) array
        Means of the wide columns, of those of the narrow.
    left : tuple of str
        Terms that no deviation is made for.
    """

    terms: tuple[str, ...]
    code: Codes
    theta: Floats
    take: Floats
    left: tuple[str, ...]

    def means(self, narrow: Floats) -> Floats:
        """Return the means (w,) of the wide columns."""
        return np.asarray(self.take @ narrow)


def expansion(terms: tuple[tuple[str, tuple[str, ...], bool], ...], *, deviation: bool) -> Expansion:
    """Return the wide columns; with ``deviation`` slopes of categories are less their mean, which the level gets."""
    p = sum(len(columns) for _, columns, _ in terms)
    theta: list[Floats] = []
    take: list[Floats] = []
    code: list[int] = []
    level, at = np.zeros(p + 1), 0
    level[-1] = 1.0
    one = level.copy()
    left = []
    for number, (name, columns, plain) in enumerate(terms):
        where = range(at, at + len(columns))
        average, rest = np.zeros(p + 1), one.copy()
        if plain and deviation:
            average[list(where)] = 1.0 / (len(columns) + 1)
            rest[list(where)] = -1.0
            theta.append(-average)
            take.append(rest)
            code.append(number)
            level = level + average
        elif not plain and any("[" in column for column in columns):
            left.append(name)
        for j in where:
            own = np.eye(p + 1)[j]
            theta.append(own - average)
            take.append(own)
            code.append(number)
        at += len(columns)
    names = (*(name for name, _, _ in terms), "(level)")
    return Expansion(
        names, np.array([*code, len(terms)]), np.array([*theta, level]), np.array([*take, one]), tuple(left)
    )


def pooled(a: Group, b: Group, *, levels: bool) -> tuple[Floats, Floats]:
    """Return slopes and level (p + 1,) of both groups together, and how they move with those of each.

    Parameters
    ----------
    levels : bool
        A level for each group, and then the one level at which expected equals observed over both; else one level.

    Returns
    -------
    theta : (p + 1,) array
    moves : (p + 1, 2 (p + 1)) array
        The scores of a canonical link are linear in the outcomes, and so each group's are its information times its
        own slopes' move.
    """
    family, p = a.family, len(a.theta) - 1
    matrix = np.vstack([a.matrix, b.matrix])
    outcome, size = np.concatenate([a.outcome, b.outcome]), np.concatenate([a.size, b.size])
    codes = np.repeat(np.arange(2), [len(a.outcome), len(b.outcome)]) if levels else np.zeros(len(size), dtype=np.intp)
    groups_of = 2 if levels else 1
    rows = Rows(matrix[:, :-1].copy(), outcome, size, np.zeros(len(size)), codes, groups_of, family, np.ones(len(size)))
    _, basis, found = fit_in_basis(rows)
    if found is None or not found.certificate.converged:
        raise DataError(f"no common slopes of {a.label} and {b.label} are found; take other weights")
    slopes = basis.to_columns(found.slopes)
    own_levels = found.levels + basis.level_shift(found.slopes)
    dummies = (codes[:, None] == np.arange(groups_of)).astype(np.float64)
    wide = np.hstack([matrix[:, :-1], dummies])
    weight = size * mean_and_slope(family, wide @ np.append(slopes, own_levels))[1]
    inverse = np.linalg.inv((wide * weight[:, None]).T @ wide)
    scores = [np.zeros((p + groups_of, p + 1)) for _ in range(2)]
    for g in range(2):
        scores[g][:p, :p] = np.eye(p)
        scores[g][p + min(g, groups_of - 1), p] = 1.0
    moves = inverse @ np.hstack([scores[0] @ a.information, scores[1] @ b.information])
    if not levels:
        return np.append(slopes, own_levels), moves
    return _one_level(a, b, slopes, own_levels, moves[:p])


def _one_level(a: Group, b: Group, slopes: Floats, start: Floats, moves: Floats) -> tuple[Floats, Floats]:
    """Return slopes with the level at which expected equals observed over both groups, and how both move."""
    family, matrix = a.family, np.vstack([a.matrix, b.matrix])
    size, target = np.concatenate([a.size, b.size]), a.outcome.sum() + b.outcome.sum()
    level = float(np.mean(start))
    for _ in range(100):
        mu, slope = mean_and_slope(family, matrix @ np.append(slopes, level))
        step = float((target - size @ mu) / (size @ slope))
        level += float(np.clip(step, -1.0, 1.0)) if family.link != "identity" else step
        if abs(step) <= 1e-13 * max(1.0, abs(level)):
            break
    slope = mean_and_slope(family, matrix @ np.append(slopes, level))[1] * size
    # Observed totals move by a group's information on its level.
    drawn = np.concatenate([a.information[-1], b.information[-1]])
    of_level = (drawn - (slope @ matrix[:, :-1]) @ moves) / slope.sum()
    return np.append(slopes, level), np.vstack([moves, of_level])

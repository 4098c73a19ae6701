"""What the columns of a table are for: the names that every model shares."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from benchmodels.errors import SpecificationError
from benchmodels.kernels.families import LINKS, Family, FamilyName, Link
from benchmodels.table import listed

__all__ = ["Missing", "Roles"]

Missing = Literal["raise", "drop", "category"]


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of a table are for. Every name is a column; a role that is None is not played.

    Parameters
    ----------
    unit : str
        The municipality, school, hospital … that a row belongs to.
    family : str
        Counts: "binomial", "poisson"; "beta_binomial" and "negative_binomial", whose rows vary more than counting does.
        Measured: "gaussian"; "gamma" (costs above zero); "fractional" (a share without counts).
    link : str, optional
        "logit" (default), "probit" or "cloglog" for shares; "log" for counts and costs; "identity" for Gaussian.
    trials : str, optional
        Binomial: the outcome counts successes out of these. Without it the outcome is 0 or 1.
    exposure : str, optional
        Other families: time or volume as given (inhabitants, person-years); the expected total is exposure × mean. For
        "fractional" the outcome is the share itself, and exposure says how much it counts.
    offset : str, optional
        Added to the linear predictor as it stands, on the link scale.
    frequency : str, optional
        The row stands for so many identical cases, a whole number. Transforms that look at a whole column (``scale``,
        ``bs`` …) take rows as they stand.
    sampling_weights : str, optional
        Design weights of a survey: how many members of the population the row was drawn to stand for. Estimates are of
        the population; standard errors know that the cases are only as many as there are rows.
    period : str, optional
        Year, half-year or month. A number, or text that sorts.
    cluster : str, optional
        School, person …: cases of one cluster are not independent; own noise is taken between clusters within units.
    choice : tuple of str
        Columns under the unit's own control; refused in the formula.
    missing : "raise", "drop" or "category"
        What to do with rows that lack a value in a column that is used. "category": in a categorical covariate they get
        a category of their own, named "missing", after the others. Its cases stay unadjusted for what they lack, which
        biases other slopes and the estimates of units (Groenwold et al. 2012, CMAJ 184:1265): good for a value that is
        lacking for a reason of its own, else impute (`benchmodels.imputation`). Numbers are refused: cut them into
        classes, or impute. Outcome and roles are never filled.
    """

    unit: str
    family: FamilyName = "binomial"
    link: Link | None = None
    trials: str | None = None
    exposure: str | None = None
    offset: str | None = None
    frequency: str | None = None
    sampling_weights: str | None = None
    period: str | None = None
    cluster: str | None = None
    choice: tuple[str, ...] = ()
    missing: Missing = "raise"

    def __post_init__(self) -> None:
        if self.family not in LINKS:
            raise SpecificationError(f"family must be one of {listed(tuple(LINKS))}; found {self.family!r}")
        if self.link is not None and self.link not in LINKS[self.family]:
            raise SpecificationError(
                f"link for family={self.family!r} must be one of {listed(LINKS[self.family])}; found {self.link!r}"
            )
        if self.missing not in get_args(Missing):
            raise SpecificationError(f"missing must be one of {listed(get_args(Missing))}; found {self.missing!r}")
        if isinstance(self.choice, str):
            raise SpecificationError(f"choice takes a tuple of column names, such as ({self.choice!r},)")
        object.__setattr__(self, "choice", tuple(self.choice))
        of_trials = self.family in ("binomial", "beta_binomial")
        if self.trials and not of_trials:
            raise SpecificationError(f"trials belong to family='binomial', not {self.family!r}; use exposure")
        if self.exposure and of_trials:
            raise SpecificationError(f"exposure does not go with family={self.family!r}; use trials")
        played = self.played()
        for role, column in played.items():
            if not isinstance(column, str) or not column:
                raise SpecificationError(f"{role} takes the name of a column; found {column!r}")
        twice = {c for c in played.values() if list(played.values()).count(c) > 1}
        if twice:
            raise SpecificationError(f"a column can play one role only; {listed(sorted(twice))} plays several")

    def __repr__(self) -> str:
        # What was asked, without the roles that are not played: this line is printed in reports.
        said = [repr(getattr(self, f.name)) for f in fields(self) if not f.kw_only]
        said += [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.kw_only and (f.name in ("unit", "family") or getattr(self, f.name) != f.default)
        ]
        return f"{type(self).__name__}({', '.join(said)})"

    def kernel_family(self) -> Family:
        """Return family and link as the kernels know them."""
        return Family(self.family) if self.link is None else Family(self.family, self.link)

    def played(self) -> dict[str, str]:
        """Return role and column for the roles that are played."""
        single = ("unit", "trials", "exposure", "offset", "frequency", "sampling_weights", "period", "cluster")
        return {role: getattr(self, role) for role in single if getattr(self, role) is not None}

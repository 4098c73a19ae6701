"""The choices an analyst could have made otherwise, and the specifications they cross to."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Literal, get_args

from benchmodels.adjustment import FixedEffects, Pooled, RandomEffects
from benchmodels.adjustment.estimate import Penalty
from benchmodels.adjustment.fit import check_level, check_option
from benchmodels.asked import whole
from benchmodels.comparison import Better, Contrast, Reference, Standard
from benchmodels.errors import SpecificationError
from benchmodels.formula import read_formula
from benchmodels.kernels.families import LINKS, FamilyName, Link
from benchmodels.roles import Roles
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmodels.multiverse.found import MultiverseResult

__all__ = ["MOST", "AverageModel", "Choice", "ModelChoice", "Multiverse", "Specification"]

ModelChoice = Literal["pooled", "fixed", "random", "random within"]
AverageModel = Pooled | FixedEffects | RandomEffects

# 4096 specifications of 98 units are ten arrays of 3 MB, and half an hour of fits.
MOST = 4096


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing that could have been decided otherwise.

    Parameters
    ----------
    name : str
        A set of terms as written ("C(sex) + C(origin)"), or "model", "family", "periods".
    options : tuple of str
        As they are named in tables and pictures; a set of terms has "out" and "in".
    """

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One way of asking the question: an option of every choice.

    Parameters
    ----------
    number : int
        From 0, in the order of the crossing.
    options : tuple of int
        Position of the option of each choice.
    model : Pooled, FixedEffects, RandomEffects or None
        None where it is not defined.
    periods : tuple
        Periods whose rows are used; all of them where empty.
    main : bool
        The specification that was chosen.
    reason : str
        Why it is not defined, whatever the data; empty where it is.
    """

    number: int
    options: tuple[int, ...]
    model: AverageModel | None
    periods: tuple[object, ...]
    main: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Multiverse:
    """One comparison asked under every specification that could be defended.

    The specifications are all combinations of: each set of optional terms in or out, the model, family and link, and
    the periods. Which choices are defensible is the analyst's to say before seeing results.

    Parameters
    ----------
    main : Pooled, FixedEffects or RandomEffects
        The specification that was chosen, with roles and formula. Its terms that are not optional are always in.
    optional : tuple of str, or of tuples of str
        Terms in or out, as written between the plus signs of a formula; a tuple of terms goes in and out together.
        Terms that are not in the formula of ``main`` are out in the main specification.
    models : tuple of str
        "pooled", "fixed", "random", "random within" (slopes). By default that of ``main`` alone.
    families : tuple of (family, link)
        By default those of ``main`` alone; link None is the family's own. Between shares of trials and other families
        the column of trials serves as exposure, and the other way round.
    periods : tuple of tuples
        Each a set of periods whose rows are used together; the empty one is all. The first is the main
        specification's. Needs the role period. A term of the period alone, such as C(year), is left out where there is
        one period only.
    standard, contrast, reference, level, better
        As of ``compare``; the same in all specifications, so that their estimates mean the same.
    draws : int
        Behind the rank sets, see `benchmodels.rank`.

    Raises
    ------
    SpecificationError
        A choice that is none, a main specification that is not among its options, or more than 4,096 specifications.

    Notes
    -----
    A multiverse is not a confidence interval. Specifications are not a sample of anything, a share of them is no
    probability, and what all leave out (an unmeasured cause, see `benchmodels.sensitivity`) none of them shows.

    References
    ----------
    Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Perspectives on Psychological Science 11:702; Simonsohn, Simmons &
    Nelson (2020), Nature Human Behaviour 4:1208.

    Examples
    --------
    >>> main = Pooled("absent ~ girl + poor", unit="school", trials="pupils")
    >>> multiverse = Multiverse(main, optional=("girl", "poor"), models=("pooled", "fixed"))
    >>> len(multiverse.specifications()), multiverse.specifications()[0].model.formula
    (8, 'absent ~ 1')
    """

    main: AverageModel = field(kw_only=False)
    optional: tuple[str | tuple[str, ...], ...] = ()
    models: tuple[ModelChoice, ...] = ()
    families: tuple[tuple[FamilyName, Link | None], ...] = ()
    periods: tuple[tuple[object, ...], ...] = ()
    standard: Standard = "indirect"
    contrast: Contrast = "difference"
    reference: Reference = "others"
    level: float = 0.95
    better: Better | None = None
    draws: int = 1000

    def __post_init__(self) -> None:
        if not isinstance(self.main, AverageModel):
            raise SpecificationError(
                f"main takes a Pooled, FixedEffects or RandomEffects model; found {type(self.main).__name__}"
            )
        read_formula(self.main.formula)
        for name, of in (("standard", Standard), ("contrast", Contrast), ("reference", Reference)):
            check_option(name, getattr(self, name), get_args(of))
        check_option("better", self.better, (*get_args(Better), None))
        check_level(self.level)
        whole("draws", self.draws)
        for name in ("optional", "models", "families", "periods"):
            given = getattr(self, name)
            if not isinstance(given, tuple | list):
                raise SpecificationError(f"{name} takes a tuple, such as ({given!r},); found {given!r}")
        object.__setattr__(self, "optional", tuple(_set_of_terms(given) for given in self.optional))
        object.__setattr__(self, "models", tuple(self.models) or (_model_of(self.main),))
        object.__setattr__(self, "families", self._families())
        object.__setattr__(self, "periods", self._periods())
        self._check_terms()
        for model in self.models:
            check_option("models", model, get_args(ModelChoice))
        _refuse_twice("models", self.models)
        if _model_of(self.main) not in self.models:
            raise SpecificationError(
                f"the main specification is {_model_of(self.main)!r}, which is not among models={self.models!r}; "
                "add it, or choose another"
            )
        number = prod(len(choice.options) for choice in self.choices)
        if number > MOST:
            raise SpecificationError(
                f"{number:,} specifications; at most {MOST:,} are run. Let terms that belong together go in and out "
                "together (a tuple of terms), or leave out choices that nobody would defend"
            )

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Every choice with its options, those of one option included."""
        links = tuple(f"{family}, {link}" for family, link in self.families)
        return (
            *(Choice(name=" + ".join(terms), options=("out", "in")) for terms in self._sets),
            Choice(name="model", options=self.models),
            Choice(name="family", options=links),
            Choice(name="periods", options=tuple(_named(periods) for periods in self.periods)),
        )

    def specifications(self) -> tuple[Specification, ...]:
        """Return all specifications in the order of the crossing, those that are not defined with their reason."""
        sizes = [range(len(choice.options)) for choice in self.choices]
        main = self._main_options()
        return tuple(self._specification(i, options, main) for i, options in enumerate(product(*sizes)))

    def run(self, data: object, *, workers: int = 1, progress: Callable[[int], None] | None = None) -> MultiverseResult:
        """Ask the question under every specification.

        Parameters
        ----------
        data : dataframe
            One table for all; each specification reads its own columns and periods.
        workers : int, default 1
            Processes, or what joblib's active back end offers; -1 for all there are. No result depends on it.
        progress : callable, optional
            Called with the number of specifications done after each.

        Returns
        -------
        MultiverseResult

        Raises
        ------
        DataError, SpecificationError
            The table does not hold what the formula of all terms asks for.

        Warns
        -----
        PartialResultWarning
            Specifications that cannot be estimated; the message counts them and names a reason. Or an interrupt
            (Ctrl-C): those that were done are kept, the main specification first.
        """
        from benchmodels.multiverse.run import run

        return run(self, data, workers=workers, progress=progress)

    def full_formula(self) -> str:
        """Return the formula with every term of every specification."""
        return self._formula((*self._always, *(term for terms in self._sets for term in terms)))

    @property
    def _sets(self) -> tuple[tuple[str, ...], ...]:
        return self.optional  # type: ignore[return-value]  # strings became tuples when it was made

    @property
    def _always(self) -> tuple[str, ...]:
        free = {term for terms in self._sets for term in terms}
        return tuple(term for term in split_terms(self.main.formula) if term not in free)

    def _families(self) -> tuple[tuple[FamilyName, Link | None], ...]:
        own = (self.main.family, self.main.kernel_family().link)
        found = []
        for given in self.families or (own,):
            if not isinstance(given, tuple) or len(given) != 2 or str(given[0]) not in LINKS:
                raise SpecificationError(
                    f"families holds {given!r}; give pairs of family and link, such as ('binomial', 'probit'), with "
                    f"families {listed(tuple(LINKS))}"
                )
            found.append((given[0], given[1] or LINKS[given[0]][0]))
        _refuse_twice("families", found)
        if own not in found:
            raise SpecificationError(f"the main specification has {own!r}, which is not among families={found!r}")
        return tuple(found)

    def _periods(self) -> tuple[tuple[object, ...], ...]:
        if self.periods and self.main.period is None:
            raise SpecificationError("periods needs a model with the role period: period='…', a column of the table")
        for given in self.periods:
            if not isinstance(given, tuple | list) or not all(isinstance(value, Hashable) for value in given):
                raise SpecificationError(f"periods holds {given!r}; give tuples, such as (2023,), () for all")
        found = tuple(tuple(given) for given in self.periods) or ((),)
        _refuse_twice("periods", found)
        return found

    def _check_terms(self) -> None:
        twice = [term for terms in self._sets for term in terms]
        _refuse_twice("optional", twice)
        read_formula(self.full_formula())
        always = split_terms(self.main.formula)
        for terms in self._sets:
            inside = [term in always for term in terms]
            if any(inside) and not all(inside):
                raise SpecificationError(
                    f"{listed(terms)} go in and out together, and only some of them are in the main specification "
                    f"{self.main.formula!r}; add the others to it, or part them"
                )

    def _main_options(self) -> tuple[int, ...]:
        always = split_terms(self.main.formula)
        own = (self.main.family, self.main.kernel_family().link)
        inside = tuple(int(terms[0] in always) for terms in self._sets)
        return (*inside, self.models.index(_model_of(self.main)), self.families.index(own), 0)

    def _specification(self, number: int, options: tuple[int, ...], main: tuple[int, ...]) -> Specification:
        *inside, model, family, periods = options
        used = self.periods[periods]
        terms = [*self._always, *(t for terms, there in zip(self._sets, inside, strict=True) if there for t in terms)]
        # In the order of the main formula, so that the main specification is the main model to the letter.
        order = {term: place for place, term in enumerate(split_terms(self.main.formula))}
        terms.sort(key=lambda term: order.get(term, len(order)))
        if len(used) == 1:
            terms = [term for term in terms if not self._of_period(term)]
        found: AverageModel | None = None
        reason = ""
        try:
            found = self._model(self.models[model], self.families[family], self._formula(tuple(terms)))
        except SpecificationError as error:
            reason = str(error)
        return Specification(
            number=number, options=options, model=found, periods=used, main=options == main, reason=reason
        )

    def _of_period(self, term: str) -> bool:
        """Whether a term has no other column than the period."""
        return read_formula(f"{_quoted(self.main)} ~ {term}")[2] == (self.main.period,)

    def _formula(self, terms: tuple[str, ...]) -> str:
        return f"{_quoted(self.main)} ~ {' + '.join(terms) or '1'}"

    def _model(self, kind: ModelChoice, family: tuple[FamilyName, Link | None], formula: str) -> AverageModel:
        same_family = family == (self.main.family, self.main.kernel_family().link)
        roles: dict[str, Any] = {f.name: getattr(self.main, f.name) for f in fields(Roles)}
        if not same_family:
            roles |= {"family": family[0], "link": family[1]}
            of_trials = family[0] in ("binomial", "beta_binomial")
            size = roles["trials"] or roles["exposure"]
            roles |= {"trials": size if of_trials else None, "exposure": None if of_trials else size}
        if kind == _model_of(self.main):
            return replace(self.main, formula=formula, **roles)
        if kind in ("random", "random within"):
            return RandomEffects(formula, slopes="within" if kind == "random within" else "pooled", **roles)
        penalty: Penalty = "none" if isinstance(self.main, RandomEffects) else self.main.penalty
        made = FixedEffects if kind == "fixed" else Pooled
        return made(formula, penalty=penalty, **roles)


def split_terms(formula: str) -> tuple[str, ...]:
    """Return what stands between the plus signs on the right of a formula, outside brackets and backticks.

    Raises
    ------
    SpecificationError
        A minus, which would take out again what is put in.

    Examples
    --------
    >>> split_terms("y ~ 1 + C(sex) + poor * (a + b)")
    ('C(sex)', 'poor * (a + b)')
    """
    text, quoted, depth, parts = _right(formula), False, 0, [""]
    for sign in text:
        quoted ^= sign == "`"
        depth += 0 if quoted else (sign in "([") - (sign in ")]")
        if sign == "-" and not quoted and depth == 0:
            raise SpecificationError(f"a multiverse puts terms in and out itself; take the minus out of {formula!r}")
        if sign == "+" and not quoted and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    cleaned = [" ".join(part.split()) for part in parts]
    return tuple(dict.fromkeys(part for part in cleaned if part not in ("", "1")))


def _right(formula: str) -> str:
    """Return the right of a formula; a tilde in backticks is part of a name."""
    quoted = False
    for place, sign in enumerate(formula):
        quoted ^= sign == "`"
        if sign == "~" and not quoted:
            return formula[place + 1 :]
    return formula


def _quoted(main: AverageModel) -> str:
    return main.formula[: len(main.formula) - len(_right(main.formula)) - 1].strip()


def _set_of_terms(given: object) -> tuple[str, ...]:
    """Return terms that go in and out together, as written but for blanks."""
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, tuple | list) or not several or not all(isinstance(t, str) for t in several):
        raise SpecificationError(f"optional holds {given!r}; give terms of a formula, or tuples of them")
    terms = tuple(part for term in several for part in split_terms(f"y ~ {term}"))
    if not terms:
        raise SpecificationError(f"optional holds {given!r}, which is no term; the level is always in the model")
    return terms


def _model_of(main: AverageModel) -> ModelChoice:
    if isinstance(main, RandomEffects):
        return "random" if main.slopes == "pooled" else "random within"
    return "fixed" if isinstance(main, FixedEffects) else "pooled"


def _named(periods: tuple[object, ...]) -> str:
    return ", ".join(map(str, periods)) or "all"


def _refuse_twice(name: str, given: tuple[Any, ...] | list[Any]) -> None:
    twice = [value for i, value in enumerate(given) if value in given[:i]]
    if twice:
        raise SpecificationError(f"{name} holds {listed(twice)} more than once; each option counts once")

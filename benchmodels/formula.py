"""Formulas: read, checked, and turned into named columns. The only import of formulaic.

What goes wrong in a formula is the question's fault, and its error says so in one line.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.basis import row_blocks
from benchmodels.table import listed, met

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["evaluated", "levels_met", "made", "matrix_of", "read_formula"]


def read_formula(formula: str) -> tuple[str, str, tuple[str, ...]]:
    """Return outcome column, right-hand side and the variables it uses."""
    from formulaic import Formula, SimpleFormula
    from formulaic.errors import FormulaicError

    # Names in backticks may hold any sign; they are set aside while the grammar is looked at.
    bare = re.sub(r"`[^`]*`", lambda name: "_" * len(name[0]), formula) if isinstance(formula, str) else ""
    if bare.count("~") != 1:
        raise SpecificationError(f"a formula reads 'outcome ~ covariates'; found {formula!r}")
    left, right = formula[: bare.index("~")].strip(), formula[bare.index("~") + 1 :].strip()
    outcome = left[1:-1] if left.startswith("`") and left.endswith("`") else left
    if not outcome:
        raise SpecificationError(f"the formula {formula!r} has no outcome on its left-hand side")
    if outcome == left and re.search(r"[^\w.]", outcome):
        raise SpecificationError(
            f"the left-hand side must be one column; found {left!r} (make the column first; a name with spaces "
            "or signs goes in backticks)"
        )
    try:
        parsed = Formula(right or "1")
    except (FormulaicError, SyntaxError) as error:
        raise SpecificationError(f"cannot read the formula {formula!r}: {_plain(error)}") from error
    if not isinstance(parsed, SimpleFormula):
        raise SpecificationError(f"the formula {formula!r} has parts split by '|'; write one list of covariates")
    if not any(str(term) == "1" for term in parsed):
        raise SpecificationError(
            f"the formula {formula!r} takes the level out (0 or -1); the level is always in the model: remove it"
        )
    return outcome, right or "1", _variables(parsed)


def _variables(parsed: Any) -> tuple[str, ...]:
    """Return the columns that a formula uses, those inside functions included.

    Raises
    ------
    SpecificationError
        A function that formulas do not know.
    """
    from formulaic.transforms import TRANSFORMS

    # formulaic itself leaves out the variables of functions that keep a state (bs, poly, center, scale).
    names = {str(v) for v in parsed.required_variables if "value" in {role.value for role in v.roles}}
    for factor in {factor for term in parsed for factor in term.factors}:
        if factor.eval_method.value != "python":
            continue
        quoted: dict[str, str] = {}

        def aside(name: re.Match[str], quoted: dict[str, str] = quoted) -> str:
            return quoted.setdefault(f"_quoted_{len(quoted)}", name[1]) and f"_quoted_{len(quoted) - 1}"

        tree = ast.parse(re.sub(r"`([^`]*)`", aside, factor.expr).strip(), mode="eval")
        _refuse_foreign(tree, factor.expr)
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        unknown = sorted(called - set(TRANSFORMS))
        if unknown:
            raise SpecificationError(
                f"the formula calls {listed(unknown)}, which it does not know; make the column first, or use one of "
                "np.…, I, C, log, exp, center, scale, poly, bs, cs"
            )
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called - set(TRANSFORMS) - _MODULES
        names |= {quoted.get(name, name) for name in used}
    return tuple(sorted(names - set(TRANSFORMS)))


# Study files are passed from hand to hand, so a formula may do arithmetic on columns and nothing else: these NumPy
# functions, the transforms of formulaic and the coding of categories; no other attribute, no subscript, no lambda.
_NUMPY = frozenset({
    "abs", "absolute", "arcsin", "arcsinh", "arctan", "cbrt", "ceil", "clip", "cos", "cosh", "exp", "exp2",
    "expm1", "floor", "fmax", "fmin", "log", "log10", "log1p", "log2", "maximum", "minimum", "power", "reciprocal",
    "rint", "round", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "where",
})  # fmt: skip
_CODINGS = frozenset({"treatment", "SAS", "sum", "helmert", "diff", "poly", "custom"})
_MODULES = {"np", "contr"}
_GRAMMAR = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.keyword, ast.Name, ast.Attribute,
    ast.Constant, ast.Tuple, ast.List, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def _refuse_foreign(tree: ast.Expression, text: str) -> None:
    """Raise where an expression in a formula is more than arithmetic on columns."""
    for node in ast.walk(tree):
        known = isinstance(node, _GRAMMAR)
        if isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            known = (base == "np" and node.attr in _NUMPY) or (base == "contr" and node.attr in _CODINGS)
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            known = False
        if not known:
            raise SpecificationError(
                f"the formula may do arithmetic on columns only; {text!r} does more. Allowed are operators, np.log and "
                "the like, C, I, log, exp, center, scale, poly, bs, cs; make other columns first"
            )


def _plain(error: BaseException) -> str:
    """Return an error's text on one line, without the colours that formulaic puts in."""
    text = re.sub(r"\x1b?\[[0-9;]*m|[\u29da\u29db]", "", str(error))
    return " ".join(re.sub(r"\[[0-9;]+m", "", text).split())


def made(right: str, frame: pd.DataFrame) -> Any:
    """Return formulaic's matrix, which carries its specification."""
    from formulaic import model_matrix

    return evaluated(right, lambda: model_matrix(right, frame, na_action="raise", output="numpy", context=None))


def made_in_order(
    right: str, frame: pd.DataFrame, order: Codes, place: Codes | None, *, stateful: bool
) -> tuple[Floats, tuple[str, ...], tuple[tuple[str, slice], ...], Any]:
    """Return the (n, p) matrix of rows in an order, its names and terms, and formulaic's specification.

    ``place`` is the inverse of the order where every row has a place of its own, else None. Where the formula is a list
    of numeric columns they are read as they are; formulaic would copy them four times.
    """
    if not stateful and len(order) > 1000:
        result = made(right, frame.iloc[order[:1000]])
        names = [str(name) for name in result.model_spec.column_names[1:]]
        if names and all(name in frame and pd.api.types.is_numeric_dtype(frame[name]) for name in names):
            _, *known = matrix_of(result, None)
            return _read(frame.iloc[order] if place is None else frame, names, place), *known, result.model_spec
    result = made(right, frame if stateful else frame.iloc[order])
    return *matrix_of(result, order if stateful else None), result.model_spec


def _read(frame: pd.DataFrame, names: Sequence[str], place: Codes | None) -> Floats:
    columns = [frame[name].to_numpy(dtype=np.float64) for name in names]
    matrix = np.empty((len(frame), len(columns)))
    for rows in row_blocks(*matrix.shape):
        # Whole rows are written where they belong: a third of the cost of picking each column's values in order.
        matrix[rows if place is None else place[rows]] = np.stack([column[rows] for column in columns], axis=1)
    return matrix


_OF_EVALUATION = (ValueError, TypeError, NameError, AttributeError, ArithmeticError, LookupError)


def evaluated(right: str, make: Callable[[], Any]) -> Any:
    """Evaluate a formula; what goes wrong in it is the question's fault and is said so."""
    from formulaic.errors import DataMismatchWarning, FormulaicError

    try:
        # The logarithm of zero is named afterwards, by column; a value outside the levels given is an error now.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            return make()
    except (FormulaicError, DataMismatchWarning, *_OF_EVALUATION) as error:
        raise SpecificationError(f"cannot build the covariates {right!r}: {_plain(error)}") from error


def matrix_of(result: Any, order: Codes | None) -> tuple[Floats, tuple[str, ...], tuple[tuple[str, slice], ...]]:
    """Return the (n, p) matrix without its column of ones, in the given order, its names and its terms."""
    spec = result.model_spec
    names = tuple(str(name) for name in spec.column_names)
    if names[:1] != ("Intercept",):
        raise SpecificationError("the formula leaves no level in the model; remove 0 or -1 from it")
    matrix = np.asarray(result)[:, 1:]
    matrix = np.array(matrix if order is None else matrix[order], dtype=np.float64, order="C")
    with np.errstate(all="ignore"):
        total = matrix.sum()
    if not np.isfinite(total):
        wrong = [name for name, ok in zip(names[1:], np.isfinite(matrix).all(axis=0), strict=True) if not ok]
        if wrong:
            raise DataError(f"the formula gives infinite or undefined values in {listed(wrong)} (log of zero?)")
    slices = ((str(term), where) for term, where in spec.term_slices.items() if str(term) != "1")
    terms = tuple((term, slice(where.start - 1, where.stop - 1)) for term, where in slices)
    return matrix, names[1:], terms


def levels_met(spec: Any, frame: pd.DataFrame, variables: Sequence[str]) -> dict[str, frozenset[object]]:
    """Return the levels met of every column that is coded as a category."""
    categorical = {
        str(v)
        for factor, contrast in spec.factor_contrasts.items()
        if contrast is not None
        for v in spec.factor_variables.get(factor, ())
    }
    names = [v for v in variables if v in categorical or not pd.api.types.is_numeric_dtype(frame[v])]
    return {name: frozenset(met(frame[name]).tolist()) for name in names}

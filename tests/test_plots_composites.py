"""Pictures of composites: all units with their limits, and what stands behind one."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.frontier.composites import BenefitOfTheDoubt
from benchmodels.plots import composites as drawn
from tests.frontier.test_composites import NAMES, asked, compared, table


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def found():
    return BenefitOfTheDoubt(outcomes=NAMES, shares=(0.1, 0.5)).fit(compared(better="low")).uncertainty(
        replicates=100, rng=1
    )  # fmt: skip


def line(ax, gid):
    return np.column_stack(next(a for a in ax.get_lines() if a.get_gid() == gid).get_data())


def bars(ax, gid):
    return np.array(next(a for a in ax.collections if a.get_gid() == gid).get_segments())


def said(ax):
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    return " | ".join([*texts, *(t.get_text() for t in ax.texts), ax.get_xlabel(), ax.get_title(loc="left")])


@pytest.mark.parametrize("lang", ["en", "da"])
def test_a_row_a_unit_the_best_on_top(found, lang):
    ax = drawn.composite_scores(found, lang=lang, highlight="Ø03")
    frame = found.to_frame().sort_values(["efficiency", "unit"], ascending=[False, True]).reset_index(drop=True)
    ends = bars(ax, "intervals")
    order = np.argsort(ends[:, 0, 1])
    np.testing.assert_allclose(ends[order][:, :, 0], frame[["lower", "upper"]].to_numpy())
    both = np.concatenate([line(ax, "found"), line(ax, "best")])
    np.testing.assert_allclose(np.sort(both[:, 0])[::-1], frame["efficiency"])
    assert len(line(ax, "best")) == found.fit.best.sum()
    assert [t.get_text() for t in ax.get_yticklabels()][0] == frame["unit"][0]
    assert {"en": "how often such hold is not known", "da": "hvor ofte den slags holder, vides ikke"}[lang] in said(ax)
    assert {"en": "Simulated figures", "da": "Simulerede tal"}[lang] in said(ax)


def test_steps_and_subsamples():
    fit = asked(orientation="directional", direction="spread").fit(table(40))
    ax = drawn.composite_scores(fit.uncertainty(of="units", replicates=100, rng=0))
    np.testing.assert_allclose(np.sort(np.append(line(ax, "found")[:, 0], line(ax, "best")[:, 0])),
                               np.sort(fit.inefficiency))  # fmt: skip
    assert "steps from the best" in said(ax)
    assert "Which units there are" in said(ax)
    assert "Simulated" not in said(ax)


@pytest.mark.parametrize("lang", ["en", "da"])
def test_what_stands_behind_one_unit(found, lang):
    fit = found.fit
    unit = fit.unit[~fit.best][0]
    ax = drawn.composite_profile(fit, unit=unit, lang=lang, labels={"fravær": "Højt fravær"})
    weights = fit.weights().query("unit == @unit")
    np.testing.assert_allclose(line(ax, "chosen")[:, 0], weights["share"])
    np.testing.assert_allclose(bars(ax, "range")[:, :, 0], weights[["lower", "upper"]])
    assert ax.get_yticklabels()[0].get_text().startswith("Højt fravær\n")
    peers = fit.peers().query("unit == @unit")["peer"]
    assert peers.iloc[0] in said(ax)
    assert {"en": "Held against", "da": "Holdt op mod"}[lang] in said(ax)
    best = drawn.composite_profile(fit, unit=fit.unit[fit.best][0], lang=lang)
    assert {"en": "Nobody does better", "da": "Ingen gør det bedre"}[lang] in said(best)


def test_what_is_not_there(found):
    with pytest.raises(SpecificationError, match="not among"):
        drawn.composite_scores(found, highlight="Nowhere")
    with pytest.raises(SpecificationError, match="^unit=.Nowhere. is not among"):
        drawn.composite_profile(found.fit, unit="Nowhere")
    with pytest.raises(SpecificationError, match="labels names"):
        drawn.composite_profile(found.fit, unit="Ø03", labels={"x": "y"})


def test_a_fit_is_no_uncertainty():
    with pytest.raises(SpecificationError, match=r"draws what fit\.uncertainty.* found a Goods"):
        drawn.composite_scores(Goods())


class Goods:
    """Something else."""

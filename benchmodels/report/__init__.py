"""One page that a municipal officer can read in two minutes, from results that were computed elsewhere."""

from benchmodels.report.chapter import Chapter, Labels
from benchmodels.report.page import render_page
from benchmodels.report.wording import Lang, Wording, first_upper, wording

__all__ = ["Chapter", "Labels", "Lang", "Wording", "first_upper", "render_page", "wording"]

"""One page that a municipal officer can read in two minutes, from results that were computed elsewhere."""

from benchmodels.report.chapter import Chapter, Labels
from benchmodels.report.composites import CompositeChapter, render_composites
from benchmodels.report.page import render_page
from benchmodels.report.wording import Lang, Wording, first_upper, wording

__all__ = [
    "Chapter",
    "CompositeChapter",
    "Labels",
    "Lang",
    "Wording",
    "first_upper",
    "render_composites",
    "render_page",
    "wording",
]

"""Where pages are made of: templates with all text escaped, and parts that are put in as they are."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from benchmodels.report.wording import first_upper

__all__ = ["part", "template"]

_FOLDER = Path(__file__).parent / "templates"


def template(name: str) -> Template:
    """Return a template; whatever is put into it is escaped, and a name that is not there is an error."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cap"] = first_upper
    return environment.get_template(name)


def part(name: str) -> Markup:
    """Return a file of our own, such as the style of all pages, to be put in as it is."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))

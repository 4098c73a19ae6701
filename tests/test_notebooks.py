"""Every notebook runs from top to bottom, and is kept without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook_a_study():
    of_studies = ["school-absence", "sheltered-housing", "special-education"]
    lessons = [
        "best-practice-dea-by-hand-and-by-machine",
        "how-sure-can-we-be-of-a-rank",
        "is-this-municipality-really-inefficient",
        "reproduce-a-published-comparison",
        "together-and-over-time",
        "why-is-my-expected-value-what-it-is",
        "why-not-just-compare-the-averages",
        "years-learners-posteriors",
    ]
    assert {n.stem for n in NOTEBOOKS} == {*of_studies, *lessons}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning:zmq", "ignore::ResourceWarning")
def test_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "strip the outputs with nbstripout"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("image/png" in out.get("data", {}) for out in shown), "a notebook without a picture"

"""A thousand study files that are not what they should be: each is refused with our own error, or answered."""

from __future__ import annotations

import copy
import io
import random
import tomllib
import warnings

import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsError
from benchmodels.replication import answer, parse_study, read_study, shipped_studies
from tests.test_cli import ROWS, STUDY

JUNK = [
    None,
    -1,
    0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "æ" * 300,
    [],
    {},
    [[]],
    True,
    "1 + 1",
    "a ~ b",
]
JUNK += ["C(", "elever", "kommune", "~", "fravær ~ C(køn) + elever", 10**30, "../../x", ["elever", "elever"]]


def mutated(rng: random.Random, content):
    """Change one thing deep in a study: drop it, move it, repeat it, or put something else in its place."""
    content = copy.deepcopy(content)
    places = []

    def walk(node):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(content)
    node, key = rng.choice(places)
    what = rng.randrange(6)
    if what == 0 and isinstance(node, dict):
        del node[key]
    elif what == 1 and isinstance(node, dict):
        node[rng.choice(["limits", "choice", "period", "exposure", "frontier", "x"])] = node[key]
    elif what == 2 and isinstance(node[key], str):
        text = list(node[key]) or ["x"]
        text[rng.randrange(len(text))] = rng.choice("~+*:()'\" .æ\n")
        node[key] = "".join(text)
    else:
        node[key] = rng.choice(JUNK)
    return content


def ending(work) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            work()
        except BenchmodelsError as error:
            assert str(error)
            return "refused"
    return "answered"


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_broken_somewhere(name):
    rng = random.Random(name)
    content = tomllib.loads(shipped_studies()[name].read_text(encoding="utf-8"))
    ends = [ending(lambda: parse_study(mutated(rng, mutated(rng, content)))) for _ in range(400)]
    assert {"refused", "answered"} == set(ends)


def test_a_small_study_broken_somewhere_and_run():
    rng = random.Random(3)
    content = tomllib.loads(STUDY)
    rows = pd.read_csv(io.StringIO(ROWS), sep=";")
    ends = []
    for _ in range(400):
        broken = mutated(rng, content)
        ends.append(ending(lambda broken=broken: answer(parse_study(broken), data=rows, rng=0)))
    assert min(ends.count("refused"), ends.count("answered")) > 50


def test_bytes_broken_somewhere(tmp_path):
    rng = random.Random(4)
    whole = shipped_studies()["sheltered-housing"].read_bytes()
    path = tmp_path / "study.toml"
    for _ in range(250):
        text = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        path.write_bytes(bytes(text[: rng.randrange(1, len(text))] if rng.random() < 0.5 else text))
        ending(lambda: read_study(path))

"""Every reason that an officer may read has its Danish words."""

import ast
import tomllib
from pathlib import Path

import benchmodels
from benchmodels.adjustment.noise import NOISE_TEXT

PACKAGE = Path(benchmodels.__file__).parent


def reasons():
    """Constant texts that the adjustment code writes into the reasons for withholding."""
    for path in (PACKAGE / "adjustment").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                name = node.targets[0].value
                text = node.value
                if isinstance(name, ast.Name) and name.id in ("reason", "withheld") and isinstance(text, ast.Constant):
                    yield text.value


def test_reasons_and_noise_are_in_danish():
    words = tomllib.loads((PACKAGE / "report" / "words" / "da.toml").read_text(encoding="utf-8"))["sentences"]
    found = {text for text in reasons() if text}
    assert len(found) >= 8
    assert found | set(NOISE_TEXT.values()) <= set(words)

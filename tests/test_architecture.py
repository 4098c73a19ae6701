"""The house keeps its shape: layers, module length, public names, one version, light imports."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import benchmodels

ROOT = Path(__file__).parents[1]
PACKAGE = Path(benchmodels.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "matplotlib",
    "statsmodels",
    "sklearn",
    "linearmodels",
    "arviz_base",
    "arviz_stats",
    "formulaic",
    "pydantic",
    "jinja2",
)


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited is not None
    assert project["version"] == benchmodels.__version__ == cited.group(1)
    assert f"## {benchmodels.__version__}," in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_module_is_short_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 450, "does not fit on one table: is the idea simple yet?"
    assert ast.get_docstring(ast.parse(text))


def test_public_names_are_there_and_documented():
    for name in benchmodels.__all__:
        assert getattr(benchmodels, name).__doc__ or name == "__version__", name


def test_import_is_light():
    code = "import sys, json, benchmodels; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(HEAVY) & set(json.loads(done.stdout))


def test_kernels_know_numbers_only():
    allowed = {
        "numpy",
        "scipy",
        "highspy",
        "benchmodels",
        "__future__",
        "dataclasses",
        "typing",
        "collections",
        "itertools",
        "functools",
        "math",
    }
    for path in (PACKAGE / "kernels").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
                assert not name.startswith("benchmodels.") or name.split(".")[1] in ("kernels", "errors"), name


def test_no_addresses_in_constraints():
    for path in (ROOT / "constraints").glob("*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._\[\]-]+==[A-Za-z0-9.+!-]+", line), line


def test_readme_commands_are_one_line_each():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for what in ("demo", "tests"):
        block = re.search(rf"<!-- {what}: one line -->\n```sh\n(.*?)\n```", text, re.S)
        assert block is not None
        assert "\n" not in block.group(1)
        assert block.group(1).startswith("python3 -m venv .venv && ")

"""Which code a table was made with: the functions that a call runs through, and a hash of what they say."""

from __future__ import annotations

import ast
import hashlib
import io
import sys
import tokenize
from pathlib import Path

import benchmodels

ROOT = Path(benchmodels.__file__).parent
# What intervals rest on.
WITHIN = ("kernels/", "adjustment/", "comparison")


def functions_run(call) -> list[str]:
    """Return "file:function" for each of the package's own functions, of those that intervals rest on, that is run."""
    met = set()

    def note(frame, event, _):
        if event == "call":
            met.add((frame.f_code.co_filename, frame.f_code.co_qualname.split(".<locals>")[0]))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    inside = ((Path(f).relative_to(ROOT).as_posix(), name) for f, name in met if Path(f).is_relative_to(ROOT))
    return sorted(f"{file}:{name}" for file, name in inside if file.startswith(WITHIN) and not name.startswith("<"))


def code_hash(functions: list[str]) -> str:
    """Hash of these functions, and of the imports, constants and classes that they name, without words and blanks.

    A path cannot lead to other code unless a function on it changes. By position in the text, so that it is the same
    under every version of Python.
    """
    digest = hashlib.sha256()
    files: dict[str, set[str]] = {}
    for function in functions:
        file, name = function.split(":")
        files.setdefault(file, set()).add(name)
    for file, names in sorted(files.items()):
        path = ROOT / file
        digest.update((file + _said(path.read_text(encoding="utf-8"), names) if path.exists() else file).encode())
    return digest.hexdigest()[:16]


def _said(text: str, names: set[str]) -> str:
    lines, tree = _without_words(text), ast.parse(text)
    kept, left = [], []
    for node in tree.body:
        of_class = isinstance(node, ast.ClassDef) and any(n.startswith(f"{node.name}.") for n in names)
        (kept if of_class or (isinstance(node, ast.FunctionDef) and node.name in names) else left).append(node)
    used: set[str] = set()
    parts = []
    while kept:
        node = kept.pop()
        parts.append((node.lineno, _text(lines, node, names)))
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                used.add(inner.id)
        # Constants and classes that are named, and what those name in turn; never other functions.
        more = [n for n in left if not isinstance(n, ast.FunctionDef) and _binds(n) & used]
        left = [n for n in left if n not in more]
        kept += more
    return "".join([*sorted(_imported(tree, used)), *(part for _, part in sorted(parts))])


def _imported(tree: ast.Module, used: set[str]) -> list[str]:
    """Where names that are used come from, one by one: a line of imports may gain others."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = getattr(node, "module", None) or ""
            found += [f"{source}.{a.name};" for a in node.names if (a.asname or a.name).split(".")[0] in used]
    return found


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)} - {"__all__"}
    return set()


def _text(lines: list[str], node: ast.stmt, names: set[str]) -> str:
    """The node's own text; of a class only the methods that are run."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    rows = set(range(first, node.end_lineno + 1))
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and f"{node.name}.{method.name}" not in names:
                start = min([method.lineno, *(d.lineno for d in method.decorator_list)])
                rows -= set(range(start, method.end_lineno + 1))
    return "".join("".join(lines[row - 1] for row in sorted(rows)).split())


def _without_words(text: str) -> list[str]:
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            for row in range(node.body[0].lineno, node.body[0].end_lineno + 1):
                lines[row - 1] = ""
    return lines

"""What a result rests on, as its manifest records it: the study and the data, told by their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from benchmodels.replication.outcome import Outcome
    from benchmodels.replication.study import Study
    from benchmodels.replication.tables import Table

__all__ = ["WITHHELD", "hash_rounded", "hash_study", "input_record"]

WITHHELD = "withheld for disclosure control"
_DIGITS = 9


def hash_study(study: dict[str, Any]) -> str:
    """Return the SHA-256 of a study as the manifest holds it, whatever the order of its keys.

    Examples
    --------
    >>> hash_study({"a": 1, "b": 2}) == hash_study({"b": 2, "a": 1})
    True
    """
    text = json.dumps(study, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_rounded(table: Table) -> str:
    """Return the SHA-256 of a table as the model sees it, numbers with fractions at nine digits.

    A bundled table is simulated anew on each machine, and sums in another order differ in the sixteenth digit.
    """
    frame = table.frame.copy()
    for column in frame.columns:
        if pd.api.types.is_float_dtype(frame[column]):
            frame[column] = [f"{value:.{_DIGITS}g}" for value in frame[column].to_numpy(dtype=np.float64)]
    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def input_record(outcome: Outcome, *, data: pd.DataFrame | str | Path | None, out: Path) -> dict[str, Any]:
    """Return what a manifest says of the data of one study.

    Parameters
    ----------
    outcome : Outcome
    data : DataFrame, str or Path, optional
        What was given in place of the study's own table.
    out : Path
        Folder of the result.
    """
    table, hidden = outcome.table, outcome.study.disclosure is not None
    record: dict[str, Any] = {
        "name": table.name,
        # Of a small table the counts kept back could be found by trying.
        "sha256": WITHHELD if hidden else table.sha256,
        "rows": outcome.main.source.rows_read if hidden else table.rows,
        "simulated": table.simulated,
        **_place(outcome.study, data, out),
    }
    told = {"source": table.source, "licence": str(table.cases.attrs.get("licence", ""))}
    record |= {key: value for key, value in told.items() if value}
    if record["kind"] == "dataset" and not hidden:
        record["rounded_sha256"] = hash_rounded(table)
    return record


def _place(study: Study, data: pd.DataFrame | str | Path | None, out: Path) -> dict[str, str]:
    """Say whether the table was bundled, a file or in memory, and where a file lies as seen from the result.

    Only a file in or below the folder that holds the result has its place told: other paths would tell of the machine.
    """
    if isinstance(data, pd.DataFrame):
        return {"kind": "memory"}
    file = Path(data) if data is not None else study.data_file
    if file is None:
        return {"kind": "dataset"}
    folder, file = out.resolve(), file.resolve()
    if not file.is_relative_to(folder.parent):
        return {"kind": "file"}
    return {"kind": "file", "place": Path(os.path.relpath(file, folder)).as_posix()}

"""A result described for archives: RO-Crate metadata beside it, by the profile for the run of a process."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication.provenance.folder import MANIFEST, TOOL
from benchmodels.replication.provenance.manifest import Manifest, Record, hash_file, read_manifest, short
from benchmodels.replication.provenance.origin import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CRATE", "write_crate"]

CRATE = "ro-crate-metadata.json"
_VERSION = "1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_OWN_LICENCE = "https://spdx.org/licenses/BSD-3-Clause"
_KNOWN_LICENCES = {"CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/"}
_MEDIA = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def write_crate(folder: str | Path, *, licence: str = "") -> Path:
    """Describe a result by RO-Crate 1.1 metadata, after the profile Process Run Crate 0.5.

    Each study is an instrument and each run of one an action: its data and seed went in, its tables, its figures and
    the page came out. The file is listed in the manifest, so that
    `benchmodels.replication.verify_folder` holds it against its hash as it does all others.

    Parameters
    ----------
    folder : str or Path
        Of the result, or its manifest.json.
    licence : str
        Address of the licence that the result is given under, such as
        ``"https://creativecommons.org/licenses/by/4.0/"``; by default the crate says that none is stated.

    Returns
    -------
    Path
        The metadata, ro-crate-metadata.json; an earlier one is replaced.

    Raises
    ------
    DataError
        There is no manifest or it is damaged, or a file is not what the manifest lists.
    SpecificationError
        The library is not installed, or the licence is no address.

    Notes
    -----
    Nothing is fetched. The manifest is described without its hash: it holds that of the crate.

    References
    ----------
    Leo, S. et al. (2024). Recording provenance of workflow runs with RO-Crate. PLOS ONE 19(9), e0309210.
    """
    manifest = read_manifest(folder)
    if licence and not licence.startswith(("https://", "http://")):
        raise SpecificationError(
            f"licence {licence!r}: give its address, such as 'https://spdx.org/licenses/CC-BY-4.0'"
        )
    listed = [name for name in manifest.content.files if name != CRATE]
    for name in listed:
        path = manifest.file(name)
        if path is None or hash_file(path) != manifest.content.files[name]:
            raise DataError(f"{short(name)}: is not the file that the manifest lists; verify the result first")
    crate = _library("rocrate.rocrate").ROCrate(version=_VERSION)
    _describe(crate, manifest, licence)
    files = _add_files(crate, manifest, listed)
    software = _add_software(crate, manifest)
    actions = [_add_run(crate, manifest, record, files, software) for record in manifest.content.studies]
    crate.root_dataset["mentions"] = actions if len(actions) > 1 else actions[0]
    text = json.dumps(crate.metadata.generate(), ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"
    _read_back(text, [*listed, MANIFEST], len(actions))
    _put(manifest.folder, text)
    return manifest.folder / CRATE


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpecificationError('a crate needs rocrate; pip install "benchmodels[provenance]"') from error


def _entity(crate: Any, identifier: str, properties: dict[str, Any]) -> Any:
    kind = _library("rocrate.model.contextentity").ContextEntity
    return crate.add(kind(crate, identifier, properties={key: v for key, v in properties.items() if v not in ("", [])}))


def _describe(crate: Any, manifest: Manifest, licence: str) -> None:
    """Say of the whole what archives ask for."""
    titles = [_title(manifest, record) for record in manifest.content.studies]
    crate.name = "; ".join(titles)
    crate.description = (
        f"Result of {TOOL}: {'; '.join(titles)}. Made by: {manifest.content.options.command or 'Python'}."
    )
    crate.datePublished = manifest.content.created
    if licence:
        crate.license = _entity(crate, licence, {"@type": "CreativeWork", "name": licence})
    else:
        told = {"name": "No licence stated", "description": "Ask who published the result under what terms to use it."}
        crate.license = _entity(crate, "#licence", {"@type": "CreativeWork", **told})
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": _PROFILE.rsplit("/", 1)[-1]}
    crate.root_dataset["conformsTo"] = _entity(crate, _PROFILE, profile)


def _title(manifest: Manifest, record: Record) -> str:
    texts = record.study.get("texts")
    words = texts.get(manifest.content.options.lang) if isinstance(texts, dict) else None
    title = words.get("title") if isinstance(words, dict) else None
    return title if isinstance(title, str) else record.id


def _add_files(crate: Any, manifest: Manifest, listed: Iterable[str]) -> dict[str, Any]:
    files = {}
    for name in [*listed, MANIFEST]:
        path = manifest.folder / name
        told = {"name": name, "encodingFormat": _MEDIA.get(path.suffix, "application/octet-stream")}
        if name != MANIFEST:
            told |= {"sha256": manifest.content.files[name], "contentSize": str(path.stat().st_size)}
        files[name] = crate.add_file(path, quote(name), properties=told)
    return files


def _add_software(crate: Any, manifest: Manifest) -> Any:
    """Add this package and the libraries of its run, with their versions."""
    versions = manifest.content.versions
    needed = [
        _entity(crate, f"#{name}", {"@type": "SoftwareApplication", "name": name, "softwareVersion": versions[name]})
        for name in versions
        if name != TOOL
    ]
    own = _entity(crate, _OWN_LICENCE, {"@type": "CreativeWork", "name": "BSD 3-Clause", "identifier": _OWN_LICENCE})
    told = {"@type": "SoftwareApplication", "name": TOOL, "softwareVersion": versions.get(TOOL, "")}
    return _entity(crate, f"#{TOOL}", told | {"license": own, "softwareRequirements": needed})


def _add_run(crate: Any, manifest: Manifest, record: Record, files: dict[str, Any], software: Any) -> Any:
    title, whole = _title(manifest, record), f"{manifest.content.created} {record.id} {record.study_sha256}"
    study = _entity(
        crate,
        f"#study-{record.id}",
        {
            "@type": "SoftwareSourceCode",
            "name": title,
            "description": f"The specification of the study, in full in {MANIFEST}.",
            "version": (record.study_sha256 or "")[:12],
            "sha256": record.study_sha256 or "",
            "isPartOf": files[MANIFEST],
            "softwareRequirements": software,
        },
    )
    seed = {"@type": "PropertyValue", "name": "seed", "value": manifest.content.options.rng}
    own = [found for name, found in files.items() if _of(manifest, record, name)]
    return _entity(
        crate,
        f"#{uuid.uuid5(uuid.NAMESPACE_URL, whole)}",
        {
            "@type": "CreateAction",
            "name": title,
            "description": manifest.content.options.command,
            "endTime": manifest.content.created,
            "instrument": [software, study],
            "object": [_add_data(crate, record), _entity(crate, "#seed", seed)],
            "result": [*own, files[MANIFEST]],
        },
    )


def _of(manifest: Manifest, record: Record, name: str) -> bool:
    """Whether a file came out of the run of this study; the page came out of them all."""
    if name.endswith(".csv"):
        return manifest.study_of(name) == record.id
    others = [other.id for other in manifest.content.studies if len(other.id) > len(record.id)]
    figure = name.startswith(f"figures/{record.id}-")
    return name == "index.html" or (figure and not any(name.startswith(f"figures/{other}-") for other in others))


def _add_data(crate: Any, record: Record) -> Any:
    data = record.data
    told: dict[str, Any] = {
        "@type": "CreativeWork",
        "name": data.name,
        "description": f"{data.rows} rows{', simulated' if data.simulated else ''}. {data.source}".strip(),
        "sha256": "" if data.sha256 == WITHHELD else data.sha256,
    }
    if data.sha256 == WITHHELD:
        told["description"] += f" The hash is {WITHHELD}."
    address = next((to for name, to in _KNOWN_LICENCES.items() if name in (data.licence or data.source)), "")
    if address:
        told["license"] = _entity(crate, address, {"@type": "CreativeWork", "name": data.licence or "CC BY 4.0"})
    elif data.licence:
        told["license"] = data.licence
    return _entity(crate, f"#data-{record.id}", told)


def _read_back(text: str, names: list[str], actions: int) -> None:
    """Refuse to write what the library does not read as what was meant."""
    crate = _library("rocrate.rocrate").ROCrate(json.loads(text))
    found = sorted(entity.id for entity in crate.data_entities)
    runs = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    whole = all(run.get("instrument") and run.get("object") and run.get("result") for run in runs)
    if found != sorted(quote(name) for name in names) or len(runs) != actions or not whole:
        raise DataError(f"{CRATE}: what was made does not read back as the result; nothing was written")


def _put(folder: Path, text: str) -> None:
    """Write the crate and list it in the manifest; where either fails, both stay as they were."""
    path, listing = folder / CRATE, folder / MANIFEST
    earlier = path.read_bytes() if path.is_file() else None
    manifest = json.loads(listing.read_text(encoding="utf-8"))
    try:
        _replace(path, text)
        manifest["files"] = dict(sorted({**manifest["files"], CRATE: hash_file(path)}.items()))
        _replace(listing, json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    except BaseException:
        with suppress(OSError):
            if earlier is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(earlier)
        raise


def _replace(path: Path, text: str) -> None:
    handle, work = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(work, 0o666 & ~mask)
        os.replace(work, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(work)
        raise

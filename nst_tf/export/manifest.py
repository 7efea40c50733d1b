"""The manifest of an exported bundle, read back and held against the files beside it. Imports no TensorFlow."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from nst_tf import errors

PATH = pathlib.PurePosixPath("assets.extra", "manifest.json")
_LARGEST_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What TensorFlow does not load and a server's owner may add or change
_OF_SERVERS = ("assets.extra/", "batching_params.pbtxt")
_MEND = "Export the bundle again: nst-tf export --method=adain --style=... --output_dir=..."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        sha256: of the manifest's bytes, which hold the hash of every other file.
        method: `gatys` or `adain`.
        precision: the Keras dtype policy of the network.
        max_side_px: the largest result, on its long side.
        styles: the names of the style pictures that are baked in.
        licences: of the weights.
        files: path inside the bundle -> SHA-256.
    """

    sha256: str
    method: str
    precision: str
    max_side_px: int
    styles: tuple[str, ...]
    licences: tuple[str, ...]
    files: Mapping[str, str]


def read(bundle: str | os.PathLike[str]) -> Manifest:
    """Reads the manifest of a bundle and checks that what TensorFlow loads of it is what was exported.

    Args:
        bundle: the version's folder, such as saved_models/adain/1.

    Returns:
        The manifest, whose hashes hold. The files for servers may have been changed.

    Raises:
        ExportError: there is no manifest, it is damaged, or a file is missing, another one, or not listed.
    """
    folder = pathlib.Path(bundle)
    try:
        with open(folder / PATH, "rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise errors.ExportError(
            f"{folder}: a bundle must have the file {PATH}. Received: {error.strerror}. Give the folder of a version, "
            "such as saved_models/adain/1."
        ) from error
    manifest = parse(data, str(folder / PATH))
    listed = {name for name in manifest.files if not name.startswith(_OF_SERVERS)}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    unlike = sorted(listed ^ {name for name in present if not name.startswith(_OF_SERVERS)})
    if unlike:
        state = "it is missing" if unlike[0] in listed else "the export did not write it"
        raise errors.ExportError(
            f"{folder / unlike[0]}: a bundle must hold the files that were exported and no others. Received: {state}. "
            f"{_MEND}"
        )
    for name in sorted(listed):
        if file_sha256(folder / name) != manifest.files[name]:
            raise errors.ExportError(
                f"{folder / name}: the file must be the one that was exported. Received: another one, by its SHA-256. "
                f"{_MEND}"
            )
    return manifest


def parse(data: bytes, name: str) -> Manifest:
    """Reads the bytes of a manifest.

    Args:
        data: JSON, at most 1 MiB.
        name: of the file, for the messages.

    Returns:
        The manifest; no file that it names lies outside the bundle.

    Raises:
        ExportError: it is damaged.
    """
    if len(data) > _LARGEST_BYTES:
        raise _damaged(name, "more than 1 MiB")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, errors.one_line(error)) from error
    max_side_px = _of(_of(record, "config", dict, name), "max_side_px", int, name)
    if isinstance(max_side_px, bool) or max_side_px < 1:
        raise _damaged(name, f"max_side_px {max_side_px}")
    files = _of(record, "files", dict, name)
    for path, sha256 in files.items():
        pure = pathlib.PurePosixPath(path)
        if str(pure) != path or pure.is_absolute() or ".." in pure.parts or "\\" in path or not path.isprintable():
            raise _damaged(name, f"the file {path!r}")
        if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise _damaged(name, f"no SHA-256 of {path!r}")
    if "saved_model.pb" not in files:
        raise _damaged(name, "no hash of saved_model.pb")
    return Manifest(
        sha256=hashlib.sha256(data).hexdigest(),
        method=_of(record, "method", str, name),
        precision=_of(record, "precision", str, name),
        max_side_px=max_side_px,
        styles=tuple(_of(style, "name", str, name) for style in _of(record, "styles", list, name)),
        licences=licences(_of(record, "weights", dict, name)),
        files=files,
    )


def licences(weights: Mapping[str, Any]) -> tuple[str, ...]:
    """Every licence in what a bundle records of its network, or of each of its networks."""
    found = (part.get("licence") for part in parts(weights).values())
    return tuple(sorted({licence for licence in found if isinstance(licence, str)}))


def parts(weights: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a bundle records of each of its networks: name -> source, licence, sha256; the name of a single one."""
    of_one = {"network": weights} if "licence" in weights else weights
    return {name: part for name, part in of_one.items() if isinstance(part, Mapping)}


def file_sha256(path: pathlib.Path) -> str:
    """The hash under which a manifest lists a file; an ExportError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise errors.ExportError(f"{path}: the file must be readable. Received: {error.strerror}. {_MEND}") from error


def _of(record: Any, key: str, kind: type[Any], name: str) -> Any:
    """A field of a record, of a type; Gatys' bundles have no styles."""
    value = record.get(key, [] if key == "styles" else None) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise _damaged(name, f"no {key}")
    return value


def _damaged(name: str, received: str) -> errors.ExportError:
    return errors.ExportError(f"{name}: a manifest must be as it was exported. Received: {received}. {_MEND}")

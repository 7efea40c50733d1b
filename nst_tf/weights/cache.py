"""Verified weights, kept in the user's cache folder so that the next run needs no network."""

import dataclasses
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Mapping

import numpy as np

from nst_tf import errors, files, messages, version
from nst_tf.weights import formats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One set of weights that the cache knows.

    Attributes:
        name: the stem of its files.
        sha256: `digest` of the layers if it is known beforehand, otherwise None.
        shapes: layer -> shape of its kernel, in order; None for VGG-19's.
    """

    name: str
    sha256: str | None
    shapes: Mapping[str, tuple[int, ...]] | None = None


def folder() -> pathlib.Path:
    """The folder of the cache: NST_TF_HOME, or else `nst_tf` in the user's cache folder."""
    if home := os.environ.get("NST_TF_HOME"):
        return pathlib.Path(home).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or pathlib.Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = pathlib.Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "nst_tf"


def digest(layers: formats.Convolutions) -> str:
    """The sha256 over the layers' bytes in order: kernel, bias; little-endian."""
    sha256 = hashlib.sha256()
    for arrays in layers.values():
        for values in arrays:
            sha256.update(np.ascontiguousarray(values, dtype="<f4").data)
    return sha256.hexdigest()


def read(
    entry: Entry, cache_dir: pathlib.Path, on_message: messages.OnMessage
) -> tuple[formats.Convolutions, dict[str, str]] | None:
    """The layers of an entry and their record (source, licence and more), or None if it is absent or damaged."""
    path = cache_dir / f"{entry.name}.weights.h5"
    if not path.exists():
        return None
    try:
        layers = formats.read_h5(path, entry.shapes)
        record = json.loads(formats.read_record(path))
        if digest(layers) != (entry.sha256 or record["sha256"]):
            raise ValueError("its hash does not match")
        return layers, {name: str(record[name]) for name in ("source", "network", "licence")}
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, errors.WeightsError) as error:
        on_message(f"{path} is damaged ({errors.one_line(error)}) and will be replaced")
        return None


def write(entry: Entry, cache_dir: pathlib.Path, layers: formats.Convolutions, **record: str) -> None:
    """Writes a file that Keras' load_weights reads, and its record as JSON.

    The record is in the weight file as well, so that processes that write at the same time cannot mix the two.

    Raises:
        WeightsError: the folder cannot be written.
    """
    text = json.dumps(record | {"sha256": digest(layers), "nst_tf": version.__version__}, indent=2)
    try:
        files.write_atomically(cache_dir / f"{entry.name}.weights.h5", formats.to_h5(layers, record=text))
        files.write_atomically(cache_dir / f"{entry.name}.json", f"{text}\n".encode())
    except errors.OutputError as error:
        raise errors.WeightsError(
            f"The weights cannot be cached. {error} Or set NST_TF_HOME to another folder."
        ) from error

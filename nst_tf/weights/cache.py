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
    """The folder of the cache: NST_TF_HOME, else `nst_tf` in the platform's cache folder of the user.

    Raises:
        WeightsError: the user has no home folder, as in many containers, and none of the variables names another.
    """
    try:
        if home := os.environ.get("NST_TF_HOME"):
            return pathlib.Path(home).expanduser()
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or pathlib.Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = pathlib.Path.home() / "Library" / "Caches"
        else:
            base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    except RuntimeError as error:  # from pathlib, where neither HOME nor the list of users says where home is
        raise unusable(os.environ.get("NST_TF_HOME") or "~", "no home folder of this user") from error
    return pathlib.Path(base) / "nst_tf"


def unusable(path: str | os.PathLike[str], received: object) -> errors.WeightsError:
    """The error for a cache that can be neither read nor written, which names the way round."""
    return errors.WeightsError(
        f"{os.fspath(path)}: the cache must be a folder that can be read and written. "
        f"Received: {errors.one_line(received)}. Set NST_TF_HOME to a folder that can."
    )


def check(*sources: str) -> None:
    """Finds out before TensorFlow loads whether the cache holds weights or can take them.

    Args:
        sources: of the weights that a job will need; only those that are no files need the cache.

    Raises:
        WeightsError: it can be neither read nor written.
    """
    if all(pathlib.Path(source).suffix for source in sources):
        return
    path = folder()
    try:
        if not any(path.glob("*.weights.h5")):
            files.check_writable(path / "any.weights.h5")
    except errors.OutputError as error:
        raise unusable(path, getattr(error.__cause__, "strerror", None) or error) from error
    except OSError as error:
        raise unusable(path, error.strerror or error) from error


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
    try:
        if not path.exists():
            return None
    except OSError as error:  # a folder that may not be searched, such as another user's
        raise unusable(cache_dir, error.strerror or error) from error
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

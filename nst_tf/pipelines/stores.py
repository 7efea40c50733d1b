"""Files in object stores and other places with a scheme, such as s3://bucket/photo.jpg, by Beam's filesystems.

Beam picks the filesystem by the scheme; its extras bring them: apache-beam[aws] for s3://, [gcp] for gs://, [azure] for
azfs://. Beam is imported where one of these functions is called. Every error is an `NstError` in one line.
"""

import contextlib
import fnmatch
import pathlib
import posixpath
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from nst_tf import errors

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: a Windows drive has one
_WILDCARD = re.compile(r"[*?[]")
_LARGEST_BYTES = 2**31  # as for files, above every picture that is read


def is_in_store(path: str) -> bool:
    """Whether a path has a scheme."""
    return _SCHEME.match(path) is not None


def use(options: Any) -> None:
    """Makes Beam's pipeline options those of its filesystems in this process: endpoints, regions, keys."""
    from apache_beam.io import filesystems

    filesystems.FileSystems.set_options(options)


def match(pattern: str) -> list[str]:
    """The files that a path or pattern names, as `glob.glob(pattern, recursive=True)` names local ones.

    Beam's own patterns differ: there `**` is any characters, so that `photos/**/*.jpg` leaves out photos/a.jpg.

    Raises:
        ImageError: the store refuses or cannot be reached.
    """
    rule = "the store must list what is in it"
    if not _WILDCARD.search(pattern):
        return [pattern] if _exists(pattern, errors.ImageError, rule) else []
    folder = pattern[: pattern.rindex("/", 0, _WILDCARD.search(pattern).start()) + 1]  # type: ignore[union-attr]
    parts = pattern.removeprefix(folder).split("/")
    with _answering(folder, errors.ImageError, rule) as systems:
        found = [metadata.path for result in systems.match([f"{folder}**"]) for metadata in result.metadata_list]
    return sorted(path for path in found if _matches(parts, path.removeprefix(folder).split("/")))


def read(path: str, error_type: type[errors.NstError] = errors.ImageError) -> bytes:
    """The bytes of a file.

    Raises:
        NstError: of the type that is given; there is no such file, it has more than 2 GiB, or the store refuses.
    """
    rule = "the file must be readable"
    with _answering(path, error_type, rule) as systems:
        from apache_beam.io import filesystem

        with systems.open(path, compression_type=filesystem.CompressionTypes.UNCOMPRESSED) as file:
            data = bytes(file.read(_LARGEST_BYTES + 1))
    if len(data) > _LARGEST_BYTES:
        raise error_type(f"{path}: {rule}. Received: more than {_LARGEST_BYTES} bytes. Scale it down first.")
    return data


def exists(path: str) -> bool:
    """Whether there is such a file.

    Raises:
        OutputError: the store refuses or cannot be reached.
    """
    return _exists(path, errors.OutputError, "the store must say whether the file is there")


def write(path: str, data: bytes) -> None:
    """Writes a file, whole or not at all: beside its place, then renamed, since a store may keep a part of a write.

    Raises:
        OutputError: the store refuses or cannot be reached.
    """
    temporary = f"{posixpath.dirname(path)}/.{posixpath.basename(path)[:50]}.tmp-{uuid.uuid4().hex}"
    with _answering(path, errors.OutputError, "the file must be writable") as systems:
        from apache_beam.io import filesystem

        system = systems.get_filesystem(path)
        if system.has_dirs() and not system.exists(posixpath.dirname(path)):
            with contextlib.suppress(OSError):  # another worker was first
                system.mkdirs(posixpath.dirname(path))
        try:
            with systems.create(temporary, compression_type=filesystem.CompressionTypes.UNCOMPRESSED) as file:
                file.write(data)
            if system.has_dirs() and system.exists(path):  # these refuse to replace a file
                system.delete([path])
            systems.rename([temporary], [path])
        except BaseException:
            with contextlib.suppress(Exception):
                systems.delete([temporary])
            raise


def remove(path: str) -> None:
    """Removes a file where it is there.

    Raises:
        OutputError: the store refuses or cannot be reached.
    """
    if exists(path):
        with _answering(path, errors.OutputError, "the file must be removable") as systems:
            systems.delete([path])


def check_writable(folder: str) -> None:
    """Finds out before any work whether `write` will be let to write into a folder.

    Raises:
        OutputError: as `write`.
    """
    probe = f"{folder}/.nst-tf-{uuid.uuid4().hex}"
    write(probe, b"\0")
    remove(probe)


def fetch(folder: str, target: pathlib.Path) -> None:
    """Copies every file below a folder into a local one.

    Raises:
        ExportError: there is none, or the store refuses or cannot be reached.
    """
    prefix = f"{folder.rstrip('/')}/"
    with _answering(folder, errors.ExportError, "a bundle must be readable") as systems:
        found = [metadata.path for result in systems.match([f"{prefix}**"]) for metadata in result.metadata_list]
    names = [path.removeprefix(prefix) for path in found]
    for name in names:
        if ".." in name.split("/"):
            raise errors.ExportError(f"{prefix}{name}: a bundle's files must lie in it. Received: a name with `..`.")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(read(prefix + name, errors.ExportError))
    if not names:
        raise errors.ExportError(f"{folder}: a bundle must have files. Received: none. Check the path.")


def _exists(path: str, error_type: type[errors.NstError], rule: str) -> bool:
    with _answering(path, error_type, rule) as systems:
        return bool(systems.exists(path))


@contextlib.contextmanager
def _answering(path: str, error_type: type[errors.NstError], rule: str) -> Iterator[Any]:
    """Beam's filesystems; what goes wrong with them becomes one error."""
    from apache_beam.io import filesystems

    try:
        yield filesystems.FileSystems
    except Exception as error:  # each store has errors of its own, without a base in common
        details = getattr(error, "exception_details", None)  # of Beam's: path -> the store's error
        received = next(iter(details.values())) if isinstance(details, dict) and details else error
        remedy = "Check the path, the network and the credentials"
        if "Unable to get filesystem" in str(received):
            received = f"the scheme {path.partition('://')[0]}, which Beam does not have here"
            remedy = "Run `pip install 'apache-beam[aws]'` for s3, [gcp] for gs, [azure] for azfs"
        text = errors.one_line(received) or type(received).__name__
        raise error_type(f"{path}: {rule}. Received: {text}. {remedy}.") from error


def _matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a path's names match a pattern's parts; wildcards leave out names that start with a dot, as glob's do."""
    if not parts or not names:
        return not parts and not names
    part, rest = parts[0], parts[1:]
    if part == "**":
        is_shown = not names[0].startswith(".")
        return _matches(rest, names) or (is_shown and (_matches(parts, names[1:]) or (not rest and len(names) == 1)))
    is_shown = part.startswith(".") or not names[0].startswith(".")
    return is_shown and fnmatch.fnmatchcase(names[0], part) and _matches(rest, names[1:])

"""Files that are either whole or not there: written under a temporary name in the same folder, then renamed."""

import contextlib
import errno
import glob
import os
import pathlib
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from nst_tf import errors

_USUAL_MAX_NAME_BYTES = 255  # of a file name, on nearly every file system

_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_SHARED_MEMORY = "/dev/shm"  # of Linux; container runtimes mount it writable
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # pathlib makes one slash of two; a drive has one letter


def write_atomically(path: str | os.PathLike[str], data: bytes | Iterable[Any]) -> None:
    """Writes a file so that a reader, a crash or a full disk never finds half of it.

    A missing folder is created. A symbolic link is followed, so that the file it points to is the one replaced.

    Args:
        path: the file to write or replace.
        data: its whole content, or its pieces in order (bytes or flat buffers), of which one at a time is in memory.

    Raises:
        errors.OutputError: the path is a folder, or the system refuses the write. Nothing is left behind.
    """
    with replacing(path) as file:
        pieces: Iterable[Any] = (data,) if isinstance(data, bytes) else data
        for piece in pieces:
            file.write(piece)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write in a block, as `write_atomically` does: it takes the path's place when the block ends well.

    Args:
        path: the file to write or replace.

    Raises:
        errors.OutputError: as `write_atomically`; also in place of any OSError of the block.
    """
    target = _target(path)
    temporary = _temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except errors.NstError:
        raise
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()


def expanded(path: str, *, exists: bool = False) -> str:
    """A path as a user wrote it, with a leading `~` turned into the home folder, as a shell does for a bare argument.

    Args:
        path: such as `~/out.png`.
        exists: whether it names something to read: then a file of that very name comes first.
    """
    return path if exists and os.path.lexists(path) else os.path.expanduser(path)


def check_not_read(outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Finds out whether a job would write over a file that it reads, whatever the names and links to it.

    Args:
        outputs: every file that the job writes.
        inputs: every file that it reads; what does not exist is left out.

    Raises:
        errors.OutputError: one of the outputs is one of the inputs.
    """
    read = [path for path in inputs if os.path.exists(path)]
    for output in outputs:
        for path in read:
            if os.path.exists(output) and os.path.samefile(output, path):
                raise errors.OutputError(
                    f"{os.fspath(output)}: an output must be another file than every input. Received: "
                    f"{os.fspath(path)} as an input, which is the same file. Give the output another name."
                )


def check_names_a_file(path: str | os.PathLike[str]) -> None:
    """Finds out whether an output path is a folder, or empty.

    Raises:
        errors.OutputError: it is.
    """
    _target(path)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Finds out before hours of work whether `write_atomically` will be allowed to write a path.

    Writes and removes a temporary file, in the path's folder or the nearest one that exists, and creates no folder:
    a job that is refused for another reason leaves nothing behind.

    Args:
        path: the file to be written later.

    Raises:
        errors.OutputError: as `write_atomically`.
    """
    target = _target(path)
    folder, missing = target.parent, [target.name]
    try:
        while not folder.exists():
            missing.append(folder.name)
            folder = folder.parent
        longest = max(missing, key=lambda name: len(os.fsencode(name)))
        if len(os.fsencode(longest)) > _max_name_bytes(folder):
            raise OSError(errno.ENAMETOOLONG, f"{os.strerror(errno.ENAMETOOLONG)}, {len(os.fsencode(longest))} bytes")
        temporary = _temporary_beside(folder / target.name)
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error
    try:
        temporary.write_bytes(b"\0")
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()


def ensure_temporary_folder() -> None:
    """Finds another folder for temporary files where the system has none that can be written.

    TensorFlow writes Python code that it generates into one, and cannot trace a function without it. In a read-only
    container the usual ones cannot be written, and shared memory can.

    Raises:
        errors.OutputError: no folder can be written.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        if not os.access(_SHARED_MEMORY, os.W_OK):
            raise errors.OutputError(
                f"a folder for temporary files must be writable. Received: {error.strerror}. Set TMPDIR to one."
            ) from error
        tempfile.tempdir = _SHARED_MEMORY


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Removes the temporary files that killed writers of a path left beside it."""
    target = _target(path)
    for leftover in target.parent.glob(f".{glob.escape(target.name[:50])}.tmp-*"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def check_local(path: str | os.PathLike[str]) -> None:
    """Refuses a path in an object store, such as s3://bucket/out.png, which would become a folder `s3:` here.

    Raises:
        errors.OutputError: the path has a scheme.
    """
    if _SCHEME.match(os.fspath(path)):
        raise errors.OutputError(
            f"{os.fspath(path)}: the file must lie on this machine. Received: a path in an object store. Write it here "
            "and copy it; only nst-tf batch writes into object stores."
        )


def _target(path: str | os.PathLike[str]) -> pathlib.Path:
    if not os.fspath(path):
        raise errors.OutputError("an output path must name a file. Received: an empty path. Give a file name.")
    check_local(path)
    try:
        target = pathlib.Path(os.path.realpath(path))
        is_folder = target.is_dir() or os.fspath(path).endswith(_SEPARATORS)
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error
    if is_folder:
        raise errors.OutputError(
            f"{os.fspath(path)}: an output path must name a file. Received: a folder. Add a file name to it."
        )
    return target


def _temporary_beside(target: pathlib.Path) -> pathlib.Path:
    # The name is cut because a file name may have 255 bytes at most; process and thread keep writers apart.
    return target.with_name(f".{target.name[:50]}.tmp-{os.getpid()}-{threading.get_ident()}")


def _max_name_bytes(folder: pathlib.Path) -> int:
    return os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else _USUAL_MAX_NAME_BYTES


def _output_error(path: str | os.PathLike[str], error: OSError | ValueError) -> errors.OutputError:
    code = error.errno if isinstance(error, OSError) else None
    fix = {
        errno.ENOSPC: "Free space on the disk or choose another one.",
        errno.EDQUOT: "Free space in your quota or choose another disk.",
        errno.EFBIG: "Lift the limit on the size of files or choose another disk.",
        errno.ENAMETOOLONG: "Choose a shorter name.",
        errno.EEXIST: "There is a file where a folder should be: choose another folder.",
        errno.ENOTDIR: "There is a file where a folder should be: choose another folder.",
    }.get(code or 0, "Choose another folder or change its permissions.")
    received = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return errors.OutputError(f"{os.fspath(path)}: the file must be writable. Received: {received}. {fix}")

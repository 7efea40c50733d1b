"""Readers of weight files: Keras' HDF5, NumPy's archive and PyTorch's state dict.

Each returns VGG-19's convolutions under Keras' names. Sizes are accepted only up to those of VGG-19.
"""

import io
import pathlib
import re
import tokenize
import types
import zipfile
import zlib
from collections.abc import Callable, Mapping

import h5py
import numpy as np

from nst_tf import errors, vgg
from nst_tf.weights import pth

Convolutions = vgg.Convolutions

_MAX_FILE_BYTES = 2**31  # VGG-19 with its dense layers takes 575 MB
_MAX_OBJECTS, _MAX_DEPTH = 1000, 16  # of an HDF5 file; Keras' with everything in it has 150, 5 deep
_RGB_TO_CAFFE = np.fliplr(np.eye(3, dtype=np.float32)) * 255  # RGB in [0, 1] to BGR in 0-255, before the mean
_RECORD = "nst_tf"  # the attribute of an HDF5 file that says where its weights come from


def read(path: pathlib.Path) -> Convolutions:
    """Reads a file of weights.

    Args:
        path: its name ends in one of READERS.

    Returns:
        Keras layer name -> (kernel float32 [3, 3, I, O], bias float32 [O]).

    Raises:
        WeightsError: the file cannot be read, or contains something else.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise errors.WeightsError(
                f"{path}: a file of VGG-19 weights must have at most {_MAX_FILE_BYTES} bytes. Received: {size} bytes. "
                "Give another file, or use --weights=auto."
            )
        return READERS[path.suffix.lower()](path)
    except (OSError, ValueError) as error:  # a ValueError if the path is invalid, such as one with a null
        reason = getattr(error, "strerror", None) or "not a file of this kind"
        raise errors.WeightsError(
            f"{path}: the weights cannot be read. Received: {errors.one_line(reason)}. "
            "Give another file, or use --weights=auto."
        ) from error


def read_h5(path: pathlib.Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Convolutions:
    """Reads Keras' `.weights.h5` (layers/conv2d_3/vars/0) and legacy `.h5` (block1_conv1/.../kernel:0) alike.

    Args:
        path: the file.
        shapes: layer -> shape of its kernel, in the file's order; VGG-19's by default.

    Raises:
        OSError: the file is absent or not HDF5.
        WeightsError: it contains something else.
    """
    if shapes is None:
        shapes = {layer: (3, 3, channels, filters) for layer, channels, filters in vgg.CONVOLUTIONS}
    found: dict[str, dict[int, h5py.Dataset]] = {}  # layer -> rank -> dataset
    visited = 0

    def visit(name: str | bytes, item: h5py.Group | h5py.Dataset) -> None:
        nonlocal visited
        visited += 1
        if isinstance(name, bytes):  # h5py returns bytes if a name is not UTF-8
            raise ValueError("a name that is not text")
        if visited > _MAX_OBJECTS or name.count("/") > _MAX_DEPTH:
            raise ValueError("more groups and datasets than VGG-19 needs")
        match = re.search(r"(?:^|/)(block\d_conv\d|conv2d(?:_\d+)?)/", name)
        if match and isinstance(item, h5py.Dataset) and item.ndim in (1, 4):
            found.setdefault(match.group(1), {})[item.ndim] = item

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
            numbered = sorted(int(name.partition("_")[2] or 0) for name in found if name.startswith("conv2d"))
            if len(numbered) == len(shapes):
                names = ["conv2d" if number == 0 else f"conv2d_{number}" for number in numbered]
            else:
                names = list(shapes)
            convolutions = {}
            for (layer, shape), name in zip(shapes.items(), names, strict=True):
                kernel, bias = found[name][4], found[name][1]
                if any(dataset.external or dataset.is_virtual for dataset in (kernel, bias)):
                    raise ValueError(f"{layer} lies in another file")
                if kernel.shape != shape or bias.shape != shape[3:]:
                    raise ValueError(f"{layer} is {list(kernel.shape)} instead of {list(shape)}")
                if kernel.dtype.kind != "f" or bias.dtype.kind != "f":
                    raise ValueError(f"{layer} is {kernel.dtype} instead of float32")
                convolutions[layer] = as_float32(kernel[()], bias[()])
            return convolutions
    except (ValueError, LookupError, RuntimeError) as error:
        raise _not_arrays(path, errors.one_line(error), len(shapes)) from error


def read_record(path: pathlib.Path) -> str:
    """The record that `to_h5` put into a file.

    Raises:
        OSError: the file is absent or not HDF5.
        KeyError: it has no record.
    """
    with h5py.File(path, "r") as file:
        return file.attrs[_RECORD]


def to_h5(convolutions: Convolutions, *, record: str) -> bytes:
    """The content of a file that load_weights of a Keras model of these convolutions reads, as of Keras' own VGG19.

    Args:
        convolutions: all of the model's, in order.
        record: a text that `read_record` returns.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs[_RECORD] = record
        file.create_group("vars").attrs["name"] = "network"
        for index, (layer, values) in enumerate(convolutions.items()):
            group = file.create_group(f"layers/conv2d{f'_{index}' if index else ''}/vars")
            group.attrs["name"] = layer
            for position, value in enumerate(values):
                group.create_dataset(str(position), data=value)
    return content.getvalue()


def from_state_dict(tensors: Mapping[str, np.ndarray], *, name: str) -> Convolutions:
    """The convolutions of a PyTorch state dict.

    Args:
        tensors: key -> array, in the network's order, as `pth.read` gives them; a preprocessing layer may come
            first, and dense layers are ignored.
        name: what the errors call it.

    Raises:
        WeightsError: a wrong number of convolutions, or a different preprocessing.
    """
    kernels = [(key, value) for key, value in tensors.items() if value.ndim == 4 and key.endswith("weight")]
    biases = {key: tensors.get(key.removesuffix("weight") + "bias", np.empty(0)) for key, _ in kernels}
    if kernels and kernels[0][1].shape == (3, 3, 1, 1):
        key, matrix = kernels.pop(0)
        mean = -np.array(vgg.VGG_MEAN_BGR)
        matches = biases[key].shape == (3,) and np.allclose(biases[key], mean, atol=1e-2)
        if not (matches and np.allclose(matrix[:, :, 0, 0], _RGB_TO_CAFFE, atol=1e-2)):
            raise errors.WeightsError(
                f"{name}: a 1x1 layer in front must convert RGB in [0, 1] to BGR in 0-255 minus the mean. "
                f"Received: a different layer in {key!r}. Give VGG-19 in Caffe's form."
            )
    if len(kernels) != len(vgg.CONVOLUTIONS):
        raise errors.WeightsError(
            f"{name}: VGG-19 must have {len(vgg.CONVOLUTIONS)} convolutions. Received: {len(kernels)}. "
            "Give a state dict of VGG-19, with the names ending in .weight and .bias."
        )
    return {
        layer: as_float32(kernel.transpose(2, 3, 1, 0), biases[key])
        for (layer, _, _), (key, kernel) in zip(vgg.CONVOLUTIONS, kernels, strict=True)
    }


def as_float32(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A layer's two arrays, contiguous and in float32."""
    return np.ascontiguousarray(kernel, np.float32), np.ascontiguousarray(bias, np.float32)


def _read_pth(path: pathlib.Path) -> Convolutions:
    return from_state_dict(pth.read(path.read_bytes(), name=str(path)), name=str(path))


def _read_npz(path: pathlib.Path) -> Convolutions:
    """Reads the arrays one by one, each with VGG-19's size; NumPy would trust the sizes in the headers."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                layer: as_float32(
                    _read_npy(archive, f"{layer}/kernel", (3, 3, channels, filters)),
                    _read_npy(archive, f"{layer}/bias", (filters,)),
                )
                for layer, channels, filters in vgg.CONVOLUTIONS
            }
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        LookupError,
        EOFError,
        RuntimeError,
        SyntaxError,
        tokenize.TokenError,
    ) as error:  # NumPy reads a header as Python text
        raise _not_arrays(path, errors.one_line(error), len(vgg.CONVOLUTIONS)) from error


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


def _not_arrays(path: pathlib.Path, found: str, count: int) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path}: a file of weights must hold the network's {count} convolutions. Received: {found}. "
        "Give another file, or use auto."
    )


READERS: Mapping[str, Callable[[pathlib.Path], Convolutions]] = types.MappingProxyType(
    {".h5": read_h5, ".npz": _read_npz, ".pth": _read_pth, ".pt": _read_pth}
)

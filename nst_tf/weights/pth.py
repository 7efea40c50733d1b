"""Reads a PyTorch state dict without PyTorch and without executing what its pickle asks for.

The pickle inside is walked as data (see `pickles`); only the few global names that a state dict needs are accepted.
Both of PyTorch's containers are read, today's zip archive and the legacy sequence of pickles. Sizes are accepted only
up to the size of the file.
"""

import dataclasses
import io
import math
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, Literal

import numpy as np

from nst_tf import errors
from nst_tf.weights import pickles

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
_LEGACY_PROTOCOL = 1001
_MAX_PICKLE_BYTES = 4 * 2**20
_MAX_RANK = 8
_MAX_DIMENSION = 2**40

_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",  # the upper half of a float32
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
_NAMES = {f"torch {storage}" for storage in _STORAGES} | {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
}


def read(data: bytes, *, name: str) -> dict[str, np.ndarray]:
    """Reads the tensors of a state dict.

    Args:
        data: the whole `.pth` file, zip or legacy.
        name: its name in errors.

    Returns:
        Key -> array, in the file's order; read-only, bfloat16 widened to float32. Entries that are not tensors are
        left out.

    Raises:
        WeightsError: the file has neither format, is damaged, or asks for anything but tensors.
    """
    try:
        if data[:4] == b"PK\x03\x04":
            entries, storages = _read_zip(data)
        else:
            entries, storages = _read_legacy(data)
        return {key: _array(tensor, storages) for key, tensor in entries.items() if isinstance(tensor, _Tensor)}
    except pickles.Refused as error:
        reason = str(error)
    except zipfile.BadZipFile as error:
        reason = f"damaged zip archive ({error})"
    # The errors of pickletools, struct and zipfile on damaged input; each means that the bytes are not such a file.
    except (ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError, struct.error) as error:
        reason = f"damaged or not a PyTorch file ({type(error).__name__}: {error})"
    raise errors.WeightsError(
        f"{name}: a PyTorch file must hold a plain state dict of tensors. "
        f"Received: {' '.join(reason.split())[:300]}. "
        "Save the model's state_dict() again, or get the file again."
    )


@dataclasses.dataclass(frozen=True)
class _Storage:
    key: str
    kind: str  # a key of _STORAGES
    count: int

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_STORAGES[self.kind]).newbyteorder("<")


@dataclasses.dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements


def _read_zip(data: bytes) -> tuple[Mapping[Any, Any], dict[str, np.ndarray]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [entry for entry in archive.namelist() if entry.split("/")[1:] == ["data.pkl"]]
        if len(found) != 1:
            raise pickles.Refused(f"a zip archive with {len(found)} entries NAME/data.pkl instead of one")
        folder = found[0].removesuffix("data.pkl")
        left = len(data)  # entries are stored, not compressed: together they cannot be larger than the file

        def entry(name: str, limit: int) -> bytes:
            nonlocal left
            info = archive.getinfo(folder + name)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise pickles.Refused(f"a compressed entry {folder + name}, which PyTorch never writes")
            left -= info.file_size
            if info.file_size > limit or left < 0:
                raise pickles.Refused(
                    f"an entry {folder + name} of {info.file_size} bytes, more than the file can hold"
                )
            return archive.read(info)

        order: Literal["<", ">"] = "<"
        if folder + "byteorder" in archive.namelist():
            order = _BYTE_ORDERS[entry("byteorder", 16)]
        entries = _entries(_walk(io.BytesIO(entry("data.pkl", _MAX_PICKLE_BYTES))))
        storages = {}
        for storage in _storages(entries):
            size = storage.count * storage.dtype.itemsize
            content = entry(f"data/{storage.key}", size)
            if len(content) != size:
                raise pickles.Refused(f"storage {storage.key} of {len(content)} bytes instead of {size}")
            storages[storage.key] = _values(storage, np.frombuffer(content, storage.dtype.newbyteorder(order)))
    return entries, storages


def _read_legacy(data: bytes) -> tuple[Mapping[Any, Any], dict[str, np.ndarray]]:
    stream = io.BytesIO(data)
    if _walk(stream) != _LEGACY_MAGIC:
        raise pickles.Refused("a pickle that torch.save did not write")
    if _walk(stream) != _LEGACY_PROTOCOL:
        raise pickles.Refused("an unknown version of PyTorch's legacy format")
    system = _walk(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise pickles.Refused("a legacy file of a big-endian machine")
    entries = _entries(_walk(stream))
    keys = _walk(stream)
    declared = {storage.key: storage for storage in _storages(entries)}
    if not isinstance(keys, list) or set(keys) != set(declared) or len(keys) != len(declared):
        raise pickles.Refused("a list of storages that does not match the tensors")
    storages = {}
    position = stream.tell()
    for key in keys:
        storage = declared[key]
        (count,) = struct.unpack_from("<q", data, position)
        if count != storage.count:
            raise pickles.Refused(f"storage {key} of {count} values instead of {storage.count}")
        position += 8
        size = count * storage.dtype.itemsize
        if size > len(data) - position:
            raise pickles.Refused(f"storage {key} of {size} bytes with {len(data) - position} bytes left: cut off")
        storages[key] = _values(storage, np.frombuffer(data, storage.dtype, count, position))
        position += size
    return entries, storages


def _entries(value: object) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise pickles.Refused(f"a {type(value).__name__} instead of a state dict")
    return value


def _storages(entries: Mapping[Any, Any]) -> list[_Storage]:
    """Every storage once; two declarations of one key must agree."""
    storages: dict[str, _Storage] = {}
    for value in entries.values():
        if isinstance(value, _Tensor) and storages.setdefault(value.storage.key, value.storage) != value.storage:
            raise pickles.Refused(f"two different declarations of storage {value.storage.key}")
    return list(storages.values())


def _values(storage: _Storage, raw: np.ndarray) -> np.ndarray:
    if storage.kind == "BFloat16Storage":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw


def _array(tensor: _Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    values = storages[tensor.storage.key]
    if 0 in tensor.shape:
        return np.empty(tensor.shape, values.dtype)
    last = tensor.offset + sum((d - 1) * s for d, s in zip(tensor.shape, tensor.strides, strict=True))
    if last >= len(values) or math.prod(tensor.shape) > len(values):
        raise pickles.Refused(f"a tensor {list(tensor.shape)} that reaches beyond its storage of {len(values)} values")
    strides = [stride * values.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)


def _persistent(value: object) -> _Storage:
    match value:
        case ("storage", pickles.Global(name), str(key), str(), int(count), *view) if (
            view in ([], [None]) and count >= 0
        ):
            kind = name.removeprefix("torch ")
            if kind in _STORAGES and count <= _MAX_DIMENSION:
                return _Storage(key, kind, count)
    raise pickles.Refused("a persistent id that is not a plain storage")


def _rebuild(function: object, arguments: Any) -> dict[Any, Any] | _Tensor:
    match function, arguments:
        case pickles.Global("collections OrderedDict"), ():
            return {}
        case pickles.Global("torch._utils _rebuild_parameter"), (_Tensor() as tensor, *_):
            return tensor
        case (
            pickles.Global("torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2"),
            (_Storage() as storage, offset, tuple(shape), tuple(strides), *_),
        ):
            numbers = (offset, *shape, *strides)
            if len(shape) != len(strides) or len(shape) > _MAX_RANK:
                raise pickles.Refused(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
            if not all(type(number) is int and 0 <= number <= _MAX_DIMENSION for number in numbers):
                raise pickles.Refused("a tensor with a negative or impossible offset, size or stride")
            return _Tensor(storage, offset, shape, strides)
    raise pickles.Refused("a pickle that calls what it must not")


def _build(value: Any, state: object) -> Any:
    """BUILD occurs once, for the state dict's _metadata, which is left out."""
    if not isinstance(value, dict):
        raise pickles.Refused("a pickle that sets attributes")
    return value


_DIALECT = pickles.Dialect(
    names=frozenset(_NAMES), persistent=_persistent, call=_rebuild, build=_build, max_bytes=_MAX_PICKLE_BYTES
)


def _walk(stream: BinaryIO) -> Any:
    return pickles.walk(stream, _DIALECT)

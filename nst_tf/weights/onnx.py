"""The tensors of an ONNX file, read without the onnx package: a walk over its protobuf fields, as data.

Nothing in the file is executed, no length is believed beyond the bytes there are, and only float32 initialisers are
read; the graph, whatever it says, is passed over. The field numbers are those of onnx.proto (ONNX, Apache-2.0).
"""

import math
from collections.abc import Iterator

import numpy as np

from nst_tf import errors

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_FLOAT = 1  # TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types; 3 and 4, groups, are in no ONNX file
_MAX_VARINT_BYTES = 10
_MAX_RANK = 8


def initialisers(content: bytes, *, name: str) -> dict[str, np.ndarray]:
    """The float32 initialisers of the model's graph.

    Args:
        content: of the file.
        name: what the errors call it.

    Returns:
        Name -> float32 array, a copy, in the file's order. Only values kept as raw data are read, as PyTorch writes
        them.

    Raises:
        WeightsError: it is not such a file, or it is damaged.
    """
    tensors: dict[str, np.ndarray] = {}
    try:
        for number, graph in _fields(memoryview(content)):
            if number != _MODEL_GRAPH:
                continue
            for member, tensor in _fields(_bytes(graph)):
                if member == _GRAPH_INITIALIZER and (found := _tensor(_bytes(tensor))):
                    key, array = found
                    if key in tensors:
                        raise ValueError(f"two tensors of the name {key!r}")
                    tensors[key] = array
    except (ValueError, IndexError) as error:
        raise errors.WeightsError(
            f"{name}: the file must be a whole ONNX model. Received: {errors.one_line(error) or 'a damaged one'}. "
            "Give another file."
        ) from error
    return tensors


def _tensor(content: memoryview) -> tuple[str, np.ndarray] | None:
    """Name and values of a TensorProto; None where they are not float32 kept as raw data."""
    shape: list[int] = []
    kind, key, raw = 0, "", None
    for number, value in _fields(content):
        if number == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _varints(value)
            if len(shape) > _MAX_RANK:
                raise ValueError(f"a tensor of more than {_MAX_RANK} dimensions")
        elif number == _TENSOR_TYPE:
            kind = value if isinstance(value, int) else 0
        elif number == _TENSOR_NAME:
            key = bytes(_bytes(value)).decode()
        elif number == _TENSOR_RAW:
            raw = _bytes(value)
    if kind != _FLOAT or raw is None:
        return None
    if 4 * math.prod(shape) != len(raw):
        raise ValueError(f"{len(raw)} bytes for a tensor of shape {shape}")
    return key, np.frombuffer(raw, "<f4").reshape(shape).astype(np.float32)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message in order: number, and an integer or the bytes."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(content, position)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, position = _varint(content, position)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"a field of wire type {wire}")
        if length > len(content) - position:
            raise ValueError("its end is missing")
        yield key >> 3, content[position : position + length]
        position += length


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """An integer and the position after it."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        byte = content[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError(f"an integer of more than {_MAX_VARINT_BYTES} bytes")


def _varints(content: memoryview) -> list[int]:
    """The integers of a packed field."""
    if len(content) > _MAX_RANK * _MAX_VARINT_BYTES:
        raise ValueError(f"a tensor of more than {_MAX_RANK} dimensions")
    values, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value)
    return values


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value

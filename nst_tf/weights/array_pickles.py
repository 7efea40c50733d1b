"""Reads a pickle of nested dictionaries of NumPy arrays, as JAX programs save parameters, without executing it."""

import dataclasses
import io
import math
from typing import Any

import numpy as np

from nst_tf import errors
from nst_tf.weights import pickles

_NAMES = {
    f"{module} {attribute}"
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
    for attribute in ("_reconstruct", "ndarray", "dtype")
}
_DTYPES = ("f4", "f8", "f2", "i8", "i4")
_MAX_BYTES = 2**28


def read(data: bytes, *, name: str) -> dict[str, Any]:
    """Reads the arrays.

    Args:
        data: the whole file.
        name: its name in errors.

    Returns:
        The nested dictionaries; their leaves are arrays.

    Raises:
        WeightsError: the file is damaged or asks for anything but arrays.
    """
    try:
        value = pickles.walk(io.BytesIO(data), _DIALECT)
        if isinstance(value, dict):
            return value
        reason = f"a {type(value).__name__} instead of a dictionary"
    except pickles.Refused as error:
        reason = str(error)
    # The errors of pickletools and NumPy on damaged input; each means that the bytes are not such a file.
    except (ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError) as error:
        reason = f"damaged or not a pickle ({type(error).__name__}: {error})"
    raise errors.WeightsError(
        f"{name}: the file must hold dictionaries of arrays. Received: {errors.one_line(reason)}. Get the file again."
    )


@dataclasses.dataclass(frozen=True)
class _Empty:
    """An array before its state."""


@dataclasses.dataclass(frozen=True)
class _Dtype:
    name: str


def _call(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case pickles.Global(name), (pickles.Global("numpy ndarray"), *_) if name.endswith(" _reconstruct"):
            return _Empty()
        case pickles.Global("numpy dtype"), (str(name), *_) if name in _DTYPES:
            return _Dtype(name)
    raise pickles.Refused("a pickle that calls what it must not")


def _build(value: Any, state: Any) -> Any:
    match value, state:
        case _Dtype(), (_, "<", None, None, None, *_):
            return value
        case _Empty(), (1, tuple(shape), _Dtype(name), bool(fortran), bytes(content)):
            dtype = np.dtype(f"<{name}")
            if not all(type(side) is int and side >= 0 for side in shape):
                raise pickles.Refused(f"an array of the shape {shape}"[:80])
            if math.prod(shape) * dtype.itemsize != len(content):
                raise pickles.Refused(f"an array {list(shape)[:8]} of {len(content)} bytes")
            return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    raise pickles.Refused("a pickle that sets attributes")


def _persistent(value: Any) -> Any:
    raise pickles.Refused("a persistent id")


_DIALECT = pickles.Dialect(
    names=frozenset(_NAMES), persistent=_persistent, call=_call, build=_build, max_bytes=_MAX_BYTES
)

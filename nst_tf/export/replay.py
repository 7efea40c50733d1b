"""Loads a SavedModel with TensorFlow's C library, as a server does, and runs requests on it: no TensorFlow in Python.

    python nst_tf/export/replay.py BUNDLE FOLDER [--together]

For every NAME.inputs.npz in FOLDER, the arrays of one request and the `signature` it calls, it writes NAME.outputs.npz,
or NAME.error.txt with the library's message, and at the end seconds.json. `--together` sends all requests at once. A
bundle that does not load ends it with exit code 1. It imports nothing of this project: what a bundle needs beyond
itself is missed here.
"""

import ctypes
import importlib.util
import json
import pathlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_STRING = 7  # TF_DataType of strings; tensorflow/core/framework/types.proto
_DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 9: np.int64, 10: np.bool_}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_STRING_BYTES = 24  # sizeof(TF_TString)


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p)]


class Session:
    """A SavedModel in TensorFlow's C runtime, loaded with the tag `serve`. Calls from several threads run at once.

    Args:
        folder: of the SavedModel.

    Attributes:
        signatures: name -> {"inputs": {name: tensor name}, "outputs": {name: tensor name}}.

    Raises:
        RuntimeError: the library's message.
    """

    def __init__(self, folder: pathlib.Path | str) -> None:
        self._library = _library()
        graph, meta = self._library.TF_NewGraph(), self._library.TF_NewBuffer()
        options = self._library.TF_NewSessionOptions()
        tags = (ctypes.c_char_p * 1)(b"serve")
        with _Status(self._library) as status:
            self._session = self._library.TF_LoadSessionFromSavedModel(
                options, None, str(folder).encode(), tags, 1, graph, meta, status
            )
        self._graph = graph
        self.signatures = _signatures(ctypes.string_at(meta.contents.data, meta.contents.length))

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once: arrays by name in, arrays by name out; strings are arrays of bytes objects."""
        library, names = self._library, self.signatures[signature]
        if set(inputs) != set(names["inputs"]):
            raise RuntimeError(f"{signature} takes {', '.join(sorted(names['inputs']))}. Received: {', '.join(inputs)}")
        tensors = [self._tensor(np.asarray(array)) for array in inputs.values()]
        results = (ctypes.c_void_p * len(names["outputs"]))()
        try:
            with _Status(library) as status:
                library.TF_SessionRun(
                    self._session,
                    None,
                    self._places([names["inputs"][name] for name in inputs]),
                    (ctypes.c_void_p * len(tensors))(*tensors),
                    len(tensors),
                    self._places(names["outputs"].values()),
                    results,
                    len(results),
                    None,
                    0,
                    None,
                    status,
                )
            return {name: self._array(tensor) for name, tensor in zip(names["outputs"], results, strict=True)}
        finally:
            for tensor in [*tensors, *filter(None, results)]:
                library.TF_DeleteTensor(tensor)

    def _places(self, tensor_names: Any) -> Any:
        """Tensor names such as `serving_default_x:0` as an array of TF_Output."""
        places = []
        for tensor_name in tensor_names:
            operation, index = tensor_name.rsplit(":", 1)
            places.append(_Output(self._library.TF_GraphOperationByName(self._graph, operation.encode()), int(index)))
        return (_Output * len(places))(*places)

    def _tensor(self, array: np.ndarray) -> Any:
        """A TF_Tensor with a copy of an array."""
        is_string = array.dtype.kind in "OS"
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        code = _STRING if is_string else _CODES[array.dtype]
        length = _STRING_BYTES * array.size if is_string else array.nbytes
        tensor = self._library.TF_AllocateTensor(code, dims, array.ndim, length)
        data = self._library.TF_TensorData(tensor)
        if is_string:
            for place, value in enumerate(array.ravel()):
                self._library.TF_StringInit(data + _STRING_BYTES * place)
                self._library.TF_StringCopy(data + _STRING_BYTES * place, bytes(value), len(value))
        else:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, length)
        return tensor

    def _array(self, tensor: Any) -> np.ndarray:
        """A copy of a TF_Tensor."""
        library = self._library
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        data = library.TF_TensorData(tensor)
        code = library.TF_TensorType(tensor)
        if code != _STRING:
            values = ctypes.string_at(data, library.TF_TensorByteSize(tensor))
            return np.frombuffer(values, _DTYPES[code]).reshape(shape).copy()
        strings = np.empty(int(np.prod(shape)), object)
        for place in range(strings.size):
            at = data + _STRING_BYTES * place
            strings[place] = ctypes.string_at(library.TF_StringGetDataPointer(at), library.TF_StringGetSize(at))
        return strings.reshape(shape)


class _Status:
    """A TF_Status that raises its message on the way out."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._status = library.TF_NewStatus()

    def __enter__(self) -> Any:
        return self._status

    def __exit__(self, *_: object) -> None:
        code = self._library.TF_GetCode(self._status)
        message = self._library.TF_Message(self._status).decode(errors="replace")
        self._library.TF_DeleteStatus(self._status)
        if code:
            raise RuntimeError(message)


def _library() -> ctypes.CDLL:
    """The C library inside the TensorFlow wheel, found without importing the package."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package tensorflow is not installed here")
    suffix = ".2.dylib" if sys.platform == "darwin" else ".so.2"
    folder = pathlib.Path(spec.origin).parent
    try:
        ctypes.CDLL(str(folder / f"libtensorflow_framework{suffix}"), ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL(str(folder / f"libtensorflow_cc{suffix}"), ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise RuntimeError(f"the C library of TensorFlow cannot be loaded from {folder}: {error}") from error
    pointer, integer, size, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in (
        ("TF_NewGraph", pointer, []),
        ("TF_NewBuffer", ctypes.POINTER(_Buffer), []),
        ("TF_NewSessionOptions", pointer, []),
        ("TF_NewStatus", pointer, []),
        ("TF_DeleteStatus", None, [pointer]),
        ("TF_GetCode", integer, [pointer]),
        ("TF_Message", text, [pointer]),
        ("TF_LoadSessionFromSavedModel", pointer, [pointer, pointer, text, pointer, integer, *[pointer] * 3]),
        ("TF_GraphOperationByName", pointer, [pointer, text]),
        ("TF_SessionRun", None, [pointer] * 4 + [integer, pointer, pointer, integer, pointer, integer] + [pointer] * 2),
        ("TF_AllocateTensor", pointer, [integer, pointer, integer, size]),
        ("TF_DeleteTensor", None, [pointer]),
        ("TF_TensorData", pointer, [pointer]),
        ("TF_TensorType", integer, [pointer]),
        ("TF_TensorByteSize", size, [pointer]),
        ("TF_NumDims", integer, [pointer]),
        ("TF_Dim", ctypes.c_int64, [pointer, integer]),
        ("TF_StringInit", None, [pointer]),
        ("TF_StringCopy", None, [pointer, text, size]),
        ("TF_StringGetDataPointer", pointer, [pointer]),
        ("TF_StringGetSize", size, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _signatures(meta_graph: bytes) -> dict[str, dict[str, dict[str, str]]]:
    """The signatures in a serialised MetaGraphDef; tensorflow/core/protobuf/meta_graph.proto."""
    found = {}
    for entry in _fields(meta_graph, 5):  # map<string, SignatureDef> signature_def
        name = _one(entry, 1).decode()
        signature = _one(entry, 2)
        if _one(signature, 3) == b"tensorflow/serving/predict":
            found[name] = {side: _tensor_names(signature, field) for side, field in (("inputs", 1), ("outputs", 2))}
    return found


def _tensor_names(signature: bytes, field: int) -> dict[str, str]:
    """map<string, TensorInfo> as name -> TensorInfo.name."""
    return {_one(entry, 1).decode(): _one(_one(entry, 2), 1).decode() for entry in _fields(signature, field)}


def _one(message: bytes, number: int) -> bytes:
    return next(_fields(message, number), b"")


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """The length-delimited fields of one number in a serialised protocol buffer."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
        else:
            length = {1: 8, 5: 4}.get(kind) or varint()
            if kind == 2 and key >> 3 == number:
                yield message[position : position + length]
            position += length


def replay(bundle: str, folder: str, *options: str) -> None:
    """Replays every request of a folder."""
    started = time.perf_counter()
    session = Session(bundle)
    loaded = time.perf_counter()
    seconds = {"load": loaded - started}

    def answer(path: pathlib.Path) -> None:
        name = path.name.removesuffix(".inputs.npz")
        with np.load(path) as archive:
            inputs = dict(archive)
        began = time.perf_counter()
        try:
            outputs = session.run(str(inputs.pop("signature")), inputs)
        except RuntimeError as error:
            path.with_name(f"{name}.error.txt").write_text(str(error), encoding="utf-8")
        else:
            plain = {name: array.astype("S") if array.dtype == object else array for name, array in outputs.items()}
            np.savez(path.with_name(f"{name}.outputs.npz"), **plain)  # type: ignore[arg-type]
        seconds[name] = time.perf_counter() - began

    threads = []
    for path in sorted(pathlib.Path(folder).glob("*.inputs.npz")):
        threads.append(threading.Thread(target=answer, args=[path]))
        threads[-1].start()
        if "--together" not in options:
            threads[-1].join()
    for thread in threads:
        thread.join()
    seconds["all"] = time.perf_counter() - loaded
    pathlib.Path(folder, "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    replay(*sys.argv[1:])

"""Writes PyTorch's two containers by hand, so that tests need no PyTorch and can write what it never would."""

import io
import struct
import zipfile

import numpy as np

STORAGES = {"f8": "DoubleStorage", "f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage", "u1": "ByteStorage"}
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value):
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def integers(values):
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def tensor(key, shape, strides, *, count, offset=0, kind="FloatStorage", legacy=False):
    """The opcodes of one tensor."""
    storage = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + integer(count)
    persistent = b"(" + storage + (b"N" if legacy else b"") + b"tQ"
    sizes = integer(offset) + integers(shape) + integers(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + persistent + sizes + b"\x89" + ORDERED_DICT + b"tR"


def state_dict(tensors):
    """A pickle of an OrderedDict from key -> opcodes."""
    return b"\x80\x02" + ORDERED_DICT + b"(" + b"".join(text(k) + v for k, v in tensors.items()) + b"u."


def zip_container(pickle, storages, *, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    entries = {"data.pkl": pickle, "byteorder": b"little"} | {f"data/{key}": raw for key, raw in storages.items()}
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in entries.items():  # each at ZipInfo's fixed date, so that every run has the same bytes
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content, compression)
    return stream.getvalue()


def legacy_container(pickle, storages):
    """Key -> (count, bytes) as storages; the count is what the file claims."""
    system = b"\x80\x02}(" + text("protocol_version") + integer(1001) + text("little_endian") + b"\x88u."
    keys = b"\x80\x02](" + b"".join(text(key) for key in storages) + b"e."
    head = b"\x80\x02" + integer(0x1950A86A20F9469CFC6C) + b"." + b"\x80\x02" + integer(1001) + b"."
    body = b"".join(struct.pack("<q", count) + content for count, content in storages.values())
    return head + system + pickle + keys + body


def save(arrays, *, legacy):
    """The bytes of a file with these arrays."""
    tensors, storages = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        key = str(number)
        strides = [stride // array.itemsize for stride in np.empty(array.shape, array.dtype).strides]
        kind = STORAGES[array.dtype.str[1:]]
        tensors[name] = tensor(key, array.shape, strides, count=array.size, kind=kind, legacy=legacy)
        storages[key] = (array.size, array.tobytes()) if legacy else array.tobytes()
    container = legacy_container if legacy else zip_container
    return container(state_dict(tensors), storages)

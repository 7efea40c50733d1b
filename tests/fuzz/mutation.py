"""Small damages to a file, the same for the same seed; half of the files have their checksums mended afterwards."""

import hashlib
import random
import struct
import zlib
from collections.abc import Sequence

from nst_tf.optimisation import checkpoint

_PNG = b"\x89PNG\r\n\x1a\n"
_NUMBERS = (0, 1, 2, 7, 8, 16, 32, 64, 100, 127, 128, 255, 256, 512, 1000, 1024, 4096, 32767, 32768, 65535, 65536,
            2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)  # fmt: skip


def mutated(data: bytes, seed: str, others: Sequence[bytes] = ()) -> bytes:
    """A damaged copy.

    Args:
        data: a good file.
        seed: says which damages, one to six of them.
        others: good files that pieces may come from.
    """
    generator = random.Random(seed)
    for _ in range(generator.choice((1, 1, 1, 2, 2, 3, 6))):
        data = generator.choice(_DAMAGES)(data, generator, others) if data else generator.randbytes(20)
    return mended(data) if generator.random() < 0.5 else data


def mended(data: bytes) -> bytes:
    """The same with right checksums, so that a reader goes on: PNG's chunks, a zip's stored entries, a checkpoint's."""
    if data.startswith(_PNG):
        return _mended_png(data)
    if data.startswith(checkpoint.MAGIC):
        return _mended_checkpoint(data)
    return _mended_zip(data) if data.startswith(b"PK\3\4") else data


def _mended_png(data: bytes) -> bytes:
    mended = bytearray(data)
    at = len(_PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(mended)


def _mended_zip(data: bytes) -> bytes:
    mended = bytearray(data)
    at = data.find(b"PK\1\2")
    while 0 <= at <= len(data) - 46:
        (size,) = struct.unpack_from("<I", data, at + 20)
        (local,) = struct.unpack_from("<I", data, at + 42)
        if local + 30 <= len(data) and data[at + 10 : at + 12] == b"\0\0":
            start = local + 30 + sum(struct.unpack_from("<2H", data, local + 26))
            crc = struct.pack("<I", zlib.crc32(data[start : start + size]))
            mended[at + 16 : at + 20] = mended[local + 14 : local + 18] = crc
        at = data.find(b"PK\1\2", at + 46)
    return bytes(mended)


def _mended_checkpoint(data: bytes) -> bytes:
    header = data[48 : 48 + int.from_bytes(data[8:16], "little")]
    body = data[:16] + hashlib.sha256(header).digest() + data[48:-32]
    return body + hashlib.sha256(body).digest()


def _span(data: bytes, generator: random.Random) -> tuple[int, int]:
    start = generator.randrange(len(data))
    return start, min(len(data), start + generator.choice((1, 2, 4, 8, 16, 64, 256)))


def _flip(data, generator, _):
    at = generator.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << generator.randrange(8)]) + data[at + 1 :]


def _set(data, generator, _):
    at = generator.randrange(len(data))
    return data[:at] + generator.randbytes(1) + data[at + 1 :]


def _number(data, generator, _):
    kind = generator.choice(("B", "<H", ">H", "<I", ">I"))
    number = struct.pack(kind, generator.choice(_NUMBERS) % 2 ** (8 * struct.calcsize(kind)))
    at = generator.randrange(len(data))
    return data[:at] + number + data[at + len(number) :]


def _head(data, generator, others):
    """The same near the start, where the sizes are."""
    return _number(data[:64], generator, others) + data[64:]


def _delete(data, generator, _):
    start, end = _span(data, generator)
    return data[:start] + data[end:]


def _insert(data, generator, _):
    at = generator.randrange(len(data))
    return data[:at] + generator.randbytes(generator.choice((1, 2, 4, 16))) + data[at:]


def _repeat(data, generator, _):
    start, end = _span(data, generator)
    return data[:end] + data[start:end] * generator.choice((1, 2, 20)) + data[end:]


def _copy(data, generator, _):
    start, end = _span(data, generator)
    at = generator.randrange(len(data))
    return data[:at] + data[start:end] + data[at + end - start :]


def _fill(data, generator, _):
    start, end = _span(data, generator)
    return data[:start] + generator.choice((b"\0", b"\xff", b"\x80")) * (end - start) + data[end:]


def _cut(data, generator, _):
    return data[: generator.randrange(len(data))]


def _splice(data, generator, others):
    other = generator.choice(others) if others else data
    return data[: generator.randrange(len(data))] + other[generator.randrange(len(other)) :]


_DAMAGES = (_flip, _set, _number, _number, _head, _head, _delete, _insert, _repeat, _copy, _fill, _cut, _splice)

"""Files made to hurt, each of a known kind: bombs, loops, lies about sizes, calls hidden in pickles."""

import functools
import io
import os
import pickle
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image

from tests.fuzz import seeds
from tests.tiny import tiny_weights, torch_files
from tests.unit.pictures import test_images

_SIDE_PX = 13_377  # its square is just below the limit of pixels
_ROWS = zlib.compress(bytes(13 * 4))  # the data of a PNG of 4 x 4 px


class Case(NamedTuple):
    """A file, who reads it, and how that must end: read, or refused with these words."""

    target: str
    make: Callable[[], bytes]
    words: str | None = None
    is_slow: bool = False


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes, *extra: bytes, depth: int = 8) -> bytes:
    """RGB, from its compressed rows and extra chunks."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(*, after: bytes = b"", next_directory: int = 0, **tags: tuple[int, int, int]) -> bytes:
    """Grey, 4 x 4 px; t256=(type, count, value) sets a tag."""
    pixels_at, n = 8, len({256, 257, 258, 259, 262, 273, 277, 278, 279} | {int(tag[1:]) for tag in tags})
    fields = {256: (4, 1, 4), 257: (4, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, pixels_at),
              277: (3, 1, 1), 278: (4, 1, 4), 279: (4, 1, 16)}  # fmt: skip
    fields |= {int(tag[1:]): value for tag, value in tags.items()}
    entries = b"".join(struct.pack("<HHII", tag, *fields[tag]) for tag in sorted(fields))
    head = b"II*\0" + struct.pack("<I", 24) + bytes(16)
    return head + struct.pack("<H", n) + entries + struct.pack("<I", next_directory) + after


def _tiff_chain(frames: int) -> bytes:
    """Many directories, each pointing to the next."""
    one = tiff()
    size = len(one) - 24
    return (
        one[:24] + b"".join(one[24:-4] + struct.pack("<I", 24 + size * (i + 1)) for i in range(frames - 1)) + one[24:]
    )


def _gif(width: int, height: int, frames: int) -> bytes:
    """Frames of one pixel on a screen of any size."""
    head = b"GIF89a" + struct.pack("<2H3B", width, height, 0x80, 0, 0) + bytes(6)
    return head + (b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\2\2\x4c\1\0") * frames + b";"


def _jpeg_scans(side_px: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    good = test_images.file_of(Image.new("L", (side_px, side_px)), "JPEG", progressive=True)
    return good[:-2] + good[good.rindex(b"\xff\xda") : -2] * scans + good[-2:]


def _jpeg_segments(segment: bytes, count: int) -> bytes:
    good = seeds.pictures()[0]
    return good[:2] + segment * count + good[2:]


def _hdf5(fill) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.h5")
        with h5py.File(path, "w") as file:
            fill(file)
        with open(path, "rb") as content:
            return content.read()


def _external_links(file) -> None:
    for layer, _, _ in tiny_weights.TINY:
        file[f"{layer}/kernel:0"] = h5py.ExternalLink("/etc/hostname", "/")
        file[f"{layer}/bias:0"] = h5py.ExternalLink("/dev/zero", "/")


def _external_storage(file) -> None:
    """Raw data that lies in another file of the machine."""
    for layer, channels, filters in tiny_weights.TINY:
        for name, shape in (("kernel:0", (3, 3, channels, filters)), ("bias:0", (filters,))):
            size = int(np.prod(shape)) * 4
            file.require_group(layer).create_dataset(name, shape, "f4", external=[(os.__file__, 0, size)])


def _soft_loop(file) -> None:
    for layer, _, _ in tiny_weights.TINY:
        file[f"{layer}/kernel:0"] = h5py.SoftLink(f"/{layer}/kernel:0")
        file[f"{layer}/again"] = file[layer]
        file[f"{layer}/up"] = h5py.SoftLink("/")


def _virtual(file) -> None:
    """Datasets put together from another file."""
    for layer, channels, filters in tiny_weights.TINY:
        for name, shape in (("kernel:0", (3, 3, channels, filters)), ("bias:0", (filters,))):
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
            file.require_group(layer).create_virtual_dataset(name, layout)


def _deep_groups(file) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("block1_conv1")


def _huge_dataset(file) -> None:
    for layer, channels, filters in tiny_weights.TINY:
        file.create_dataset(f"{layer}/kernel:0", (2**20, 2**20, channels, filters), "f4", chunks=(64, 64, 1, 1))
        file.create_dataset(f"{layer}/bias:0", (2**40,), "f4", chunks=(1024,))


def _zip(entries: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _npz_bomb() -> bytes:
    """A header that tells the truth in front of a 64 MB of zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 3, 4)})
    return _zip({"block1_conv1/kernel.npy": header.getvalue() + bytes(2**26)})


class _Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _torch_call(protocol: int, *, legacy: bool) -> bytes:
    """A state dict whose pickle asks for os.system."""
    pickled = pickle.dumps({"0.weight": _Call(os.system, "touch executed")}, protocol)
    if legacy:
        return torch_files.legacy_container(pickled, {})
    return torch_files.zip_container(pickled, {})


def _npz_call() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{"block1_conv1/kernel": np.array([_Call(os.system, "touch executed")], object)})
    return stream.getvalue()


def _torch_bomb() -> bytes:
    opcodes = torch_files.tensor("0", [2**26], [1], count=2**26)
    return torch_files.zip_container(
        torch_files.state_dict({"0.weight": opcodes}), {"0": bytes(2**26)}, compression=zipfile.ZIP_DEFLATED
    )


def _torch_overlap() -> bytes:
    """Every storage's entry of the zip is the same bytes of the file: the quoted overlap of a zip bomb."""
    arrays = {f"{i}.weight": np.zeros((3, 3, 8, 8), np.float32) for i in range(50)}
    data = bytearray(torch_files.save(arrays, legacy=False))
    first = None
    at = data.find(b"PK\1\2")
    while at >= 0:
        (local,) = struct.unpack_from("<I", data, at + 42)
        if b"/data/" in data[at + 46 : at + 80]:
            first = local if first is None else first
            struct.pack_into("<I", data, at + 42, first)
        at = data.find(b"PK\1\2", at + 46)
    return bytes(data)


def _icc(tag_count: int, size: int) -> bytes:
    """A profile that claims many tags, or tags of any size."""
    head = bytearray(test_images.LINEAR_GREY[:128])
    return bytes(head) + struct.pack(">I", tag_count) + (b"kTRC" + struct.pack(">II", 132, size)) * 100


def _icc_table() -> bytes:
    """A colour table of 255 points along each of 15 channels."""
    table = b"mft1\0\0\0\0" + bytes([15, 3, 255, 0]) + struct.pack(">9i", *[65536] * 9) + bytes(4096)
    return test_images.profile(b"CMYK", b"Lab ", {b"wtpt": test_images.WHITE_TAG, b"A2B0": table}, device=b"prtr")


def _black_png() -> bytes:
    """The largest picture that is let in, in half a megabyte or two."""
    deflate = zlib.compressobj(1)
    row = bytes(_SIDE_PX * 3 + 1)
    return png(_SIDE_PX, _SIDE_PX, b"".join(deflate.compress(row) for _ in range(_SIDE_PX)) + deflate.flush())


def _one_colour_webp(mode: str) -> bytes:
    image = Image.new(mode, (16_383, 10_900))
    return test_images.file_of(image, "WEBP", lossless=True, method=0, quality=0)


def _bmp(width: int, height: int) -> bytes:
    good = bytearray(test_images.file_of(Image.new("P", (4, 4)), "BMP"))
    struct.pack_into("<ii", good, 18, width, height)
    return bytes(good)


def _zip_of_zips() -> bytes:
    return _zip({"block1_conv1/kernel.npy": _zip({"x": bytes(10**7)})})


def _many_entries() -> bytes:
    return _zip({str(i): b"" for i in range(20_000)}, compression=zipfile.ZIP_STORED)


def _wide_jpeg() -> bytes:
    return seeds.pictures()[2].replace(b"\x08\0\x06\0\x09", b"\x08\xff\xdc\xff\xdc")


def _zeros(size: int) -> bytes:
    return zlib.compress(bytes(size))


def _small_png(*extra: bytes) -> bytes:
    return png(4, 4, _ROWS, *extra)


def _text_bomb(size: int) -> bytes:
    return chunk(b"zTXt", b"k\0\0" + _zeros(size))


_picture = functools.partial(Case, "picture")
_TOO_LARGE = "at most 178956970 pixels"
_LIMIT = {"t256": (4, 1, _SIDE_PX), "t257": (4, 1, _SIDE_PX)}
_HUGE_TILES = {"t322": (4, 1, 2**31), "t323": (4, 1, 2**31), "t324": (4, 1, 8), "t325": (4, 1, 16)}
_WRONG_TEXT = chunk(b"tEXt", b"k\0value")[:-1] + b"?"
_EXIF = b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)
_LOST_PART = b"\xff\xe2\0\x12ICC_PROFILE\0\xff\1"
_NESTED = b"[" * 100_000 + b"]" * 100_000

CASES = {
    "png-of-4e18-pixels": _picture(lambda: png(2**31 - 1, 2**31 - 1, _ROWS), _TOO_LARGE),
    "png-of-no-width": _picture(lambda: png(0, 4, _ROWS), ""),
    "png-that-claims-the-limit": _picture(lambda: png(_SIDE_PX, _SIDE_PX, _ROWS), "truncated"),
    "deep-png-that-claims-the-limit": _picture(lambda: png(_SIDE_PX, _SIDE_PX, _ROWS, depth=16), "truncated"),
    "png-of-the-limit": _picture(_black_png, is_slow=True),
    "png-with-rows-beyond-its-size": _picture(lambda: png(4, 4, _zeros(10**8))),
    "png-with-a-text-bomb": Case("picture", lambda: _small_png(_text_bomb(10**8)), "too large"),
    "png-with-many-text-bombs": Case(
        "picture",
        lambda: _small_png(*[_text_bomb(10**6)] * 100),
        "text chunks",
    ),
    "png-with-a-profile-bomb": Case(
        "picture", lambda: _small_png(chunk(b"iCCP", b"k\0\0" + _zeros(10**8))), "too large"
    ),
    "png-with-100000-chunks": _picture(lambda: _small_png(*[chunk(b"prVt", b"")] * 100_000)),
    "png-with-wrong-header-checksum": Case("picture", lambda: _small_png().replace(b"R\0\0\0\4", b"R\0\0\0\5"), ""),
    "png-with-wrong-checksum-of-text": Case("picture", lambda: _small_png(_WRONG_TEXT), ""),
    "png-with-2e9-frames": _picture(lambda: _small_png(chunk(b"acTL", struct.pack(">2I", 2**31 - 1, 0)))),
    "png-with-a-chunk-of-2-gigabytes": Case("picture", lambda: _small_png(b"\x7f\xff\xff\xfftEXt"), ""),
    "gif-of-the-limit-in-42-bytes": _picture(lambda: _gif(65_535, 2730, 1), is_slow=True),
    "gif-beyond-the-limit": _picture(lambda: _gif(65_535, 65_535, 1), _TOO_LARGE),
    "gif-with-100000-frames": _picture(lambda: _gif(4, 4, 100_000)),
    "tiff-with-20000-directories": _picture(lambda: _tiff_chain(20_000)),
    "tiff-whose-directory-is-its-own-next": _picture(lambda: tiff(next_directory=24)),
    "tiff-whose-exif-is-its-directory": _picture(lambda: tiff(t34665=(4, 1, 24))),
    "tiff-whose-sub-directory-is-itself": _picture(lambda: tiff(t330=(4, 1, 24))),
    "tiff-with-2e9-strips": _picture(lambda: tiff(t273=(4, 2**31 - 1, 8)), "TIFF"),
    "tiff-with-65535-channels": _picture(lambda: tiff(t277=(3, 1, 65_535)), "TIFF"),
    "tiff-with-strips-of-no-rows": _picture(lambda: tiff(t278=(4, 1, 0)), "damaged"),
    "tiff-beyond-the-limit": _picture(lambda: tiff(t256=(4, 1, 2**32 - 1)), _TOO_LARGE),
    "tiff-that-claims-the-limit": Case("picture", lambda: tiff(**_LIMIT), "truncated"),
    "lzw-tiff-that-claims-the-limit": Case("picture", lambda: tiff(**_LIMIT, t259=(3, 1, 5)), "damaged"),
    "tiff-with-a-profile-of-4-gigabytes": _picture(lambda: tiff(t34675=(7, 2**32 - 1, 8))),
    "tiff-with-tiles-of-2e9-pixels": Case("picture", lambda: tiff(**_HUGE_TILES)),
    "jpeg-with-1000-scans": _picture(lambda: _jpeg_scans(2048, 1000), "scans"),
    "jpeg-with-30-scans": _picture(lambda: _jpeg_scans(64, 20)),
    "jpeg-of-65500-pixels-a-side": Case(
        "picture",
        _wide_jpeg,
        _TOO_LARGE,
    ),
    "jpeg-with-13-megabytes-of-exif": _picture(lambda: _jpeg_segments(_EXIF, 200)),
    "jpeg-with-100000-comments": _picture(lambda: _jpeg_segments(b"\xff\xfe\0\2", 100_000)),
    "jpeg-with-profile-parts-out-of-order": Case("picture", lambda: _jpeg_segments(_LOST_PART, 1)),
    "webp-of-the-limit": _picture(functools.partial(_one_colour_webp, "RGB"), is_slow=True),
    "transparent-webp-of-the-limit": _picture(functools.partial(_one_colour_webp, "RGBA"), is_slow=True),
    "bmp-that-claims-the-limit": _picture(lambda: _bmp(_SIDE_PX, _SIDE_PX), "truncated"),
    "bmp-of-the-lowest-height": _picture(lambda: _bmp(4, -(2**31)), ""),
    "profile-with-4e9-tags": Case("profile", lambda: _icc(2**32 - 1, 16)),
    "profile-with-tags-of-4-gigabytes": Case("profile", lambda: _icc(100, 2**32 - 1)),
    "profile-with-a-table-of-1e36-colours": Case("profile", _icc_table),
    "h5-with-links-to-other-files": Case("h5", functools.partial(_hdf5, _external_links), "convolutions"),
    "h5-with-data-in-other-files": Case("h5", functools.partial(_hdf5, _external_storage), "another file"),
    "h5-put-together-from-other-files": Case("h5", functools.partial(_hdf5, _virtual), "another file"),
    "h5-with-links-to-themselves": Case("h5", functools.partial(_hdf5, _soft_loop), "convolutions"),
    "h5-3000-groups-deep": Case("h5", functools.partial(_hdf5, _deep_groups), "convolutions"),
    "h5-with-a-petabyte": Case("h5", functools.partial(_hdf5, _huge_dataset), "convolutions"),
    "npz-bomb": Case("npz", _npz_bomb, "convolutions"),
    "npz-that-calls-os-system": Case("npz", _npz_call, "object"),
    "npz-that-is-a-zip-of-zips": Case("npz", _zip_of_zips, "convolutions"),
    "npz-with-20000-entries": Case("npz", _many_entries, "convolutions"),
    "pth-bomb": Case("pth", _torch_bomb, "compressed entry"),
    "pth-of-one-storage-50-times": Case("pth", _torch_overlap, "damaged zip"),
    **{
        f"pth-that-calls-os-system-{form}-{protocol}": Case(
            "pth",
            functools.partial(_torch_call, protocol, legacy=form == "legacy"),
            "PyTorch file must hold",
        )
        for form in ("zip", "legacy")
        for protocol in (0, 2, 5)
    },
    "settings-nested-100000-deep": Case("settings", lambda: b'{"style_layers": ' + _NESTED + b"}"),
    "settings-with-a-number-of-4000-digits": Case("settings", lambda: b'{"steps": 1' + b"0" * 4000 + b"}", "steps"),
}

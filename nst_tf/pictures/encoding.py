"""Colours and alpha to the bytes of a picture file."""

import dataclasses
import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from nst_tf import errors
from nst_tf.pictures import icc


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writer:
    """How Pillow writes a format, and what the format holds."""

    format: str
    alpha: bool = False
    profile: bool = True
    bit_depths: tuple[int, ...] = (8,)
    max_side_px: int = 2**31 - 1
    options: tuple[tuple[str, Any], ...] = ()


_JPEG = Writer(format="JPEG", max_side_px=65500, options=(("quality", 95), ("subsampling", "4:4:4")))
_TIFF = Writer(format="TIFF", alpha=True, options=(("compression", "tiff_adobe_deflate"),))
WRITERS = {
    ".png": Writer(format="PNG", alpha=True, bit_depths=(8, 16)),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    # Lossy at quality 95 with 4:2:0 chroma, as WebP always has; `exact` keeps the colours under a transparent alpha.
    ".webp": Writer(format="WEBP", alpha=True, max_side_px=16383, options=(("quality", 95), ("exact", True))),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": Writer(format="BMP", profile=False),
}


def writer(suffix: str, bit_depth: int, name: str) -> Writer:
    """The writer of a suffix, in any case.

    Raises:
        errors.OutputError: an unknown suffix, or a depth that its format cannot hold.
    """
    writer = WRITERS.get(suffix.lower())
    if writer is None:
        raise errors.OutputError(
            f"{name}: a picture's suffix must be one of {', '.join(WRITERS)}. Received: {suffix or 'none'!r}. "
            f"Change the file's name.{errors.did_you_mean(suffix.lower(), WRITERS)}"
        )
    if bit_depth not in writer.bit_depths:
        holders = ", ".join(other for other, candidate in WRITERS.items() if bit_depth in candidate.bit_depths)
        fix = f"Save as {holders}, or use 8." if holders else "Use 8."
        raise errors.OutputError(
            f"{name}: {writer.format} holds {' or '.join(map(str, writer.bit_depths))} bits a channel. "
            f"Received: bit_depth={bit_depth}. {fix}"
        )
    return writer


def encode(values: np.ndarray, writer: Writer, bit_depth: int, name: str) -> bytes:
    """Encodes checked values, float32 [1, H, W, 3 or 4] in [0, 1], rounded to the nearest level.

    Raises:
        errors.OutputError: a side is longer than the format allows.
    """
    height_px, width_px = values.shape[1:3]
    if max(height_px, width_px) > writer.max_side_px:
        raise errors.OutputError(
            f"{name}: a side of a {writer.format} is at most {writer.max_side_px} px. Received: {width_px} x "
            f"{height_px}. Save as .png or .tif."
        )
    top = np.float32(2**bit_depth - 1)
    levels = np.rint(values[0] * top).astype(np.uint8 if bit_depth == 8 else np.uint16)  # [H, W, 3 or 4]
    if bit_depth == 16:
        return _encode_deep_png(levels)
    options = dict(writer.options)
    if writer.profile:
        options["icc_profile"] = icc.srgb_profile()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format=writer.format, **options)
    return buffer.getvalue()


def _encode_deep_png(levels: np.ndarray) -> bytes:
    """PNG of uint16 [H, W, 3 or 4], which Pillow cannot write; PNG 3rd edition, 5.3 and 9.2."""
    height_px, width_px, channels = levels.shape
    rows = levels.astype(">u2").view(np.uint8).reshape(height_px, -1)
    above = np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.insert(rows - above, 0, 2, axis=1)  # filter type 2, "Up": bytes minus those above, modulo 256
    header = struct.pack(">2I5B", width_px, height_px, 16, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"iCCP", b"sRGB\0\0" + zlib.compress(icc.srgb_profile())),
        (b"IDAT", zlib.compress(filtered.tobytes())),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )

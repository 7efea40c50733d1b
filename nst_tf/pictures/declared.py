"""Colours that a file declares without a profile: PNG's gAMA, cHRM and cICP chunks, and EXIF's Adobe RGB."""

import dataclasses
import struct
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

Primaries = tuple[tuple[float, float], ...]  # x and y (CIE 1931) of red, green, blue and white

_D65 = (0.3127, 0.3290)
_SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)  # IEC 61966-2-1
_ADOBE_RGB: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)  # Adobe RGB (1998) 4.3.1
_ADOBE_GAMMA = 563 / 256  # the same, 4.3.1.2
_CICP_PRIMARIES: dict[int, tuple[str, Primaries]] = {  # ITU-T H.273, table 2
    1: ("BT.709", _SRGB),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)),
}
_CICP_GAMMAS: dict[int, float | None] = {4: 2.2, 5: 2.8, 8: 1.0, 13: None}  # the same, table 3; None is sRGB's curve
_CICP_NAMES = {1: "BT.709", 6: "BT.601", 14: "BT.2020", 15: "BT.2020", 16: "PQ", 18: "HLG"}  # what is not converted
_USUAL_GAMMA = 2.2  # PNG's gAMA of sRGB is 1/2.2; PNG 3rd edition, 11.3.2.2
_GAMMA_TOLERANCE = 0.05
_UNCALIBRATED, _INTEROP_ADOBE = 0xFFFF, "R03"  # EXIF 2.32, ColorSpace; DCF 2.0, the option file of Adobe RGB
_BAND_ROWS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Space:
    """A colour space in which a file's values are.

    Attributes:
        name: for the note.
        gamma: the exponent from values to light; None for sRGB's curve.
        primaries: its red, green, blue and white.
    """

    name: str
    gamma: float | None
    primaries: Primaries = _SRGB


def space(image: Image.Image, data: bytes) -> tuple[Space | None, str | None]:
    """The space that a file without a profile declares, where it is not sRGB; and a note on what was ignored.

    Args:
        image: as Pillow opened it.
        data: the file's bytes.
    """
    if image.format == "PNG":
        return _of_png(data)
    if image.format in ("JPEG", "MPO", "TIFF", "WEBP"):
        exif = image.getexif()
        is_free = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace) == _UNCALIBRATED
        interop = str(exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")).strip("\0 ")
        if is_free and interop == _INTEROP_ADOBE:
            return Space(name="EXIF's Adobe RGB", gamma=_ADOBE_GAMMA, primaries=_ADOBE_RGB), None
    return None, None


def to_srgb(colours: np.ndarray, source: Space) -> np.ndarray:
    """Colours in sRGB.

    Args:
        colours: uint8 or uint16 [H, W, 3] over the whole range of the dtype.
        source: the space that they are in.

    Returns:
        The same shape and dtype, clipped to what sRGB holds.
    """
    top = np.float32(np.iinfo(colours.dtype).max)
    levels = np.arange(np.iinfo(colours.dtype).max + 1, dtype=np.float32) / top
    light = _srgb_to_light(levels) if source.gamma is None else levels**source.gamma
    matrix = (np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(source.primaries)).T.astype(np.float32)
    converted = np.empty_like(colours)
    for row in range(0, colours.shape[0], _BAND_ROWS):  # in one go a large picture would be in memory thrice more
        linear = light[colours[row : row + _BAND_ROWS]] @ matrix
        converted[row : row + _BAND_ROWS] = np.rint(_light_to_srgb(linear.clip(0, 1)) * top)
    return converted


def _of_png(data: bytes) -> tuple[Space | None, str | None]:
    """By the chunks before the pixels, in their order of precedence; PNG 3rd edition, 4.3."""
    chunks = dict(_chunks(data))
    if len(chunks.get(b"cICP", b"")) == 4:
        primaries, transfer, matrix, full_range = chunks[b"cICP"]
        if primaries in _CICP_PRIMARIES and transfer in _CICP_GAMMAS and (matrix, full_range) == (0, 1):
            name, points = _CICP_PRIMARIES[primaries]
            gamma = _CICP_GAMMAS[transfer]
            is_srgb = points == _SRGB and gamma is None
            return None if is_srgb else Space(name=f"{name} of the cICP chunk", gamma=gamma, primaries=points), None
        name = _CICP_NAMES.get(transfer, f"transfer {transfer}")
        return None, f"ignored the cICP chunk (primaries {primaries}, {name}): the colours were taken as sRGB"
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4 or chunks[b"gAMA"] == b"\0\0\0\0":
        return None, None
    gamma = 100_000 / struct.unpack(">I", chunks[b"gAMA"])[0]
    points, is_srgb = _SRGB, True
    if len(chunks.get(b"cHRM", b"")) == 32:
        x_y = np.array(struct.unpack(">8I", chunks[b"cHRM"])).reshape(4, 2) / 100_000  # white, red, green, blue
        is_srgb = bool(np.abs(x_y - np.array([_SRGB[3], *_SRGB[:3]])).max() < 0.002)
        if not is_srgb and not _is_sound(x_y):
            return None, "ignored the cHRM chunk: its primaries span no colours"
        points = _SRGB if is_srgb else tuple((float(x), float(y)) for x, y in (*x_y[1:], x_y[0]))
    if abs(gamma - _USUAL_GAMMA) < _GAMMA_TOLERANCE:
        return None if is_srgb else Space(name="the primaries of the cHRM chunk", gamma=None, primaries=points), None
    return Space(name=f"the gAMA chunk, {1 / gamma:.3g},", gamma=gamma, primaries=points), None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG before its pixels."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in (b"IDAT", b"IEND"):
            return
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _is_sound(x_y: np.ndarray) -> bool:
    if (x_y[:, 1] <= 0).any():
        return False
    return abs(float(np.linalg.det(x_y[2:] - x_y[1]))) > 1e-3  # twice the area of their triangle


def _to_xyz(primaries: Primaries) -> np.ndarray:
    """The matrix from linear RGB to XYZ, [3, 3], white at Y = 1; Lindbloom, "RGB/XYZ matrices"."""
    xyz = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries])
    scale = np.linalg.solve(xyz[:3].T, xyz[3])
    return (xyz[:3] * scale[:, np.newaxis]).T


def _srgb_to_light(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1


def _light_to_srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # the same

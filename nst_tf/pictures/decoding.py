"""The bytes of a picture file to colours and alpha, whatever is in them."""

import codecs
import contextlib
import dataclasses
import io
import re
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from nst_tf import errors
from nst_tf.pictures import declared, icc

READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")

# Pillow raises DecompressionBombError above it, and tf.io.decode_png stops there at 3 channels: 2 * 2**30 // 12.
MAX_PIXELS = 178_956_970

_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr")

# EXIF orientation -> what turns the stored array [H, W, C] upright; EXIF 2.32, tag 0x0112
_UPRIGHT: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}

# A marker of JPEG: neither stuffing nor a restart; ITU-T T.81, table B.1. Encoders write about 10 scans.
_MARKER = re.compile(rb"\xff+[^\x00\x01\xd0-\xd8\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MAX_SCANS = 100

_BAND_ROWS = 256

_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC = 258, 262  # TIFF 6.0, section 8
_TIFF_BLACK_IS_ZERO = 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """What a file says: its upright colours, its alpha, and what the user should know.

    Attributes:
        colours: uint8 or uint16 [H, W, 3], sRGB over the whole range of the dtype, not multiplied by alpha.
        alpha: uint8 or uint16 [H, W], or None where the file has none. Its dtype may differ from the colours'.
        notes: sentences for the user.
    """

    colours: np.ndarray
    alpha: np.ndarray | None
    notes: tuple[str, ...]


def decode(data: bytes, name: str) -> Decoded:
    """Decodes the first frame of a picture.

    Args:
        data: the file's bytes, as hostile as they come.
        name: what messages call the picture.

    Raises:
        errors.ImageError: not a picture, a damaged or truncated one, too large, or of a kind that would lose colours.
    """
    return _translated(_decode, data, name)


def size_px(data: bytes, name: str) -> tuple[int, int]:
    """Height and width as a picture's header has them, before it is turned upright; no pixel is decoded.

    Raises:
        errors.ImageError: as `decode`, as far as the header tells.
    """
    image = _translated(_open, data, name)
    return image.height, image.width


def _translated(read: Callable[[bytes, str], Any], data: bytes, name: str) -> Any:
    """What a reader returns, with whatever Pillow raises turned into an ImageError."""
    formats = ", ".join(READABLE_FORMATS)
    try:
        with _quiet_pillow:
            return read(data, name)
    except errors.ImageError:
        raise
    except UnidentifiedImageError as error:
        raise errors.ImageError(
            f"{name}: a picture must be one of {formats}. Received: {_describe(data)}. "
            "Check the path, or convert it to PNG or JPEG."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "a header that asks for more") from error
    except MemoryError as error:
        raise errors.ImageError(
            f"{name}: the picture must fit in memory. Received: a picture that does not. Use a smaller one."
        ) from error
    except Exception as error:  # a hostile file makes Pillow raise nearly everything there is
        reason = str(error).partition("\n")[0] or type(error).__name__
        truncated = isinstance(error, EOFError) or "truncated" in reason.lower()
        raise errors.ImageError(
            f"{name}: a picture must decode to its last pixel. Received: {'truncated' if truncated else 'damaged'} "
            f"data ({reason}). Copy or download it again, or save it anew from an image editor."
        ) from error


def _open(data: bytes, name: str) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=READABLE_FORMATS)
    if image.width * image.height > MAX_PIXELS:  # where the application has lifted Pillow's own limit
        raise _too_large(name, f"{image.width} x {image.height}")
    return image


def _decode(data: bytes, name: str) -> Decoded:
    image = _open(data, name)
    notes = []
    if getattr(image, "is_animated", False):  # counting the frames of a TIFF can take for ever
        notes.append("only the first of several frames is used")
    deep_png = image.format == "PNG" and data[24] == 16  # IHDR bit depth; PNG 3rd edition, 11.2.1
    if image.format == "TIFF":
        _check_tiff_depth(image, name)
    if image.format in ("JPEG", "MPO"):
        _check_scans(data, name)
    image.load()
    profile = image.info.get("icc_profile")
    if deep_png:
        colours, alpha, profile_note = _decode_deep_png(image, data, profile)
    elif image.mode in ("I;16", "I;16B", "I;16L"):
        grey = np.asarray(image).astype(np.uint16)[..., np.newaxis]  # [H, W, 1]
        colours, profile_note = _deep_to_srgb(np.broadcast_to(grey, (*grey.shape[:2], 3)), profile, grey=True)
        alpha = None
    else:
        colours, alpha, profile_note = _decode_8_bit(image, data, name, profile)
    if profile_note:
        notes.append(profile_note)
    if not profile:
        colours, declared_note = _by_declaration(image, data, colours)
        notes += [declared_note] if declared_note else []
    try:
        upright = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception as error:  # as above; the pixels are whole all the same
        notes.append(f"ignored the EXIF data, so the picture may lie on its side: it is broken ({error})")
        upright = None
    if upright is not None:
        colours = upright(colours)
        alpha = None if alpha is None else upright(alpha)
    return Decoded(colours=colours, alpha=alpha, notes=tuple(notes))


def _by_declaration(image: Image.Image, data: bytes, colours: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Colours [H, W, 3] in sRGB, by what a file without a profile says of them, and a note."""
    try:
        space, note = declared.space(image, data)
    except Exception:  # broken EXIF data, as below, which notes it
        return colours, None
    if space is None:
        return colours, note
    return declared.to_srgb(colours, space), f"converted from {space.name} to sRGB"


def _decode_8_bit(
    image: Image.Image, data: bytes, name: str, profile: bytes | None
) -> tuple[np.ndarray, np.ndarray | None, str | None]:
    """Colours [H, W, 3], alpha [H, W] and a note, from up to 8 bits a channel."""
    if image.mode in _GREY_MODES:
        flat_mode, alpha_mode = "L", "LA"
    elif image.mode in _COLOUR_MODES:
        flat_mode, alpha_mode = "RGB", "RGBA"
    elif image.mode == "CMYK":
        flat_mode = alpha_mode = "CMYK"
    else:
        raise errors.ImageError(
            f"{name}: a picture must hold grey, RGB or CMYK of 8 or 16 bits. Received: {image.format} of Pillow mode "
            f"{image.mode!r}. Convert it to an 8-bit or 16-bit PNG."
        )
    transparency, bits = image.info.get("transparency"), image.format == "PNG" and data[24]
    if flat_mode == "L" and bits in (1, 2, 4) and isinstance(transparency, int) and transparency < 2**bits:
        image.info["transparency"] = transparency * 255 // (2**bits - 1)  # Pillow scales the pixels but not their key
    alpha = None
    if image.has_transparency_data and flat_mode != "CMYK":
        image = _in_mode(image, alpha_mode)
        alpha = np.asarray(image.getchannel("A"))
    image = _in_mode(image, flat_mode)
    converted, note = icc.to_srgb(image, profile)
    if converted is None and image.mode == "CMYK":
        without = "CMYK converted to sRGB without a profile: colours may be off"
        note = f"{note}; {without}" if note else without
    return _array(_in_mode(converted or image, "RGB")), alpha, note


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it has the mode: Pillow would copy it, and a picture may take most of a gigabyte."""
    return image if image.mode == mode else image.convert(mode)


def _array(image: Image.Image) -> np.ndarray:
    """uint8 [H, W, 3] of an RGB image, band by band: in one go Pillow needs it twice more."""
    colours = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, image.height)
        colours[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return colours


def _decode_deep_png(
    image: Image.Image, data: bytes, profile: bytes | None
) -> tuple[np.ndarray, np.ndarray | None, str | None]:
    """The same for 16 bits a channel, of which Pillow would keep 8."""
    import tensorflow as tf  # slow to import, and only these files need it

    colour_type = data[25]  # 0 grey, 2 RGB, 4 grey with alpha, 6 RGBA
    channels = 4 if colour_type & 4 or "transparency" in image.info else 3
    with tf.device("cpu"):
        values = tf.io.decode_png(data, channels=channels, dtype=tf.uint16).numpy()
    colours, note = _deep_to_srgb(values[..., :3], profile, grey=not colour_type & 2)
    return colours, values[..., 3] if channels == 4 else None, note


def _deep_to_srgb(colours: np.ndarray, profile: bytes | None, *, grey: bool) -> tuple[np.ndarray, str | None]:
    """Colours [H, W, 3] in sRGB; Pillow converts 8 bits only, so 16 survive where there is nothing to convert."""
    if not profile:
        return colours, None
    levels = ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)  # to the nearest of 8 bits
    converted, note = icc.to_srgb(Image.fromarray(levels[..., 0] if grey else levels), profile)
    if converted is None:
        return colours, note
    return np.asarray(converted), f"{note}, which reduced its 16 bits to 8"


def _check_tiff_depth(image: Image.Image, name: str) -> None:
    """Refuses the TIFFs that Pillow reads by their high bytes, or that have no agreed range."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits = tuple(tags.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    grey_16 = image.mode.startswith("I;16") and bits == (16,) and tags.get(_TIFF_PHOTOMETRIC) == _TIFF_BLACK_IS_ZERO
    if max(bits) > 8 and not grey_16:
        raise errors.ImageError(
            f"{name}: a TIFF must have 8 bits a channel, or be grey with 16 and black at zero. Received: "
            f"{'/'.join(map(str, bits))} bits. Convert it to an 8-bit TIFF or a 16-bit PNG."
        )


def _check_scans(data: bytes, name: str) -> None:
    """Refuses a JPEG whose scans go over its pixels again and again: one takes few bytes, and as long as a picture."""
    scans, at = 0, 2
    while marker := _MARKER.search(data, at):
        kind, at = marker.group()[-1], marker.end()
        if kind == _END_OF_IMAGE:
            return
        scans += kind == _START_OF_SCAN
        at += int.from_bytes(data[at : at + 2], "big")
        if scans > _MAX_SCANS:
            raise errors.ImageError(
                f"{name}: a JPEG may have at most {_MAX_SCANS} scans. Received: more. "
                "Save it anew from an image editor."
            )


def _too_large(name: str, received: str) -> errors.ImageError:
    return errors.ImageError(
        f"{name}: a picture may have at most {MAX_PIXELS} pixels. Received: {received}. Scale it down first."
    )


def _describe(data: bytes) -> str:
    """What a file that is not a readable picture seems to be."""
    if not data:
        return "an empty file"
    head = data[:1024]
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    for magic, kind in (
        (b"%PDF", "a PDF"),
        (b"PK\3\4", "a ZIP archive or an office document"),
        (b"8BPS", "a Photoshop file"),
        (b"\x89PNG", "a damaged PNG"),
        (b"\xff\xd8", "a damaged JPEG"),
        (b"RIFF", "a damaged WebP, or sound or video"),
        (b"II*\0", "a damaged TIFF, or one of a kind that is not supported"),
        (b"MM\0*", "a damaged TIFF, or one of a kind that is not supported"),
        (b"GIF8", "a damaged GIF"),
        (b"BM", "a damaged BMP"),
    ):
        if head.startswith(magic):
            return kind
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder("utf-8")().decode(head).lower()
        if "\0" not in text:
            if "<svg" in text:
                return "an SVG drawing"
            return "a web page" if "<html" in text or "<!doctype html" in text else "a text file"
    return f"{len(data)} bytes of an unknown kind"


class _QuietPillow:
    """Silences warnings while any thread is inside: Pillow warns of large pictures and of broken metadata.

    The filters of `warnings` belong to the whole process, so that of two threads the first to come in changes them and
    the last to go out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.close()


_quiet_pillow = _QuietPillow()

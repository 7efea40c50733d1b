"""Files and bytes to float32 [1, H, W, 3] sRGB in [0, 1], and back.

Pillow is used here, in the modules beside this one, and where figures are drawn.
"""

import dataclasses
import hashlib
import io
import os
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from nst_tf import errors, files
from nst_tf.pictures import decoding, encoding, samples

MAX_PIXELS = decoding.MAX_PIXELS  # the decompression bomb limit, checked on the header
SUFFIXES = tuple(encoding.WRITERS)  # what can be written
_MAX_FILE_BYTES = 2**31  # above every picture of MAX_PIXELS; a film or an archive is refused before it is read

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "YCbCr")  # of Pillow; YCbCr by way of RGB
_RANGE_TOLERANCE = 1e-3  # a quarter of an 8-bit level; what float arithmetic leaves outside [0, 1] is clipped


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture as it was read.

    Attributes:
        pixels: float32 [1, H, W, 3], sRGB in [0, 1]. Transparent parts are composited on white.
        alpha: float32 [1, H, W, 1] in [0, 1], or None where every pixel is opaque.
        sha256: of the file's bytes, in hexadecimal.
        name: what messages call it.
        notes: what the user should know: a converted profile, frames that were left out, whom to credit.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    sha256: str
    name: str
    notes: tuple[str, ...] = ()

    @property
    def height_px(self) -> int:
        """H."""
        return int(self.pixels.shape[1])

    @property
    def width_px(self) -> int:
        """W."""
        return int(self.pixels.shape[2])


def load(
    source: str | os.PathLike[str] | bytes | Image.Image,
    *,
    max_side_px: int | None = None,
    min_side_px: int = 0,
    name: str | None = None,
) -> Picture:
    """Reads a JPEG, PNG, WebP, TIFF, BMP or GIF.

    The picture is turned upright by its EXIF orientation and converted to sRGB by its embedded profile; 16-bit PNG and
    16-bit grey keep their depth, except where a profile must be converted, which leaves 8 bits and a note. Of several
    frames the first is used. Transparent pictures are composited on white; their alpha is kept apart.

    Args:
        source: a path, `sample:NAME`, the bytes of a file, or a Pillow image.
        max_side_px: the longer side is scaled down to it, never up.
        min_side_px: the shorter side is not scaled down below it, even where the longer one then exceeds max_side_px.
        name: what messages call the picture; the path unless given.

    Raises:
        errors.ImageError: no such file, not a picture, damaged, more than `MAX_PIXELS`, or of a kind that would lose
            colours silently. Truncated pictures are never read in part.
        errors.ConfigError: `max_side_px` is not positive.

    Example:
        >>> from nst_tf import pictures
        >>> picture = pictures.load("sample:launch-pad", max_side_px=64)
        >>> picture.width_px, picture.height_px
        (64, 51)
    """
    if isinstance(source, Image.Image):
        name = "picture" if name is None else name
        data = _from_pillow(source, name)
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        name = f"picture of {len(data)} bytes" if name is None else name
    else:
        data = read(source)
        name = str(source) if name is None else name
    decoded = decoding.decode(data, name)
    notes = (*decoded.notes, *samples.notes(source))
    height_px, width_px = decoded.colours.shape[:2]
    size = (height_px, width_px) if max_side_px is None else fit(height_px, width_px, max_side_px, min_side_px)
    opacity = None if decoded.alpha is None else _unit(decoded.alpha)
    if opacity is not None and opacity.min() == 1:
        opacity = None
    pixels = np.empty((1, *size, 3), np.float32)
    for channel in range(3):  # one at a time: a photograph of 100 million pixels is large in float32
        plane = _unit(decoded.colours[..., channel])
        pixels[0, :, :, channel] = _lanczos(plane if opacity is None else _on_white(plane, opacity), size)
    alpha = None if opacity is None else _lanczos(opacity, size)[np.newaxis, :, :, np.newaxis]
    sha256 = hashlib.sha256(data).hexdigest()
    return Picture(pixels=pixels, alpha=alpha, sha256=sha256, name=name, notes=notes)


def check_pixels(data: bytes, name: str, max_pixels: int) -> None:
    """Refuses a picture by its header, before anything is decoded.

    Args:
        data: the bytes of its file.
        name: what messages call it.
        max_pixels: the most it may have.

    Raises:
        errors.ImageError: it has more, or is not a picture.
    """
    height_px, width_px = decoding.size_px(data, name)
    if height_px * width_px > max_pixels:
        raise errors.ImageError(
            f"{name}: a picture may have {max_pixels / 1e6:g} million pixels here. Received: {width_px} x {height_px} "
            "px. Scale it down first."
        )


def read(source: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture's file, a path or `sample:NAME`, as `load` takes them.

    Raises:
        errors.ImageError: no such file, or not one that can be read.
    """
    if not isinstance(source, str | os.PathLike):
        raise errors.ImageError(
            f"a picture must be a path or the bytes of a file. Received: {type(source).__name__}. "
            "Arrays and tensors go through images.from_array."
        )
    try:
        path = samples.path_of(source)
        if not path.exists():
            received, fix = "no such file", "Check the path."
        elif path.is_dir():
            received, fix = "a folder", "Name one picture in it."
        elif not path.is_file():
            received, fix = "a device or a pipe", "Save it to a file, or pass its bytes."
        elif path.stat().st_size > _MAX_FILE_BYTES:
            received, fix = f"{path.stat().st_size} bytes, more than {_MAX_FILE_BYTES}", "Scale it down first."
        else:
            return path.read_bytes()
    except errors.NstError:  # a sample of no such name, whose message says what to do
        raise
    except (OSError, ValueError) as error:
        received = (error.strerror if isinstance(error, OSError) else None) or str(error)
        fix = "Check the path and the file's permissions."
    raise errors.ImageError(f"{os.fspath(source)}: a picture must be a readable file. Received: {received}. {fix}")


def scaled(picture: Picture, max_side_px: int, min_side_px: int = 0) -> Picture:
    """The picture and its alpha at the size of `fit`; the same one where it fits already.

    Raises:
        errors.ConfigError: `max_side_px` is not positive.
    """
    size = fit(picture.height_px, picture.width_px, max_side_px, min_side_px)
    if size == (picture.height_px, picture.width_px):
        return picture
    alpha = None if picture.alpha is None else resize(picture.alpha, *size)
    return dataclasses.replace(picture, pixels=resize(picture.pixels, *size), alpha=alpha)


def fit(height_px: int, width_px: int, max_side_px: int, min_side_px: int = 0) -> tuple[int, int]:
    """The size (height, width) whose longer side is at most `max_side_px`: aspect kept, never larger.

    The shorter side is at least `min_side_px`, or what it is: of a frieze the longer side then exceeds its limit.

    Raises:
        errors.ConfigError: `max_side_px` is not positive.
    """
    if max_side_px < 1:
        raise errors.ConfigError(
            f"max_side_px must be at least 1. Received: {max_side_px}. Leave it out to keep sizes."
        )
    longer_px, shorter_px = max(height_px, width_px), min(height_px, width_px)
    scale = max(max_side_px / longer_px, min(min_side_px / shorter_px, 1.0))
    if scale >= 1:
        return height_px, width_px
    return max(1, round(height_px * scale)), max(1, round(width_px * scale))


def resize(pixels: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Resamples by Lanczos, anti-aliased when scaling down, in float32 and on the sRGB values.

    Args:
        pixels: float32 [1, H, W, C] in [0, 1].
        height_px: H', at least 1.
        width_px: W', at least 1.

    Returns:
        float32 [1, H', W', C], clipped to [0, 1].

    Raises:
        errors.ImageError: not of that shape, or a size below 1.

    Example:
        >>> import numpy as np
        >>> from nst_tf import pictures
        >>> pictures.resize(np.ones([1, 40, 60, 3], np.float32), 20, 30).shape
        (1, 20, 30, 3)
    """
    if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.size == 0 or min(height_px, width_px) < 1:
        raise errors.ImageError(
            f"resize takes pixels [1, H, W, C] to a size of at least 1 x 1. Received: shape {pixels.shape}, "
            f"height_px={height_px}, width_px={width_px}."
        )
    planes = [_lanczos(pixels[0, :, :, channel], (height_px, width_px)) for channel in range(pixels.shape[3])]
    return np.stack(planes, axis=-1, dtype=np.float32)[np.newaxis]


def from_array(value: Any, *, name: str = "image") -> np.ndarray:
    """Brings what a caller holds into the project's form.

    Args:
        value: a NumPy array, a tensor, a variable or nested lists; [H, W, 3], [1, H, W, 3], or grey as [H, W],
            [H, W, 1] or [1, H, W, 1]. uint8 and uint16 span their whole range, booleans are black and white; floats
            are in [0, 1], and what is outside by at most 0.001 is clipped.
        name: what messages call it.

    Returns:
        A new float32 [1, H, W, 3], sRGB in [0, 1].

    Raises:
        errors.ImageError: anything else.

    Example:
        >>> import numpy as np
        >>> from nst_tf import pictures
        >>> pixels = pictures.from_array(np.full([4, 6, 3], 255, np.uint8))
        >>> pixels.shape, float(pixels.max())
        ((1, 4, 6, 3), 1.0)
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise errors.ImageError(
            f"{name}: an image must be an array or a tensor with values. Received: {type(value).__name__} ({error}). "
            "Pass rows of equal length, or files through images.load."
        ) from error
    pixels = _to_unit_range(array, name)
    shape = pixels.shape
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]  # [H, W, 1]
    if pixels.ndim == 3:
        pixels = pixels[np.newaxis]  # [1, H, W, C]
    if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.shape[3] not in (1, 3):
        fix = "Put the channels last and pass one image at a time."
        if shape[-1:] == (4,):
            fix = "Drop the alpha channel or flatten it on a background."
        raise errors.ImageError(f"{name}: an image must be [H, W, 3] or [1, H, W, 3]. Received: {list(shape)}. {fix}")
    if pixels.shape[3] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(pixels)


def encode(pixels: Any, suffix: str, *, alpha: Any = None, bit_depth: int = 8) -> bytes:
    """Encodes a picture with the sRGB profile embedded; the same pixels always give the same bytes.

    JPEG has quality 95 without chroma subsampling, WebP quality 95, TIFF is deflated.

    Args:
        pixels: what `from_array` takes; usually float32 [1, H, W, 3] in [0, 1]. Rounded to the nearest level.
        suffix: one of `SUFFIXES`, in any case.
        alpha: float [1, H, W, 1] in [0, 1], written beside the pixels as they are (they are not divided by it), or
            flattened on white where the format has no alpha.
        bit_depth: 8, or 16 for PNG.

    Raises:
        errors.ImageError: the pixels or the alpha are not a picture: NaN, out of range, wrong shape.
        errors.OutputError: an unknown suffix, a depth or a size that the format cannot hold.
    """
    return _encode(pixels, suffix, alpha=alpha, bit_depth=bit_depth, name=f"the {suffix} picture")


def save(path: str | os.PathLike[str], pixels: Any, *, alpha: Any = None, bit_depth: int = 8) -> tuple[str, ...]:
    """Writes a picture, whole or not at all, in the format of the path's suffix; see `encode`.

    Returns:
        What the user should know, such as an alpha that the format cannot hold.

    Raises:
        errors.ImageError: as `encode`.
        errors.OutputError: as `encode`, or the path cannot be written.
    """
    files.check_names_a_file(path)
    suffix = pathlib.Path(path).suffix
    files.write_atomically(path, _encode(pixels, suffix, alpha=alpha, bit_depth=bit_depth, name=os.fspath(path)))
    writer = encoding.WRITERS[suffix.lower()]
    if alpha is not None and not writer.alpha:
        return (f"alpha flattened on white: {writer.format} has none",)
    return ()


def check_writable(path: str | os.PathLike[str], *, bit_depth: int = 8) -> None:
    """Finds out before hours of work whether `save` will be allowed to write a path; creates nothing.

    Raises:
        errors.OutputError: an unknown suffix, a depth it cannot hold, or a path that cannot be written.
    """
    files.check_names_a_file(path)
    encoding.writer(pathlib.Path(path).suffix, bit_depth, os.fspath(path))
    files.check_writable(path)


def _from_pillow(image: Image.Image, name: str) -> bytes:
    """A Pillow image as a PNG that keeps its depth, transparency, profile and orientation."""
    try:
        if image.mode not in _PNG_MODES:
            raise ValueError(f"mode {image.mode!r}")
        image = image.convert("RGB") if image.mode == "YCbCr" else image
        buffer = io.BytesIO()
        about = {"icc_profile": image.info["icc_profile"]} if image.info.get("icc_profile") else {}
        image.save(buffer, "PNG", compress_level=1, exif=image.getexif(), **about)
    except (OSError, ValueError, SyntaxError) as error:
        raise errors.ImageError(
            f"{name}: a Pillow image must be whole, and grey or RGB with or without alpha. Received: "
            f"{errors.one_line(error)}. Convert it with image.convert('RGB')."
        ) from error
    return buffer.getvalue()


def _unit(levels: np.ndarray) -> np.ndarray:
    """Unsigned integers over their whole range as new float32 in [0, 1]."""
    values = levels.astype(np.float32)
    values /= np.float32(np.iinfo(levels.dtype).max)
    return values


def _lanczos(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One float32 channel [H, W] at another size (height, width), clipped to [0, 1]."""
    if plane.shape == size:
        return plane
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))  # mode F
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.LANCZOS)).clip(0, 1)


def _to_unit_range(array: np.ndarray, name: str) -> np.ndarray:
    """The same shape as new float32 in [0, 1], from the dtypes that say their range."""
    if array.size == 0:
        raise errors.ImageError(f"{name}: an image must have pixels. Received: {list(array.shape)}, an empty array.")
    if array.dtype in (np.uint8, np.uint16):
        return _unit(array)
    if array.dtype == np.bool_:  # such as a mask from a comparison
        return array.astype(np.float32)
    if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
        raise errors.ImageError(
            f"{name}: an image must be floating in [0, 1], uint8, uint16 or boolean. Received: {array.dtype}. "
            "Cast 0-255 integers to uint8; read files with images.load."
        )
    values = array.astype(np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise errors.ImageError(
            f"{name}: the values must be finite. Received: {count} of {values.size} that are NaN or infinite. "
            "Check what computed them."
        )
    low, high = float(values.min()), float(values.max())
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise errors.ImageError(
            f"{name}: floating values must be in [0, 1]. Received: values from {low:g} to {high:g}. "
            "Divide 0-255 floats by 255, or clip."
        )
    return values.clip(0, 1).astype(np.float32)


def _on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """In place, since a picture may take gigabytes."""
    pixels *= alpha
    pixels += 1 - alpha
    return pixels


def _encode(pixels: Any, suffix: str, *, alpha: Any, bit_depth: int, name: str) -> bytes:
    writer = encoding.writer(suffix, bit_depth, name)
    values = from_array(pixels, name=name)
    if alpha is not None:
        opacity = _to_unit_range(np.asarray(alpha), f"{name}, alpha")
        if opacity.shape != (*values.shape[:3], 1):
            raise errors.ImageError(
                f"{name}: alpha must be {[*values.shape[:3], 1]}, as the pixels. Received: {list(opacity.shape)}. "
                "Resize it with images.resize."
            )
        values = np.concatenate([values, opacity], -1) if writer.alpha else _on_white(values, opacity)
    return encoding.encode(values, writer, bit_depth, name)

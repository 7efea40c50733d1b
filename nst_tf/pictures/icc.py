"""Colour profiles: from the one embedded in a picture to sRGB, and the sRGB profile that is embedded on writing."""

import functools
import io
import struct

import numpy as np
from PIL import Image, ImageCms

# What createProfile stamps with the time of day; IEC 61966-2-1 was published in October 1999.
_FIXED_DATE = struct.pack(">6H", 1999, 10, 18, 0, 0, 0)
_DATE_OFFSET_BYTES = 24  # ICC.1:2022, table 17

_MODE_OF_COLOUR_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # ICC.1:2022, table 19 -> Pillow

# Two 8-bit levels around a lattice of colours: what rounding does to a profile that says sRGB in other words.
_SAME_COLOUR_LEVELS = 2


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile to embed, the same bytes on every call and in every process."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:_DATE_OFFSET_BYTES] + _FIXED_DATE + profile[_DATE_OFFSET_BYTES + len(_FIXED_DATE) :]


def to_srgb(image: Image.Image, embedded: bytes | None) -> tuple[Image.Image | None, str | None]:
    """Converts a picture by its embedded profile.

    The intent is relative colorimetric with black point compensation, as photo editors have it.

    Args:
        image: mode L, RGB or CMYK.
        embedded: the profile's bytes, or None.

    Returns:
        The picture in mode RGB, or None where its values hold as they are: no profile, an sRGB one, or one that is
        broken or made for other channels. And a note for the user, or None.
    """
    if not embedded:
        return None, None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        mode = _MODE_OF_COLOUR_SPACE.get(profile.profile.xcolor_space.strip())
        if mode == "RGB" and image.mode == "L":
            image = image.convert("RGB")  # grey written beside the camera's RGB profile is common
        if mode != image.mode:
            space = profile.profile.xcolor_space.strip()
            return None, f"ignored the embedded profile: it is for {space}, the picture is {image.mode}"
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode != "CMYK" and _keeps_colours(transform, mode):
            return None, None
        converted = ImageCms.applyTransform(image, transform)
        description = (profile.profile.profile_description or "unnamed").strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return None, f"ignored the embedded profile: it is broken ({error})"
    return converted, f"converted from the embedded profile {description!r} to sRGB"


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform leaves the colours of a lattice where they are."""
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    if mode == "L":
        lattice = levels[np.newaxis]  # [1, 16]
        expected = np.repeat(lattice[..., np.newaxis], 3, axis=-1)
    else:
        lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)  # [1, 4096, 3]
        expected = lattice
    converted = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    difference = np.asarray(converted, dtype=np.int16) - expected
    return bool(np.abs(difference).max() <= _SAME_COLOUR_LEVELS)

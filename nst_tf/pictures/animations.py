"""GIFs and animated WebPs, frame after frame."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from nst_tf import errors, messages
from nst_tf.pictures import decoding

_USUAL_MS = 100  # of a frame that names no duration, or one of 10 ms and less; as browsers do
_LEAST_MS = 11


class About(NamedTuple):
    """What an animation's file says at its start."""

    height_px: int
    width_px: int
    frames: int | None  # where they are counted without a pass over the file
    duration_ms: int  # of the first frame
    has_alpha: bool


def is_animation(head: bytes) -> bool:
    """Whether a file that starts with these 12 bytes is a GIF or a WebP, animated or not."""
    return head[:4] == b"GIF8" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def describe(path: str | os.PathLike[str]) -> About:
    """Looks at the first frame.

    Raises:
        VideoError: damaged, or more pixels than a picture may have.
    """
    with _opened(path) as image:
        count = getattr(image, "n_frames", 1) if image.format == "WEBP" else None  # of a GIF they would be decoded
        has_alpha = image.has_transparency_data
        return About(image.height, image.width, count, _duration_ms(image), has_alpha)


def frames(path: str | os.PathLike[str], on_message: messages.OnMessage) -> Iterator[tuple[np.ndarray, int]]:
    """The frames as float32 [1, H, W, 3] in [0, 1] on white, and each one's duration in ms.

    A damaged file gives the frames before the damage, and a message.
    """
    number = 0
    with _opened(path) as image:
        while True:
            try:
                image.seek(number)
                colours = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
            except EOFError:
                return
            except (OSError, ValueError, SyntaxError) as error:
                if number == 0:
                    raise _damaged(path, error) from error
                on_message(f"{os.fspath(path)}: damaged after {number} frames, which are kept; the rest is missing")
                return
            opacity = colours[..., 3:]
            yield (colours[..., :3] * opacity + (1 - opacity))[np.newaxis], _duration_ms(image)
            number += 1


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    try:
        image = Image.open(path, formats=("GIF", "WEBP"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _damaged(path, error) from error
    if image.width * image.height > decoding.MAX_PIXELS:
        raise _damaged(path, f"{image.width} x {image.height} px")
    return image


def _damaged(path: str | os.PathLike[str], reason: object) -> errors.VideoError:
    return errors.VideoError(
        f"{os.fspath(path)}: an animation must be a whole GIF or WebP. Received: {errors.one_line(reason)}. Save it "
        "again."
    )


def _duration_ms(image: Image.Image) -> int:
    duration = image.info.get("duration") or 0
    return round(duration) if duration >= _LEAST_MS else _USUAL_MS

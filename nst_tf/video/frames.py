"""Films of every kind as upright sRGB frames with their times: video files, animations, folders of pictures.

Video files are read by PyAV (FFmpeg's libraries in a wheel), imported on first use; the others by `pictures`. One frame
is in memory at a time.
"""

import dataclasses
import hashlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from nst_tf import errors, messages
from nst_tf.pictures import animations, images

_HASHED_BYTES = 2**20  # at a time


class Frame(NamedTuple):
    """One picture of a film."""

    pixels: np.ndarray  # float32 [H, W, 3], sRGB in [0, 1]
    time: int  # of its beginning, from that of the first frame; in units of Film.time_base
    duration: int  # in the same units, at least 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Film:
    """A film that can be read.

    Attributes:
        path: of the file or the folder.
        height_px: upright, with square pixels.
        width_px: the same.
        count: frames; None where the file does not say.
        time_base: seconds of one unit of time.
        frame_rate: frames a second, on average.
        audio: the codecs of the sound tracks.
        notes: what the user should know before the start.
        read: (height_px, width_px, skip, on_message) -> the frames after the first `skip`, at that size. What is
            damaged or missing is told at the end.
    """

    path: str
    height_px: int
    width_px: int
    count: int | None
    time_base: Fraction
    frame_rate: Fraction
    audio: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    read: Callable[[int, int, int, messages.OnMessage], Iterator[Frame]] = dataclasses.field(repr=False)

    def frames(
        self,
        max_side_px: int | None = None,
        *,
        skip: int = 0,
        size: tuple[int, int] | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> Iterator[Frame]:
        """The frames in order.

        Args:
            max_side_px: the longer side is scaled down to it, never up.
            skip: frames to leave out at the start; those of a video file are decoded all the same.
            size: height and width in px, in place of max_side_px.
            on_message: called at the end with what was damaged or missing.

        Raises:
            VideoError: a frame of a folder or of an animation that cannot be read.
        """
        if size is None:
            whole = (self.height_px, self.width_px)
            size = whole if max_side_px is None else images.fit(*whole, max_side_px)
        return self.read(*size, skip, on_message)


def check_installed() -> None:
    """Finds out before any work whether PyAV is installed.

    Raises:
        NstError: it is not.
    """
    errors.need_package("films need", "av", "av (PyAV)", "video")


def open_film(path: str | os.PathLike[str], *, frame_rate: float = 25.0) -> Film:
    """Opens a film and looks at its first frame.

    A video file is turned upright and its pixels are made square; BT.601, BT.709 and BT.2020 in full or limited range
    become sRGB. Where a file does not say which of them, BT.709 is taken from 720 rows on, as players do.

    Args:
        path: a video file, a GIF or an animated WebP, or a folder of pictures, which are taken in the order of their
            names, numbers by their value.
        frame_rate: frames a second of a folder.

    Raises:
        VideoError: no such file, no pictures in it, damaged from its start on, or HDR.
        NstError: PyAV is not installed.
    """
    source = pathlib.Path(path)
    try:
        if not source.exists():
            raise _unreadable(source, "no such file", "Check the path.")
        if source.is_dir():
            return _open_folder(source, frame_rate)
        if not source.is_file():
            raise _unreadable(source, "a device or a pipe", "Save it to a file.")
        with open(source, "rb") as file:
            head = file.read(12)
    except (OSError, ValueError) as error:
        if isinstance(error, errors.NstError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(source, reason, "Check the path and the file's permissions.") from error
    if animations.is_animation(head):
        return _open_animation(source)
    check_installed()
    from nst_tf.video import decoding  # imports PyAV

    return decoding.open_video(source)


def sha256(film: Film) -> str:
    """Of a film's file, read piece by piece; of a folder, of its files' names, sizes and times."""
    path = pathlib.Path(film.path)
    digest = hashlib.sha256()
    if path.is_dir():
        for picture in _pictures_in(path):
            about = picture.stat()
            digest.update(f"{picture.name} {about.st_size} {about.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    with open(path, "rb") as file:
        while part := file.read(_HASHED_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _open_folder(folder: pathlib.Path, frame_rate: float) -> Film:
    paths = _pictures_in(folder)
    if not paths:
        raise _unreadable(folder, "a folder without pictures", f"Put frames as {', '.join(images.SUFFIXES)} into it.")
    first = _folder_picture(paths[0])
    rate = Fraction(frame_rate).limit_denominator(1001)
    note = "transparent parts lie on white" if first.alpha is not None else None

    def read(height_px: int, width_px: int, skip: int, on_message: messages.OnMessage) -> Iterator[Frame]:
        for number, path in enumerate(paths[skip:], skip):
            picture = _folder_picture(path)
            if (picture.height_px, picture.width_px) != (first.height_px, first.width_px):
                raise errors.VideoError(
                    f"{path}: every frame must have the size of the first, {first.width_px} x {first.height_px} px. "
                    f"Received: {picture.width_px} x {picture.height_px} px. Scale it, or take it out of the folder."
                )
            yield Frame(images.resize(picture.pixels, height_px, width_px)[0], number, 1)

    return Film(
        path=str(folder),
        height_px=first.height_px,
        width_px=first.width_px,
        count=len(paths),
        time_base=1 / rate,
        frame_rate=rate,
        notes=(note,) if note else (),
        read=read,
    )


def _open_animation(path: pathlib.Path) -> Film:
    about = animations.describe(path)

    def read(height_px: int, width_px: int, skip: int, on_message: messages.OnMessage) -> Iterator[Frame]:
        time_ms = 0
        for number, (pixels, duration_ms) in enumerate(animations.frames(path, on_message)):
            if number >= skip:
                yield Frame(images.resize(pixels, height_px, width_px)[0], time_ms, duration_ms)
            time_ms += duration_ms

    return Film(
        path=str(path),
        height_px=about.height_px,
        width_px=about.width_px,
        count=about.frames,
        time_base=Fraction(1, 1000),
        frame_rate=Fraction(1000, about.duration_ms),
        notes=("transparent parts lie on white",) if about.has_alpha else (),
        read=read,
    )


def _pictures_in(folder: pathlib.Path) -> list[pathlib.Path]:
    pictures = (path for path in folder.iterdir() if path.suffix.lower() in images.SUFFIXES)
    return sorted((path for path in pictures if not path.name.startswith(".")), key=_natural)


def _folder_picture(path: pathlib.Path) -> images.Picture:
    try:
        return images.load(path)
    except errors.ImageError as error:
        raise errors.VideoError(f"{error}") from error


def _natural(path: pathlib.Path) -> list[tuple[bool, int, str]]:
    """A key under which frame10 follows frame9."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _unreadable(path: pathlib.Path, received: str, fix: str) -> errors.VideoError:
    return errors.VideoError(
        f"{path}: a film must be a video file, a GIF, an animated WebP or a folder of pictures. Received: {received}. "
        f"{fix}"
    )

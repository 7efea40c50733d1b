"""Video files to upright sRGB frames, by PyAV: times, rotation, colour range, damage."""

import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation

from nst_tf import errors, messages
from nst_tf.pictures import images
from nst_tf.video import frames

_HD_ROWS = 720  # from which on an unnamed matrix is BT.709's
_HDR = {ColorTrc.SMPTE2084: "HDR (PQ)", ColorTrc.ARIB_STD_B67: "HDR (HLG)"}
_MATRICES = {  # ITU-T H.273, table 4 -> swscale's
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_BT2020_PRIMARIES = 9
_MISSING_S = 0.5  # of a film's end, from which on it counts as cut off: containers round their durations
_USUAL_RATE = Fraction(25)


def open_video(path: pathlib.Path) -> frames.Film:
    """Opens a video file and decodes its first frame; see `frames.open_film`.

    Raises:
        VideoError: not a video file, without a video stream, HDR, or no frame can be decoded.
    """
    with _opened(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        first = next(_decoded(container, stream, _Damage()), None)
        if first is None:
            raise errors.VideoError(
                f"{path}: a film must have frames that can be decoded. Received: a {stream.codec_context.name} stream "
                "without one; the file may be cut off. Copy or convert it again."
            )
        _check_colours(first, path)
        turns = _quarter_turns(first)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        height_px, width_px = first.height, max(1, round(first.width * (aspect if aspect > 0 else 1)))
        if turns % 2:
            height_px, width_px = width_px, height_px
        if height_px * width_px > images.MAX_PIXELS:
            raise errors.VideoError(
                f"{path}: a frame has at most {images.MAX_PIXELS} pixels. Received: {width_px} x {height_px}. Scale "
                "the film down."
            )
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        time_base = stream.time_base or 1 / rate
        seconds = _seconds(container, stream)
        count = stream.frames or (round(seconds * rate) if seconds else None)
        subtitles = [other for other in container.streams if other.type == "subtitle"]
        audio = tuple(_codec(other) for other in container.streams.audio)
        notes = _notes(first, stream, aspect, len(subtitles))

    def read(height_px: int, width_px: int, skip: int, on_message: messages.OnMessage) -> Iterator[frames.Frame]:
        with _opened(path) as container:
            stream = _video_stream(container, path)
            stream.thread_type = "AUTO"
            damage = _Damage()
            clock = _Clock(time_base, rate)
            number = -1
            for number, frame in enumerate(_decoded(container, stream, damage)):
                time, duration = clock.tick(frame)
                if number >= skip:
                    yield frames.Frame(_pixels(frame, height_px, width_px, turns), time, duration)
            reached = float((clock.time + clock.duration) * time_base)
            for line in _told(damage, number + 1, reached, seconds, path):
                on_message(line)

    return frames.Film(
        path=str(path),
        height_px=height_px,
        width_px=width_px,
        count=count,
        time_base=time_base,
        frame_rate=Fraction(rate),
        audio=audio,
        notes=notes,
        read=read,
    )


def first_time_s(path: str) -> Fraction:
    """When the first frame is shown, on the clock of the file's sound."""
    with _opened(pathlib.Path(path)) as container:
        stream = _video_stream(container, pathlib.Path(path))
        first = next(_decoded(container, stream, _Damage()), None)
        if first is None or first.pts is None or first.time_base is None:
            return Fraction(0)
        return Fraction(first.pts * first.time_base)


class _Damage:
    """What went wrong while a film was decoded."""

    def __init__(self) -> None:
        self.packets = 0  # that could not be decoded
        self.concealed = 0  # frames that the decoder calls corrupt
        self.ended: str | None = None  # why reading ended before the file's end


class _Clock:
    """The times of frames: they increase, whatever the file says."""

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        self._usual = max(1, round(1 / (rate * time_base)))
        self._base = time_base
        self._first: int | None = None
        self.time = -1
        self.duration = self._usual

    def tick(self, frame: Any) -> tuple[int, int]:
        """Time and duration of the next frame, in units of the time base."""
        time = self.time + self.duration if self.time >= 0 else 0
        if frame.pts is not None:
            pts = frame.pts
            if frame.time_base and frame.time_base != self._base:
                pts = round(pts * frame.time_base / self._base)
            self._first = pts - max(time, 0) if self._first is None else self._first
            time = pts - self._first
        self.time = max(time, self.time + 1)
        self.duration = max(1, int(frame.duration or self._usual))
        return self.time, self.duration


def _opened(path: pathlib.Path) -> Any:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise errors.VideoError(
            f"{path}: a film must be a video file, a GIF, an animated WebP or a folder of pictures. Received: "
            f"{errors.one_line(reason)}. If it is a film, it may be cut off before its index: copy it again."
        ) from error


def _video_stream(container: Any, path: pathlib.Path) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                continue
            return stream
    what = ", ".join(sorted({stream.type for stream in container.streams})) or "no streams"
    raise errors.VideoError(
        f"{path}: a film must have a video stream. Received: {what} only. Name a file with moving pictures."
    )


def _codec(stream: Any) -> str:
    return "an unknown codec" if stream.codec_context is None else str(stream.codec_context.name)


def _decoded(container: Any, stream: Any, damage: _Damage) -> Iterator[Any]:
    """The frames that can be decoded, in order of their times; what fails on the way is counted."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            damage.ended = errors.one_line(getattr(error, "strerror", None) or error)
            packet = None
        try:
            decoded = stream.decode(packet) if packet is not None else stream.decode(None)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            damage.packets += 1
            decoded = []
        for frame in decoded:
            damage.concealed += bool(frame.is_corrupt)
            yield frame
        if packet is None or (packet.dts is None and packet.size == 0):
            return


def _pixels(frame: Any, height_px: int, width_px: int, turns: int) -> np.ndarray:
    """A frame as float32 [H, W, 3] at a size, upright."""
    if turns % 2:
        height_px, width_px = width_px, height_px
    deep = _bits(frame) > 8
    is_rgb = frame.format.is_rgb
    array = frame.to_ndarray(
        format="rgb48le" if deep else "rgb24",
        width=width_px,
        height=height_px,
        src_colorspace=None if is_rgb else _matrix(frame),
        dst_colorspace=None if is_rgb else Colorspace.ITU709,  # of RGB: any, it has no matrix
        src_color_range=ColorRange.JPEG if is_rgb or _is_full_range(frame) else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
    )
    pixels = array.astype(np.float32) / np.float32(65535 if deep else 255)
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _matrix(frame: Any) -> Colorspace:
    guess = Colorspace.ITU709 if frame.height >= _HD_ROWS else Colorspace.ITU601
    return _MATRICES.get(int(frame.colorspace), guess)


def _is_full_range(frame: Any) -> bool:
    return int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _bits(frame: Any) -> int:
    return max((component.bits for component in frame.format.components), default=8)


def _quarter_turns(frame: Any) -> int:
    """Of np.rot90, counter-clockwise, that show the frame upright."""
    return round((frame.rotation or 0) / 90) % 4


def _check_colours(frame: Any, path: pathlib.Path) -> None:
    transfer = int(frame.color_trc)
    if transfer in _HDR:
        raise errors.VideoError(
            f"{path}: a film must have standard dynamic range. Received: {_HDR[ColorTrc(transfer)]}. Convert it to "
            "BT.709 first, with the tone mapping of a video editor."
        )


def _notes(frame: Any, stream: Any, aspect: Fraction, subtitles: int) -> tuple[str, ...]:
    notes = []
    if _bits(frame) > 8:
        notes.append(f"{_bits(frame)} bits a channel are read, 8 are written")
    if int(frame.color_primaries) == _BT2020_PRIMARIES:
        notes.append("the primaries of BT.2020 were taken as sRGB's: colours are paler")
    if frame.interlaced_frame:
        notes.append("interlaced: the lines of two moments are drawn as one picture")
    if aspect not in (0, 1):
        notes.append(f"its pixels are {aspect.numerator}:{aspect.denominator}; the result's are square")
    if subtitles:
        notes.append(f"{subtitles} subtitle track{'s' if subtitles > 1 else ''} left out")
    return tuple(notes)


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _told(damage: _Damage, count: int, reached_s: float, seconds: float | None, path: pathlib.Path) -> Iterator[str]:
    if damage.packets or damage.concealed:
        yield f"{path}: {damage.packets + damage.concealed} damaged places; what could be decoded was taken"
    if damage.ended or (seconds and reached_s < seconds - _MISSING_S):
        rest = f"the rest, to {seconds:.1f} s, is missing" if seconds else "the rest is missing"
        reason = f" ({damage.ended})" if damage.ended else ""
        yield f"{path}: {count} frames, {reached_s:.1f} s, could be decoded{reason} and are kept; {rest}"

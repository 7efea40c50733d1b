"""Segments of a film on disk, and the finished film from them: a video file, a GIF, a WebP, or a folder of pictures.

A segment of a video file is encoded once and for all; joining copies its packets, and those of the sound, as they are.
"""

import contextlib
import heapq
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from nst_tf import configs, errors, files
from nst_tf.pictures import images
from nst_tf.video import decoding, frames, parts

CONTAINERS = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska", ".mov": "mov"}
ANIMATIONS = {".gif": "gif", ".webp": "webp"}
FRAME_SUFFIX = ".png"

Write = Callable[[np.ndarray, int, int], None]  # pixels [H, W, 3] in [0, 1], time, duration


class _Encoder(NamedTuple):
    name: str  # FFmpeg's
    crf: int
    options: dict[str, str]
    pixel_format: str = "yuv420p"


_ENCODERS = {
    "vp9": _Encoder("libvpx-vp9", 24, {"deadline": "good", "cpu-used": "4", "row-mt": "1"}),
    "av1": _Encoder("libsvtav1", 28, {"preset": "8"}),
    # Without B-frames, so that a packet's place is its time and segments can follow each other.
    "h264": _Encoder("libx264", 18, {"preset": "medium", "bf": "0"}),
}
_LOSSLESS = _Encoder("ffv1", 0, {}, "bgr0")  # of the segments of an animation
_SEGMENT = "nut"  # a container that takes every codec and every time base
_H264_NOTE = "h264 is encoded by x264, which is under the GPL; patents may cover what you do with it"
_GIF_UNIT, _WEBP_UNIT = Fraction(1, 100), Fraction(1, 1000)  # s
_GIF_LEAST = 2  # units that a frame takes; browsers show shorter ones slowly
_WEBP_QUALITY = "90"


class Plan(NamedTuple):
    """How a film will be written."""

    output: str
    suffix: str  # empty for a folder
    codec: str  # a key of `configs.video.CODECS`; empty unless a video file
    crf: int
    height_px: int
    width_px: int
    time_base: Fraction
    frame_rate: Fraction
    copies_audio: bool
    notes: tuple[str, ...]

    @property
    def is_video(self) -> bool:
        """Whether it becomes a video file."""
        return self.suffix in CONTAINERS


def plan(
    output: str | os.PathLike[str],
    film: frames.Film,
    height_px: int,
    width_px: int,
    config: configs.VideoConfig,
) -> Plan:
    """Finds out before any work how a film will be written.

    Args:
        output: .mp4, .webm, .mkv or .mov for a video file, .gif or .webp for an animation, no suffix for a folder of
            pictures.
        film: that is read.
        height_px: of the frames.
        width_px: the same.
        config: codec, crf and audio.

    Raises:
        OutputError: an unknown suffix, a codec or a sound that the container cannot hold, or a path that cannot be
            written.
    """
    suffix = pathlib.Path(output).suffix.lower()
    known = (*CONTAINERS, *ANIMATIONS)
    if suffix and suffix not in known:
        raise errors.OutputError(
            f"{os.fspath(output)}: a film's suffix must be one of {', '.join(known)}, or none for a folder of "
            f"pictures. Received: {suffix}. Change the name.{errors.did_you_mean(suffix, known)}"
        )
    _check_place(output, suffix)
    codec, crf = ("", 0)
    copies_audio = bool(film.audio) and config.audio == "copy" and suffix in CONTAINERS
    notes = []
    if suffix in CONTAINERS:
        held = _held_by(CONTAINERS[suffix])
        codec = _codec(output, suffix, config, held)
        crf = _ENCODERS[codec].crf if config.crf is None else config.crf
        if copies_audio:
            _check_audio(output, suffix, film.audio, held)
        if codec == "h264":
            notes.append(_H264_NOTE)
        if height_px % 2 or width_px % 2:
            notes.append("an odd side gets one more row or column, since colours are stored for pairs")
    elif film.audio and config.audio == "copy":
        notes.append("the sound stays out, since only video files hold it")
    return Plan(
        os.fspath(output), suffix, codec, crf, height_px, width_px, film.time_base, film.frame_rate, copies_audio,
        tuple(notes),
    )  # fmt: skip


@contextlib.contextmanager
def segment(plan: Plan, path: pathlib.Path, first: int) -> Iterator[Write]:
    """A segment to write in a block. It is there when the block ends well, and not at all otherwise.

    Args:
        plan: of the film.
        path: of the segment's file; not used for a folder, whose pictures are written in place.
        first: the number of the first frame.

    Raises:
        OutputError: it cannot be written.
    """
    if not plan.suffix:
        yield _picture_writer(plan, first)
        return
    encoder = _ENCODERS[plan.codec] if plan.is_video else _LOSSLESS
    options = dict(encoder.options)
    if plan.is_video:
        options["crf"] = str(plan.crf)
    with files.replacing(path) as file, _muxing(file, _SEGMENT) as container:
        stream = container.add_stream(encoder.name, rate=plan.frame_rate, options=options)
        padded = (plan.height_px + plan.height_px % 2, plan.width_px + plan.width_px % 2)
        height_px, width_px = padded if plan.is_video else (plan.height_px, plan.width_px)
        stream.height, stream.width, stream.pix_fmt = height_px, width_px, encoder.pixel_format
        context = stream.codec_context
        context.time_base = plan.time_base
        stream.time_base = plan.time_base
        if plan.is_video:
            context.bit_rate = 0
            context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
            context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709

        def write(pixels: np.ndarray, time: int, duration: int) -> None:
            frame = _frame(pixels, height_px, width_px)
            if plan.is_video:
                frame = frame.reformat(
                    format=encoder.pixel_format,
                    dst_colorspace=Colorspace.ITU709,
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                    dst_color_trc=ColorTrc.BT709,
                    dst_color_primaries=ColorPrimaries.BT709,
                )
            else:
                frame = frame.reformat(format=encoder.pixel_format)
            frame.pts, frame.time_base, frame.duration = time, plan.time_base, duration
            container.mux(stream.encode(frame))

        yield write
        container.mux(stream.encode(None))


def join(plan: Plan, segments: Sequence[pathlib.Path], end: int, source: str) -> None:
    """Writes the film from its segments.

    Args:
        plan: of the film.
        segments: in order.
        end: when the last frame ends, in units of the plan's time base.
        source: the film that was read, for its sound.

    Raises:
        OutputError: it cannot be written; nothing half-written is left.
    """
    if plan.is_video:
        _join_video(plan, segments, end, source)
    elif plan.suffix == ".gif":
        _join_animation(plan, segments, end, _gif_stream, _GIF_UNIT)
    elif plan.suffix == ".webp":
        _join_animation(plan, segments, end, _webp_stream, _WEBP_UNIT)


def _check_place(output: str | os.PathLike[str], suffix: str) -> None:
    if suffix:
        files.check_writable(output)
        return
    folder = pathlib.Path(output)
    files.check_writable(folder / f"000001{FRAME_SUFFIX}")
    if folder.is_dir() and any(folder.iterdir()) and not parts.folder_of(folder).exists():
        raise errors.OutputError(
            f"{folder}: a folder for frames must be new or empty, or of an unfinished film. Received: one with other "
            "files. Name another folder."
        )


def _held_by(container: str) -> set[str]:
    with av.open(io.BytesIO(), "w", format=container) as probe:
        held = set(probe.supported_codecs)
    return held - {"vp9", "av1"} if container == "mov" else held  # which it lists, and refuses to write


def _codec(output: str | os.PathLike[str], suffix: str, config: configs.VideoConfig, held: set[str]) -> str:
    codec = "vp9" if config.codec == "auto" else config.codec
    if codec in held:
        return codec
    holders = ", ".join(other for other, name in CONTAINERS.items() if codec in _held_by(name))
    others = [f"--codec={other}" for other in _ENCODERS if other in held]
    raise errors.OutputError(
        f"{os.fspath(output)}: the container must hold the codec. Received: {codec} for {suffix}. "
        f"Use {', '.join([holders, *others])}."
    )


def _check_audio(output: str | os.PathLike[str], suffix: str, audio: Sequence[str], held: set[str]) -> None:
    foreign = [codec for codec in audio if codec not in held]
    if foreign:
        holders = [other for other, name in CONTAINERS.items() if other != suffix and set(audio) <= _held_by(name)]
        fix = f"Use {', '.join(holders)}, or" if holders else "Use"
        raise errors.OutputError(
            f"{os.fspath(output)}: the sound is copied as it is, so the container must hold it. Received: "
            f"{', '.join(foreign)} for {suffix}. {fix} --audio=none."
        )


def _picture_writer(plan: Plan, first: int) -> Write:
    numbers = iter(range(first + 1, 2**62))

    def write(pixels: np.ndarray, time: int, duration: int) -> None:
        images.save(pathlib.Path(plan.output) / f"{next(numbers):06}{FRAME_SUFFIX}", pixels)

    return write


def _frame(pixels: np.ndarray, height_px: int, width_px: int) -> Any:
    levels = np.rint(pixels * np.float32(255)).astype(np.uint8)
    missing = (height_px - levels.shape[0], width_px - levels.shape[1])
    if any(missing):
        levels = np.pad(levels, [(0, missing[0]), (0, missing[1]), (0, 0)], "edge")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")


@contextlib.contextmanager
def _muxing(file: BinaryIO, container: str, options: dict[str, str] | None = None) -> Iterator[Any]:
    """A container on a file; what the file refuses is raised as its own OSError, not as FFmpeg's."""
    muxer = av.open(file, "w", format=container, options=options or {})
    try:
        yield muxer
        muxer.close()
    except BaseException:
        with contextlib.suppress(Exception):
            muxer.close()
        raise


def _join_video(plan: Plan, segments: Sequence[pathlib.Path], end: int, source: str) -> None:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(files.replacing(plan.output))
        first = stack.enter_context(av.open(str(segments[0])))
        sound = stack.enter_context(av.open(source)) if plan.copies_audio else None
        options = {"video_track_timescale": str(plan.time_base.denominator)} if plan.suffix in (".mp4", ".mov") else {}
        output = stack.enter_context(_muxing(file, CONTAINERS[plan.suffix], options))
        pictures = output.add_stream_from_template(first.streams.video[0], opaque=True)
        pictures.time_base = plan.time_base
        tracks = {}
        for track in sound.streams.audio if sound else ():
            tracks[track.index] = output.add_stream_from_template(track, opaque=True)
        queues = [_timed(_pictures(segments, pictures, plan, end))]
        if sound:
            queues.append(_timed(_sound(sound, tracks, decoding.first_time_s(source), end * plan.time_base)))
        for _, _, packet in heapq.merge(*queues, key=lambda item: item[:2]):
            output.mux(packet)


def _timed(packets: Iterator[Any]) -> Iterator[tuple[float, int, Any]]:
    for packet in packets:
        yield (
            float((packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base),
            packet.stream.index,
            packet,
        )


def _pictures(segments: Sequence[pathlib.Path], stream: Any, plan: Plan, end: int) -> Iterator[Any]:
    """The packets of all segments; the last one lasts to the film's end."""
    held = None
    for path in segments:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size == 0:
                    continue
                packet.pts, packet.dts = (
                    None if value is None else round(value * packet.time_base / plan.time_base)
                    for value in (packet.pts, packet.dts)
                )
                packet.time_base = plan.time_base
                packet.stream = stream
                if held is not None:
                    held.duration = max(1, packet.dts - held.dts)
                    yield held
                held = packet
    if held is not None:
        held.duration = max(1, end - held.pts)
        yield held


def _sound(container: Any, tracks: dict[int, Any], start_s: Fraction, length_s: Fraction) -> Iterator[Any]:
    """The packets of the sound, from the first frame to the end of the last one."""
    ended: set[int] = set()
    packets = container.demux(*(container.streams[index] for index in tracks))
    while len(ended) < len(tracks):
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):  # the film is cut off here, which reading its frames has told
            return
        if packet is None:
            return
        if packet.size == 0 or packet.pts is None or packet.dts is None:
            continue
        shift = round(start_s / packet.time_base)
        if (packet.pts - shift) * packet.time_base >= length_s:
            ended.add(packet.stream.index)
            continue
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts + 2 * (packet.duration or 0) <= 0:  # one packet before the first frame warms the decoder up
            continue
        packet.stream = tracks[packet.stream.index]
        yield packet


def _join_animation(
    plan: Plan, segments: Sequence[pathlib.Path], end: int, start: Callable[[Any, Plan], Any], unit: Fraction
) -> None:
    with files.replacing(plan.output) as file, _muxing(file, ANIMATIONS[plan.suffix], {"loop": "0"}) as output:
        encode = start(output, plan)
        for frame, time, duration in _in_units(_lossless(segments), plan, end, unit):
            frame.pts, frame.time_base, frame.duration = time, unit, duration
            for packet in encode(frame):
                packet.duration = duration
                output.mux(packet)
        output.mux(encode(None))


def _lossless(segments: Sequence[pathlib.Path]) -> Iterator[Any]:
    for path in segments:
        with av.open(str(path)) as container:
            yield from container.decode(video=0)


def _in_units(decoded: Iterator[Any], plan: Plan, end: int, unit: Fraction) -> Iterator[tuple[Any, int, int]]:
    """Frames with times and durations in units, which increase by at least `_GIF_LEAST` hundredths of a second."""
    least = max(1, round(_GIF_LEAST * _GIF_UNIT / unit))
    held, time = None, -least
    for frame in decoded:
        following = max(round(frame.pts * frame.time_base / unit), time + least)
        if held is not None:
            yield held, time, following - time
        held, time = frame, following
    if held is not None:
        yield held, time, max(round(end * plan.time_base / unit) - time, least)


def _gif_stream(output: Any, plan: Plan) -> Callable[[Any], Any]:
    """Each frame has 256 colours of its own; an ordered dither stays where it is, where others would boil."""
    stream = output.add_stream("gif", rate=plan.frame_rate)
    stream.height, stream.width, stream.pix_fmt = plan.height_px, plan.width_px, "pal8"
    stream.codec_context.time_base = _GIF_UNIT
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=plan.width_px, height=plan.height_px, format=av.VideoFormat("bgr0"), time_base=_GIF_UNIT
    )
    split, sink = graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3:diff_mode=none")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()

    def encode(frame: Any) -> list[Any]:
        if frame is None:
            return list(stream.encode(None))
        time, duration = frame.pts, frame.duration
        graph.push(frame)
        mapped = graph.pull()
        mapped.pts, mapped.time_base, mapped.duration = time, _GIF_UNIT, duration
        return list(stream.encode(mapped))

    return encode


def _webp_stream(output: Any, plan: Plan) -> Callable[[Any], Any]:
    stream = output.add_stream("libwebp", rate=plan.frame_rate, options={"quality": _WEBP_QUALITY})
    stream.height, stream.width, stream.pix_fmt = plan.height_px, plan.width_px, "bgra"
    stream.codec_context.time_base = _WEBP_UNIT

    def encode(frame: Any) -> list[Any]:
        if frame is None:
            return list(stream.encode(None))
        time, duration = frame.pts, frame.duration
        converted = frame.reformat(format="bgra")
        converted.pts, converted.time_base, converted.duration = time, _WEBP_UNIT, duration
        return list(stream.encode(converted))

    return encode

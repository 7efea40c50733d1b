"""Small films: a smooth pattern that moves two pixels a frame over a still ground, as arrays and as files."""

import functools
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from nst_tf import configs, results

HEIGHT, WIDTH = 48, 64
SHIFT_PX = 2


@functools.cache
def _pattern():
    generator = np.random.default_rng(0)
    y, x = np.mgrid[: HEIGHT + 64, : WIDTH + 64].astype(np.float32)
    waves = [np.sin(x * a + y * b + c) for a, b, c in zip(*(generator.uniform(0.1, 0.6, [3, 12])), strict=True)]
    return np.stack([0.5 + 0.08 * sum(waves[part::3]) for part in range(3)], -1).clip(0, 1).astype(np.float32)


def frame(number, height=HEIGHT, width=WIDTH):
    """float32 [H, W, 3]: the pattern, `SHIFT_PX` px further to the left than in the frame before."""
    left = SHIFT_PX * number
    return np.ascontiguousarray(_pattern()[:height, left : left + width])


def write(
    path,
    pictures,
    *,
    times=None,
    codec="mpeg4",
    pixel_format="yuv420p",
    rotation=0,
    full_range=False,
    transfer=None,
    audio=None,
    container=None,
):
    """Writes a film; times are in ms, 40 each unless given; audio is the name of an encoder."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, 1000)
        context.bit_rate = 4_000_000
        matrix = Colorspace.ITU601
        context.colorspace = matrix
        context.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
        if transfer is not None:
            context.color_trc = transfer
        if rotation:
            stream.set_display_rotation(rotation)
        track = output.add_stream(audio, rate=48000) if audio else None
        for number, picture in enumerate(pictures):
            levels = np.rint(picture * 255).astype(np.uint8)
            made = av.VideoFrame.from_ndarray(levels, format="rgb24").reformat(
                format=pixel_format,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            )
            made.pts = times[number] if times else number * 40
            made.time_base = context.time_base
            output.mux(stream.encode(made))
        output.mux(stream.encode(None))
        if track is not None:
            _mux_tone(output, track, len(pictures) * 0.04)
    return path


def write_sound(path, seconds=0.2):
    """Writes a file of sound alone."""
    with av.open(str(path), "w") as output:
        _mux_tone(output, output.add_stream("aac", rate=48000), seconds)
    return path


def _mux_tone(output, track, seconds):
    tone = np.sin(np.arange(round(seconds * 48000)) * 0.05).astype(np.float32)
    made = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
    made.sample_rate, made.pts, made.time_base = 48000, 0, Fraction(1, 48000)
    fifo = av.AudioFifo()
    fifo.write(made)
    for part in [*fifo.read_many(1024), fifo.read()]:
        if part is not None:
            output.mux(track.encode(part))
    output.mux(track.encode(None))


def packets(path, kind):
    """The bytes and the times in s of the packets of a film's pictures or sound."""
    with av.open(str(path)) as container:
        return [
            (bytes(packet), float(packet.pts * packet.time_base))
            for packet in container.demux(getattr(container.streams, kind)[0])
            if packet.size
        ]


class Result(results.Result):
    """Of the method below."""

    method = "tiny"


class Engine:
    """A method of one's own, without a network: the negative, under stripes that depend on the picture's values."""

    config = configs.MultiStyleConfig()

    def __call__(self, content, style, *, on_message=print):
        on_message("drawing")
        stripes = np.where(np.sin(content.mean(axis=-1, keepdims=True) * 20) > 0, np.float32(0.1), np.float32(-0.1))
        image = (1 - content + stripes).clip(0, 1)[np.newaxis]
        return Result(
            image=image, alpha=None, config=self.config, seconds=0.0, precision="float32", network={}, inputs=()
        )

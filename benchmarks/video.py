"""What keeping a film steady costs and gains: flicker, sharpness and seconds of each part.

    python -m benchmarks.video --clip=flower.mp4 --frames=36 --size=480

Every row draws the same frames by the network for many styles. `average` is a running mean of the drawn frames without
flow; `prototype` warps bilinearly, blends and gives no contrast back; the others are `video.Stabiliser`. Nothing is
encoded. Flow, reliability and the steady photographs are timed as one.
"""

import itertools
import time

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.evaluation import flicker
from nst_tf.networks import multi_style_transfer
from nst_tf.pictures import flow
from nst_tf.video import frames, steady

_CLIP = flags.DEFINE_string("clip", None, "the film", required=True)
_STYLE = flags.DEFINE_string("style", "style:19", "a learned style")
_FRAMES = flags.DEFINE_integer("frames", 36, "frames from the film's start")
_SIZE = flags.DEFINE_integer("size", 480, "long side in px")
_STABILITIES = flags.DEFINE_list("stabilities", ["0.5", "0.7", "0.8", "0.9"], "rows of the stabiliser")


def main(_):
    film = frames.open_film(_CLIP.value)
    photographs = [frame.pixels for frame, _ in zip(film.frames(_SIZE.value), range(_FRAMES.value), strict=False)]
    engine = multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(max_side_px=_SIZE.value))

    def draw(photograph):
        return engine(photograph, _STYLE.value, on_message=lambda line: None).image[0]

    draw(photographs[0])
    alone, seconds = timed(draw, photographs)
    print("| frames | flicker | sharpness | s/frame: network | flow, steady photographs | blending | share |")
    print("|---|---|---|---|---|---|---|")
    row("the photographs", photographs, photographs)
    row("one by one", alone, photographs, seconds)
    for decay in (0.5, 0.8):
        row(f"average {decay}, no flow", averaged(alone, decay), photographs)
    motions = [None, *(flow.between(after, before) for before, after in itertools.pairwise(photographs))]
    calm = [draw(picture.clip(0, 1)) for picture in recursion(photographs, motions, 0.8)]
    row("prototype 0.5", recursion(calm, motions, 0.5), photographs)
    row("prototype 0.8", recursion(calm, motions, 0.8), photographs)
    for stability in map(float, _STABILITIES.value):
        row(f"stability {stability}", *steadied(stability, photographs, draw))


def timed(function, arguments):
    """The results, and the mean seconds of a call."""
    began = time.perf_counter()
    results = [function(argument) for argument in arguments]
    return results, (time.perf_counter() - began) / len(results)


def steadied(stability, photographs, draw):
    """The film of a stabiliser, the photographs, and the mean seconds of network, flow and blending."""
    stabiliser = steady.Stabiliser(stability)
    film, seconds = [], np.zeros(3)
    for photograph in photographs:
        times = [time.perf_counter()]
        calm = stabiliser.steadied(photograph)
        times.append(time.perf_counter())
        drawn = draw(calm)
        times.append(time.perf_counter())
        film.append(stabiliser.blended(drawn))
        times.append(time.perf_counter())
        seconds += np.diff(times)[[1, 0, 2]]
    return film, photographs, *(seconds / len(photographs))


def averaged(drawn, decay):
    """A running mean."""
    film = [drawn[0]]
    for frame in drawn[1:]:
        film.append(decay * film[-1] + (1 - decay) * frame)
    return film


def recursion(drawn, motions, stability):
    """Frames blended with the warped one before, bilinearly."""
    film = [drawn[0]]
    for frame, motion in zip(drawn[1:], motions[1:], strict=True):
        weight = stability * motion.reliable[..., np.newaxis]
        film.append(weight * flow.warped(film[-1], motion.backward, sharp=False) + (1 - weight) * frame)
    return film


def row(name, film, photographs, network=None, of_flow=None, blending=None):
    measured = flicker.steadiness(film, photographs)
    texts = ["" if value is None else f"{value:.4f}" for value in (network, of_flow, blending)]
    share = "" if of_flow is None else f"{(of_flow + blending) / network:.0%}"
    print(f"| {name} | {measured.flicker:.4f} | {measured.sharpness:.1f} | {' | '.join(texts)} | {share} |", flush=True)


if __name__ == "__main__":
    app.run(main)

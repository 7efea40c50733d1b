"""What keeping a film steady costs and gains: flicker, sharpness and the processor's seconds of each part.

    python -m benchmarks.video --clip=flower.mp4 --frames=36 --size=480

Every row draws the same frames by the network for many styles. `average` is a running mean of the drawn frames without
flow; `prototype` warps bilinearly, blends and gives no contrast back; the others are `video.Stabiliser`. Nothing is
encoded. Seconds are those of all cores together (`time.process_time`), which other work on the machine hardly changes:
of the network, of the flow in both directions with its masks, and of all that the stabiliser does, flow included.

Ghost says how much of older frames shows where things move: f are frames drawn by themselves, y those of the film, all
under a Gaussian that hides strokes. Ghost is the share g for which g (f_earlier - f) is nearest to y - f, by least
squares over the pixels where the photographs differ; f_earlier is one to three frames older and is not moved along the
flow. At 0 nothing of it shows; an average without flow at 0.8 has 0.7. "Moving" and "still" are the mean of |y - f|
where the photographs differ from the one before and where not, in grey levels: what is blurred in the first and not in
the second is a haze.
"""

import functools
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
GHOST_SIGMA_PX = 1.5  # of the Gaussian that hides strokes
MOVING = 0.06  # from this difference of two photographs on, of 1, smoothed by a pixel, something moves
STILL = 0.01  # up to this difference, smoothed by two pixels, nothing does
LAGS = (1, 2, 3)  # frames

_STABILITIES = flags.DEFINE_list("stabilities", ["0.5", "0.6", "0.7", "0.8", "0.85", "0.9"], "rows of the stabiliser")


def main(_):
    film = frames.open_film(_CLIP.value)
    photographs = [frame.pixels for frame, _ in zip(film.frames(_SIZE.value), range(_FRAMES.value), strict=False)]
    engine = multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(max_side_px=_SIZE.value))

    def draw(photograph):
        return engine(photograph, _STYLE.value, on_message=lambda line: None).image[0]

    draw(photographs[0])
    flow.between(photographs[1], photographs[0])
    columns = "frames | flicker | sharpness | ghost | moving, still | CPU s a frame: network | flow and masks"
    print(f"| {columns} | stabiliser | shares |\n|{'---|' * 9}")
    alone, of_network = timed(draw, photographs)
    row = functools.partial(print_row, photographs=photographs, alone=alone)
    row("one by one", alone, of_network=of_network)
    for decay in (0.5, 0.8):
        row(f"average {decay}, no flow", averaged(alone, decay))
    motions, of_flow = timed(lambda pair: flow.between(pair[1], pair[0]), list(itertools.pairwise(photographs)))
    calm = [draw(picture.clip(0, 1)) for picture in recursion(photographs, motions, 0.8)]
    row("prototype 0.5", recursion(calm, motions, 0.5))
    row("prototype 0.8", recursion(calm, motions, 0.8))
    for stability in map(float, _STABILITIES.value):
        drawn, of_network, of_stabiliser = steadied(stability, photographs, draw)
        row(f"stability {stability}", drawn, of_network=of_network, of_flow=of_flow, of_stabiliser=of_stabiliser)


def timed(function, arguments):
    """The results, and the mean seconds of a call."""
    began = time.process_time()
    results = [function(argument) for argument in arguments]
    return results, (time.process_time() - began) / len(results)


def steadied(stability, photographs, draw):
    """The film of a stabiliser, and the mean seconds of the network and of the stabiliser."""
    stabiliser = steady.Stabiliser(stability)
    film, seconds = [], np.zeros(3)
    for photograph in photographs:
        times = [time.process_time()]
        calm = stabiliser.steadied(photograph)
        times.append(time.process_time())
        drawn = draw(calm)
        times.append(time.process_time())
        film.append(stabiliser.blended(drawn))
        times.append(time.process_time())
        seconds += np.diff(times)
    before, network, after = seconds / len(photographs)
    return film, network, before + after


def averaged(drawn, decay):
    """A running mean."""
    film = [drawn[0]]
    for frame in drawn[1:]:
        film.append(decay * film[-1] + (1 - decay) * frame)
    return film


def recursion(drawn, motions, stability):
    """Frames blended with the warped one before, bilinearly."""
    film = [drawn[0]]
    for frame, motion in zip(drawn[1:], motions, strict=True):
        weight = stability * motion.reliable[..., np.newaxis]
        film.append(weight * flow.warped(film[-1], motion.backward, sharp=False) + (1 - weight) * frame)
    return film


def ghosts(film, alone, photographs):
    """How much of older frames shows, and the mean difference to the frames by themselves where things move and not."""
    shown, older, moving, still = 0.0, 0.0, [], []
    for i in range(1, len(film)):
        beyond = flow.smoothed(film[i] - alone[i], GHOST_SIGMA_PX)
        strength = np.abs(beyond).mean(axis=-1) * 255
        for lag in LAGS[:i]:
            moved = flow.smoothed(photographs[i] - photographs[i - lag], 1.0)
            moved = np.abs(moved).mean(axis=-1) > MOVING
            old = flow.smoothed(alone[i - lag] - alone[i], GHOST_SIGMA_PX)
            shown += float((beyond * old)[moved].sum())
            older += float((old * old)[moved].sum())
            if lag == 1:
                moving.append(strength[moved])
        calm = flow.smoothed(np.abs(photographs[i] - photographs[i - 1]).mean(axis=-1), 2.0) < STILL
        still.append(strength[calm])
    return shown / max(older, 1e-9), float(np.concatenate(moving).mean()), float(np.concatenate(still).mean())


def print_row(name, film, *, photographs, alone, of_network=None, of_flow=None, of_stabiliser=None):
    """The measures of a film, and what the parts take of the network's time."""
    measured = flicker.steadiness(film, photographs)
    ghost, moving, still = ghosts(film, alone, photographs)
    cells = [name, f"{measured.flicker:.4f}", f"{measured.sharpness:.1f}", f"{ghost:.3f}", f"{moving:.1f}, {still:.1f}"]
    cells += ["" if value is None else f"{value:.4f}" for value in (of_network, of_flow, of_stabiliser)]
    cells.append("" if of_flow is None else f"{of_flow / of_network:.0%}, {of_stabiliser / of_network:.0%}")
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app.run(main)

"""How much a film flickers, and how sharp it is."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nst_tf import errors
from nst_tf.pictures import flow

_RELIABLE = 0.5  # from this reliability on a pixel counts


class Steadiness(NamedTuple):
    """The measures of a film."""

    flicker: float  # of 1: RMS of the frames against their warped predecessors over reliable pixels
    sharpness: float  # mean over the frames, grey levels of 255
    frames: int
    reliable: float  # the share of pixels that counted


def steadiness(film: Iterable[np.ndarray], photographs: Iterable[np.ndarray], *, fine: bool = False) -> Steadiness:
    """Measures a film by the motion in the photographs that it was made from.

    Each frame is compared with the one before it, moved bilinearly along the flow between the photographs, where that
    flow is reliable; the root of the mean over all such pixels of all frames is the flicker. A pair of frames across a
    cut has hardly any. Sharpness is the standard deviation of the Laplacian.

    Args:
        film: frames, float32 [H, W, 3] in [0, 1].
        photographs: as many, of the same size. The film's own frames would flatter it.
        fine: by fine flow, which small frames need for small things that move.

    Raises:
        VideoError: fewer than two frames.

    Source: the warping error of Ruder et al. 2016, as a root.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    squares, counted, pixels, sharpness = 0.0, 0, 0, []
    for frame, photograph in zip(film, photographs, strict=False):
        if before is not None:
            motion = flow.between(photograph, before[1], fine=fine)
            counts = motion.reliable >= _RELIABLE
            difference = (frame - flow.warped(before[0], motion.backward, sharp=False))[counts]
            squares += float(np.square(difference, dtype=np.float64).sum()) / frame.shape[-1]
            counted += int(counts.sum())
            pixels += counts.size
        sharpness.append(flow.sharpness(frame))
        before = frame, photograph
    if len(sharpness) < 2:
        raise errors.VideoError(
            f"flicker needs at least 2 frames. Received: {len(sharpness)}. Give a longer film, or judge a picture with "
            "--images."
        )
    return Steadiness(
        float(np.sqrt(squares / max(counted, 1))), float(np.mean(sharpness)), len(sharpness), counted / pixels
    )


def as_csv(measured: Steadiness) -> str:
    """The measures as a table of one row."""
    return f"{','.join(measured._fields)}\n{','.join(f'{value:.6g}' for value in measured)}\n"


def as_text(measured: Steadiness) -> str:
    """The measures as lines for people."""
    return (
        f"flicker    {measured.flicker:.4f}  (RMS against the warped frame before, over {measured.reliable:.1%} of "
        f"the pixels)\nsharpness  {measured.sharpness:.1f}    (standard deviation of the Laplacian, grey levels)\n"
        f"frames     {measured.frames}"
    )

"""The sizes a run passes through, coarse to fine, and the padding that fits them to the network's pooling."""

from typing import NamedTuple

import tensorflow as tf

from nst_tf import configs

MIN_SIDE_PX = 64  # no coarser size has a shorter side below this: too little is left to see there


class Stage(NamedTuple):
    """One size of the schedule."""

    height_px: int
    width_px: int
    steps: int


def stages(config: configs.StyleTransferConfig, height_px: int, width_px: int) -> tuple[Stage, ...]:
    """The stages of a run, coarsest first, the last at the full size.

    Args:
        config: scales, steps and coarse_steps.
        height_px: of the result.
        width_px: of the result.

    Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 6, do two sizes.
    Deviation: as many as config.scales asks for, each half the next.
    """
    coarse = []
    for halvings in range(config.scales - 1, 0, -1):
        height, width = round(height_px / 2**halvings), round(width_px / 2**halvings)
        if min(height, width) >= MIN_SIDE_PX:
            coarse.append(Stage(height, width, config.coarse_steps))
    return (*coarse, Stage(height_px, width_px, config.steps))


def padded(image: tf.Tensor, multiple: int) -> tf.Tensor:
    """Mirrors an image beyond its right and bottom edges up to a multiple of the network's stride.

    The network's pooling drops what is left over of a side, so that no gradient of the deep layers reaches the last
    rows and columns: they stay unpainted.

    Args:
        image: [B, H, W, C].
        multiple: 2**(block - 1) of the deepest layer.

    Returns:
        [B, H', W', C], which `[:, :H, :W]` turns back.
    """
    height, width = (tf.shape(image)[axis] if image.shape[axis] is None else image.shape[axis] for axis in (1, 2))
    return tf.pad(image, [[0, 0], [0, -height % multiple], [0, -width % multiple], [0, 0]], "SYMMETRIC")

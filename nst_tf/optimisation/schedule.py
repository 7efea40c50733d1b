"""The sizes a run passes through, coarse to fine. Imports no TensorFlow."""

from typing import NamedTuple

from nst_tf import configs

MOST_GROWN_STEPS = 200  # to which the evaluations of coarser sizes grow: with many sizes the growth would not end
MIN_SIDE_PX = 64  # no coarser size has a shorter side below this: too little is left to see there


class Size(NamedTuple):
    """One size of the schedule."""

    height_px: int
    width_px: int
    steps: int


def sizes(config: configs.StyleTransferConfig, height_px: int, width_px: int) -> tuple[Size, ...]:
    """The sizes of a run, coarsest first, the last at the full size.

    Args:
        config: scales, steps, coarse_steps and coarse_growth.
        height_px: of the result.
        width_px: of the result.

    Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 6, do two sizes.
    Deviation: as many as config.scales asks for, each half the next.
    """
    coarse = []
    for halvings, steps in coarse_steps(config):
        height, width = round(height_px / 2**halvings), round(width_px / 2**halvings)
        if min(height, width) >= MIN_SIDE_PX:
            coarse.append(Size(height, width, steps))
    return (*coarse, Size(height_px, width_px, config.steps))


def coarse_steps(config: configs.StyleTransferConfig) -> list[tuple[int, int]]:
    """How often each size before the last is halved, and its evaluations; coarsest first."""
    most = max(config.coarse_steps, MOST_GROWN_STEPS)
    return [
        (halvings, min(most, round(config.coarse_steps * config.coarse_growth ** (halvings - 1))))
        for halvings in range(config.scales - 1, 0, -1)
    ]

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
    coarse: list[Size] = []
    for halvings in range(config.scales - 1, 0, -1):
        height, width = round(height_px / 2**halvings), round(width_px / 2**halvings)
        if min(height, width) >= MIN_SIDE_PX:
            coarse.append(Size(height, width, coarse_steps(config, halvings, is_coarsest=not coarse)))
    return (*coarse, Size(height_px, width_px, config.steps))


def coarse_steps(config: configs.StyleTransferConfig, halvings: int, *, is_coarsest: bool) -> int:
    """Evaluations at a size before the last.

    Args:
        config: scales, coarse_steps and coarse_growth.
        halvings: how often the full size is halved, at least 1.
        is_coarsest: no coarser size is left. Where coarser sizes have more evaluations, those of the sizes that are
            left out go to the coarsest one, which has their work to do, three quarters as many for each halving.
    """
    most = max(config.coarse_steps, MOST_GROWN_STEPS)

    def own(halvings: int) -> float:
        return min(most, config.coarse_steps * config.coarse_growth ** (halvings - 1))

    steps = own(halvings)
    if is_coarsest and config.coarse_growth > 1:
        steps += sum(own(other) * 0.75 ** (other - halvings) for other in range(halvings + 1, config.scales))
    return round(steps)

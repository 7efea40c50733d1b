"""A film that does not flicker: each stylised frame is blended with the one before it, moved along the flow."""

from typing import NamedTuple

import numpy as np

from nst_tf.pictures import flow

CUT_RELIABILITY = 0.3  # the share of reliable pixels below which a scene begins; 0.0 to 0.1 was seen at cuts
_RESIDUAL = 0.0225  # difference between photographs, of 1, at which e^-1 of the old frame is kept
_RESIDUAL_SIGMA_PX = 1.5
_NEIGHBOURS_PX = 25  # side of the square in which everything should move alike; quick flow spills so far
_APART = (0.35, 1.25)  # px by which motions in it may differ, and how often the frame's median
_APART_PX = 0.25  # beyond it, at which e^-1 of the old frame is kept
_NOISE_OF_MEDIAN = 1.18  # the mean of the absolute values of normal noise, over their median
_FINE_SIGMA_PX = 1.0  # what is finer counts as fine contrast
_MOST_GAIN = 1.5  # of fine contrast
_GAIN_DECAY = 0.8  # of the gain's running mean over the frames, which must not flicker itself

State = dict[str, np.ndarray]


class Stabiliser:
    """The recursion over the frames of a film. For each frame call `steadied`, stylise what it returns, call `blended`.

    y_i = a m w(y_{i-1}) + (1 - a m) f(s_i), s_i = a m w(s_{i-1}) + (1 - a m) x_i: x are the photographs, f stylises, w
    warps along the flow between the photographs, m is its reliability. Steady photographs alone leave two thirds of the
    flicker. Where a photograph differs from the warped one before it, and around things that move apart, m is lower;
    at a cut everything starts anew.

    Blending averages strokes that moved against each other, which costs fine contrast. `blended` gives it back: the
    band below one pixel of what it returns is raised to the energy that it has frame by frame; y itself stays as it is.

    Source: the recursion is that of Chen et al. 2017, "Coherent Online Video Style Transfer", on pixels, with the masks
    of Ruder et al. 2016. Deviations: steadied photographs, cubic warps, the difference of the photographs,
    the bands around things that move apart, the gain.

    Args:
        stability: a, in [0, 1]; 0 changes nothing.
    """

    def __init__(self, stability: float) -> None:
        self.stability = stability
        self._kept: _Kept | None = None
        self._weight: np.ndarray | None = None  # a m of the current frame, float32 [H, W, 1]; None at a cut
        self._backward: np.ndarray | None = None

    def steadied(self, photograph: np.ndarray) -> np.ndarray:
        """The next frame, float32 [H, W, 3] in [0, 1], without its noise."""
        self._weight = None
        if not self.stability:
            return photograph
        kept = self._kept
        steady = photograph
        if kept is not None and kept.photograph.shape == photograph.shape:
            motion = flow.between(photograph, kept.photograph)
            if motion.reliability >= CUT_RELIABILITY:
                before = flow.warped(kept.steady, motion.backward)
                weight = motion.reliable * _likeness(before - photograph) * _company(motion.backward)
                weight *= np.float32(self.stability)
                self._weight, self._backward = weight[..., np.newaxis], motion.backward
                steady = (photograph + self._weight * (before - photograph)).clip(0, 1)
        stylised, gain = (kept.stylised, kept.gain) if kept and self._weight is not None else (photograph, 1.0)
        self._kept = _Kept(photograph, steady, stylised, gain)
        return steady

    def blended(self, stylised: np.ndarray) -> np.ndarray:
        """The next frame of the film from the stylised picture, float32 [H, W, 3] in [0, 1], of `steadied`'s result."""
        kept = self._kept
        if kept is None:  # nothing is steadied
            return stylised
        if self._weight is None or self._backward is None or kept.stylised.shape != stylised.shape:
            self._kept = kept._replace(stylised=stylised, gain=1.0)
            return stylised
        before = flow.warped(kept.stylised, self._backward)
        picture = (stylised + self._weight * (before - stylised)).clip(0, 1)
        fine = picture - flow.smoothed(picture, _FINE_SIGMA_PX)
        wanted = _root_mean_square(stylised - flow.smoothed(stylised, _FINE_SIGMA_PX))
        gain = min(max(wanted / max(_root_mean_square(fine), 1e-6), 1.0), _MOST_GAIN)
        gain = _GAIN_DECAY * kept.gain + (1 - _GAIN_DECAY) * gain
        self._kept = kept._replace(stylised=picture, gain=gain)
        return (picture + np.float32(gain - 1) * (self._weight / self.stability) * fine).clip(0, 1)

    def state(self) -> State:
        """What the next frames depend on."""
        if self._kept is None:
            return {}
        return {name: np.asarray(value) for name, value in self._kept._asdict().items()}

    def restore(self, state: State) -> None:
        """Continues where `state` was taken."""
        if state:
            pictures = {name: np.asarray(state[name], np.float32) for name in _Kept._fields if name != "gain"}
            self._kept = _Kept(**pictures, gain=float(state["gain"]))


class _Kept(NamedTuple):
    """Of the frame before: float32 [H, W, 3] each."""

    photograph: np.ndarray
    steady: np.ndarray
    stylised: np.ndarray  # y, without the gain
    gain: float


def _likeness(difference: np.ndarray) -> np.ndarray:
    """How much of the old frame is kept where photographs differ, from 1 to 0, float32 [H, W].

    A difference shows light that changes, and things whose motion the flow missed: their old strokes would be seen as a
    ghost. What the film's noise accounts for does not count.

    Args:
        difference: float32 [H, W, 3], of the warped frame before and the photograph.
    """
    red, green, blue = np.moveaxis(np.abs(difference), -1, 0)
    mean = (red + green + blue) / np.float32(3)  # mean() takes three times as long over so short an axis
    residual = flow.smoothed(mean, _RESIDUAL_SIGMA_PX) - np.float32(_noise(difference[..., 1]))
    return np.asarray(np.exp(-np.square(np.maximum(residual, 0) / np.float32(_RESIDUAL))))


def _company(backward: np.ndarray) -> np.ndarray:
    """How much of the old frame is kept where a pixel's neighbours move otherwise, from 1 to 0, float32 [H, W].

    Quick flow lets smooth ground move with what slides over it, which no comparison of smooth photographs shows: the
    ground's old strokes were dragged along, as a veil over the gap that opened. What the whole frame does, as a zoom
    does, does not count.

    Args:
        backward: float32 [H, W, 2], as of `flow.Flow`.
    """
    apart = flow.spread(backward, _NEIGHBOURS_PX)
    allowed = max(_APART[0], _APART[1] * float(np.median(apart)))
    return np.asarray(np.exp(-np.square(np.maximum(apart - np.float32(allowed), 0) / np.float32(_APART_PX))))


def _noise(plane: np.ndarray) -> float:
    """The mean absolute value of a plane's white noise, from differences that light and most things do not have.

    Source: the mask is that of Immerkaer 1996, "Fast Noise Variance Estimation", at half its order; the median leaves
    edges out.
    """
    corners = plane[:-1:2, :-1:2] - plane[:-1:2, 1::2] - plane[1::2, :-1:2] + plane[1::2, 1::2]
    return _NOISE_OF_MEDIAN / 2 * float(np.median(np.abs(corners)))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))

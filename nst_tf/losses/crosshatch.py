"""A crosshatch: waves of about 3 px along both axes, which the network's grid leaves where a picture is calm."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from nst_tf.losses import terms
from nst_tf.pictures import colours

PERIOD_PX = 3.0  # the middle of the band
WINDOW_PX = 16  # side of the squares over which energies are averaged
STRIDE_PX = 8  # from one square to the next
TOLERATED = (0.5 / 255) ** 2  # energy along the weaker axis, beyond the content's
_TAPS = 9  # of a filter, along and across the waves
_STEP_PX = 2  # between responses
SIDE_PX = WINDOW_PX - _STEP_PX + _TAPS  # of what a square's energies are computed from


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CrosshatchTerm(terms.PixelTerm):
    """How much more energy waves of about 3 px have along both axes than those of the content.

    The luminance is filtered to waves along its rows that keep their phase over some rows, and to the same for columns.
    Energies, squared responses, are averaged over squares of `WINDOW_PX`. Of both axes the weaker one counts, since a
    stroke has one direction: what its energy exceeds that of the content in the same square and `TOLERATED` by, as the
    mean over all squares, in squared units of the 0 to 1 scale. A picture smaller than `SIDE_PX` has none.

    Source: not in the paper.  `evaluation.artefacts.crosshatch` measures the same waves by spectra, in the flat squares
    of the content alone, and takes off the energy along the diagonals.
    """

    name: ClassVar[str] = "crosshatch"
    reach_rows: ClassVar[int] = SIDE_PX - 1
    row_step: ClassVar[int] = STRIDE_PX

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """The content, whose own waves are allowed."""
        return {"content": content}

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        sides = tf.shape(image)[1:3] if size is None else size
        squares = tf.reduce_prod(tf.maximum((sides - SIDE_PX) // STRIDE_PX + 1, 1))
        excess = tf.nn.relu(_weaker(image) - _weaker(target["content"]) - TOLERATED)
        return self.weight * tf.reduce_sum(excess, axis=[1, 2]) / tf.cast(squares, image.dtype)


def _weaker(image: tf.Tensor) -> tf.Tensor:
    """The energy along the weaker axis in every square, [B, (H - 23) // 8 + 1, (W - 23) // 8 + 1]; 0 without one."""
    padded, enough = terms.at_least(image, SIDE_PX, SIDE_PX)
    waves = tf.nn.conv2d(padded, tf.constant(_FILTERS, image.dtype), _STEP_PX, "VALID")  # [B, h, w, 2]
    energies = tf.nn.avg_pool2d(tf.square(waves), WINDOW_PX // _STEP_PX, STRIDE_PX // _STEP_PX, "VALID")
    return enough * tf.reduce_min(energies, axis=-1)


def _filters() -> np.ndarray:
    """The filters along both axes, [9, 9, 3, 2], which keep the amplitude of waves of `PERIOD_PX`."""
    place = np.arange(_TAPS) - _TAPS // 2
    blur = np.hanning(_TAPS + 2)[1:-1]
    blur /= blur.sum()
    turns = np.exp(-2j * np.pi * place / PERIOD_PX)
    wave = (turns.real - np.sum(turns.real * blur)) * blur  # no response to a constant
    wave /= abs(np.sum(wave * turns))
    both = np.stack([np.outer(blur, wave), np.outer(wave, blur)], -1)
    return np.asarray(both[:, :, np.newaxis] * np.array(colours.LUMA)[:, np.newaxis])


_FILTERS = _filters()

"""What an optimiser is, and the optimisers by name.

Both keep the image in [0, 1] throughout. `start(image)` first, then `step(...)` as often as wanted, each one evaluation
of the objective and one update, with nothing fetched to the host.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import objective
from nst_tf.optimisation import adam, lbfgs


class Optimizer(Protocol):
    """An image on its way down an objective.

    Attributes:
        recovers: whether it goes on by itself after an evaluation that is not finite.
        when_not_finite: what it does then, for people.
    """

    recovers: bool
    when_not_finite: str

    def step(self, targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
        """One evaluation and update; returns the terms at the image that was evaluated."""
        ...

    @property
    def best_image(self) -> tf.Tensor:
        """The image of the lowest objective evaluated since the start, [1, H, W, 3]."""
        ...

    @property
    def best_loss(self) -> tf.Tensor:
        """Its objective, a scalar; infinite before the first evaluation."""
        ...

    def state(self) -> dict[str, Any]:
        """Every tensor that the steps to come depend on, by name."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from what `state` gave, in an optimiser that was started at the same shape."""
        ...

    def release(self) -> None:
        """Frees what the next run does not need."""
        ...


class Startable(Optimizer, Protocol):
    """An optimiser that can start again, at another image."""

    def fits(self, shape: tf.TensorShape) -> bool:
        """Whether it can start at an image of a shape."""
        ...

    def start(self, image: tf.Tensor) -> None:
        """Starts at an image [1, H, W, 3] in [0, 1], with no memory of earlier runs."""
        ...


BY_NAME: dict[str, Callable[..., Startable]] = {"adam": adam.Adam, "lbfgs": lbfgs.Lbfgs}


def make(
    config: configs.StyleTransferConfig,
    terms_and_gradient: objective.TermsAndGradient,
    shape: tf.TensorShape,
    *,
    jit_compile: bool = False,
) -> Startable:
    """The optimiser of a configuration.

    Args:
        config: optimizer and its settings.
        terms_and_gradient: the objective.
        shape: of the first image, [1, H, W, 3].
        jit_compile: compile the step with XLA.
    """
    return BY_NAME[config.optimizer](terms_and_gradient, shape, config, jit_compile=jit_compile)

"""An average over the iterates of an optimiser."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf.losses import objective


class Averaged:
    """An optimiser whose image is the exponential moving average of its best images, corrected for its short start.

    Args:
        optimizer: started.
        decay: share of the average that a step keeps.

    Source: Kingma & Ba 2015, section 7.2 (averaging of iterates), with Adam's bias correction.
    """

    def __init__(self, optimizer: Any, decay: float) -> None:
        self._optimizer = optimizer
        self._decay = decay
        self._sum = tf.zeros_like(optimizer.best_image)
        self._weight = 0.0
        self.recovers, self.when_not_finite = optimizer.recovers, optimizer.when_not_finite

    def step(self, targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
        """One step of the optimiser, whose image enters the average."""
        terms = self._optimizer.step(targets, loss_scale)
        self._sum = self._decay * self._sum + (1 - self._decay) * self._optimizer.best_image
        self._weight = self._decay * self._weight + 1 - self._decay
        return terms

    @property
    def best_image(self) -> tf.Tensor:
        """The average so far, [1, H, W, 3]."""
        return self._sum / self._weight

    @property
    def best_loss(self) -> tf.Tensor:
        """The objective of the optimiser's own best image; that of the average is not known without an evaluation."""
        return self._optimizer.best_loss

    def state(self) -> dict[str, Any]:
        """The optimiser's state, and the average as sum and weight."""
        return self._optimizer.state() | {"average_sum": self._sum, "average_weight": np.float64(self._weight)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        self._optimizer.restore(state)
        self._sum, self._weight = tf.constant(state["average_sum"]), float(state["average_weight"])

    def release(self) -> None:
        """Frees what the optimiser frees."""
        self._optimizer.release()

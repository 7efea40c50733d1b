"""Adam for the weights of a network, inside a traced step.

Source: Kingma & Ba 2015, algorithm 1, by TensorFlow's own operation on the variables.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

FINAL_RATE = 0.05  # of the learning rate
_BETA_1, _EPSILON = 0.9, 1e-8


def share_of_rate(step: int, steps: int, warm_up_steps: int) -> float:
    """Of the learning rate at a step, counted from 1: a rise, then half a wave down to `FINAL_RATE`."""
    wave = (1 + math.cos(math.pi * (step - 1) / steps)) / 2
    return min(1.0, step / warm_up_steps) * (FINAL_RATE + (1 - FINAL_RATE) * wave)


class Adam:
    """Adam's two moments of some variables.

    Args:
        variables: what is trained.
        beta_2: how long the second moment remembers: .999 in the paper.

    Attributes:
        moments: the variables of the moments: the first ones of all variables, then the second ones.
    """

    def __init__(self, variables: Sequence[tf.Variable], *, beta_2: float) -> None:
        self._variables, self._beta_2 = list(variables), beta_2
        self._means, self._squares = (
            [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self._variables] for _ in range(2)
        )
        self.moments = (*self._means, *self._squares)

    def forget(self) -> None:
        """Sets the moments to zero; the next update is the first."""
        for moment in self.moments:
            moment.assign(tf.zeros_like(moment))

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, updates: tf.Tensor) -> None:
        """Moves each variable.

        Args:
            gradients: one for each variable.
            rate: float32 scalar.
            updates: float32 scalar, how many there were since the moments were zero, this one included.
        """
        for variable, mean, square, gradient in zip(
            self._variables, self._means, self._squares, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=_BETA_1**updates,
                beta2_power=self._beta_2**updates,
                lr=rate,
                beta1=_BETA_1,
                beta2=self._beta_2,
                epsilon=_EPSILON,
                grad=gradient,
            )

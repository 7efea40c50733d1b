"""Adam for the weights of a network, inside a traced step.

Source: Kingma & Ba 2015, algorithm 1, by TensorFlow's own operation on the variables.
"""

from collections.abc import Sequence

import tensorflow as tf

_BETA_1, _EPSILON = 0.9, 1e-8


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

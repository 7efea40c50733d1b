"""Adam on a `tf.Variable` image."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.losses import objective

ADAM_BETA_2 = 0.999  # Kingma & Ba 2015, the default of Keras and PyTorch, too


class Adam:
    """TensorFlow's Adam on a `tf.Variable` image that is clipped to [0, 1] after each update.

    The update is one operation in place: the same written with tensors holds five more of the image's size.

    Args:
        terms_and_gradient: the objective.
        shape: of the image, [1, H, W, 3].
        config: learning_rate, beta_1, epsilon.
        jit_compile: compile the step with XLA.

    Raises:
        NstError: the scope of a tf.distribute strategy is open.

    Source: Kingma & Ba 2015, with epsilon as in the text before their section 2.1, as in Keras.
    """

    recovers = False
    when_not_finite = "Adam cannot go on from there. The best picture so far is kept"

    def __init__(
        self,
        terms_and_gradient: objective.TermsAndGradient,
        shape: tf.TensorShape,
        config: configs.StyleTransferConfig,
        *,
        jit_compile: bool = False,
    ) -> None:
        if tf.distribute.has_strategy():
            raise errors.NstError(
                "optimizer=adam must run outside the scope of a tf.distribute strategy, whose variables are several. "
                "Received: a call inside one. Leave the scope, or use optimizer=lbfgs."
            )
        self._image, self._best_image, self._first_moment, self._second_moment = (
            tf.Variable(tf.zeros(shape), trainable=False, name=name)
            for name in ("image", "best_image", "first_moment", "second_moment")
        )
        self._best_loss = tf.Variable(float("inf"), trainable=False, name="best_loss")
        self._updates = tf.Variable(0.0, trainable=False, name="updates")

        def traced(targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
            terms, gradient = terms_and_gradient(self._image.value(), targets, loss_scale)

            def keep() -> tf.Operation:
                return tf.group(self._best_image.assign(self._image), self._best_loss.assign(terms.total[0]))

            def update() -> tf.Operation:
                self._updates.assign_add(1.0)
                tf.raw_ops.ResourceApplyAdam(
                    var=self._image.handle,
                    m=self._first_moment.handle,
                    v=self._second_moment.handle,
                    beta1_power=config.beta_1**self._updates,
                    beta2_power=ADAM_BETA_2**self._updates,
                    lr=config.learning_rate,
                    beta1=config.beta_1,
                    beta2=ADAM_BETA_2,
                    epsilon=config.epsilon,
                    grad=gradient,
                )
                return tf.group(self._image.assign(tf.clip_by_value(self._image, 0.0, 1.0)))

            tf.cond(terms.total[0] < self._best_loss, keep, tf.no_op)
            tf.cond(tf.reduce_all(tf.math.is_finite(gradient)), update, tf.no_op)
            return terms._replace(gradient_norm=objective.norm(gradient))

        self._traced = tf.function(traced, autograph=False, jit_compile=jit_compile)

    def fits(self, shape: tf.TensorShape) -> bool:
        """Whether this optimiser can start at an image of a shape."""
        return bool(self._image.shape == shape)

    def start(self, image: tf.Tensor) -> None:
        """Begins at an image [1, H, W, 3] in [0, 1], with no memory of earlier runs."""
        self._image.assign(image)
        self._best_image.assign(image)
        self._best_loss.assign(float("inf"))
        for variable in (self._first_moment, self._second_moment, self._updates):
            variable.assign(tf.zeros_like(variable))

    def state(self) -> dict[str, tf.Tensor]:
        """The image, the best one so far, and Adam's count of updates and moments."""
        return {name: variable.value() for name, variable in self._variables().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def _variables(self) -> dict[str, tf.Variable]:
        return {
            "image": self._image,
            "best_image": self._best_image,
            "best_loss": self._best_loss,
            "first_moment": self._first_moment,
            "second_moment": self._second_moment,
            "updates": self._updates,
        }

    def release(self) -> None:
        """Adam's variables are few and are used again by the next run."""

    def step(self, targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
        """One evaluation and update; returns the terms at the image that was evaluated."""
        return self._traced(targets, loss_scale)

    @property
    def best_image(self) -> tf.Tensor:
        """The image of the lowest objective evaluated since the start, [1, H, W, 3]."""
        return self._best_image.value()

    @property
    def best_loss(self) -> tf.Tensor:
        """Its objective, a scalar; infinite before the first evaluation."""
        return self._best_loss.value()

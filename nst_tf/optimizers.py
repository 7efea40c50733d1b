"""Adam on a variable, and L-BFGS whose state is tensors. Both keep the image in [0, 1] throughout.

Both have one form: `start(image)`, then `step(...)` as often as wanted, each one evaluation of the objective and one
update, with nothing fetched to the host; `best_image` and `best_loss` at any time. `state()` names every tensor that
the steps to come depend on, and `restore(...)` puts them into an optimiser that was started at the same shape.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, objective

# (image, targets, loss_scale) -> (terms, gradient), as Objective.terms_and_gradient
TermsAndGradient = Callable[[tf.Tensor, objective.Targets, tf.Tensor], tuple[objective.Terms, tf.Tensor]]

ADAM_BETA_2 = 0.999  # Kingma & Ba 2015, the default of Keras and PyTorch, too
SUFFICIENT_DECREASE = 1e-4  # c_1 of the Armijo condition; Nocedal & Wright 2006, section 3.1
SIGMOID_SLOPE = 4.0  # x = sigmoid(4 z) has dx/dz = 1 at mid-grey, so z moves on the scale of pixels
SATURATION = 0.02  # the start is moved this far off black and white, where the sigmoid is all but flat
FIRST_STEP = 0.01  # root mean square change of z in the first step, before any curvature is known
CURVATURE = 1e-7  # least cosine of s and y in a pair that is kept: rounding in float32, at any scale of the objective
MAX_BACKTRACKS = 8  # halvings or more of one step before the curvature history is dropped


class Adam:
    """TensorFlow's Adam on a `tf.Variable` image that is clipped to [0, 1] after each update.

    The update is one operation in place: the same written with tensors holds five more of the image's size.

    Args:
        terms_and_gradient: the objective.
        shape: of the image, [1, H, W, 3].
        config: learning_rate, beta_1, epsilon.
        jit_compile: compile the step with XLA.

    Source: Kingma & Ba 2015, with epsilon as in the text before their section 2.1, as in Keras.
    """

    recovers = False
    when_not_finite = "Adam cannot go on from there. The best picture so far is kept"

    def __init__(
        self,
        terms_and_gradient: TermsAndGradient,
        shape: tf.TensorShape,
        config: configs.StyleTransferConfig,
        *,
        jit_compile: bool = False,
    ) -> None:
        self._image, self._best_image, self._first_moment, self._second_moment = (
            tf.Variable(tf.zeros(shape), trainable=False, name=name)
            for name in ("image", "best_image", "first_moment", "second_moment")
        )
        self._best_loss = tf.Variable(float("inf"), trainable=False, name="best_loss")
        self._updates = tf.Variable(0.0, trainable=False, name="updates")

        def traced(targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
            terms, gradient = terms_and_gradient(self._image.value(), targets, loss_scale)
            improved = terms.total[0] < self._best_loss
            if improved:
                self._best_image.assign(self._image)
                self._best_loss.assign(terms.total[0])
            if tf.reduce_all(tf.math.is_finite(gradient)):
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
                self._image.assign(tf.clip_by_value(self._image, 0.0, 1.0))
            return terms._replace(gradient_norm=_norm(gradient))

        self._traced = tf.function(traced, jit_compile=jit_compile)

    def serves(self, shape: tf.TensorShape) -> bool:
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


class LbfgsState(NamedTuple):
    """Everything L-BFGS knows: n numbers a vector, m pairs in memory. A pytree of tensors, fit for `tf.while_loop`."""

    z: tf.Tensor  # [n], the best point; the image is sigmoid(4 z)
    loss: tf.Tensor  # scalar, the objective at z; infinite before the first evaluation
    gradient: tf.Tensor  # [n], with respect to z
    direction: tf.Tensor  # [n]
    slope: tf.Tensor  # scalar, gradient . direction, below 0
    step: tf.Tensor  # scalar, how far along the direction the next evaluation lies
    s: tuple[tf.Tensor, ...]  # m times [n], steps taken, oldest first; tensors of their own, so that none is copied
    y: tuple[tf.Tensor, ...]  # m times [n], the change of the gradient over each
    sy: tf.Tensor  # [m, m] float64, s_i . y_j
    yy: tf.Tensor  # [m, m] float64, y_i . y_j
    pairs: tf.Tensor  # int32 scalar, pairs stored since the last reset; the last min(pairs, m) of s and y
    backtracks: tf.Tensor  # int32 scalar, rejected evaluations along this direction
    fallbacks: tf.Tensor  # int32 scalar, times the history was dropped since the start


def lbfgs_start(image: tf.Tensor, memory: int) -> LbfgsState:
    """The state before the first evaluation, which will be at the image itself.

    Args:
        image: [1, H, W, 3] in [0, 1].
        memory: m, the pairs kept.
    """
    image = tf.clip_by_value(image, SATURATION, 1 - SATURATION)
    z = tf.reshape((tf.math.log(image) - tf.math.log1p(-image)) / SIGMOID_SLOPE, [-1])  # [n]
    zeros = tf.zeros_like(z)
    history = (zeros,) * memory
    dots = tf.zeros([memory, memory], tf.float64)
    none = tf.constant(0)
    return LbfgsState(
        z=z,
        loss=tf.constant(float("inf"), z.dtype),
        gradient=zeros,
        direction=zeros,
        slope=tf.constant(0.0, z.dtype),
        step=tf.constant(0.0, z.dtype),
        s=history,
        y=history,
        sy=dots,
        yy=dots,
        pairs=none,
        backtracks=none,
        fallbacks=none,
    )


def lbfgs_image(z: tf.Tensor, shape: tf.Tensor | tuple[int, ...]) -> tf.Tensor:
    """The image [1, H, W, 3] in (0, 1) that z stands for."""
    return tf.reshape(tf.sigmoid(SIGMOID_SLOPE * z), shape)


def lbfgs_step(
    state: LbfgsState,
    shape: tf.Tensor | tuple[int, ...],
    terms_and_gradient: Callable[[tf.Tensor], tuple[objective.Terms, tf.Tensor]],
) -> tuple[LbfgsState, objective.Terms]:
    """One evaluation: it is accepted and a new direction computed, or the step along the old one is shortened.

    Args:
        state: from `lbfgs_start` or the step before.
        shape: of the image.
        terms_and_gradient: the objective at an image.

    Returns:
        The next state and the terms at the evaluated image.

    Source: Nocedal & Wright 2006, algorithm 7.5, with the inverse Hessian in the compact form of Byrd, Nocedal &
    Schnabel 1994, eq. 3.1: two passes over the history in place of a chain of dot products.  Deviations: the
    variable is z with x = sigmoid(4 z), which keeps pixels in range without bounds; backtracking holds the Armijo
    condition only, and a pair (s, y) whose cosine is at most CURVATURE is left out.
    """
    z = state.z + state.step * state.direction
    image = lbfgs_image(z, shape)
    terms, image_gradient = terms_and_gradient(image)
    terms = terms._replace(gradient_norm=_norm(image_gradient))
    loss = terms.total[0]
    gradient = tf.reshape(image_gradient * SIGMOID_SLOPE * image * (1 - image), [-1])
    finite = tf.math.is_finite(loss) & tf.reduce_all(tf.math.is_finite(gradient))
    decreased = loss <= state.loss + SUFFICIENT_DECREASE * state.step * state.slope
    if finite & decreased:
        return _accepted(state, z, loss, gradient), terms
    return _rejected(state, loss, finite), terms


def _accepted(state: LbfgsState, z: tf.Tensor, loss: tf.Tensor, gradient: tf.Tensor) -> LbfgsState:
    """Moves to z, remembers the pair, and computes the next direction."""
    s, y = z - state.z, gradient - state.gradient
    is_pair = tf.math.is_finite(state.loss) & (_dot(s, y) > CURVATURE * tf.norm(s) * tf.norm(y))
    s_pairs, y_pairs, sy, yy, pairs = state.s, state.y, state.sy, state.yy, state.pairs
    if is_pair:
        s_pairs, y_pairs = (*s_pairs[1:], s), (*y_pairs[1:], y)
        y_with_y = _dots(y_pairs, y)
        sy = _shifted(sy, row=_dots(y_pairs, s), column=_dots(s_pairs, y))
        yy = _shifted(yy, row=y_with_y, column=y_with_y)
        pairs = pairs + 1
    next_state = state._replace(
        z=z, loss=loss, gradient=gradient, s=s_pairs, y=y_pairs, sy=sy, yy=yy, pairs=pairs, backtracks=tf.constant(0)
    )
    direction = _quasi_newton_direction(next_state)
    slope = _dot(gradient, direction)
    if (pairs == 0) | (slope >= 0) | ~tf.math.is_finite(slope):
        # Where the curvature along the way was not positive, the way may be twice as long.
        return _steepest_descent(next_state, tf.maximum(2 * _root_mean_square(s), FIRST_STEP))
    return next_state._replace(direction=direction, slope=slope, step=tf.ones_like(loss))


def _rejected(state: LbfgsState, loss: tf.Tensor, finite: tf.Tensor) -> LbfgsState:
    """Shortens the step to the minimum of a parabola, or starts over when that has failed too often."""
    if state.backtracks >= MAX_BACKTRACKS:
        length = FIRST_STEP * 0.1 ** tf.cast(state.fallbacks + 1, loss.dtype)
        return _steepest_descent(state._replace(fallbacks=state.fallbacks + 1), length)
    rise = loss - state.loss - state.step * state.slope  # above 0, since the Armijo condition failed
    shrink = -state.slope * state.step / (2 * rise)
    shrink = tf.where(finite, tf.clip_by_value(shrink, 0.1, 0.5), 0.1)
    return state._replace(step=state.step * shrink, backtracks=state.backtracks + 1)


def _steepest_descent(state: LbfgsState, length: tf.Tensor) -> LbfgsState:
    """Drops the history: the next step follows the gradient and is `length` long (root mean square)."""
    step = tf.math.divide_no_nan(length, _root_mean_square(state.gradient))
    none = (tf.zeros_like(state.z),) * len(state.s)
    return state._replace(
        direction=-state.gradient,
        slope=-_dot(state.gradient, state.gradient),
        step=step,
        s=none,
        y=none,
        sy=tf.zeros_like(state.sy),
        yy=tf.zeros_like(state.yy),
        pairs=tf.constant(0),
        backtracks=tf.constant(0),
    )


def _quasi_newton_direction(state: LbfgsState) -> tf.Tensor:
    """-H g with H = gamma I + [S, gamma Y] W [S, gamma Y]^T; slots not yet filled contribute nothing."""
    memory = len(state.s)
    filled = tf.range(memory) >= memory - state.pairs
    diagonal = tf.linalg.diag_part(state.sy)
    gamma = tf.math.divide_no_nan(diagonal[-1], state.yy[-1, -1])
    r = tf.linalg.set_diag(tf.linalg.band_part(state.sy, 0, -1), tf.where(filled, diagonal, 1))  # s_i . y_j, i <= j

    s_with_g = _dots(state.s, state.gradient)[:, tf.newaxis]  # [m, 1]
    y_with_g = _dots(state.y, state.gradient)[:, tf.newaxis]
    r_inverse_sg = tf.linalg.triangular_solve(r, s_with_g, lower=False)
    middle = tf.matmul(tf.linalg.diag(diagonal) + gamma * state.yy, r_inverse_sg) - gamma * y_with_g
    s_weights = tf.linalg.triangular_solve(r, middle, lower=False, adjoint=True)
    y_weights = -gamma * r_inverse_sg

    weights = tf.cast(-tf.concat([s_weights, y_weights], 0)[:, 0], state.z.dtype)  # [2 m]
    direction = -tf.cast(gamma, state.z.dtype) * state.gradient
    for index, vector in enumerate((*state.s, *state.y)):
        with tf.control_dependencies([direction]):  # one product at a time: each is as large as the image
            direction = direction + weights[index] * vector
    return direction


def _shifted(matrix: tf.Tensor, *, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Products [m, m] without those of the oldest pair, with those of the newest as last row and column."""
    kept = tf.concat([matrix[1:, 1:], column[:-1, tf.newaxis]], 1)  # [m - 1, m]
    return tf.concat([kept, row[tf.newaxis]], 0)


def _dots(vectors: tuple[tf.Tensor, ...], a: tf.Tensor) -> tf.Tensor:
    """The product of each vector with a, float64 [m]."""
    return tf.cast(tf.stack([_dot(vector, a) for vector in vectors]), tf.float64)


def _root_mean_square(a: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(tf.square(a)))


def _norm(gradient: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each image's gradient, [B]."""
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))


def _dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.tensordot(a, b, 1)


class Lbfgs:
    """`lbfgs_step` as a compiled graph that serves every shape, with the state held between calls.

    Args:
        terms_and_gradient: the objective.
        shape: of the first image, [1, H, W, 3].
        config: lbfgs_memory.
        jit_compile: compile the step with XLA.
    """

    recovers = True
    when_not_finite = "a shorter step is tried"

    def __init__(
        self,
        terms_and_gradient: TermsAndGradient,
        shape: tf.TensorShape,
        config: configs.StyleTransferConfig,
        *,
        jit_compile: bool = False,
    ) -> None:
        self._memory = config.lbfgs_memory
        self._shape = tf.constant(shape.as_list())
        self._state: Any = None  # an LbfgsState from start to release
        self._jit_compile = jit_compile
        self._traced: Any = None

        def step(
            state: LbfgsState, shape: tf.Tensor, targets: objective.Targets, loss_scale: tf.Tensor
        ) -> tuple[LbfgsState, objective.Terms]:
            return lbfgs_step(state, shape, lambda image: terms_and_gradient(image, targets, loss_scale))

        self._step = step

    def serves(self, shape: tf.TensorShape) -> bool:
        """Whether this optimiser can start at an image of a shape."""
        return True

    def start(self, image: tf.Tensor) -> None:
        """Begins at an image [1, H, W, 3] in [0, 1], with no memory of earlier runs."""
        self._shape = tf.shape(image)
        self._state = lbfgs_start(image, self._memory)

    def release(self) -> None:
        """Frees the history, by far the largest tensors of a run."""
        self._state = None

    def step(self, targets: objective.Targets, loss_scale: tf.Tensor) -> objective.Terms:
        """One evaluation and update; returns the terms at the image that was evaluated."""
        arguments = (self._state, self._shape, targets, loss_scale)
        if self._traced is None:
            # Every side is open from the first size on, so that a run resumed at a later one has the same graph.
            signature = tf.nest.map_structure(lambda t: tf.TensorSpec([None] * t.shape.rank, t.dtype), arguments)
            signature = (signature[0], tf.TensorSpec([4], self._shape.dtype), *signature[2:])
            self._traced = tf.function(self._step, signature, jit_compile=self._jit_compile)
        self._state, terms = self._traced(*arguments)
        return terms

    def state(self) -> dict[str, tf.Tensor]:
        """The tensors of the `LbfgsState` in order: 24 m + 36 bytes a pixel."""
        return {f"lbfgs/{index}": tensor for index, tensor in enumerate(tf.nest.flatten(self._state))}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        self._state = tf.nest.pack_sequence_as(self._state, [tf.constant(state[name]) for name in self.state()])

    @property
    def best_image(self) -> tf.Tensor:
        """The image of the lowest objective evaluated since the start, [1, H, W, 3]."""
        return lbfgs_image(self._state.z, self._shape)

    @property
    def best_loss(self) -> tf.Tensor:
        """Its objective, a scalar; infinite before the first evaluation."""
        return self._state.loss

    @property
    def fallbacks(self) -> tf.Tensor:
        """How often the curvature history was dropped because no step along it lowered the objective."""
        return self._state.fallbacks


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


BY_NAME = {"adam": Adam, "lbfgs": Lbfgs}

"""L-BFGS whose state is tensors, fit for `tf.while_loop` and for a bundle's graph. It keeps the image in [0, 1]."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import objective

SUFFICIENT_DECREASE = 1e-4  # c_1 of the Armijo condition; Nocedal & Wright 2006, section 3.1
SIGMOID_SLOPE = 4.0  # x = sigmoid(4 z) has dx/dz = 1 at mid-grey, so z moves on the scale of pixels
SATURATION = 0.02  # the start is moved this far off black and white, where the sigmoid is all but flat
FIRST_STEP = 0.01  # root mean square change of z in the first step, before any curvature is known
CURVATURE = 1e-7  # least cosine of s and y in a pair that is kept: rounding in float32, at any scale of the objective
MAX_BACKTRACKS = 8  # halvings or more of one step before the curvature history is dropped

Products = Callable[[Sequence[tf.Tensor], tf.Tensor], tf.Tensor]  # m vectors [n] and one [n] -> their products [m]


class LbfgsState(NamedTuple):
    """Everything L-BFGS knows: n numbers a vector, m pairs in memory. A pytree of tensors, fit for `tf.while_loop`."""

    z: tf.Tensor  # [n], the best point; the image is sigmoid(4 z)
    loss: tf.Tensor  # scalar, the objective at z; infinite before the first evaluation
    gradient: tf.Tensor  # [n], with respect to z
    direction: tf.Tensor  # [n]
    slope: tf.Tensor  # scalar, gradient . direction, below 0
    step: tf.Tensor  # scalar, how far along the direction the next evaluation lies
    # Oldest first, and before them what a reset left; tensors of their own, so that none is copied
    s: tuple[tf.Tensor, ...]  # m times [n], steps taken
    y: tuple[tf.Tensor, ...]  # m times [n], the change of the gradient over each
    sy: tf.Tensor  # [m, m] float64, s_i . y_j where i <= j, else 0
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


def products_of(config: configs.StyleTransferConfig) -> Products:
    """How L-BFGS multiplies vectors: rows with rows, or with a column where `convolution` is `direct`.

    The two differ in rounding, after which runs go different ways. A column is what the first versions had, so under
    `direct` the presets of papers and other systems stay as they were, bit for bit: benchmarks/bit_for_bit.py.
    """
    return column_products if config.convolution == "direct" else row_products


def row_products(vectors: Sequence[tf.Tensor], b: tf.Tensor) -> tf.Tensor:
    """Matrix products of two rows: two to six times as fast in TensorFlow as with a column, and more exact."""
    row = tf.reshape(b, [1, -1])
    return tf.concat([tf.matmul(tf.reshape(a, [1, -1]), row, transpose_b=True) for a in vectors], 0)[:, 0]


def column_products(vectors: Sequence[tf.Tensor], b: tf.Tensor) -> tf.Tensor:
    """Matrix products with a column, as tensordot has them: slower, and kept for the order of their sums."""
    column = tf.reshape(b, [-1, 1])
    return tf.concat([tf.matmul(tf.reshape(a, [1, -1]), column) for a in vectors], 0)[:, 0]


def lbfgs_step(
    state: LbfgsState,
    shape: tf.Tensor | tuple[int, ...],
    terms_and_gradient: Callable[[tf.Tensor], tuple[objective.Terms, tf.Tensor]],
    products: Products,
) -> tuple[LbfgsState, objective.Terms]:
    """One evaluation: it is accepted and a new direction computed, or the step along the old one is shortened.

    Args:
        state: from `lbfgs_start` or the step before.
        shape: of the image.
        terms_and_gradient: the objective at an image.
        products: how vectors are multiplied, from `products_of`.

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
    terms = terms._replace(gradient_norm=objective.norm(image_gradient))
    loss = terms.total[0]
    gradient = tf.reshape(image_gradient * SIGMOID_SLOPE * image * (1 - image), [-1])
    finite = tf.math.is_finite(loss) & tf.reduce_all(tf.math.is_finite(gradient))
    accepted = finite & (loss <= state.loss + SUFFICIENT_DECREASE * state.step * state.slope)
    s, y = z - state.z, gradient - state.gradient
    is_pair = accepted & tf.math.is_finite(state.loss) & (_dot(s, y, products) > CURVATURE * tf.norm(s) * tf.norm(y))
    known = tf.cond(is_pair, lambda: _with_pair(state, s, y, products), lambda: state)
    state = tf.cond(
        accepted,
        lambda: _accepted(known, z, loss, gradient, s, products),
        lambda: _rejected(_light(state), loss, finite, products),
    )
    return state._replace(s=known.s, y=known.y), terms


def _with_pair(state: LbfgsState, s: tf.Tensor, y: tf.Tensor, products: Products) -> LbfgsState:
    """Remembers a pair in place of the oldest."""
    s_pairs, y_pairs, pairs = (*state.s[1:], s), (*state.y[1:], y), state.pairs + 1
    s_with_y, y_with_y = (_filled_dots(vectors, y, pairs, products) for vectors in (s_pairs, y_pairs))
    return state._replace(
        s=s_pairs,
        y=y_pairs,
        sy=_shifted(state.sy, row=tf.concat([tf.zeros_like(s_with_y)[1:], s_with_y[-1:]], 0), column=s_with_y),
        yy=_shifted(state.yy, row=y_with_y, column=y_with_y),
        pairs=pairs,
    )


def _light(state: LbfgsState) -> LbfgsState:
    """A state without its vectors, which would take long to trace through the branches that do not change them."""
    return state._replace(s=(), y=())


def _accepted(
    state: LbfgsState, z: tf.Tensor, loss: tf.Tensor, gradient: tf.Tensor, s: tf.Tensor, products: Products
) -> LbfgsState:
    """Moves to z along s and computes the next direction; a light state."""
    moved = _light(state)._replace(z=z, loss=loss, gradient=gradient, backtracks=tf.constant(0))
    direction = _quasi_newton_direction(moved, state.s, state.y, products)
    slope = _dot(gradient, direction, products)
    return tf.cond(
        (moved.pairs == 0) | (slope >= 0) | ~tf.math.is_finite(slope),
        # Where the curvature along the way was not positive, the way may be twice as long.
        lambda: _steepest_descent(moved, tf.maximum(2 * _root_mean_square(s), FIRST_STEP), products),
        lambda: moved._replace(direction=direction, slope=slope, step=tf.ones_like(loss)),
    )


def _rejected(state: LbfgsState, loss: tf.Tensor, finite: tf.Tensor, products: Products) -> LbfgsState:
    """Shortens the step to the minimum of a parabola, or starts over when that has failed too often."""

    def restarted() -> LbfgsState:
        length = FIRST_STEP * 0.1 ** tf.cast(state.fallbacks + 1, loss.dtype)
        return _steepest_descent(state._replace(fallbacks=state.fallbacks + 1), length, products)

    def shortened() -> LbfgsState:
        rise = loss - state.loss - state.step * state.slope  # above 0, since the Armijo condition failed
        shrink = -state.slope * state.step / (2 * rise)
        shrink = tf.where(finite, tf.clip_by_value(shrink, 0.1, 0.5), 0.1)
        return state._replace(step=state.step * shrink, backtracks=state.backtracks + 1)

    return tf.cond(state.backtracks >= MAX_BACKTRACKS, restarted, shortened)


def _steepest_descent(state: LbfgsState, length: tf.Tensor, products: Products) -> LbfgsState:
    """Drops the history, whose vectors stay and no longer count: the next step follows the gradient.

    Args:
        state: a light one.
        length: of the step, root mean square.
        products: as for `lbfgs_step`.
    """
    return state._replace(
        direction=-state.gradient,
        slope=-_dot(state.gradient, state.gradient, products),
        step=tf.math.divide_no_nan(length, _root_mean_square(state.gradient)),
        sy=tf.zeros_like(state.sy),
        yy=tf.zeros_like(state.yy),
        pairs=tf.constant(0),
        backtracks=tf.constant(0),
    )


def _quasi_newton_direction(
    state: LbfgsState, s: tuple[tf.Tensor, ...], y: tuple[tf.Tensor, ...], products: Products
) -> tf.Tensor:
    """-H g with H = gamma I + [S, gamma Y] W [S, gamma Y]^T; slots that are not filled contribute nothing."""
    memory = len(s)
    diagonal = tf.linalg.diag_part(state.sy)
    gamma = tf.math.divide_no_nan(diagonal[-1], state.yy[-1, -1])
    r = tf.linalg.set_diag(state.sy, tf.where(_filled(memory, state.pairs), diagonal, 1))

    s_with_g, y_with_g = (
        _filled_dots(vectors, state.gradient, state.pairs, products)[:, tf.newaxis] for vectors in (s, y)
    )  # [m, 1]
    r_inverse_sg = tf.linalg.triangular_solve(r, s_with_g, lower=False)
    middle = tf.matmul(tf.linalg.diag(diagonal) + gamma * state.yy, r_inverse_sg) - gamma * y_with_g
    s_weights = tf.linalg.triangular_solve(r, middle, lower=False, adjoint=True)
    y_weights = -gamma * r_inverse_sg

    weights = tf.cast(-tf.concat([s_weights, y_weights], 0)[:, 0], state.z.dtype)  # [2 m]
    direction = -tf.cast(gamma, state.z.dtype) * state.gradient
    for weight, vector in zip(tf.unstack(weights, 2 * memory), (*s, *y), strict=True):
        with tf.control_dependencies([direction]):  # one product at a time: each is as large as the image
            direction = direction + weight * vector
    return direction


def _shifted(matrix: tf.Tensor, *, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Products [m, m] without those of the oldest pair, with those of the newest as last row and column."""
    kept = tf.concat([matrix[1:, 1:], column[:-1, tf.newaxis]], 1)  # [m - 1, m]
    return tf.concat([kept, row[tf.newaxis]], 0)


def _filled(memory: int, pairs: tf.Tensor) -> tf.Tensor:
    """Which slots have one of the pairs since the last reset, bool [m]: the last ones."""
    return tf.range(memory) >= memory - pairs


def _filled_dots(vectors: tuple[tf.Tensor, ...], a: tf.Tensor, pairs: tf.Tensor, products: Products) -> tf.Tensor:
    """The product of each vector with a, float64 [m]; 0 in slots that are not filled."""
    return tf.cast(tf.where(_filled(len(vectors), pairs), products(vectors, a), 0), tf.float64)


def _root_mean_square(a: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(tf.square(a)))


def _dot(a: tf.Tensor, b: tf.Tensor, products: Products) -> tf.Tensor:
    """The product of two vectors, a scalar."""
    return products((a,), b)[0]


class Lbfgs:
    """`lbfgs_step` as a compiled graph for every shape, which keeps the state between calls.

    Args:
        terms_and_gradient: the objective.
        shape: of the first image, [1, H, W, 3].
        config: lbfgs_memory, and convolution for `products_of`.
        jit_compile: compile the step with XLA.
    """

    recovers = True
    when_not_finite = "a shorter step is tried"

    def __init__(
        self,
        terms_and_gradient: objective.TermsAndGradient,
        shape: tf.TensorShape,
        config: configs.StyleTransferConfig,
        *,
        jit_compile: bool = False,
    ) -> None:
        self._memory = config.lbfgs_memory
        products = products_of(config)
        self._shape = tf.constant(shape.as_list())
        self._state: Any = None  # an LbfgsState from start to release
        self._jit_compile = jit_compile
        self._traced: Any = None

        def step(
            state: LbfgsState, shape: tf.Tensor, targets: objective.Targets, loss_scale: tf.Tensor
        ) -> tuple[LbfgsState, objective.Terms]:
            return lbfgs_step(state, shape, lambda image: terms_and_gradient(image, targets, loss_scale), products)

        self._step = step

    def fits(self, shape: tf.TensorShape) -> bool:
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
            self._traced = tf.function(self._step, signature, autograph=False, jit_compile=self._jit_compile)
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

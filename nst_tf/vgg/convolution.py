"""How a frozen 3 x 3 convolution of stride 1 is computed: as Keras does, or in fewer operations.

Three forms give the same numbers up to rounding.

- `direct`: Keras' own Conv2D, forward and back.
- `rotated`: the gradient with respect to the input is a forward convolution as well, with the filters turned by 180
  degrees and their channels exchanged. TensorFlow's own operation for it is up to three times slower without oneDNN.
- `winograd`: F(4 x 4, 3 x 3), forward and back, a quarter of the multiplications.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks". Each tile d of 6 x 6 positions, which
overlap by two, gives a tile of 4 x 4 results:

    Y = A^T [ (G g G^T) * (B^T d B) ] A,    summed over the input channels in between            (eq. 8 and 12)

where * is by element. U = G g G^T is computed once, since the filters are fixed; over all tiles the middle is one
matrix product for each of the 36 elements; and B (x) B, A (x) A are products with one small matrix each, so that the
whole layer runs without compilation.

The gradient needs the same U. A convolution with turned filters is the convolution of the turned picture, turned back,
so B^T reads each tile backwards, A^T writes it backwards, and U is transposed in its channels.

Deviation from the paper: the polynomials are interpolated at 0, 1, -1, 1/2, -2 and infinity, not at 0, 1, -1, 2, -2 and
infinity (Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution"): the error is 2.5
times smaller, 3e-6 of the largest value in float32.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf.tensorflow_keras import keras
from nst_tf.vgg import forms

OUTPUTS, TAPS, TILE = forms.OUTPUTS, forms.TAPS, forms.TILE
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # of interpolation, infinity besides


def interpolation_matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A^T [4, 6], G [6, 3] and B^T [6, 6] of F(4, 3) in float64, by the Toom-Cook construction on `POINTS`."""
    others = [[b for b in POINTS if b != a] for a in POINTS]
    scale = [np.prod([a - b for b in rest]) for a, rest in zip(POINTS, others, strict=True)]
    at_infinity = np.eye(TILE)[-1:]
    at = np.vander(POINTS, OUTPUTS, increasing=True)  # [5, 4]
    g = np.vander(POINTS, TAPS, increasing=True) / np.array(scale)[:, None]  # [5, 3]
    bt = np.zeros([TILE, TILE])
    for row, roots in zip(bt, [*others, list(POINTS)], strict=True):
        row[: len(roots) + 1] = np.polynomial.polynomial.polyfromroots(roots)
    return np.vstack([at, at_infinity[:, -OUTPUTS:]]).T, np.vstack([g, at_infinity[:, -TAPS:]]), bt


def transformed_filters(kernel: np.ndarray) -> np.ndarray:
    """U = G g G^T of every pair of channels: kernel [3, 3, I, O] -> float32 [36, I, O], computed in float64."""
    _, g, _ = interpolation_matrices()
    u = np.einsum("ia,jb,abco->ijco", g, g, kernel.astype(np.float64), optimize=True)
    return u.reshape(TILE * TILE, *kernel.shape[2:]).astype(np.float32)


def winograd(x: tf.Tensor, u: tf.Tensor, *, turned: bool = False) -> tf.Tensor:
    """Convolves with zero padding of one position, F(4 x 4, 3 x 3).

    Args:
        x: float32 [B, H, W, I], of any height and width.
        u: the transformed filters, float32 [36, I, O].
        turned: convolves with the filters turned by 180 degrees and their channels exchanged, as the gradient needs;
            x then has O channels, and the result I.

    Returns:
        float32 [B, H, W, O].
    """
    at, _, bt = interpolation_matrices()
    if turned:
        at, bt = at[::-1], bt[:, ::-1]
    batch, height, width, _ = _sizes(x)
    rows, columns = -(-height // OUTPUTS), -(-width // OUTPUTS)  # of tiles
    d = _tiles(x, rows, columns)  # [36, B rows columns I]
    v = tf.matmul(tf.constant(_both_sides(bt)[:, _TILE_ORDER], tf.float32), d)
    v = tf.reshape(v, [TILE * TILE, batch * rows * columns, u.shape[2 if turned else 1]])
    m = tf.matmul(v, u, transpose_b=turned)  # [36, B rows columns, O]
    channels = m.shape[2]
    y = tf.matmul(tf.constant(_both_sides(at), tf.float32), tf.reshape(m, [TILE * TILE, -1]))  # [16, B rows columns O]
    y = tf.reshape(y, [OUTPUTS, OUTPUTS, batch, rows, columns, channels])
    y = tf.transpose(y, [2, 3, 0, 4, 1, 5])
    y = tf.reshape(y, [batch, rows * OUTPUTS, columns * OUTPUTS, channels])
    return y[:, :height, :width]


class FrozenConvolution(keras.layers.Conv2D):
    """Keras' Conv2D of 3 x 3, stride 1 and `same` padding, whose filters never change, computed in another form.

    Args:
        form: `rotated` or `winograd`; `direct` is Keras' own layer.
        convolution: kernel [3, 3, I, O] and bias [O].
        **settings: those of Conv2D.

    Winograd's transforms would lose too much in 16 bits, so it computes in float32 whatever the policy.
    """

    def __init__(self, *, form: str, convolution: tuple[np.ndarray, np.ndarray], **settings: Any) -> None:
        super().__init__(**settings)
        kernel, bias = convolution
        with tf.init_scope():
            self._fixed_bias = tf.constant(bias, self.compute_dtype)
            self._convolve = MAKERS[form](kernel, self.compute_dtype)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The convolution, bias and activation: [B, H, W, I] -> [B, H, W, O]."""
        return self.activation(tf.nn.bias_add(self._convolve(inputs), self._fixed_bias))


def _rotated_form(kernel: np.ndarray, dtype: str) -> Callable[[tf.Tensor], tf.Tensor]:
    filters = tf.constant(kernel, dtype)
    turned = tf.constant(np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3)), dtype)

    @tf.custom_gradient
    def convolve(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.nn.conv2d(x, filters, 1, "SAME"), lambda upstream: tf.nn.conv2d(upstream, turned, 1, "SAME")

    return convolve


def _winograd_form(kernel: np.ndarray, dtype: str) -> Callable[[tf.Tensor], tf.Tensor]:
    u = tf.constant(transformed_filters(kernel))

    def computed(x: tf.Tensor, turned: bool) -> tf.Tensor:
        return tf.cast(winograd(tf.cast(x, tf.float32), u, turned=turned), dtype)

    @tf.custom_gradient
    def convolve(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return computed(x, False), lambda upstream: computed(upstream, True)

    return convolve


MAKERS = {"rotated": _rotated_form, "winograd": _winograd_form}


def _tiles(x: tf.Tensor, rows: Any, columns: Any) -> tf.Tensor:
    """Every tile's 36 positions, [36, B rows columns I], in the order of `_TILE_ORDER`.

    The picture is cut into blocks of 4 x 4, once. A tile is its own block and the first two rows and columns of the
    blocks below and to the right, which copies whole rows of memory where strided slices would copy single positions.
    """
    batch, height, width, channels = _sizes(x)
    after = [[1, 4 * rows + TAPS - height], [1, 4 * columns + TAPS - width]]
    blocks = tf.reshape(tf.pad(x, [[0, 0], *after, [0, 0]]), [batch, rows + 1, 4, columns + 1, 4, channels])
    blocks = tf.transpose(blocks, [2, 4, 0, 1, 3, 5])  # [4, 4, B, rows + 1, columns + 1, I]
    parts = [
        blocks[:, :, :, :-1, :-1],
        blocks[:2, :, :, 1:, :-1],
        blocks[:, :2, :, :-1, 1:],
        blocks[:2, :2, :, 1:, 1:],
    ]
    return tf.concat([tf.reshape(part, [-1, batch * rows * columns * channels]) for part in parts], 0)


def _both_sides(matrix: np.ndarray) -> np.ndarray:
    """M (x) M, which takes the rows of a flattened X to those of M X M^T."""
    return np.kron(matrix, matrix)


def _tile_order() -> list[int]:
    """Where each position that `_tiles` gives is in a flattened tile."""
    first, last = range(OUTPUTS), range(OUTPUTS, TILE)
    parts = [(first, first), (last, first), (first, last), (last, last)]
    return [TILE * row + column for rows, columns in parts for row in rows for column in columns]


_TILE_ORDER = _tile_order()


def _sizes(x: tf.Tensor) -> list[Any]:
    """The sides of x, as numbers where they are known while tracing."""
    return [known if known is not None else tf.shape(x)[axis] for axis, known in enumerate(x.shape)]

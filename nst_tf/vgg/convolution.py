"""How a frozen 3 x 3 convolution of stride 1 is computed: as Keras does, or in fewer operations.

Three forms give the same numbers up to rounding.

- `direct`: Keras' own Conv2D, forward and back.
- `rotated`: the gradient with respect to the input is a forward convolution as well, with the filters turned by 180
  degrees and their channels exchanged. TensorFlow's own operation for it is up to three times slower without oneDNN.
- `winograd`: F(4 x 4, 3 x 3), forward and back, a quarter of the multiplications.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks". Each tile d of 6 x 6 positions, which
overlap by two, gives a tile of 4 x 4 results:

    Y = A^T [ (G g G^T) * (B^T d B) ] A,    summed over the input channels in between            (eq. 8 and 12)

where * is by element. U = G g G^T is computed once, since the filters are fixed; over some tiles the middle is one
matrix product for each of the 36 elements; and B (x) B, A (x) A are products with one small matrix each, so that the
whole layer runs without compilation.

The gradient needs the same U. A convolution with turned filters is the convolution of the turned picture, turned back,
so B^T reads each tile backwards, A^T writes it backwards, and U is transposed in its channels.

Deviation from the paper: the polynomials are interpolated at 0, 1, -1, 1/2, -2 and infinity, not at 0, 1, -1, 2, -2 and
infinity (Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution"): the error is 2.5
times smaller, 3e-6 of the largest value in float32.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import machine
from nst_tf.tensorflow_keras import keras
from nst_tf.vgg import forms

OUTPUTS, TAPS, TILE = forms.OUTPUTS, forms.TAPS, forms.TILE
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # of interpolation, infinity besides
_STRIP_TILES_OF_START = 64  # reading a strip's filters and starting its operations takes as long as about so many tiles
_PAIRS_AT_A_TIME = 4096  # of channels, while filters are transformed: they stay in the processor's cache


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
    pairs = kernel.reshape(TAPS, TAPS, -1)
    u = np.empty([TILE, TILE, pairs.shape[2]], np.float32)
    for first in range(0, pairs.shape[2], _PAIRS_AT_A_TIME):
        some = slice(first, first + _PAIRS_AT_A_TIME)
        u[:, :, some] = np.matmul(g, np.tensordot(g, pairs[:, :, some].astype(np.float64), ([1], [0])))
    return u.reshape(TILE * TILE, *kernel.shape[2:])


def winograd(
    x: tf.Tensor,
    u: tf.Tensor,
    *,
    turned: bool = False,
    features: tf.Tensor | None = None,
    bias: tf.Tensor | None = None,
    margin: int = 1,
) -> tf.Tensor:
    """Convolves with zero padding, F(4 x 4, 3 x 3).

    The rows of tiles of all pictures are one list, computed in strips of about `forms.STRIP_TILES` tiles: what a strip
    takes stays in the processor's cache, and its memory is used again by the next. Whole layers would be slower by half
    where there are many positions. Each thread has a strip of its own, which shares the work better than threads that
    wait for each other in every operation. The numbers do not depend on it but for rounding.

    Args:
        x: float32 [B, H, W, I], of any height and width.
        u: the transformed filters, float32 [36, I, O].
        turned: convolves with the filters turned by 180 degrees and their channels exchanged, as the gradient needs;
            x then has O channels, and the result I.
        features: [B, H, W, I]; x counts only where they are positive, as behind a ReLU.
        bias: [O], to add before a ReLU; neither is computed without it.
        margin: rows and columns of zeros at each side, 0 to 2: 1 keeps the size; the gradient needs 2 - margin.

    Returns:
        float32 [B, H + 2 margin - 2, W + 2 margin - 2, O].
    """
    batch, height, width, inputs = sizes(x)
    results = height + 2 * margin - 2, width + 2 * margin - 2
    channels = sizes(u)[1 if turned else 2]
    rows, columns = (-(-side // OUTPUTS) for side in results)  # of tiles
    strip_rows = _rows_of_a_strip(batch * rows, columns)
    strips = -(-batch * rows // strip_rows)
    at, bt = (tf.constant(_both_sides(matrix), tf.float32) for matrix in _transforms(turned))
    sources = [tf.reshape(each, [-1, inputs]) for each in (x, features) if each is not None]

    def strip(index: tf.Tensor) -> tf.Tensor:
        """The results of some rows of tiles, [4 rows, 4 columns, O]."""
        tile_rows = index * strip_rows + tf.range(strip_rows)
        positions, start, count = _positions(tile_rows, batch, height, width, margin)
        parts = [tf.slice(source, [start, 0], [count, inputs]) for source in sources]  # rows of memory, not copied
        part = parts[0] if features is None else tf.raw_ops.ReluGrad(gradients=parts[0], features=parts[1])
        d = tf.gather(tf.concat([part, tf.zeros([1, inputs])], 0), positions)  # [36 tiles, I], zeros outside
        v = tf.reshape(tf.matmul(bt, tf.reshape(d, [TILE * TILE, -1])), [TILE * TILE, -1, inputs])
        m = tf.matmul(v, u, transpose_b=turned)  # [36, tiles, O]
        y = tf.matmul(at, tf.reshape(m, [TILE * TILE, -1]))  # [16, tiles O]
        y = tf.transpose(tf.reshape(y, [OUTPUTS, OUTPUTS, strip_rows, columns, channels]), [2, 0, 3, 1, 4])
        y = tf.reshape(y, [strip_rows * OUTPUTS, columns * OUTPUTS, channels])
        return y if bias is None else tf.nn.relu(tf.nn.bias_add(y, bias))

    y = tf.map_fn(strip, tf.range(strips), parallel_iterations=strips_at_a_time(), fn_output_signature=tf.float32)
    y = tf.reshape(y, [-1, columns * OUTPUTS, channels])[: batch * rows * OUTPUTS]
    return tf.reshape(y, [batch, rows * OUTPUTS, columns * OUTPUTS, channels])[:, : results[0], : results[1]]


def strips_at_a_time() -> int:
    """How many strips are computed at the same time, each in memory of its own."""
    return min(machine.operations_at_a_time(), forms.MOST_STRIPS_AT_A_TIME)


def _rows_of_a_strip(rows: Any, columns: Any) -> Any:
    """How many rows of tiles a strip has, of all rows, int or tensor.

    As many as give about `forms.STRIP_TILES` tiles, or fewer, down to half, with which the thread that has most to do
    is done sooner. Fewer strips than threads stay as they are: what one strip computes uses all threads.
    """
    threads = strips_at_a_time()
    most = -(-rows // -(-rows * columns // forms.STRIP_TILES))
    candidates = tf.range(most, (most - 1) // 2, -1)  # down to half, rounded up
    strips = -(-rows // candidates)
    longest = -(-strips // threads) * (candidates * columns + _STRIP_TILES_OF_START)
    return tf.where(strips[0] < threads, most, candidates[tf.argmin(longest)])


def sizes(x: tf.Tensor) -> list[Any]:
    """The sides of x, as numbers where they are known while tracing."""
    return [known if known is not None else tf.shape(x)[axis] for axis, known in enumerate(x.shape)]


@functools.cache
def traced(*, turned: bool = False, large_only: bool = False, margin: int = 1) -> Callable[..., tf.Tensor]:
    """`winograd` traced once for all layers and sizes, since to trace it anew for each would take seconds.

    Args:
        turned: False: x, u, bias -> features; True: gradient, u, features -> gradient, as `winograd` says.
        large_only: the function takes the filters [3, 3, I, O] as well, turned for the gradient, and uses them in place
            of u where there are fewer tiles than `forms.large_tiles`; only with a margin of 1.
        margin: as for `winograd`.
    """
    positions, vector = tf.TensorSpec([None] * 4), tf.TensorSpec([None])

    def computed(x: tf.Tensor, u: tf.Tensor, behind: tf.Tensor, *kernel: tf.Tensor) -> tf.Tensor:
        with_winograd = functools.partial(
            winograd, x, u, turned=turned, margin=margin, **{"features" if turned else "bias": behind}
        )
        if not kernel:
            return with_winograd()
        batch, height, width, _ = sizes(x)
        tiles = batch * -(-height // OUTPUTS) * -(-width // OUTPUTS)
        with_filters = functools.partial(_back if turned else _forward, x, kernel[0], behind)
        _, inputs, outputs = sizes(u)
        return tf.cond(tiles < forms.large_tiles(inputs, outputs), with_filters, with_winograd)

    filters = [tf.TensorSpec([TILE**2, None, None]), positions if turned else vector]
    kernel = [tf.TensorSpec([TAPS, TAPS, None, None])] if large_only else []
    return tf.function(
        computed,
        input_signature=[positions, *filters, *kernel],
        autograph=False,
        experimental_attributes={"_noinline": True},  # TensorFlow's optimiser, too, then sees it once
    )


class FrozenConvolution(keras.layers.Conv2D):
    """Keras' Conv2D of 3 x 3, stride 1 and a ReLU, with fixed filters, computed in another form.

    Args:
        form: `rotated` or `winograd`; `direct` is Keras' own layer.
        form_if_small: the form where there are fewer tiles than `forms.large_tiles`: the same, or `rotated`.
        convolution: kernel [3, 3, I, O] and bias [O].
        **settings: those of Conv2D. `valid` padding is there for `winograd` in all layers alone.

    Winograd's transforms would lose too much in 16 bits, so it computes in float32 whatever the policy.
    """

    def __init__(
        self, *, form: str, convolution: tuple[np.ndarray, np.ndarray], form_if_small: str = "", **settings: Any
    ) -> None:
        super().__init__(**settings)
        with tf.init_scope():
            if form == "rotated":
                self._convolve = rotated_form(*convolution, self.compute_dtype)
            else:
                large_only, margin = form_if_small == "rotated", int(self.padding == "same")
                self._convolve = winograd_form(*convolution, self.compute_dtype, large_only=large_only, margin=margin)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The convolution, bias and ReLU: [B, H, W, I] -> [B, H, W, O], without padding [B, H - 2, W - 2, O]."""
        return self._convolve(inputs)


def rotated_form(kernel: np.ndarray, bias: np.ndarray, dtype: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Convolution, bias and ReLU with the gradient as a forward convolution, in one number format."""
    filters, turned, added = (tf.constant(each, dtype) for each in (kernel, _turned(kernel), bias))

    @tf.custom_gradient
    def convolve(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = _forward(x, filters, added)
        return y, lambda upstream: _back(upstream, turned, y)

    return convolve


def winograd_form(
    kernel: np.ndarray, bias: np.ndarray, dtype: str, *, large_only: bool = False, margin: int = 1
) -> Callable[[tf.Tensor], tf.Tensor]:
    """The same by `traced`, with the rotated form for small layers where large_only is set, and a margin of zeros."""
    u, added = tf.constant(transformed_filters(kernel)), tf.constant(bias, tf.float32)
    forward, back = (
        traced(turned=turned, large_only=large_only, margin=2 - margin if turned else margin)
        for turned in (False, True)
    )
    filters, turned_filters = (
        ([tf.constant(each, tf.float32)] if large_only else []) for each in (kernel, _turned(kernel))
    )

    @tf.custom_gradient
    def convolve(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        # The gradient is written below, so no tape needs to follow what is inside.
        y = tf.cast(forward(tf.cast(tf.stop_gradient(x), tf.float32), u, added, *filters), dtype)
        sides = [side if side is None else side + 2 * margin - 2 for side in x.shape[1:3]]
        y = tf.ensure_shape(y, [x.shape[0], *sides, bias.size])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            g, f = (tf.cast(tf.stop_gradient(each), tf.float32) for each in (upstream, y))
            return tf.ensure_shape(tf.cast(back(g, u, f, *turned_filters), dtype), x.shape)

        return y, gradient

    return convolve


def _forward(x: tf.Tensor, filters: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, filters, 1, "SAME"), bias))


def _back(upstream: tf.Tensor, turned: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(tf.raw_ops.ReluGrad(gradients=upstream, features=features), turned, 1, "SAME")


def _turned(kernel: np.ndarray) -> np.ndarray:
    """Turned by 180 degrees, the channels exchanged: [3, 3, I, O] -> [3, 3, O, I]."""
    return np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3))


def _positions(
    tile_rows: tf.Tensor, batch: Any, height: Any, width: Any, margin: int
) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """Where the positions of some rows of tiles are, in the order of their matrices.

    Args:
        tile_rows: their numbers, in a list of the rows of tiles of all pictures; what is beyond it gives zeros.
        batch: of pictures, of a height and a width.
        height: of each picture.
        width: the same.
        margin: of zeros.

    Returns:
        int32 [36 tiles], counted from a first position among all, [B H W]; that position; and how many are read from
        there. What is outside a picture has the number behind the last.
    """
    rows, columns = (-(-(side + 2 * margin - 2) // OUTPUTS) for side in (height, width))
    picture, row = tile_rows // rows, OUTPUTS * (tile_rows % rows) - margin
    row = row + tf.range(TILE)[:, tf.newaxis]  # [6, rows]
    column = OUTPUTS * tf.range(columns) - margin + tf.range(TILE)[:, tf.newaxis]  # [6, columns]
    first = (picture * height + row) * width  # of each row of positions
    inside_rows = (row >= 0) & (row < height) & (picture < batch)
    inside = inside_rows[:, tf.newaxis, :, tf.newaxis] & ((column >= 0) & (column < width))[:, tf.newaxis, :]
    read = OUTPUTS * tf.size(tile_rows) + 2
    if margin == 0:  # pictures are then two rows higher than what comes of them
        read += 2 * (tf.size(tile_rows) // rows + 1)
    count = tf.minimum(read * width, batch * height * width)
    start = tf.clip_by_value(first[0, 0], 0, batch * height * width - count)
    at = first[:, tf.newaxis, :, tf.newaxis] + column[:, tf.newaxis, :] - start  # [6, 6, rows, columns]
    return tf.reshape(tf.where(inside, at, count), [-1]), start, count


def _transforms(turned: bool) -> tuple[np.ndarray, np.ndarray]:
    """A^T [4, 6] and B^T [6, 6], for turned filters from the other end."""
    at, _, bt = interpolation_matrices()
    return (at[::-1], bt[:, ::-1]) if turned else (at, bt)


def _both_sides(matrix: np.ndarray) -> np.ndarray:
    """M (x) M, which takes the rows of a flattened X to those of M X M^T."""
    return np.kron(matrix, matrix)

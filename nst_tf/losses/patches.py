"""Style as patches: every patch of the picture's features should be one of the style's (Li & Wand 2016, CNNMRF)."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import tensorflow as tf

from nst_tf import vgg
from nst_tf.losses import loops, terms
from nst_tf.pictures import images, turned

SIDE = 3  # positions of a patch along a side; Li & Wand 2016, section 4
ROTATION_STEP_DEGREES = 7.5  # pi / 24; the same section, and cnnmrf.lua
SCALE_STEP = 0.05  # the same
CHUNK_BYTES = 64 * 2**20  # what is held at once of the style's patches and of the responses to them

_OFFSETS = tuple((dy, dx) for dy in range(SIDE) for dx in range(SIDE))


class Patches(NamedTuple):
    """The patches of one or more feature maps, each the rows of its positions."""

    rows: tf.Tensor  # [R, N], the features of every position
    index: tf.Tensor  # int32 [P, SIDE^2], which rows each patch has


class Matched(NamedTuple):
    """What the patches that were matched come to at each position of a feature map."""

    mean: tf.Tensor  # [B, H, W, N], of the patches that cover a position; 0 where none does
    count: tf.Tensor  # [B, H, W], how many cover it
    spread: tf.Tensor  # [B, H, W], the sum of their squared distances to the mean


def patches_of(features: tf.Tensor, stride: int) -> Patches:
    """The patches of a feature map [1, H, W, N], as many positions apart as the stride says."""
    height, width = tf.unstack(tf.shape(features)[1:3])
    y, x = (stride * tf.range((side - SIDE) // stride + 1) for side in (height, width))
    corners = tf.reshape(y[:, tf.newaxis] * width + x, [-1, 1])  # [P, 1]
    offsets = tf.stack([dy * width + dx for dy, dx in _OFFSETS])
    return Patches(tf.reshape(features, [-1, tf.shape(features)[3]]), corners + offsets)


def joined(patches: Sequence[Patches]) -> Patches:
    """The patches of several maps as one collection."""
    index, first_row = [], tf.constant(0)
    for each in patches:
        index.append(each.index + first_row)
        first_row += tf.shape(each.rows)[0]
    return Patches(tf.concat([each.rows for each in patches], 0), tf.concat(index, 0))


def nearest(features: tf.Tensor, style: Patches, stride: int) -> tf.Tensor:
    """The style's patch that correlates best with each patch of a feature map.

    Args:
        features: [B, H, W, N].
        style: the patches to choose from.
        stride: positions between two patches of the map.

    Returns:
        int32 [B, H', W'], the patch with the largest normalised cross-correlation; the first of equal ones.

    Source: Li & Wand 2016, eq. 3. The norm of the map's own patch is the same for every choice and left out; so is the
    code's confidence threshold, which is 0 there, where features after a ReLU never fall below it.
    """
    shape = tf.shape(features)
    rows, columns = tf.unstack((shape[1:3] - SIDE) // stride + 1)
    positions, entries = shape[0] * rows * columns, SIDE**2 * shape[3]
    chunk = tf.maximum(CHUNK_BYTES // features.dtype.size // (positions + 2 * entries), 1)
    best = tf.zeros([shape[0], rows, columns], tf.int32)
    correlation = tf.fill([shape[0], rows, columns], tf.constant(-1.0, features.dtype))

    def stronger(first: tf.Tensor, found: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        best, correlation = found
        patches = tf.gather(style.rows, style.index[first : first + chunk])  # [chunk, SIDE^2, N]
        norms = tf.sqrt(tf.reduce_sum(tf.square(patches), [1, 2], keepdims=True))
        filters = tf.transpose(tf.math.divide_no_nan(patches, norms), [1, 2, 0])
        filters = tf.reshape(filters, [SIDE, SIDE, shape[3], -1])
        responses = tf.nn.conv2d(features, filters, stride, "VALID")  # [B, H', W', chunk]
        strongest = tf.reduce_max(responses, -1)
        best = tf.where(strongest > correlation, first + tf.argmax(responses, -1, tf.int32), best)
        return best, tf.maximum(correlation, strongest)

    return loops.in_order(stronger, (best, correlation), tf.shape(style.index)[0], chunk)[0]


def matched(features: tf.Tensor, style: Patches, stride: int) -> Matched:
    """Matches every patch of a feature map [B, H, W, N], and spreads the matches over the positions they cover."""
    height, width = tf.unstack(tf.shape(features)[1:3])
    chosen = tf.gather(style.index, nearest(features, style, stride))  # [B, H', W', SIDE^2]
    added = tf.zeros_like(tf.pad(features, [[0, 0], [0, 0], [0, 0], [0, 2]]))  # [B, H, W, N + 2]
    for number, offset in enumerate(_OFFSETS):
        values = tf.gather(style.rows, chosen[..., number])  # [B, H', W', N]
        squares = tf.reduce_sum(tf.square(values), -1, keepdims=True)
        added += _spread(tf.concat([values, squares, tf.ones_like(squares)], -1), stride, offset, height, width)
    total, squares, count = added[..., :-2], added[..., -2], added[..., -1]
    mean = tf.math.divide_no_nan(total, count[..., tf.newaxis])
    return Matched(mean, count, tf.maximum(squares - count * tf.reduce_sum(tf.square(mean), -1), 0))


def patch_loss(features: tf.Tensor, style: Patches, stride: int, form: str) -> tf.Tensor:
    """Squared distances between the patches of a feature map and their matches.

    Args:
        features: [B, H, W, N].
        style: the patches to match.
        stride: positions between two patches of the map.
        form: `patch-sum`, the paper's: half the sum over all patches. `position-sum`, the code's: each position's part
            divided by the number of patches that cover it, which makes its gradient the difference to the mean of the
            matched patches. `mean`: twice that, divided by the number of values, the same at every size.

    Returns:
        [B]. The matches are constants of the gradient; they change with every evaluation.

    Source: Li & Wand 2016, eq. 2, and mylib/mrf.lua of chuanli11/CNNMRF fddcf4d.  Deviation: half the paper's sum, as
    eq. 1 of Gatys et al. has it.
    """
    found = Matched(*map(tf.stop_gradient, matched(tf.stop_gradient(features), style, stride)))
    distances = found.count * tf.reduce_sum(tf.square(features - found.mean), -1) + found.spread  # [B, H, W]
    if form == "patch-sum":
        return tf.reduce_sum(distances, [1, 2]) / 2
    total = tf.reduce_sum(tf.math.divide_no_nan(distances, found.count), [1, 2])
    if form == "position-sum":
        return total / 2
    covered = tf.reduce_sum(tf.cast(found.count > 0, features.dtype), [1, 2])
    return total / (covered * tf.cast(tf.shape(features)[3], features.dtype))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MrfTerm(terms.FeatureTerm):
    """The patches of the picture against those of the style pictures, turned and scaled.

    Several styles are one collection of patches, without shares.

    Attributes:
        stride: positions between two patches, of the style and of the picture.
        rotation_steps: turns of 7.5 degrees to each side.
        scale_steps: steps of 5 % to each side.
        form: as for `patch_loss`.
    """

    name: ClassVar[str] = "mrf"
    compares_with: ClassVar[Literal["content", "style"]] = "style"
    why_whole: ClassVar[str] = "patches are matched over the whole picture"

    stride: int
    rotation_steps: int
    scale_steps: int
    form: str

    def measure(self, features: tf.Tensor, target: Patches | None = None) -> Patches | tf.Tensor:
        """The patches of a style picture, or the loss of the generated one, [B]."""
        if target is None:
            return patches_of(features, self.stride)
        return patch_loss(features, target, self.stride, self.form)

    def loss(self, measured: tf.Tensor, target: Patches) -> tf.Tensor:
        """What was measured."""
        return measured

    def views(self, style: tf.Tensor) -> list[tf.Tensor]:
        """The style turned and scaled, where enough of it is left for a patch of the deepest layer."""
        needed_px = SIDE * vgg.stride_px(*self.layers)
        found = []
        for turn in range(-self.rotation_steps, self.rotation_steps + 1):
            pixels = turned.turned(style.numpy(), turn * ROTATION_STEP_DEGREES)
            for step in range(-self.scale_steps, self.scale_steps + 1):
                size = [max(1, round(side * (1 + step * SCALE_STEP))) for side in pixels.shape[1:3]]
                if (turn or step) and min(size) >= needed_px:
                    found.append(tf.constant(images.resize(pixels, *size), style.dtype))
        return found

    def joined(self, measured: Sequence[Patches]) -> Patches:
        """The patches of all views."""
        return joined(measured)

    def blended(self, measured: Sequence[Patches], shares: Sequence[float]) -> Patches:
        """The patches of all styles."""
        return joined(measured)


def _spread(values: tf.Tensor, stride: int, offset: tuple[int, int], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Values of patches [B, H', W', C] at the position each patch has at an offset, zeros elsewhere: [B, H, W, C]."""
    shape = tf.shape(values)
    between = [0, stride - 1]
    values = tf.pad(values[:, :, tf.newaxis, :, tf.newaxis], [[0, 0], [0, 0], between, [0, 0], between, [0, 0]])
    values = tf.reshape(values, [shape[0], shape[1] * stride, shape[2] * stride, shape[3]])
    rows, columns = (shape[1] - 1) * stride + 1, (shape[2] - 1) * stride + 1
    top, left = offset
    padding = [[0, 0], [top, height - rows - top], [left, width - columns - left], [0, 0]]
    return tf.pad(values[:, :rows, :columns], padding)

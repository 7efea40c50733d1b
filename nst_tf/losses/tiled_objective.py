"""The objective of a picture larger than memory: the same terms and the same gradient, computed tile by tile.

Gram matrices and squared errors are sums over positions. Each position of each layer is owned by
one tile; a tile reads its pixels and a halo as wide as the network's receptive field, so that the zero padding of the
network meets owned features at the picture's own borders only. A first pass adds up the sums of all tiles, a second one
computes each tile's features again and carries the gradient back; the gradients of overlapping halos add up.
"""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from nst_tf import errors, vgg
from nst_tf.losses import gatys, objective, tiles


class _Sums(NamedTuple):
    """What adds up over the tiles."""

    content: dict[str, tf.Tensor]  # eq. 1 by layer, [B]
    grams: dict[str, tf.Tensor]  # F F^T by layer, [B, N, N]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TiledObjective(objective.Objective):
    """An `Objective` in tiles. One evaluation holds the features of one tile; it costs at most one more forward pass.

    The extractor must have VGG-19's geometry: 3 x 3 convolutions with zero padding, 2 x 2 pooling between the blocks.

    Attributes:
        tile_height_px: pixels a tile owns, the last ones fewer; a multiple of `vgg.stride_px`.
        tile_width_px: the same across.
    """

    tile_height_px: int
    tile_width_px: int

    def __post_init__(self) -> None:
        stride = vgg.stride_px(*self.config.layers)
        for side_px in (self.tile_height_px, self.tile_width_px):
            if side_px < stride or side_px % stride:
                raise errors.ConfigError(
                    f"the sides of a tile must be multiples of {stride} px for {self.config.layers[-1]}. "
                    f"Received: {side_px} px."
                )

    def content_features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """P of a content image by layer, in the extractor's own dtype: nothing is lost and half the memory needed."""
        wanted: dict[str, tf.Variable] = {}
        for index in range(self._count(tf.shape(image))):
            tile = self._tile(index, tf.shape(image))
            features = self._owned(tiles.read(image, tile), tile)
            for layer in self.config.content_layers:
                part = features[layer]
                if layer not in wanted:  # filled in place: parts put together at the end would be there twice
                    stride = vgg.stride_px(layer)
                    shape = [image.shape[0], image.shape[1] // stride, image.shape[2] // stride, part.shape[3]]
                    wanted[layer] = tf.Variable(tf.zeros(shape, part.dtype), trainable=False)
                wanted[layer][tiles.place(layer, tile)].assign(part)
        return {layer: variable.value() for layer, variable in wanted.items()}

    def gram_matrices(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """A/M of a style image, by layer."""
        sums: dict[str, list[tf.Tensor]] = {layer: [] for layer in self.config.style_layers}
        for index in range(self._count(tf.shape(image))):
            tile = self._tile(index, tf.shape(image))
            features = self._owned(tiles.read(image, tile), tile)
            for layer, parts in sums.items():
                parts.append(_gram_sum(tf.cast(features[layer], image.dtype)))
        return {layer: tf.add_n(parts) / _positions(image, layer) for layer, parts in sums.items()}

    def terms(
        self, image: tf.Tensor, targets: objective.Targets, content_weight: tf.Tensor | float | None = None
    ) -> objective.Terms:
        """Evaluates the objective; arguments and result are those of `Objective.terms`."""
        smoothness, _ = self._smoothness_and_gradient(image)
        sums = self._summed(image, targets, self._count(tf.shape(image)))
        return self._terms_of(sums, image, smoothness, targets, content_weight)

    def terms_and_gradient(
        self,
        image: tf.Tensor,
        targets: objective.Targets,
        loss_scale: tf.Tensor | float = 1.0,
        content_weight: tf.Tensor | float | None = None,
    ) -> tuple[objective.Terms, tf.Tensor]:
        """Evaluates the objective and its gradient; arguments and result are those of `Objective.terms_and_gradient`.

        The tile that the first pass ends with keeps its features for the second. The control dependencies keep total
        variation, first and second pass in order: without them TensorFlow holds the features of tiles side by side.
        """
        shape = tf.shape(image)
        others = self._count(shape) - 1
        smoothness, gradient = self._smoothness_and_gradient(image)
        with tf.control_dependencies([gradient]):
            sums = self._summed(image, targets, others)
        kept = self._tile(others, shape)
        with tf.control_dependencies(tf.nest.flatten(sums)):
            pixels = tf.identity(tiles.read(image, kept))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pixels)
            owned = self._owned(pixels, kept)
        sums = tf.nest.map_structure(tf.add, sums, self._sums(owned, kept, targets, image.dtype))
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(sums)
            terms = self._terms_of(sums, image, smoothness, targets, content_weight)
            scaled_total = terms.total * loss_scale
        slopes = outer.gradient(scaled_total, sums, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        part = tape.gradient(owned, pixels, self._output_gradients(owned, kept, targets, slopes))
        gradient = tiles.with_part_added(gradient, kept, part / loss_scale)
        with tf.control_dependencies([gradient]):
            slopes = tf.nest.map_structure(tf.identity, slopes)
            for index in tf.range(others):
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                tile = self._tile(index, shape)
                pixels = tiles.read(image, tile)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(pixels)
                    owned = self._owned(pixels, tile)
                part = tape.gradient(owned, pixels, self._output_gradients(owned, tile, targets, slopes))
                gradient = tiles.with_part_added(gradient, tile, part / loss_scale)
        return terms, gradient

    def _smoothness_and_gradient(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The weighted total variation [B] and its gradient, strip by strip: its temporaries are 14 images large.

        A strip reads one row of the next, whose own neighbours to the right are then taken off again.
        """
        smoothness, gradient = tf.zeros_like(image[:, 0, 0, 0]), tf.zeros_like(image)
        if not self.config.total_variation_weight:
            return smoothness, gradient
        shape, left = tf.shape(image), tf.constant(0)
        for top in tf.range(0, shape[1], self.tile_height_px):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            bottom = tf.minimum(top + self.tile_height_px + 1, shape[1])
            is_shared = tf.cast(top + self.tile_height_px < shape[1], image.dtype)
            strip = tiles.Tile(top, bottom, left, shape[2], top, bottom, left, shape[2])
            pixels = tiles.read(image, strip)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(pixels)
                part = self.smoothness(pixels, shape[1:3]) - is_shared * self.smoothness(pixels[:, -1:], shape[1:3])
            smoothness += part
            gradient = tiles.with_part_added(gradient, strip, tape.gradient(part, pixels))
        return smoothness, gradient

    def _count(self, shape: tf.Tensor) -> tf.Tensor:
        """How many tiles cover an image of a shape [B, H, W, C]."""
        return -(-shape[1] // self.tile_height_px) * -(-shape[2] // self.tile_width_px)

    def _tile(self, index: tf.Tensor | int, shape: tf.Tensor) -> tiles.Tile:
        """A tile by its number, row by row."""
        halo = vgg.halo_px(self.config.layers)
        columns = -(-shape[2] // self.tile_width_px)
        top, left = index // columns * self.tile_height_px, index % columns * self.tile_width_px
        bottom = tf.minimum(top + self.tile_height_px, shape[1])
        right = tf.minimum(left + self.tile_width_px, shape[2])
        return tiles.Tile(
            top,
            bottom,
            left,
            right,
            tf.maximum(top - halo, 0),
            tf.minimum(bottom + halo, shape[1]),
            tf.maximum(left - halo, 0),
            tf.minimum(right + halo, shape[2]),
        )

    def _owned(self, pixels: tf.Tensor, tile: tiles.Tile) -> dict[str, tf.Tensor]:
        """The features that a tile owns, from the pixels it reads, in the extractor's dtype."""
        features = self.extractor(pixels)
        owned = {}
        for layer in self.config.layers:
            stride = vgg.stride_px(layer)
            y, x = tile.read_top // stride, tile.read_left // stride
            owned[layer] = features[layer][
                :,
                tile.top // stride - y : tile.bottom // stride - y,
                tile.left // stride - x : tile.right // stride - x,
            ]
        return owned

    def _sums(
        self, owned: dict[str, tf.Tensor], tile: tiles.Tile, targets: objective.Targets, dtype: tf.DType
    ) -> _Sums:
        """A tile's part of the sums, in the image's dtype."""
        return _Sums(
            {
                layer: gatys.content_loss(tf.cast(owned[layer], dtype), tiles.part(p, layer, tile, dtype))
                for layer, p in targets.content.items()
            },
            {layer: _gram_sum(tf.cast(owned[layer], dtype)) for layer in targets.style},
        )

    def _summed(self, image: tf.Tensor, targets: objective.Targets, count: tf.Tensor) -> _Sums:
        """The sums over the first tiles."""
        shape = tf.shape(image)
        zero = tf.zeros_like(image[:, 0, 0, 0])  # [B]
        grams = {layer: tf.zeros_like(a) * zero[:, tf.newaxis, tf.newaxis] for layer, a in targets.style.items()}
        sums = _Sums(dict.fromkeys(targets.content, zero), grams)
        for index in tf.range(count):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            tile = self._tile(index, shape)
            part = self._sums(self._owned(tiles.read(image, tile), tile), tile, targets, image.dtype)
            sums = tf.nest.map_structure(tf.add, sums, part)
        return sums

    def _terms_of(
        self,
        sums: _Sums,
        image: tf.Tensor,
        smoothness: tf.Tensor,
        targets: objective.Targets,
        content_weight: tf.Tensor | float | None,
    ) -> objective.Terms:
        """The terms from the sums over all tiles."""
        grams = {layer: gram / _positions(image, layer) for layer, gram in sums.grams.items()}
        return self.combined(sums.content, grams, smoothness, targets, content_weight)

    def _output_gradients(
        self, owned: dict[str, tf.Tensor], tile: tiles.Tile, targets: objective.Targets, slopes: _Sums
    ) -> dict[str, tf.Tensor]:
        """The gradient with respect to a tile's owned features.

        That of a Gram matrix F^T F whose own gradient is D is F (D + D^T), that of eq. 1 is F - P; written out, they
        need one product and no float32 copy of the features kept, where a tape would need two of each.
        """
        dtype = tf.nest.flatten(slopes)[0].dtype
        gradients = {}
        for layer, features in owned.items():
            f = tf.cast(features, dtype)
            gradient = tf.zeros_like(f)
            if layer in slopes.grams:
                d = slopes.grams[layer]
                shape = tf.shape(f)
                flat = tf.reshape(f, [shape[0], shape[1] * shape[2], shape[3]])  # [B, M, N]
                gradient = tf.reshape(tf.matmul(flat, d + tf.linalg.matrix_transpose(d)), shape)
            if layer in slopes.content:
                residual = f - tiles.part(targets.content[layer], layer, tile, dtype)
                gradient += slopes.content[layer][:, tf.newaxis, tf.newaxis, tf.newaxis] * residual
            gradients[layer] = tf.cast(gradient, features.dtype)
        return gradients


def _gram_sum(features: tf.Tensor) -> tf.Tensor:
    """F F^T, [B, N, N], from [B, H, W, N]."""
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]])  # [B, M, N]
    return tf.matmul(flat, flat, transpose_a=True)


def _positions(image: tf.Tensor, layer: str) -> tf.Tensor:
    """M of a layer, in the image's dtype."""
    stride = vgg.stride_px(layer)
    shape = tf.shape(image)
    return tf.cast((shape[1] // stride) * (shape[2] // stride), image.dtype)

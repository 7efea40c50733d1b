"""The objective of a picture larger than memory: the same terms and the same gradient, computed tile by tile.

What a term measures of features is a sum over positions. Each position of each layer is owned by one tile; a tile reads
its pixels and a halo as wide as the network's receptive field, so that the zero padding of the network meets owned
features at the picture's own borders only. A first pass adds up the sums of all tiles, a second one computes each
tile's features again and carries the gradient back; the gradients of overlapping halos add up. Terms on pixels go strip
by strip.
"""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from nst_tf import errors, vgg
from nst_tf.losses import loops, objective, terms, tiles

Sums = objective.Targets  # what adds up over the tiles: by the name of a term, then by layer


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
        super().__post_init__()
        stride = vgg.stride_px(*self.config.layers)
        for side_px in (self.tile_height_px, self.tile_width_px):
            if side_px < stride or side_px % stride:
                raise errors.ConfigError(
                    f"the sides of a tile must be multiples of {stride} px for {self.config.layers[-1]}. "
                    f"Received: {side_px} px."
                )
        for term in self.feature_terms:
            if term.why_whole:
                raise errors.ConfigError(
                    f"{term.name} cannot be computed in tiles: {term.why_whole}. Received: tiles of "
                    f"{self.tile_width_px} x {self.tile_height_px} px. Use a smaller picture or another term."
                )

    def content_features(self, image: tf.Tensor) -> objective.Features:
        """The features of a content image that are targets, in the extractor's own dtype: half the memory is needed."""
        wanted: dict[str, tf.Variable] = {}
        for index in range(self._count(tf.shape(image))):
            tile = self._tile(index, tf.shape(image))
            features = self._owned(tiles.read(image, tile), tile)
            for layer in self._layers_compared_with("content"):
                part = features[layer]
                if layer not in wanted:  # filled in place: parts put together at the end would be there twice
                    stride = vgg.stride_px(layer)
                    shape = [image.shape[0], image.shape[1] // stride, image.shape[2] // stride, part.shape[3]]
                    wanted[layer] = tf.Variable(tf.zeros(shape, part.dtype), trainable=False)
                wanted[layer][tiles.place(layer, tile)].assign(part)
        return {layer: variable.value() for layer, variable in wanted.items()}

    def style_measurements(self, image: tf.Tensor) -> objective.Targets:
        """What the terms that compare with style measure of a style image, by name and layer."""
        style_terms = [term for term in self.feature_terms if term.compares_with == "style"]
        parts = []
        for index in range(self._count(tf.shape(image))):
            tile = self._tile(index, tf.shape(image))
            features = self._owned(tiles.read(image, tile), tile)
            parts.append(
                {
                    term.name: {
                        layer: term.partial(tf.cast(features[layer], image.dtype), None) for layer in term.layers
                    }
                    for term in style_terms
                }
            )
        return {
            term.name: {
                layer: term.averaged(tf.add_n([part[term.name][layer] for part in parts]), _positions(image, layer))
                for layer in term.layers
            }
            for term in style_terms
        }

    def terms(
        self, image: tf.Tensor, targets: objective.Targets, weights: objective.Weights | None = None
    ) -> objective.Terms:
        """Evaluates the objective; arguments and result are those of `Objective.terms`."""
        pixel_values, _ = self._pixel_values_and_gradient(image, targets)
        sums = self._summed(image, targets, self._count(tf.shape(image)))
        return self._terms_of(sums, image, pixel_values, targets, weights)

    def terms_and_gradient(
        self,
        image: tf.Tensor,
        targets: objective.Targets,
        loss_scale: tf.Tensor | float = 1.0,
        weights: objective.Weights | None = None,
    ) -> tuple[objective.Terms, tf.Tensor]:
        """Evaluates the objective and its gradient; arguments and result are those of `Objective.terms_and_gradient`.

        The tile that the first pass ends with keeps its features for the second. The control dependencies keep the
        terms on pixels, first and second pass in order: without them TensorFlow holds the features of tiles side by
        side.
        """
        shape = tf.shape(image)
        others = self._count(shape) - 1
        pixel_values, gradient = self._pixel_values_and_gradient(image, targets)
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
            evaluated = self._terms_of(sums, image, pixel_values, targets, weights)
            scaled_total = evaluated.total * loss_scale
        slopes = outer.gradient(scaled_total, sums, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradient = self._with_tile(gradient, tape, owned, pixels, kept, targets, slopes, loss_scale)
        with tf.control_dependencies([gradient]):
            slopes = tf.nest.map_structure(tf.identity, slopes)

            def with_other(index: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
                tile = self._tile(index, shape)
                pixels = tiles.read(image, tile)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(pixels)
                    owned = self._owned(pixels, tile)
                return self._with_tile(gradient, tape, owned, pixels, tile, targets, slopes, loss_scale)

            gradient = loops.in_order(with_other, gradient, others)
        return evaluated, gradient

    def measurements(self, image: tf.Tensor, targets: objective.Targets) -> objective.Targets:
        """What some terms measure of an image; arguments and result are those of `Objective.measurements`."""
        named = [term for term in self.feature_terms if term.name in targets]
        only = dataclasses.replace(self, named_terms=tuple(named))
        parts = []
        for index in range(self._count(tf.shape(image))):
            tile = self._tile(index, tf.shape(image))
            parts.append(only._sums(self._owned(tiles.read(image, tile), tile), tile, targets, image.dtype))
        return {
            term.name: {
                layer: term.averaged(tf.add_n([part[term.name][layer] for part in parts]), _positions(image, layer))
                for layer in term.layers
            }
            for term in named
        }

    def _with_tile(
        self,
        gradient: tf.Tensor,
        tape: tf.GradientTape,
        owned: objective.Features,
        pixels: tf.Tensor,
        tile: tiles.Tile,
        targets: objective.Targets,
        slopes: Sums,
        loss_scale: tf.Tensor | float,
    ) -> tf.Tensor:
        """The gradient of the image with that of one tile's features added, carried back by the tape they are on."""
        part = tape.gradient(owned, pixels, self._output_gradients(owned, tile, targets, slopes))
        return tiles.with_part_added(gradient, tile, part / loss_scale)

    def _pixel_values_and_gradient(
        self, image: tf.Tensor, targets: objective.Targets
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The terms on pixels, weighted, [B] each, and their gradient, strip by strip.

        The temporaries of total variation are 14 images large. A strip reads the rows that its last neighbourhoods
        reach into; what lies within those rows alone is then taken off again, since the next strip has it, too.
        """
        values = {term.name: tf.zeros_like(image[:, 0, 0, 0]) for term in self.pixel_terms}
        gradient = tf.zeros_like(image)
        weighted = [term for term in self.pixel_terms if term.weight]
        if not weighted:
            return values, gradient
        shape, left = tf.shape(image), tf.constant(0)
        step = math.lcm(*(term.row_step for term in weighted))
        strip_rows = -(-self.tile_height_px // step) * step

        def with_strip(top: tf.Tensor, found: tuple[dict[str, tf.Tensor], tf.Tensor]) -> Any:
            values, gradient = found
            for term in weighted:
                owned_bottom = tf.minimum(top + strip_rows, shape[1])
                bottom = tf.minimum(owned_bottom + term.reach_rows, shape[1])
                shared = bottom - owned_bottom
                strip = tiles.Tile(top, bottom, left, shape[2], top, bottom, left, shape[2])
                target = {name: tiles.read(value, strip) for name, value in targets[term.name].items()}
                pixels = tiles.read(image, strip)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(pixels)
                    part = _without_shared_rows(term, pixels, target, shared, shape[1:3])
                part.set_shape(values[term.name].shape)  # which the loop keeps, whatever a term knows of its own
                values = values | {term.name: values[term.name] + part}
                gradient = tiles.with_part_added(gradient, strip, tape.gradient(part, pixels))
            return values, gradient

        return loops.in_order(with_strip, (values, gradient), shape[1], strip_rows)

    def _count(self, shape: tf.Tensor) -> tf.Tensor:
        """How many tiles cover an image of a shape [B, H, W, C]."""
        return _ceiling_of(shape[1], self.tile_height_px) * _ceiling_of(shape[2], self.tile_width_px)

    def _tile(self, index: tf.Tensor | int, shape: tf.Tensor) -> tiles.Tile:
        """A tile by its number, row by row."""
        halo = vgg.halo_px(self.config.layers)
        columns = _ceiling_of(shape[2], self.tile_width_px)
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

    def _owned(self, pixels: tf.Tensor, tile: tiles.Tile) -> objective.Features:
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

    def _sums(self, owned: objective.Features, tile: tiles.Tile, targets: objective.Targets, dtype: tf.DType) -> Sums:
        """A tile's part of the sums, in the image's dtype."""
        return {
            term.name: {
                layer: term.partial(tf.cast(owned[layer], dtype), _target(term, layer, tile, targets, dtype))
                for layer in term.layers
            }
            for term in self.feature_terms
        }

    def _summed(self, image: tf.Tensor, targets: objective.Targets, count: tf.Tensor) -> Sums:
        """The sums over the first tiles."""
        shape = tf.shape(image)
        zero = tf.zeros_like(image[:, 0, 0, 0])  # [B]
        sums = {
            term.name: {layer: term.zeros(targets[term.name][layer], zero) for layer in term.layers}
            for term in self.feature_terms
        }

        def with_tile(index: tf.Tensor, sums: Sums) -> Sums:
            tile = self._tile(index, shape)
            part = self._sums(self._owned(tiles.read(image, tile), tile), tile, targets, image.dtype)
            return tf.nest.map_structure(tf.add, sums, part)

        return loops.in_order(with_tile, sums, count)

    def _terms_of(
        self,
        sums: Sums,
        image: tf.Tensor,
        pixel_values: dict[str, tf.Tensor],
        targets: objective.Targets,
        weights: objective.Weights | None,
    ) -> objective.Terms:
        """The terms from the sums over all tiles."""
        measured = {
            term.name: {
                layer: term.averaged(total, _positions(image, layer)) for layer, total in sums[term.name].items()
            }
            for term in self.feature_terms
        }
        return self.combined(measured, pixel_values, tf.zeros_like(image[:, 0, 0, 0]), targets, weights)

    def _output_gradients(
        self, owned: objective.Features, tile: tiles.Tile, targets: objective.Targets, slopes: Sums
    ) -> objective.Features:
        """The gradient with respect to a tile's owned features, layer by layer: the sum of its terms' gradients."""
        dtype = tf.nest.flatten(slopes)[0].dtype
        gradients = {}
        for layer, features in owned.items():
            f = tf.cast(features, dtype)
            gradient = tf.zeros_like(f)
            for term in self.feature_terms:
                if layer in term.layers:
                    target = _target(term, layer, tile, targets, dtype)
                    gradient += term.gradient(f, target, slopes[term.name][layer])
            gradients[layer] = tf.cast(gradient, features.dtype)
        return gradients


def _target(
    term: terms.FeatureTerm, layer: str, tile: tiles.Tile, targets: objective.Targets, dtype: tf.DType
) -> tf.Tensor:
    """A term's target at a layer: the positions that a tile owns where the target has positions."""
    return term.part(targets[term.name][layer], lambda whole: tiles.part(whole, layer, tile, dtype))


def _without_shared_rows(
    term: terms.PixelTerm, pixels: tf.Tensor, target: dict[str, tf.Tensor], shared: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """A term on a strip, less what it gives on the last rows alone, which the next strip has, too."""
    value = term.value(pixels, target, size)
    if not term.reach_rows:
        return value
    last_rows = slice(-tf.maximum(shared, 1), None)
    repeated = term.value(pixels[:, last_rows], {name: part[:, last_rows] for name, part in target.items()}, size)
    return value - tf.cast(shared > 0, pixels.dtype) * repeated


def _ceiling_of(side: tf.Tensor, part: int) -> tf.Tensor:
    """How many parts cover a side."""
    return (side + part - 1) // part


def _positions(image: tf.Tensor, layer: str) -> tf.Tensor:
    """M of a layer, in the image's dtype."""
    stride = vgg.stride_px(layer)
    shape = tf.shape(image)
    return tf.cast((shape[1] // stride) * (shape[2] // stride), image.dtype)

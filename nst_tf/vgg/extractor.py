"""Keras' VGG19(include_top=False) as a feature extractor with one output for each tapped layer."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from nst_tf.tensorflow_keras import keras
from nst_tf.vgg import convolution as frozen
from nst_tf.vgg import forms
from nst_tf.vgg import layers as vgg_layers
from nst_tf.vgg import pooling as pooling_functions


def feature_extractor(
    convolutions: vgg_layers.Convolutions,
    layers: Sequence[str],
    *,
    pooling: str,
    policy: str = "float32",
    convolution: str = "direct",
) -> keras.Model:
    """Builds the multi-output tap model.

    Args:
        convolutions: Keras layer name -> (kernel [3, 3, I, O], bias [O]), as `weights.load` gives them.
        layers: the taps, in the paper's names; the network ends at the deepest of them.
        pooling: `average` or `max`.
        policy: Keras dtype policy of the network's layers. The preprocessing computes in float32 (float64 under
            `float64`) whatever the policy.
        convolution: the form in which the convolutions are computed, one of `forms.FORMS`.

    Returns:
        A model from images [B, H, W, 3] (sRGB in [0, 1]) to {layer: features after the ReLU [B, H', W', N]}, the
        features in the policy's compute dtype. Its weights are not trainable.
    """
    image_dtype = "float64" if policy == "float64" else "float32"
    image = keras.Input([None, None, 3], dtype=image_dtype, name="image")
    x = keras.layers.Lambda(_preprocess, name="preprocess", dtype=image_dtype)(image)
    deepest = vgg_layers.keras_name(max(layers, key=vgg_layers.LAYERS.index))
    outputs = {}
    for layer, settings in _keras_layers():
        x = _rebuilt(layer, settings, pooling, policy, convolution, convolutions)(x)
        outputs[settings["name"]] = x
        if settings["name"] == deepest:
            break
    model = keras.Model(image, {layer: outputs[vgg_layers.keras_name(layer)] for layer in layers}, name="vgg19_taps")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights(convolutions[layer.name])
    model.trainable = False
    return model


@functools.cache
def _keras_layers() -> tuple[tuple[type[keras.Layer], dict[str, Any]], ...]:
    """Class and settings of each layer of Keras' VGG-19, a chain after its input. To build it takes .4 CPU seconds."""
    model = keras.applications.VGG19(include_top=False, weights=None)
    return tuple((type(layer), layer.get_config()) for layer in model.layers[1:])


def _rebuilt(
    layer: type[keras.Layer],
    settings: dict[str, Any],
    pooling: str,
    policy: str,
    convolution: str,
    convolutions: vgg_layers.Convolutions,
) -> keras.Layer:
    """A fresh layer like Keras', with the wanted pooling, policy and form; no global setting of Keras counts."""
    settings = settings | {"dtype": keras.dtype_policies.get(policy), "data_format": "channels_last"}
    if issubclass(layer, keras.layers.MaxPooling2D):
        pool = functools.partial(pooling_functions.pooled, pooling=pooling)
        return keras.layers.Lambda(pool, name=settings["name"], dtype=settings["dtype"])
    # Weights that are frozen are rounded to the compute dtype once, not in every step as a mixed policy does.
    settings["dtype"] = keras.dtype_policies.get(settings["dtype"].compute_dtype)
    settings["kernel_initializer"] = "zeros"  # random numbers for 20 million weights would only be overwritten
    name = vgg_layers.layer_name(settings["name"])
    form, if_small = (forms.form_of(name, convolution, is_small=is_small) for is_small in (False, True))
    if form == "direct":
        return keras.layers.Conv2D(**settings)
    arrays = convolutions[settings["name"]]
    return frozen.FrozenConvolution(form=form, form_if_small=if_small, convolution=arrays, **settings)


def preprocess(rgb: tf.Tensor) -> tf.Tensor:
    """From sRGB in [0, 1] to BGR in 0-255 minus the training mean."""
    return _centred(rgb[..., ::-1])


def _preprocess(rgb: tf.Tensor) -> tf.Tensor:
    """The same by an operation that is six times as fast, with its gradient, but several operations in an ONNX file."""
    return _centred(tf.reverse(rgb, [-1]))


def _centred(bgr: tf.Tensor) -> tf.Tensor:
    return bgr * 255.0 - tf.constant(vgg_layers.VGG_MEAN_BGR, bgr.dtype)


def padded(image: tf.Tensor, multiple: int) -> tf.Tensor:
    """Mirrors an image beyond its right and bottom edges up to a multiple of the network's stride.

    The network's pooling drops what is left over of a side, so that no gradient of the deep layers reaches the last
    rows and columns: they stay unpainted.

    Args:
        image: [B, H, W, C].
        multiple: 2**(block - 1) of the deepest layer.

    Returns:
        [B, H', W', C], which `[:, :H, :W]` turns back.
    """
    height, width = (tf.shape(image)[axis] if image.shape[axis] is None else image.shape[axis] for axis in (1, 2))
    return tf.pad(image, [[0, 0], [0, -height % multiple], [0, -width % multiple], [0, 0]], "SYMMETRIC")

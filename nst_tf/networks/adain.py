"""Adaptive instance normalisation (AdaIN): any style in one pass through an encoder and a decoder.

Source: Huang & Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization". The encoder
is VGG-19 to relu4_1; it and the decoder pad by reflection, and the pooling keeps a last odd row or column, as trained.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from nst_tf import fastest_convolution, messages, precision, vgg
from nst_tf.networks import layers
from nst_tf.tensorflow_keras import keras
from nst_tf.vgg import forms
from nst_tf.weights import adain_decoder, cache, formats
from nst_tf.weights import vgg19 as vgg_weights

EPSILON = 1e-5  # added to the variances, on the normalised network's scale; the published code

Tensor = Any  # tf.Tensor, or what converts to one


class Moments(NamedTuple):
    """The style that the network knows of a picture: statistics of each channel of its features."""

    mean: tf.Tensor  # float32 [B, N]
    deviation: tf.Tensor  # float32 [B, N], the standard deviation


class Loaded(NamedTuple):
    """The network with its weights, and what to record of them."""

    network: "AdainNetwork"
    policy: str  # Keras dtype policy
    weights: dict[str, dict[str, str]]  # of encoder and decoder: source, sha256, licence
    convolution: str = "direct"  # the form of the convolutions, one of `vgg.forms.FORMS`


def load(
    *,
    dtype_policy: str = "auto",
    encoder: str | os.PathLike[str] = "auto",
    decoder: str | os.PathLike[str] = "auto",
    convolution: str = "direct",
    on_message: messages.OnMessage = messages.log,
) -> Loaded:
    """Builds the network of the paper, its weights from the cache, by pip or from files.

    Args:
        dtype_policy: a `precision` setting, resolved as for the optimisation. The network computes in it; moments,
            AdaIN and images are float32.
        encoder: as `weights.load` takes it, the normalised network.
        decoder: as `adain_decoder.load` takes it.
        convolution: a `convolution` setting, resolved as for the optimisation.
        on_message: called with one line about what takes time and what was chosen.

    Raises:
        WeightsError: weights that cannot be obtained or are others.
    """
    vgg19 = vgg_weights.load(encoder, on_message=on_message)
    trained = adain_decoder.load(decoder, on_message=on_message)
    policy, reason = precision.resolve(dtype_policy)
    for line in (f"encoder: {vgg19.source}", f"decoder: {trained.source}", f"precision: {policy}, {reason}"):
        on_message(line)
    choice = fastest_convolution.resolve(convolution, policy, cache.folder())
    if convolution != "direct":
        on_message(f"convolution: {choice.form}, {choice.reason}")
    convolutions = {layer: vgg19.convolutions[layer] for layer in adain_decoder.ENCODER_LAYERS}
    network = AdainNetwork(
        build_encoder(convolutions, policy=policy, convolution=choice.form),
        build_decoder(trained.convolutions, policy=policy, convolution=choice.form),
    )
    recorded = {
        "encoder": {"source": vgg19.source, "sha256": vgg19.sha256, "licence": vgg19.licence},
        "decoder": {"source": trained.source, "sha256": trained.sha256, "licence": trained.licence},
    }
    return Loaded(network, policy, recorded, choice.form)


def moments(features: Tensor, weights: Tensor | None = None) -> Moments:
    """Mean and standard deviation over the positions.

    Args:
        features: float32 [B, H, W, N].
        weights: float32 [B, H, W, 1], at least 0: how much each position counts. All alike when left out.

    Source: Huang & Belongie 2017, eq. 5 and 6.  Deviation: the variance is the unbiased one, as in the published
    PyTorch code that the decoder comes from; with weights, in the form for weights of reliability.
    """
    weights = tf.ones_like(features[..., :1]) if weights is None else weights  # [B, H, W, 1]
    total = tf.maximum(tf.reduce_sum(weights, [1, 2], keepdims=True), EPSILON)
    share = weights / total
    mean = tf.reduce_sum(share * features, [1, 2], keepdims=True)  # [B, 1, 1, N]
    variance = tf.reduce_sum(share * tf.math.squared_difference(features, mean), [1, 2])  # [B, N]
    unbiased = tf.maximum(1.0 - tf.reduce_sum(share**2, [1, 2]), EPSILON)  # [B, 1]
    return Moments(mean[:, 0, 0], tf.sqrt(variance / unbiased + EPSILON))


def adaptive_instance_normalisation(features: Tensor, style: Moments, weights: Tensor | None = None) -> tf.Tensor:
    """Gives each channel of the features the style's mean and deviation.

    Args:
        features: float32 [B, H, W, N].
        style: [B, N], or [1, N] for the whole batch.
        weights: the positions that make up the features' own moments; see `moments`.

    Source: Huang & Belongie 2017, eq. 8.
    """
    own = moments(features, weights)
    scale = style.deviation / own.deviation
    return features * scale[:, None, None] + (style.mean - own.mean * scale)[:, None, None]


def together(styles: Sequence[Moments]) -> Moments:
    """The styles [1, N] of several regions as one batch, [K, N]."""
    return Moments(*(tf.concat(parts, 0) for parts in zip(*styles, strict=True)))


def blend(styles: Sequence[Moments], shares: Sequence[float] = ()) -> Moments:
    """One style between several.

    Args:
        styles: of one batch size.
        shares: one for each style, of any sum above 0; equal when left out.

    Source: Huang & Belongie 2017, eq. 15, which interpolates the normalised features. They are linear in the style's
    moments, so interpolating these gives the same picture.
    """
    shares = shares or (1.0,) * len(styles)
    total = sum(shares)
    pairs = list(zip(styles, shares, strict=True))
    return Moments(
        sum(style.mean * (share / total) for style, share in pairs),
        sum(style.deviation * (share / total) for style, share in pairs),
    )


class AdainNetwork(keras.Model):
    """Encoder, AdaIN and decoder. Every method is made of TensorFlow operations only and works inside a tf.function.

    Images are float32 [B, H, W, 3], sRGB in [0, 1], of any size whose shorter side is at least `minimum_side_px`; the
    result has the same size. The encoder's weights are not trainable, the decoder's are.

    Attributes:
        encoder: images -> features, as `build_encoder` makes it.
        decoder: features -> images at a multiple of `stride`, as `build_decoder` makes it.
        stride: how many times smaller the features are: 8 for VGG-19 to relu4_1.
        minimum_side_px: reflection needs two rows and two columns of features.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        super().__init__(name="adain", dtype="float32")
        self.encoder = encoder
        self.decoder = decoder
        self.stride = 2 ** sum(isinstance(layer, keras.layers.MaxPooling2D) for layer in encoder.layers)
        self.minimum_side_px = self.stride + 1

    def call(self, content: Tensor, style: Tensor, strength: Tensor | float = 1.0) -> tf.Tensor:
        """Stylises content [B, H, W, 3] after style [B or 1, H', W', 3]; see `apply`."""
        return self.apply(content, self.style_moments(style), strength)

    def encode(self, images: Tensor) -> tf.Tensor:
        """The features of images, float32 [B, ceil(H / stride), ceil(W / stride), N].

        Raises:
            ImageError: another shape, type or a size below `minimum_side_px`, as far as it is known while tracing.
        """
        return tf.cast(self.encoder(layers.checked(images, self.minimum_side_px)), tf.float32)

    def decode(self, features: Tensor) -> tf.Tensor:
        """The picture that features stand for: float32 [B, stride * h, stride * w, 3], in about [0, 1], not clipped."""
        return self.decoder(features)

    def style_moments(self, images: Tensor, weights: Tensor | None = None) -> Moments:
        """The styles of a batch of pictures of one size.

        Args:
            images: float32 [B, H, W, 3] in [0, 1].
            weights: float32 [B, H, W, 1], at least 0: how much each pixel counts. All alike when left out.
        """
        features = self.encode(images)
        return moments(features, None if weights is None else self._at_features(weights))

    def apply(self, images: Tensor, style: Moments, strength: Tensor | float = 1.0) -> tf.Tensor:
        """Stylises a batch.

        Args:
            images: the content, float32 [B, H, W, 3] in [0, 1].
            style: [B, N], or [1, N] for the whole batch.
            strength: alpha, in [0, 1]: one number, or one for each image [B].

        Returns:
            float32 [B, H, W, 3], clipped to [0, 1].

        Source: Huang & Belongie 2017, eq. 14.
        """
        features = self.encode(images)
        change = adaptive_instance_normalisation(features, style) - features
        return self._picture(features + _per_image(strength) * change, images)

    def apply_regions(
        self, images: Tensor, styles: Moments, masks: Tensor, strength: Tensor | float = 1.0
    ) -> tf.Tensor:
        """Stylises each region of one picture after a style of its own.

        Args:
            images: the content, float32 [1, H, W, 3] in [0, 1].
            styles: [K, N], of as many regions.
            masks: float32 [1, H, W, K] in [0, 1], where each style goes. Where they add up to more than 1 they are
                shares; what they leave below 1 stays content.
            strength: as for `apply`.

        Returns:
            float32 [1, H, W, 3], clipped to [0, 1].

        Source: Huang & Belongie 2017, "Runtime controls" (spatial control): each region by its own content statistics.
        Deviation: masks may be soft.
        """
        features = self.encode(images)
        masks = self._at_features(masks)  # [1, h, w, K]
        masks = masks / tf.maximum(tf.reduce_sum(masks, -1, keepdims=True), 1.0)
        masks = tf.transpose(masks, [3, 1, 2, 0])  # the regions take the place of a batch
        changes = masks * (adaptive_instance_normalisation(features, styles, masks) - features)  # [K, h, w, N]
        change = tf.reduce_sum(changes, 0, keepdims=True)
        return self._picture(features + _per_image(strength) * change, images)

    def _at_features(self, masks: Tensor) -> tf.Tensor:
        """The mean of masks [B, H, W, K] over the pixels that each position of the features stands for."""
        return tf.nn.avg_pool2d(_padded(masks, self.stride), self.stride, self.stride, "VALID")

    def _picture(self, features: tf.Tensor, images: Tensor) -> tf.Tensor:
        """Decodes, cuts to the images' size and range."""
        shape = tf.shape(images)
        pictures = tf.clip_by_value(self.decode(features)[:, : shape[1], : shape[2]], 0.0, 1.0)
        pictures.set_shape([*images.shape[:3], 3])
        return pictures


def build_encoder(
    convolutions: formats.Convolutions, *, policy: str = "float32", convolution: str = "direct"
) -> keras.Model:
    """Builds the encoder.

    Args:
        convolutions: block{b}_conv{i} -> (kernel [3, 3, I, O], bias [O]), in order, up to the features wanted. Blocks
            are pooled between.
        policy: Keras dtype policy of the network; the preprocessing computes in float32.
        convolution: the form of the convolutions, one of `vgg.forms.FORMS`; `rotated` ones are direct, since there are
            no gradients.

    Returns:
        A model from images [B, H, W, 3] (sRGB in [0, 1]) to features after the ReLU, in the policy's compute dtype. Not
        trainable.
    """
    image = keras.Input([None, None, 3], dtype="float32", name="image")
    x = keras.layers.Lambda(vgg.preprocess, name="preprocess", dtype="float32")(image)
    previous = next(iter(convolutions))
    for layer, arrays in convolutions.items():
        if _block(layer) != _block(previous):
            x = layers.pooling(x, policy)
        frozen = arrays if _is_winograd(layer, convolution) else None
        x = layers.convolution(x, layer, arrays[0].shape[-1], policy, frozen=frozen)
        previous = layer
    model = keras.Model(image, x, name="encoder")
    _set_weights(model, convolutions)
    model.trainable = False
    return model


def build_decoder(
    convolutions: formats.Convolutions, *, policy: str = "float32", convolution: str = "direct"
) -> keras.Model:
    """Builds the decoder, the encoder's mirror image.

    Args:
        convolutions: block{b}_conv{i} -> (kernel [3, 3, I, O], bias [O]), in order, from the deepest; each is named
            after the encoder's layer that it mirrors. Between blocks the features are enlarged.
        policy: Keras dtype policy of the network; the last layer computes in float32, since eight bits of a bfloat16
            would show as bands.
        convolution: as for the encoder; a decoder that is trained must be direct.

    Returns:
        A model from features to float32 images.
    """
    first, last = next(iter(convolutions)), list(convolutions)[-1]
    features = keras.Input([None, None, convolutions[first][0].shape[2]], dtype="float32", name="features")
    x, previous = features, first
    for layer, arrays in convolutions.items():
        if _block(layer) != _block(previous):
            x = layers.NearestUpsampling(dtype=layers.dtype_policy(policy))(x)
        layer_policy, activation = ("float32", None) if layer == last else (policy, "relu")
        frozen = arrays if _is_winograd(layer, convolution) else None
        x = layers.convolution(x, layer, arrays[0].shape[-1], layer_policy, activation, frozen)
        previous = layer
    model = keras.Model(features, x, name="decoder")
    _set_weights(model, convolutions)
    return model


def _set_weights(model: keras.Model, convolutions: formats.Convolutions) -> None:
    for layer, arrays in convolutions.items():
        model.get_layer(layer).set_weights(arrays)


def _is_winograd(layer: str, convolution: str) -> bool:
    """Whether a layer, by Keras' name, is computed by Winograd's form; of a decoder the layer that it mirrors."""
    return forms.form_of(vgg.layer_name(layer), convolution) == "winograd"


def _block(layer: str) -> str:
    return layer.partition("_")[0]


def _padded(masks: Tensor, multiple: int) -> tf.Tensor:
    """Masks mirrored beyond their right and bottom edges, up to the pixels that the features stand for."""
    masks = tf.convert_to_tensor(masks, tf.float32)
    missing = -tf.shape(masks)[1:3] % multiple
    return tf.pad(masks, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]], "SYMMETRIC")


def _per_image(strength: Tensor | float) -> tf.Tensor:
    return tf.reshape(tf.cast(strength, tf.float32), [-1, 1, 1, 1])

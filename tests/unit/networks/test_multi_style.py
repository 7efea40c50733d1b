import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_tf import errors
from nst_tf.networks import layers, multi_style
from tests import tolerances
from tests.tiny import tiny_multi_style, tiny_network

PICTURE = tiny_network.picture(36, 44)


def numpy_network(picture, style):
    """The network in plain NumPy and loops over the kernel, for one picture [H, W, 3] and one style."""
    x, offset = picture.astype(np.float64), 0
    skip = None
    for layer, kernel in tiny_multi_style.kernels().items():
        stage, index = layer.split(".")[:2]
        if stage == "residual" and layer.endswith(".0"):
            skip = x
        if stage == "expand" and index != "2":
            x = x.repeat(2, axis=0).repeat(2, axis=1)
        size = kernel.shape[0]
        padded = np.pad(x, [[size // 2] * 2, [size // 2] * 2, [0, 0]], "reflect")
        y = sum(
            padded[r : r + x.shape[0], c : c + x.shape[1]] @ kernel[r, c].astype(np.float64)
            for r in range(size)
            for c in range(size)
        )
        y = y[::2, ::2] if stage == "contract" and index != "0" else y
        part = slice(offset, offset + kernel.shape[3])
        y = (y - y.mean((0, 1))) / np.sqrt(y.var((0, 1)) + 1e-5) * style.gamma[part] + style.beta[part]
        offset += kernel.shape[3]
        if stage == "residual" and layer.endswith(".1"):
            y = skip + y
        elif layer != "expand.2":
            y = np.maximum(y, 0)
        x = y
    return 1 / (1 + np.exp(-x))


def style(number):
    known = tiny_multi_style.known()
    return multi_style.Style(known.gamma[number], known.beta[number])


def test_the_network_computes_what_plain_numpy_computes():
    network = tiny_multi_style.loaded().network
    drawn = network(PICTURE, style(1))
    np.testing.assert_allclose(drawn[0], numpy_network(PICTURE[0], style(1)), atol=2e-5)


def test_what_cannot_be_seen_has_no_part_in_the_moments():
    network = tiny_multi_style.loaded().network
    alone = network(PICTURE[:, :, :32], style(1))
    beside = np.concatenate([PICTURE[:, :, :32], np.repeat(PICTURE[:, :, 31:32], 64, 2)], 2)
    visible = np.zeros([1, 36, 96, 1], np.float32)
    visible[:, :, :32] = 1
    inner = (slice(None), slice(None), slice(0, 8))  # beyond what the edge reaches
    seen = np.abs(network(beside, style(1), visible)[inner] - alone[inner]).mean()
    unseen = np.abs(network(beside, style(1))[inner] - alone[inner]).mean()
    assert seen < 0.1 * unseen
    everything = network(PICTURE, style(1), np.ones_like(PICTURE[..., :1]))
    np.testing.assert_allclose(everything, network(PICTURE, style(1)), atol=1e-5)
    assert np.isfinite(network(PICTURE, style(1), np.zeros_like(PICTURE[..., :1]))).all()


def test_normalised_channels_have_the_styles_shift_and_scale():
    x = tf.random.stateless_normal([2, 6, 5, 3], [0, 1], 4.0, 3.0)
    gamma, beta = tf.constant([[1.0, 2.0, 0.5]]), tf.constant([[0.0, -1.0, 7.0]])
    y = multi_style.ConditionalInstanceNormalisation()(x, gamma, beta).numpy()
    np.testing.assert_allclose(y.mean((1, 2)), np.repeat(beta, 2, axis=0), atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), np.repeat(gamma, 2, axis=0), rtol=1e-4)


def test_each_picture_of_a_batch_may_have_a_style_of_its_own():
    network = tiny_multi_style.loaded().network
    batch = np.concatenate([PICTURE, PICTURE[:, ::-1]])
    known = tiny_multi_style.known()
    drawn = network(batch, multi_style.Style(known.gamma[:2], known.beta[:2]))
    for index in range(2):
        np.testing.assert_allclose(drawn[index], network(batch[index : index + 1], style(index))[0], atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (34, 32)])
def test_sides_need_not_be_multiples_of_four(size):
    picture = tiny_network.picture(*size)
    network = tiny_multi_style.loaded().network
    drawn = network(picture, style(0))
    assert drawn.shape == picture.shape
    missing = [(0, 0), *((0, -side % 4) for side in size), (0, 0)]
    whole = network(np.pad(picture, missing, "reflect"), style(0))
    np.testing.assert_allclose(drawn, whole[:, : size[0], : size[1]], **tolerances.of("float32"))


def test_a_blend_lies_between_its_styles_in_their_shares():
    blended = multi_style.blend([style(0), style(1)], (3.0, 1.0))
    np.testing.assert_allclose(blended.gamma, 0.75 * style(0).gamma + 0.25 * style(1).gamma, rtol=1e-6)
    equal = multi_style.blend([style(0), style(1)])
    np.testing.assert_allclose(equal.beta, (style(0).beta + style(1).beta) / 2, rtol=1e-6)


def test_scales_and_shifts_have_gradients_and_one_graph_takes_every_size():
    network = tiny_multi_style.loaded().network
    gamma, beta = (tf.Variable(part) for part in style(2))

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3])])
    def gradients(picture):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(picture, multi_style.Style(gamma, beta)) ** 2)
        return tape.gradient(loss, [gamma, beta])

    for size in ((32, 32), (40, 36)):
        for gradient in gradients(tiny_network.picture(*size)):
            assert np.isfinite(gradient).all()
            assert np.count_nonzero(gradient) > gradient.shape[0] / 2


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (PICTURE[:, :31], "at least 32 px for this network. Received: 44 x 31 px"),
        (PICTURE[0], "the network takes images"),
        (np.zeros([1, 32, 32, 4], np.float32), "the network takes images"),
        (np.zeros([1, 32, 32, 3], np.uint8), "Divide 0-255 by 255"),
    ],
)
def test_what_is_no_picture_for_the_network_is_refused(picture, words):
    with pytest.raises(errors.ImageError, match=words):
        tiny_multi_style.loaded().network(picture, style(0))


def test_padding_of_several_px_reflects_and_is_saved_with_its_margin():
    x = np.random.default_rng(0).normal(size=[1, 6, 7, 2]).astype(np.float32)
    for margin_px in (1, 4):
        padding = layers.ReflectionPadding(margin_px)
        expected = np.pad(x, [(0, 0), (margin_px, margin_px), (margin_px, margin_px), (0, 0)], "reflect")
        np.testing.assert_array_equal(padding(x), expected)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(padding))
        assert again.margin_px == margin_px

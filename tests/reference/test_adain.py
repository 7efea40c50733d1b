"""The AdaIN network against the one written with NumPy alone."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.networks import adain
from nst_tf.pictures import images
from nst_tf.weights import adain_decoder
from tests.reference import numpy_adain
from tests.tiny import tiny_adain, tiny_network


@pytest.mark.parametrize("size", [(16, 24), (13, 18), (5, 9), (14, 7)])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_a_picture_of_any_size_is_stylised_as_by_numpy(size, alpha):
    content, style = tiny_network.picture(*size, seed=1), tiny_network.picture(11, 10, seed=2)
    network = tiny_adain.network()
    received = network.apply(content, network.style_moments(style), alpha)
    expected = numpy_adain.stylise(
        content[0], style[0], tiny_adain.encoder_convolutions(), tiny_adain.decoder_convolutions(), alpha
    )
    np.testing.assert_allclose(received[0], expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


@pytest.mark.weights
def test_the_real_network_stylises_as_numpy_does():
    loaded = adain.load(dtype_policy="float32")
    content = images.load("sample:launch-pad", max_side_px=45).pixels[:, :37]
    style = images.load("sample:van-gogh", max_side_px=43).pixels
    received = loaded.network.apply(content, loaded.network.style_moments(style))
    layers = [loaded.network.encoder.get_layer(name) for name in adain_decoder.ENCODER_LAYERS]
    encoder = {layer.name: layer.get_weights() for layer in layers}
    expected = numpy_adain.stylise(content[0], style[0], encoder, adain_decoder.load().convolutions)
    assert received.shape == content.shape
    np.testing.assert_allclose(received[0], expected, atol=1e-4)
    assert np.ptp(expected) > 0.5


def test_weighted_moments_of_a_hard_mask_are_those_of_its_positions():
    features = np.random.default_rng(0).normal(size=[1, 4, 5, 3]).astype(np.float32)
    mask = np.zeros([1, 4, 5, 1], np.float32)
    mask[0, 1:3, 2:5] = 1
    mean, deviation = numpy_adain.moments(features[0, 1:3, 2:5])
    received = adain.moments(tf.constant(features), tf.constant(mask))
    np.testing.assert_allclose(received.mean[0], mean, rtol=1e-5)
    np.testing.assert_allclose(received.deviation[0], deviation, rtol=1e-5)

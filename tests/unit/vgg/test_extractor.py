import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_tf import vgg
from nst_tf.vgg import pooling
from tests import tolerances
from tests.reference import numpy_losses
from tests.tiny import tiny_network


@pytest.fixture(scope="module")
def convolutions():
    """Random weights of the first two blocks: enough for taps up to conv2_1."""
    generator = np.random.default_rng(0)
    shapes = {"block1_conv1": (3, 64), "block1_conv2": (64, 64), "block2_conv1": (64, 128)}
    return {
        name: (
            generator.normal(0, np.sqrt(2 / (9 * inputs)), [3, 3, inputs, outputs]).astype(np.float32),
            generator.normal(0, 0.1, outputs).astype(np.float32),
        )
        for name, (inputs, outputs) in shapes.items()
    }


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_taps_agree_with_an_independent_forward_pass(convolutions, pooling):
    picture = tiny_network.picture(7, 9)
    extractor = vgg.feature_extractor(convolutions, ("conv1_1", "conv2_1"), pooling=pooling, policy="float64")
    features = extractor(tf.constant(picture, tf.float64))
    x = picture[0].astype(np.float64)[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68])
    first = np.maximum(numpy_losses.convolve(x, *convolutions["block1_conv1"]), 0)
    second = np.maximum(numpy_losses.convolve(first, *convolutions["block1_conv2"]), 0)
    third = np.maximum(numpy_losses.convolve(numpy_losses.pool(second, pooling), *convolutions["block2_conv1"]), 0)
    np.testing.assert_allclose(features["conv1_1"][0], first, **tolerances.of("float64"))
    np.testing.assert_allclose(features["conv2_1"][0], third, **tolerances.of("float64"))


def test_the_network_ends_at_the_deepest_tap(convolutions):
    extractor = vgg.feature_extractor(convolutions, ("conv2_1", "conv1_1"), pooling="max")
    assert extractor.layers[-1].name == "block2_conv1"
    assert set(extractor.output) == {"conv2_1", "conv1_1"}


def test_every_pooling_layer_becomes_average_pooling(convolutions):
    extractor = vgg.feature_extractor(convolutions, ("conv2_1",), pooling="average")
    x = tf.random.stateless_normal([1, 4, 6, 3], [1, 2])
    wanted = keras.layers.AveragePooling2D(2)(x)
    np.testing.assert_array_equal(extractor.get_layer("block1_pool")(x), wanted)


@pytest.mark.parametrize("kind", ["average", "max"])
@pytest.mark.parametrize("size", [(8, 6), (7, 5), (2, 2), (2, 9)])
def test_pooling_gives_the_bits_of_kerass_layers_and_of_their_gradient(kind, size):
    layer = {"average": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}[kind](2)
    x = tf.nn.relu(tf.random.stateless_normal([2, *size, 5], [3, 4]))  # many equal zeros
    graph = tf.function(lambda y: pooling.pooled(y, kind), input_signature=[tf.TensorSpec([None, None, None, 5])])
    found, wanted = (gradients_and_value(pool, x) for pool in (graph, layer))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(pooling.pooled(x, kind), wanted[0])


def gradients_and_value(pool, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = pool(x)
    return y, tape.gradient(y, x, tf.random.stateless_normal(y.shape, [5, 6]))


def test_low_precision_is_in_the_network_only_and_the_global_policy_stays(convolutions):
    before = keras.config.dtype_policy()
    extractor = vgg.feature_extractor(convolutions, ("conv1_1",), pooling="max", policy="mixed_bfloat16")
    assert keras.config.dtype_policy() == before
    assert extractor(tf.zeros([1, 8, 8, 3]))["conv1_1"].dtype == tf.bfloat16
    assert extractor.get_layer("preprocess").compute_dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_frozen_weights_are_rounded_once_with_the_bits_of_a_mixed_policy(convolutions, policy):
    extractor = vgg.feature_extractor(convolutions, ("conv1_1",), pooling="max", policy=policy)
    layer = extractor.get_layer("block1_conv1")
    assert layer.kernel.dtype == layer.compute_dtype == policy.removeprefix("mixed_")
    mixed = keras.layers.Conv2D(64, 3, padding="same", activation="relu", dtype=policy)
    x = tf.random.stateless_uniform([1, 16, 12, 3], [1, 2])
    mixed.build(x.shape)
    mixed.set_weights(convolutions["block1_conv1"])
    wanted = mixed(extractor.get_layer("preprocess")(x))
    np.testing.assert_array_equal(extractor(x)["conv1_1"].numpy(), wanted.numpy())


def test_a_global_policy_of_the_users_does_not_reach_the_network(convolutions):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        extractor = vgg.feature_extractor(convolutions, ("conv1_1",), pooling="max", policy="float32")
    finally:
        keras.config.set_dtype_policy(before)
    assert extractor(tf.zeros([1, 8, 8, 3]))["conv1_1"].dtype == tf.float32


def test_the_network_is_not_trainable(convolutions):
    assert vgg.feature_extractor(convolutions, ("conv1_1",), pooling="max").trainable_variables == []


def test_a_tap_is_smaller_by_two_to_the_block(convolutions):
    features = vgg.feature_extractor(convolutions, ("conv1_2", "conv2_1"), pooling="max")(tf.zeros([1, 8, 12, 3]))
    assert features["conv1_2"].shape == (1, 8, 12, 64)
    assert features["conv2_1"].shape == (1, 4, 6, 128)
    assert vgg.block("conv2_1") == 2


def test_keras_own_settings_change_nothing(convolutions, request):
    picture = tf.constant(tiny_network.picture(8, 10))
    taps = ("conv1_1", "conv2_1")
    expected = vgg.feature_extractor(convolutions, taps, pooling="average")(picture)
    request.getfixturevalue("odd_keras_settings")
    received = vgg.feature_extractor(convolutions, taps, pooling="average")(picture)
    for layer in taps:
        assert received[layer].dtype == tf.float32
        np.testing.assert_array_equal(received[layer], expected[layer])

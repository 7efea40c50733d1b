"""The presets for other systems against those systems' formulas, written from their sources, at random features."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, vgg
from nst_tf.losses import objective, total_variation
from tests import tolerances
from tests.tiny import tiny_network

HEIGHT, WIDTH = 32, 48
FILTERS = {
    "conv1_1": 64,
    "conv2_1": 128,
    "conv3_1": 256,
    "conv4_1": 512,
    "conv4_2": 512,
    "conv5_1": 512,
    "conv5_2": 512,
}
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


def picture(seed):
    pixels = tiny_network.picture(HEIGHT, WIDTH, seed=seed, dtype=np.float64)
    pixels[0, 0, 0, 0] = seed / 100  # by which the random features are told apart
    return pixels


def features(seed):
    """Random features of every layer, [H', W', N] in float64, at VGG-19's sizes."""
    generator = np.random.default_rng(seed)
    sides = {layer: [side >> (vgg.block(layer) - 1) for side in (HEIGHT, WIDTH)] for layer in FILTERS}
    return {layer: np.maximum(generator.normal(1, 2, [*sides[layer], n]), 0) for layer, n in FILTERS.items()}


def extractor(image):
    seed = round(float(image[0, 0, 0, 0]) * 100)
    return {layer: tf.constant(f[np.newaxis]) for layer, f in features(seed).items()}


def total(preset):
    goal = objective.Objective(extractor=extractor, config=configs.preset(preset))
    targets = goal.targets(tf.constant(picture(1)), [tf.constant(picture(2))])
    return goal.terms(tf.constant(picture(3)), targets).total


def gram(f):
    matrix = f.reshape(-1, f.shape[-1])
    return matrix.T @ matrix


def next_differences(image):
    """Differences to the next pixel down and to the right, where there are both, on the 0-255 scale."""
    x = image[0] * 255
    return x[1:, :-1] - x[:-1, :-1], x[:-1, 1:] - x[:-1, :-1]


def test_the_neural_style_preset_is_that_programs_loss():
    content, style, made = features(1), features(2), features(3)
    expected = 5 * np.mean((made["conv4_2"] - content["conv4_2"]) ** 2)
    for layer in STYLE:
        difference = gram(made[layer]) / made[layer].size - gram(style[layer]) / style[layer].size
        expected += 100 * np.mean(difference**2)
    down, right = next_differences(picture(3))
    expected += 1e-3 * 0.5 * (np.sum(down**2) + np.sum(right**2))
    np.testing.assert_allclose(total("neural-style"), [expected], **tolerances.of("float64"))


def test_the_tensorflow_tutorial_preset_is_that_tutorials_loss():
    content, style, made = features(1), features(2), features(3)
    expected = 1e4 * np.mean((made["conv5_2"] - content["conv5_2"]) ** 2)
    for layer in STYLE:
        locations = made[layer].shape[0] * made[layer].shape[1]
        expected += 1e-2 / 5 * np.mean((gram(made[layer]) / locations - gram(style[layer]) / locations) ** 2)
    image = picture(3)
    expected += 30 * (np.abs(np.diff(image, axis=1)).sum() + np.abs(np.diff(image, axis=2)).sum())
    np.testing.assert_allclose(total("tensorflow-tutorial"), [expected], **tolerances.of("float64"))


def test_the_keras_example_preset_is_that_examples_loss():
    content, style, made = features(1), features(2), features(3)
    expected = 2.5e-8 * np.sum((made["conv5_2"] - content["conv5_2"]) ** 2)
    for layer in STYLE:
        distance = np.sum((gram(style[layer]) - gram(made[layer])) ** 2)
        expected += 1e-6 / 5 * distance / (4.0 * 3**2 * (HEIGHT * WIDTH) ** 2)
    down, right = next_differences(picture(3))
    expected += 1e-6 * np.sum((down**2 + right**2) ** 1.25)
    np.testing.assert_allclose(total("keras-example"), [expected], **tolerances.of("float64"))


def test_the_squared_sum_has_the_gradient_that_neural_style_writes_by_hand():
    image = tf.constant(picture(3))
    with tf.GradientTape() as tape:
        tape.watch(image)
        variation = total_variation.total_variation_squared_sum(image)
    down, right = next_differences(image.numpy())
    expected = np.zeros([HEIGHT, WIDTH, 3])
    expected[:-1, :-1] -= down + right
    expected[1:, :-1] += down
    expected[:-1, 1:] += right
    np.testing.assert_allclose(tape.gradient(variation, image)[0], 255 * expected, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("name", ["neural-style", "tensorflow-tutorial", "keras-example"])
def test_presets_of_other_systems_take_the_original_network_and_max_pooling(name):
    config = configs.preset(name)
    assert (config.network, config.pooling, config.scales) == ("original", "max", 1)


def test_every_form_of_the_total_variation_has_a_function():
    assert tuple(total_variation.TOTAL_VARIATIONS) == configs.TOTAL_VARIATIONS

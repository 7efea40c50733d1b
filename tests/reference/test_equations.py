"""Equations 1 to 7: values and gradients against NumPy in float64 and against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.losses import gatys, objective, total_variation
from tests import tolerances
from tests.reference import numpy_losses
from tests.tiny import tiny_network

CLOSE = tolerances.of("float64")


def activations(seed, height=5, width=7, filters=6):
    """Pre-activations [1, H, W, N] away from exact zero, about half of them negative."""
    values = np.random.default_rng(seed).normal(0, 1, [1, height, width, filters])
    return np.where(np.abs(values) < 0.05, 0.3, values)


def relu(x):
    return np.maximum(x, 0)


def test_equation_1_is_half_the_sum_of_squared_differences():
    f, p = relu(activations(0)), relu(activations(1))
    expected = numpy_losses.content_loss(numpy_losses.matrix(f), numpy_losses.matrix(p))
    np.testing.assert_allclose(gatys.content_loss(tf.constant(f), tf.constant(p)), [expected], **CLOSE)


def test_equation_2_is_the_gradient_at_the_pre_activation():
    z, p = tf.constant(activations(0)), tf.constant(relu(activations(1)))
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = gatys.content_loss(tf.nn.relu(z), p)
    automatic = tape.gradient(loss, z)
    f = relu(z.numpy())
    expected = numpy_losses.content_gradient(numpy_losses.matrix(f), numpy_losses.matrix(p.numpy()))
    np.testing.assert_allclose(numpy_losses.matrix(automatic.numpy()), expected, **CLOSE)
    np.testing.assert_allclose(gatys.content_loss_gradient(tf.constant(f), p), automatic, **CLOSE)


def test_equation_3_divided_by_the_positions_is_the_gram_matrix():
    f = relu(activations(0))
    expected = numpy_losses.gram(numpy_losses.matrix(f)) / (5 * 7)
    np.testing.assert_allclose(gatys.gram_matrix(tf.constant(f))[0], expected, **CLOSE)


def test_the_gradient_of_the_gram_matrix_holds_for_any_function_of_it():
    f, weights = activations(0), np.random.default_rng(5).normal(size=[1, 3, 3])
    f = np.repeat(f, 2, axis=0)[..., :3] * [[[[1]]], [[[2]]]]  # [2, H, W, 3]
    with tf.GradientTape() as tape:
        features = tf.constant(f)
        tape.watch(features)
        value = tf.reduce_sum(weights * gatys.gram_matrix(features))  # of no symmetry
    flat = f.reshape([2, -1, 3])
    expected = flat @ (weights + weights.transpose(0, 2, 1)) / flat.shape[1]
    np.testing.assert_allclose(tape.gradient(value, features), expected.reshape(f.shape), **CLOSE)


@pytest.mark.parametrize("style_size", [(5, 7), (9, 4)], ids=["equal sizes", "another size"])
def test_equation_4_compares_gram_matrices_of_any_two_sizes(style_size):
    f, style = relu(activations(0)), relu(activations(1, *style_size))
    style_matrix = numpy_losses.matrix(style)
    a, positions = numpy_losses.gram(style_matrix), style_matrix.shape[1]
    expected = numpy_losses.layer_loss(numpy_losses.matrix(f), a, positions)
    computed = gatys.style_layer_loss(gatys.gram_matrix(tf.constant(f)), gatys.gram_matrix(tf.constant(style)))
    np.testing.assert_allclose(computed, [expected], **CLOSE)


def test_equation_4_to_the_letter_holds_at_equal_sizes():
    f, style = relu(activations(0)), relu(activations(1))
    g, a = (numpy_losses.gram(numpy_losses.matrix(x)) for x in (f, style))
    n, m = 6, 5 * 7
    letter = np.sum((g - a) ** 2) / (4 * n**2 * m**2)
    computed = gatys.style_layer_loss(gatys.gram_matrix(tf.constant(f)), gatys.gram_matrix(tf.constant(style)))
    np.testing.assert_allclose(computed, [letter], **CLOSE)


@pytest.mark.parametrize("style_size", [(5, 7), (9, 4)], ids=["equal sizes", "another size"])
def test_equation_6_is_the_gradient_at_the_pre_activation(style_size):
    z = tf.constant(activations(0))
    style = numpy_losses.matrix(relu(activations(1, *style_size)))
    a = tf.constant(numpy_losses.gram(style)[np.newaxis] / style.shape[1])
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = gatys.style_layer_loss(gatys.gram_matrix(tf.nn.relu(z)), a)
    automatic = tape.gradient(loss, z)
    f = relu(z.numpy())
    expected = numpy_losses.layer_gradient(numpy_losses.matrix(f), numpy_losses.gram(style), style.shape[1])
    np.testing.assert_allclose(numpy_losses.matrix(automatic.numpy()), expected, **CLOSE)
    closed_form = gatys.style_layer_loss_gradient(tf.constant(f), gatys.gram_matrix(tf.constant(f)), a)
    np.testing.assert_allclose(closed_form, automatic, **CLOSE)


def numpy_total(config, network, image, content, style):
    """Eq. 7 of one image through the tiny network, in NumPy throughout."""

    def features(picture):
        x, taps = picture[0] * 4 - 2, {}
        for layer, kernel in network.kernels.items():
            x = numpy_losses.pool(x, "average") if layer == "conv2_1" else x
            x = np.maximum(numpy_losses.convolve(x, kernel, network.biases[layer]), 0)
            taps[layer] = numpy_losses.matrix(x[np.newaxis])
        return taps

    f, p, s = features(image), features(content), features(style)
    n_m = f["conv2_2"].size
    content_term = numpy_losses.content_loss(f["conv2_2"], p["conv2_2"])
    layer_terms = [numpy_losses.layer_loss(f[k], numpy_losses.gram(s[k]), s[k].shape[1]) for k in config.style_layers]
    if config.reduction == "mean":
        content_term, layer_terms = content_term * 2 / n_m, [4 * term for term in layer_terms]
    weights = config.style_layer_weights or [1 / len(layer_terms)] * len(layer_terms)
    style_term = sum(w * e for w, e in zip(weights, layer_terms, strict=True))
    return config.content_weight * content_term + config.style_weight * style_term


@pytest.mark.parametrize("reduction", ["mean", "equations"])
@pytest.mark.parametrize("layer_weights", [(), (0.7, 0.1)], ids=["equal weights", "given weights"])
def test_equations_5_and_7_are_the_weighted_sums(reduction, layer_weights):
    config = tiny_network.config(
        reduction=reduction, style_layer_weights=layer_weights, content_weight=3.0, style_weight=20.0
    )
    network = tiny_network.TinyNetwork()
    image, content, style = (tiny_network.picture(seed=i, dtype=np.float64) for i in range(3))
    goal = objective.Objective(extractor=network, config=config)
    terms = goal.terms(tf.constant(image), goal.targets(tf.constant(content), [tf.constant(style)]))
    expected = numpy_total(config, network, image, content, style)
    np.testing.assert_allclose(terms.total, [expected], **CLOSE)
    np.testing.assert_allclose(terms.total, terms.values["content"] + terms.values["style"], **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "equations"])
def test_the_gradient_of_the_objective_agrees_with_finite_differences(reduction):
    config = tiny_network.config(reduction=reduction, total_variation_weight=0.5)
    goal = objective.Objective(extractor=tiny_network.TinyNetwork(), config=config)
    image, content, style = (tiny_network.picture(seed=i, dtype=np.float64) for i in range(3))
    targets = goal.targets(tf.constant(content), [tf.constant(style)])
    _, gradient = goal.terms_and_gradient(tf.constant(image), targets)
    step = 1e-6
    generator = np.random.default_rng(0)
    for _ in range(5):
        direction = generator.normal(size=image.shape)
        above, below = (goal.terms(tf.constant(image + sign * step * direction), targets).total for sign in (1, -1))
        numeric = float((above - below)[0]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), numeric, rtol=1e-5)


def test_total_variation_is_the_mean_squared_difference_of_neighbours():
    image = tiny_network.picture(dtype=np.float64)
    expected = np.mean(np.diff(image, axis=1) ** 2) + np.mean(np.diff(image, axis=2) ** 2)
    np.testing.assert_allclose(total_variation.total_variation(tf.constant(image)), [expected], **CLOSE)


def test_total_variation_of_a_single_pixel_is_zero():
    np.testing.assert_array_equal(total_variation.total_variation(tf.ones([1, 1, 1, 3])), [0])


@pytest.mark.parametrize("name", total_variation.TOTAL_VARIATIONS)
def test_total_variation_of_parts_with_the_size_of_the_whole_adds_up(name):
    variation, image = (
        total_variation.TOTAL_VARIATIONS[name],
        tf.constant(np.random.default_rng(3).random([2, 9, 5, 3])),
    )
    top, bottom = image[:, :5], image[:, 4:]  # the row that both have counts once
    parts = variation(top, (9, 5)) + variation(bottom, (9, 5)) - variation(image[:, 4:5], (9, 5))
    np.testing.assert_allclose(parts, variation(image), **CLOSE)


def test_total_variation_counts_beyond_32_bits():
    image = tf.constant([[[[0.0]], [[1.0]]]], tf.float64)
    np.testing.assert_allclose(
        total_variation.total_variation(image, (2**16, 2**17)), 1 / ((2**16 - 1) * 2**17), **CLOSE
    )

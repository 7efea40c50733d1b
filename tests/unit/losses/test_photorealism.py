import numpy as np
import pytest
import tensorflow as tf

from nst_tf.losses import photorealism
from tests import tolerances
from tests.tiny import tiny_network


def pictures(height=9, width=12, dtype=np.float64):
    return [tf.constant(tiny_network.picture(height, width, seed=seed, dtype=dtype)) for seed in (1, 2)]


def term(image, content, weight=1.0):
    made = photorealism.PhotorealismTerm(weight=weight)
    return made.value(image, made.target(content))


def levin(content, epsilon=photorealism.EPSILON):
    """The matting Laplacian of a picture [H, W, 3], [H W, H W]: Levin et al. 2008, eq. 12, entry by entry."""
    height, width, _ = content.shape
    number = np.arange(height * width).reshape(height, width)
    laplacian = np.zeros((height * width, height * width))
    for y in range(height - 2):
        for x in range(width - 2):
            colours = content[y : y + 3, x : x + 3].reshape(9, 3)
            centred = colours - colours.mean(axis=0)
            inverse = np.linalg.inv(centred.T @ centred / 9 + epsilon / 9 * np.eye(3))
            places = number[y : y + 3, x : x + 3].ravel()
            laplacian[np.ix_(places, places)] += np.eye(9) - (1 + centred @ inverse @ centred.T) / 9
    return laplacian


def test_the_term_is_the_quadratic_form_of_levins_laplacian():
    image, content = pictures()
    laplacian = levin(content[0].numpy())
    planes = image[0].numpy().reshape(-1, 3)
    expected = np.einsum("pc,pq,qc->", planes, laplacian, planes) / (27 * (9 - 2) * (12 - 2))
    np.testing.assert_allclose(term(image, content), [expected], rtol=tolerances.RELATIVE["float64"])


def test_its_gradient_is_twice_the_laplacian_times_the_image():
    image, content = pictures()
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = term(image, content)
    planes = image[0].numpy().reshape(-1, 3)
    expected = 2 * (levin(content[0].numpy()) @ planes).reshape(9, 12, 3) / (27 * (9 - 2) * (12 - 2))
    np.testing.assert_allclose(tape.gradient(value, image)[0], expected, **tolerances.of("float64"))


def test_finite_differences_agree_with_its_gradient():
    image, content = pictures()
    direction = tf.constant(tiny_network.picture(9, 12, seed=3, dtype=np.float64)) - 0.5
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = term(image, content)
    slope = tf.reduce_sum(tape.gradient(value, image) * direction)
    difference = (term(image + 1e-4 * direction, content) - term(image - 1e-4 * direction, content)) / 2e-4
    np.testing.assert_allclose(difference, [slope], rtol=1e-8)


def test_an_affine_change_of_colours_costs_next_to_nothing():
    _, content = pictures()
    matrix = np.array([[0.5, 0.2, 0.0], [0.1, 0.6, 0.1], [0.3, 0.0, 0.4]])
    recoloured = content @ matrix + 0.05
    assert float(term(recoloured, content)[0]) < 1e-3 * float(term(tf.reverse(content, [1]), content)[0])


def test_an_edge_where_the_content_is_flat_costs_its_variance():
    flat = tf.fill([1, 3, 3, 3], tf.constant(0.5, tf.float64))
    edge = tf.constant(np.tile([0.0, 0.0, 0.9], (1, 3, 1))[..., np.newaxis] * np.ones(3))
    np.testing.assert_allclose(term(edge, flat), [np.var([0.0, 0.0, 0.9])], **tolerances.of("float64"))


def test_float32_is_near_float64():
    exact, single = (term(*pictures(40, 50, dtype)) for dtype in (np.float64, np.float32))
    np.testing.assert_allclose(single, exact, rtol=1e-3)


def test_the_covariances_of_strips_are_those_of_the_whole(monkeypatch):
    _, content = pictures(23, 17)
    whole = photorealism.inverse_covariances(content)
    monkeypatch.setattr(photorealism, "_STRIP_ROWS", 4)
    np.testing.assert_array_equal(photorealism.inverse_covariances(content), whole)
    in_a_graph = tf.function(photorealism.inverse_covariances, autograph=False)(content)
    np.testing.assert_allclose(in_a_graph, whole, **tolerances.of("float64"))


@pytest.mark.parametrize("height", [1, 2])
def test_a_picture_without_a_window_costs_nothing(height):
    image, content = pictures(height, 12)
    np.testing.assert_array_equal(term(image, content), [0])


def test_a_batch_gives_each_image_its_own_value():
    image, content = pictures()
    both = term(tf.concat([image, content], 0), content)
    np.testing.assert_array_equal(both, tf.concat([term(image, content), term(content, content)], 0))

import numpy as np
import tensorflow as tf

from nst_tf.losses import temporal
from tests import tolerances
from tests.tiny import tiny_network

IMAGE = tiny_network.picture(12, 16)


def term(*current, weight=3.0):
    references = temporal.References()
    references.current = current
    return temporal.TemporalTerm(weight=weight, references=references, most=2)


def reference(seed):
    weights = np.random.default_rng(seed).uniform(0, 1, [12, 16]).astype(np.float32)
    return temporal.Reference(tiny_network.picture(12, 16, seed=seed)[0], weights)


def value(term):
    return float(term.value(tf.constant(IMAGE), term.target(tf.constant(IMAGE)))[0])


def test_it_is_the_weighted_mean_squared_difference_to_every_reference():
    first, second = reference(1), reference(2)
    expected = sum(np.mean(one.weights[..., np.newaxis] * (IMAGE[0] - one.picture) ** 2) for one in (first, second))
    np.testing.assert_allclose(value(term(first, second)), 3 * expected, **tolerances.of("float32"))


def test_without_references_it_is_zero():
    assert value(term()) == 0


def test_strips_add_up_to_the_whole():
    one = term(reference(1))
    target = one.target(tf.constant(IMAGE))
    size = tf.constant([12, 16])
    parts = [
        float(one.value(tf.constant(IMAGE[:, rows]), {name: part[:, rows] for name, part in target.items()}, size)[0])
        for rows in (slice(0, 5), slice(5, 12))
    ]
    np.testing.assert_allclose(sum(parts), value(one), **tolerances.of("float32"))


def test_references_are_mirrored_to_the_sides_of_a_padded_frame():
    small = reference(1)
    padded = term(small).target(tf.zeros([1, 16, 16, 3]))
    np.testing.assert_array_equal(padded["picture 0"][0, 12], small.picture[11])
    assert padded["weights 1"].shape == [1, 16, 16, 1]

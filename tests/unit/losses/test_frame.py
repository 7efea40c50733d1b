"""The term against a frame: edge by edge in float64, and in pictures too small for one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.evaluation import artefacts
from nst_tf.losses import frame
from tests import tolerances
from tests.tiny import tiny_network


def expected(image):
    """The mean over the four edges of one image [H, W, 3], position by position."""
    values = []
    for side in (image, image[::-1], image.transpose(1, 0, 2), image.transpose(1, 0, 2)[::-1]):
        if side.shape[0] < 21 or side.shape[1] < 16:
            values.append(0.0)
            continue
        excesses = []
        for left in range(side.shape[1] - 15):
            strips = [side[3 * n : 3 * n + 3, left : left + 16].mean((0, 1)) for n in range(7)]
            steps = [np.sqrt(np.sum((b - a) ** 2) + 1e-8) for a, b in itertools.pairwise(strips)]
            excesses.append(max(0.0, steps[0] - max(steps[1:])) ** 2)
        values.append(np.mean(excesses))
    return np.mean(values)


def value(image, weight=1.0):
    term = frame.FrameTerm(weight=weight)
    image = tf.constant(image)
    return term.value(image, term.target(image))


def with_frame(levels, height=40, width=52):
    image = tiny_network.picture(height, width, seed=3, dtype=np.float64) * 0.2 + 0.3
    inside = np.s_[:, 3:-3, 3:-3]
    kept = image[inside].copy()
    image += levels / 255
    image[inside] = kept
    return image


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_mean_over_the_edges(dtype):
    batch = np.concatenate([with_frame(20), with_frame(-40)]).astype(dtype)
    np.testing.assert_allclose(value(batch, 2.0), [2 * expected(each) for each in batch], **tolerances.of(dtype))


def test_it_grows_with_a_planted_frame_as_the_measure_does():
    found = [(float(value(image)[0]), artefacts.frame(image)) for image in map(with_frame, (0, 30, 60))]
    assert found == sorted(found)
    assert found[0][0] < found[1][0] / 20
    assert found[1][1] < found[2][1]


@pytest.mark.parametrize("edge", [np.s_[:, :3], np.s_[:, -3:], np.s_[:, :, :3], np.s_[:, :, -3:]])
def test_every_edge_counts_alike(edge):
    image = np.full([1, 40, 40, 3], 0.5)
    image[edge] = 0.6
    assert float(value(image)[0]) == pytest.approx(float(value(np.swapaxes(image, 1, 2))[0]))
    assert float(value(image)[0]) > 0.001


def test_the_gradient_is_that_of_small_differences():
    image = with_frame(20)
    pixels, term = tf.constant(image), frame.FrameTerm(weight=5.0)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        found = term.value(pixels, term.target(pixels))
    gradient = tape.gradient(found, pixels).numpy()
    step, generator = 1e-6, np.random.default_rng(0)
    for _ in range(5):
        direction = generator.standard_normal(image.shape)
        beyond, before = (float(value(image + sign * step * direction, 5.0)[0]) for sign in (1, -1))
        assert (beyond - before) / (2 * step) == pytest.approx(np.sum(gradient * direction), rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (15, 15), (20, 40), (40, 20), (16, 300), (21, 16)])
def test_edges_too_short_or_too_near_each_other_count_nothing(shape):
    image = tiny_network.picture(*shape, seed=1, dtype=np.float64)
    image[:, :3] = image[:, -3:] = image[:, :, :3] = image[:, :, -3:] = 0.95
    pixels, term = tf.constant(image), frame.FrameTerm(weight=1.0)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        found = term.value(pixels, term.target(pixels))
    np.testing.assert_allclose(found, [expected(image[0])], **tolerances.of("float64"))
    assert np.isfinite(tape.gradient(found, pixels)).all()
    assert (float(found[0]) > 0) == (max(shape) > 20 and min(shape) > 15)

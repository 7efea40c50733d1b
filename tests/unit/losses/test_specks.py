"""The term against specks: window by window in float64, and against what `evaluation.artefacts` finds."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.evaluation import artefacts
from nst_tf.losses import specks
from nst_tf.pictures import images, samples
from tests import pixel_terms, tolerances

PLANES = np.array([[0.299, 0.587, 0.114], [0.499813, -0.418531, -0.081282], [-0.168636, -0.331068, 0.499704]])


def expected(image):
    """The mean of the squared excess over the pixels of one image, window by window."""
    total = 0.0
    height, width = image.shape[:2]
    for y in range(2, height - 2):
        for x in range(2, width - 2):
            for plane in PLANES:
                window = image[y - 2 : y + 3, x - 2 : x + 3] @ plane
                edge = np.concatenate([window[0], window[-1], window[1:-1, 0], window[1:-1, -1]])
                above, below = window[2, 2] - edge.max(), edge.min() - window[2, 2]
                total += sum(max(0.0, excess - 6 / 255) ** 2 for excess in (above, below))
    return total / (height * width)


def image(height=14, width=17, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).random([1, height, width, 3]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_sum_over_the_windows(dtype):
    batch = np.concatenate([image(), image(seed=1)])
    got = specks.specks(tf.constant(batch, dtype))
    np.testing.assert_allclose(got, [expected(each) for each in batch], **tolerances.of(dtype))


def test_the_gradient_is_that_of_small_differences():
    pixel_terms.assert_gradient_is_of_small_differences(lambda pixels: 3 * specks.specks(pixels), image())


def test_a_speck_of_any_colour_counts_and_a_stroke_or_a_tolerated_one_does_not():
    def value(marked):
        return float(specks.specks(tf.constant(marked))[0])

    grey = np.full([1, 15, 15, 3], 0.5)
    stroke, faint = grey.copy(), grey.copy()
    stroke[0, 7] = 1
    faint[0, 7, 7] += 5 / 255
    assert value(grey) == value(stroke) == value(faint) == 0
    for colour in ((1, 1, 1), (0, 0, 0), (1, 0.5, 0.5), (0.5, 0.5, 0)):
        marked = grey.copy()
        marked[0, 7, 7] = colour
        assert value(marked) > 0
    white = grey.copy()
    white[0, 7, 7] = 1
    assert value(white) == pytest.approx((0.5 - 6 / 255) ** 2 / 15**2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (4, 30), (30, 4), (5, 5)])
def test_too_small_a_picture_has_none(shape):
    value, gradient = pixel_terms.value_and_gradient(specks.specks, image(*shape))
    assert np.isfinite(gradient).all()
    assert shape == (5, 5) or float(value[0]) == 0 == np.abs(gradient).max()


def test_xla_gives_the_same():
    pixels = tf.constant(image(dtype=np.float32))
    found = tf.function(gradient_of_specks, autograph=False)(pixels)
    np.testing.assert_allclose(
        tf.function(gradient_of_specks, autograph=False, jit_compile=True)(pixels), found, rtol=1e-4, atol=1e-9
    )


def gradient_of_specks(pixels):
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        value = specks.specks(pixels)
    return tape.gradient(value, pixels)


def test_steps_down_its_gradient_take_away_what_the_measure_finds():
    photograph = images.load(samples.path("temple"), max_side_px=96).pixels
    marked = photograph.copy()
    marked[0, np.random.default_rng(0).random(marked.shape[1:3]) < 0.03] = 1
    found = tf.constant(marked)
    for _ in range(100):
        with tf.GradientTape() as tape:
            tape.watch(found)
            value = specks.specks(found)
        found -= 0.1 * photograph[0, ..., 0].size * tape.gradient(value, found)
    before, after = (artefacts.specks(np.asarray(pixels), photograph) for pixels in (marked, found))
    assert before > 10
    assert after < before / 10

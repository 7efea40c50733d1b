"""What the tests of terms on pixels share: a term's value beside a content, and its gradient by small differences."""

import numpy as np
import pytest
import tensorflow as tf


def value(term, image, content=None):
    """The term of a batch of images as arrays, [B]; the content is grey where none is given."""
    content = np.full_like(image[:1], 0.5) if content is None else content
    return term.value(tf.constant(image), term.target(tf.constant(content)))


def value_and_gradient(function, image):
    """What a function gives of an image as an array, and its gradient."""
    pixels = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        found = function(pixels)
    return found, tape.gradient(found, pixels).numpy()


def assert_gradient_is_of_small_differences(function, image):
    """The gradient of a function, [1] in float64, beside its differences in five directions."""
    _, gradient = value_and_gradient(function, image)
    step, generator = 1e-6, np.random.default_rng(0)
    for _ in range(5):
        direction = generator.standard_normal(image.shape)
        beyond, before = (float(function(tf.constant(image + sign * step * direction))[0]) for sign in (1, -1))
        assert (beyond - before) / (2 * step) == pytest.approx(np.sum(gradient * direction), rel=1e-5)

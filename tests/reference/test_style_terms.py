"""The style terms beside the Gram matrices against NumPy versions of their own."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.losses import moments, patches, wasserstein
from tests import tolerances
from tests.reference import numpy_style_terms as expected


def maps(seed=0, size=(7, 9), style_size=(8, 6), channels=4):
    """Feature maps like those after a ReLU, of a picture and of a style."""
    generator = np.random.default_rng(seed)
    return [np.maximum(generator.normal(0.5, 1, [*each, channels]), 0) for each in (size, style_size)]


def batched(*arrays):
    return [tf.constant(array[np.newaxis]) for array in arrays]


def loss_and_gradient(loss, f):
    with tf.GradientTape() as tape:
        tape.watch(f)
        value = loss(f)
    return value.numpy()[0], tape.gradient(value, f).numpy()[0]


def finite_differences(loss, f, step=1e-6):
    """The gradient of a loss of one map by central differences, entry by entry."""
    gradient = np.zeros_like(f)
    for place in np.ndindex(f.shape):
        moved = np.zeros_like(f)
        moved[place] = step
        gradient[place] = (loss(f + moved) - loss(f - moved)) / (2 * step)
    return gradient


def moments_of(f):
    term = moments.MomentsTerm(weight=1.0, layers=(), layer_weights=())
    return term.measure(f)


CASES = {
    "w2": (
        lambda f, s: wasserstein.wasserstein_loss(
            wasserstein.second_moments(f), wasserstein.normal_of(wasserstein.second_moments(s))
        ),
        expected.wasserstein_loss,
    ),
    "moments": (lambda f, s: moments.moments_loss(moments_of(f), moments_of(s)), expected.moments_loss),
}


@pytest.mark.parametrize("case", CASES)
def test_a_statistic_and_its_gradient_are_those_of_numpy(case):
    own, theirs = CASES[case]
    f, s = maps()
    value, gradient = loss_and_gradient(lambda x: own(x, batched(s)[0]), batched(f)[0])
    assert value == pytest.approx(theirs(f, s), rel=1e-9)
    np.testing.assert_allclose(gradient, finite_differences(lambda x: theirs(x, s), f), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("form", ["mean", "patch-sum", "position-sum"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_patches_and_their_gradient_are_those_of_numpy(stride, form):
    f, s = maps(size=(8, 11))
    style = patches.patches_of(batched(s)[0], stride)
    value, gradient = loss_and_gradient(lambda x: patches.patch_loss(x, style, stride, form), batched(f)[0])
    loss, slope = expected.patch_loss(f, s, stride, form)
    assert value == pytest.approx(loss, rel=1e-10)
    np.testing.assert_allclose(gradient, slope, **tolerances.of("float64"))


def test_the_gradient_of_patches_is_that_of_finite_differences():
    f, s = maps(size=(5, 6))
    style = patches.patches_of(batched(s)[0], 1)
    _, gradient = loss_and_gradient(lambda x: patches.patch_loss(x, style, 1, "mean"), batched(f)[0])
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=f.shape)
        ahead, behind = (
            patches.patch_loss(batched(f + step * direction)[0], style, 1, "mean").numpy()[0] for step in (1e-6, -1e-6)
        )
        assert (ahead - behind) / 2e-6 == pytest.approx(np.sum(gradient * direction), rel=1e-6)

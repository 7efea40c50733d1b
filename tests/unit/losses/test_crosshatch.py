"""The term against a crosshatch: square by square in float64, and against what `evaluation.artefacts` finds."""

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.evaluation import artefacts
from nst_tf.losses import crosshatch
from tests import pixel_terms, tolerances
from tests.tiny import tiny_network

LUMA = (0.299, 0.587, 0.114)


def filters():
    place = np.arange(9) - 4
    blur = np.hanning(11)[1:-1] / np.hanning(11).sum()
    cosine = np.cos(2 * np.pi * place / 3)
    wave = (cosine - np.sum(cosine * blur)) * blur
    return wave / abs(np.sum(wave * np.exp(-2j * np.pi * place / 3))), blur


def weaker(image):
    """The energies of one image [H, W, 3], square by square."""
    luminance = image @ np.array(LUMA)
    wave, blur = filters()
    found = {}
    for top in range(0, image.shape[0] - 22, 8):
        for left in range(0, image.shape[1] - 22, 8):
            patch = luminance[top : top + 23, left : left + 23]
            energies = []
            for kernel in (np.outer(blur, wave), np.outer(wave, blur)):
                responses = [
                    np.sum(kernel * patch[y : y + 9, x : x + 9]) for y in range(0, 15, 2) for x in range(0, 15, 2)
                ]
                energies.append(np.mean(np.square(responses)))
            found[top, left] = min(energies)
    return found


def expected(image, content):
    of_content = weaker(content)
    excess = [max(0.0, energy - of_content[place] - (0.5 / 255) ** 2) for place, energy in weaker(image).items()]
    return np.mean(excess)


def value(image, weight=1.0, content=None):
    return pixel_terms.value(crosshatch.CrosshatchTerm(weight=weight), image, content)


def calm(height=48, width=60):
    return tiny_network.picture(height, width, seed=3, dtype=np.float64) * 0.1 + 0.4


def with_waves(levels, *, across=True, down=True, period=3.0, shape=(48, 60)):
    """A calm picture under waves along its rows, its columns or both."""
    y, x = np.mgrid[: shape[0], : shape[1]] * 2 * np.pi / period
    waves = np.sin(x) * across + np.sin(y) * down
    return calm(*shape) + levels / 255 * waves[np.newaxis, :, :, np.newaxis]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_mean_over_the_squares(dtype):
    batch = np.concatenate([with_waves(8), with_waves(5, period=2.6)]).astype(dtype)
    content = calm().astype(dtype)
    found = value(batch, 1e4, content)
    np.testing.assert_allclose(found, [1e4 * expected(each, content[0]) for each in batch], **tolerances.of(dtype))
    assert min(found) > 0.1


def test_a_hatch_in_one_direction_and_one_of_the_content_have_none():
    both, across, down = (with_waves(8), with_waves(8, down=False), with_waves(8, across=False))
    found = float(value(both, content=calm())[0])
    assert found > 1e-4
    for image, content in ((across, calm()), (down, calm()), (both, both)):
        assert float(value(image, content=content)[0]) < found / 100


@pytest.mark.parametrize("period", [2.5, 3.0, 3.5])
def test_it_grows_with_planted_waves_as_the_measure_does(period):
    shape, content = (96, 96), calm(96, 96)
    found = [
        (float(value(image, content=content)[0]), artefacts.crosshatch(image, content))
        for image in (with_waves(levels, period=period, shape=shape) for levels in (0, 4, 8))
    ]
    assert found == sorted(found)
    assert found[0][0] < found[1][0] / 20
    assert found[1][1] < found[2][1]


def test_long_waves_have_none():
    assert float(value(with_waves(8, period=12.0), content=calm())[0]) < float(value(with_waves(8))[0]) / 100


def test_the_gradient_is_that_of_small_differences():
    term = crosshatch.CrosshatchTerm(weight=1e4)
    target = term.target(tf.constant(calm()))
    pixel_terms.assert_gradient_is_of_small_differences(lambda pixels: term.value(pixels, target), with_waves(8))


@pytest.mark.parametrize("shape", [(1, 1), (22, 22), (22, 60), (60, 22), (23, 23)])
def test_pictures_smaller_than_a_square_have_none(shape):
    term = crosshatch.CrosshatchTerm(weight=1.0)
    target = term.target(tf.constant(calm(*shape)))
    image = with_waves(20, shape=shape)
    found, gradient = pixel_terms.value_and_gradient(lambda pixels: term.value(pixels, target), image)
    assert np.isfinite(gradient).all()
    assert (float(found[0]) > 0) == (min(shape) > 22)

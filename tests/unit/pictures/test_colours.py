import numpy as np

from nst_tf.pictures import colours
from tests.tiny import tiny_network


def statistics(pixels):
    values = pixels.reshape(-1, 3).astype(np.float64)
    return values.mean(axis=0), np.cov(values, rowvar=False)


def test_the_picture_takes_the_mean_and_the_covariance_of_the_other():
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(9, 11, seed=2) * 0.4 + 0.3
    for received, expected in zip(statistics(colours.match(pixels, like)), statistics(like), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-3)


def test_a_picture_keeps_its_own_colours():
    pixels = tiny_network.picture()
    np.testing.assert_allclose(colours.match(pixels, pixels), pixels, atol=1e-5)


def test_pictures_of_one_colour_give_the_mean_of_the_other():
    flat, picture = np.full([1, 6, 6, 3], 0.2, np.float32), tiny_network.picture()
    np.testing.assert_allclose(colours.match(flat, picture)[0, 0, 0], picture.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(colours.match(picture, flat), np.full_like(picture, 0.2), atol=1e-5)


def test_the_noise_of_a_grey_picture_does_not_become_colour():
    generator = np.random.default_rng(0)
    grey = np.repeat(generator.uniform(0.2, 0.8, [1, 20, 20, 1]), 3, axis=-1)
    noisy = (grey + generator.normal(0, 0.001, grey.shape)).astype(np.float32)
    matched = colours.match(noisy, tiny_network.picture())
    plain = colours.match(grey.astype(np.float32), tiny_network.picture())
    assert np.abs(matched - plain).max() < 0.15

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.pictures import colours
from tests.tiny import tiny_network

KINDS = pytest.mark.parametrize("kind", colours.MATRICES)


def statistics(pixels):
    values = pixels.reshape(-1, 3).astype(np.float64)
    return values.mean(axis=0), np.cov(values, rowvar=False, bias=True)


def test_every_map_of_the_settings_is_computed():
    assert tuple(colours.MATRICES) == configs.COLOUR_MAPS


@KINDS
def test_the_picture_takes_the_mean_and_the_covariance_of_the_other(kind):
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(9, 11, seed=2) * 0.4 + 0.3
    matched = colours.match(pixels, like, kind)
    for received, expected in zip(statistics(matched), statistics(like), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)


@KINDS
def test_a_picture_keeps_its_own_colours(kind):
    pixels = tiny_network.picture()
    np.testing.assert_allclose(colours.match(pixels, pixels, kind), pixels, atol=1e-5)


def test_the_map_of_monge_and_kantorovich_moves_colours_least():
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(9, 11, seed=2) * 0.4 + 0.3
    moved = {kind: np.square(colours.match(pixels, like, kind) - pixels).mean() for kind in colours.MATRICES}
    assert min(moved, key=moved.get) == "mk"
    matrix = colours.colour_map(pixels, like, "mk").matrix
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)  # the gradient of a convex function


def test_the_map_of_cholesky_is_triangular():
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(9, 11, seed=2)
    matrix = colours.colour_map(pixels, like, "cholesky").matrix
    np.testing.assert_allclose(matrix, np.tril(matrix), atol=1e-9)


@KINDS
def test_pictures_of_one_colour_give_the_mean_of_the_other(kind):
    flat, picture = np.full([1, 6, 6, 3], 0.2, np.float32), tiny_network.picture()
    np.testing.assert_allclose(colours.match(flat, picture, kind)[0, 0, 0], picture.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(colours.match(picture, flat, kind), np.full_like(picture, 0.2), atol=1e-5)


@KINDS
def test_the_noise_of_a_grey_picture_does_not_become_colour(kind):
    generator = np.random.default_rng(0)
    grey = np.repeat(generator.uniform(0.2, 0.8, [1, 20, 20, 1]), 3, axis=-1)
    noisy = (grey + generator.normal(0, 0.001, grey.shape)).astype(np.float32)
    matched = colours.match(noisy, tiny_network.picture(), kind)
    plain = colours.match(grey.astype(np.float32), tiny_network.picture(), kind)
    assert np.abs(matched - plain).max() < 0.15


@KINDS
def test_a_pixel_without_weight_has_no_part_in_the_map(kind):
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(seed=2)
    half = np.zeros([1, 12, 16, 1], np.float32)
    half[:, :, :8] = 1
    received = colours.colour_map(pixels, like, kind, weights=half, like_weights=half)
    expected = colours.colour_map(pixels[:, :, :8], like[:, :, :8], kind)
    np.testing.assert_allclose(received.matrix, expected.matrix, atol=1e-9)
    np.testing.assert_allclose(received.offset, expected.offset, atol=1e-9)


def test_a_map_takes_colours_of_any_shape():
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(seed=2)
    colour_map = colours.colour_map(pixels, like, "mk")
    np.testing.assert_array_equal(colour_map.apply(pixels[0, 3]), colour_map.apply(pixels)[0, 3])


def test_an_unknown_map_is_refused():
    with pytest.raises(errors.ConfigError, match="colour_map must be one of mk, pca, cholesky"):
        colours.colour_map(tiny_network.picture(), tiny_network.picture(), "sym")


def test_grey_takes_the_mean_and_the_deviation_of_the_others_luma():
    pixels, like = tiny_network.picture(seed=1), tiny_network.picture(9, 11, seed=2) * 0.4 + 0.3
    received, expected = colours.luma(colours.grey_like(pixels, like)), colours.luma(like)
    np.testing.assert_allclose([received.mean(), received.std()], [expected.mean(), expected.std()], atol=1e-4)


def test_grey_of_one_tone_takes_the_mean_of_the_others():
    flat, picture = np.full([1, 6, 6, 3], 0.2, np.float32), tiny_network.picture()
    np.testing.assert_allclose(colours.grey_like(flat, picture), colours.luma(picture).mean(), atol=1e-5)


def test_a_picture_with_the_luma_of_another_keeps_its_chroma():
    pixels, image = tiny_network.picture(seed=1) * 0.2 + 0.4, tiny_network.picture(seed=2) * 0.2 + 0.4
    received = colours.with_luma(pixels, image)
    np.testing.assert_allclose(colours.luma(received), colours.luma(image), atol=1e-6)
    np.testing.assert_allclose(received - colours.grey(received), pixels - colours.grey(pixels), atol=1e-6)

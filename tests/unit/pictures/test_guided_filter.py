import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.pictures import guided_filter, images
from tests.tiny import tiny_network


def pictures(height=21, width=26):
    return [tiny_network.picture(height, width, seed=seed) for seed in (1, 2)]


def windows(height, width, radius):
    """The pixels of each pixel's window."""
    for y in range(height):
        for x in range(width):
            yield y, x, np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]


def by_definition(image, guide, radius, epsilon):
    """The nearest affine map, and what is beyond it filtered: He et al. 2013, eq. 19 to 21, window by window."""
    i = guide[0].astype(np.float64)
    known = np.append(i.reshape(-1, 3), np.ones([i.size // 3, 1]), axis=1)
    whole = (known @ np.linalg.lstsq(known, image[0].reshape(-1, 3), rcond=None)[0]).reshape(i.shape)
    p = image[0] - whole
    fitted = np.empty([*p.shape[:2], 4, 3])
    for y, x, window in windows(*p.shape[:2], radius):
        colours, targets = i[window].reshape(-1, 3), p[window].reshape(-1, 3)
        centred = colours - colours.mean(axis=0)
        covariance = centred.T @ centred / len(colours) + epsilon * np.eye(3)
        a = np.linalg.solve(covariance, centred.T @ targets / len(colours))
        fitted[y, x] = [*a, targets.mean(axis=0) - colours.mean(axis=0) @ a]
    result = whole.copy()
    for y, x, window in windows(*p.shape[:2], radius):
        result[y, x] += np.append(i[y, x], 1) @ fitted[window].reshape(-1, 4, 3).mean(axis=0)
    return result.clip(0, 1)[np.newaxis]


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-2), (4, 1e-3), (40, 1e-4)])
def test_the_filter_is_that_of_the_paper(radius, epsilon):
    image, guide = pictures()
    got = guided_filter.filtered(image, guide, radius_px=radius, epsilon=epsilon)
    np.testing.assert_allclose(got, by_definition(image, guide, radius, epsilon), atol=1e-4)


def test_bands_give_the_coefficients_of_the_whole(monkeypatch):
    image, guide = pictures(40, 26)
    whole = guided_filter.fit(image, guide, radius_px=3, epsilon=1e-3)
    monkeypatch.setattr(guided_filter, "_FIT_ROWS", 8)
    for banded, expected in zip(guided_filter.fit(image, guide, radius_px=3, epsilon=1e-3), whole, strict=True):
        np.testing.assert_allclose(banded, expected, rtol=1e-5, atol=1e-5)


def test_an_affine_change_of_the_guides_colours_passes_unchanged():
    _, guide = pictures()
    matrix = np.array([[0.5, 0.2, 0.0], [0.1, 0.6, 0.1], [0.3, 0.0, 0.4]], np.float32)
    image = guide @ matrix + np.float32(0.05)
    got = guided_filter.filtered(image, guide, radius_px=5, epsilon=0.1)
    np.testing.assert_allclose(got, image, atol=1e-3)


def test_the_guide_itself_passes_unchanged():
    _, guide = pictures()
    np.testing.assert_allclose(guided_filter.filtered(guide, guide, radius_px=5, epsilon=0.1), guide, atol=1e-6)


def test_an_edge_that_the_guide_lacks_is_smoothed_away():
    flat = np.full([1, 20, 20, 3], 0.5, np.float32)
    edge = np.concatenate([np.zeros([1, 20, 10, 3], np.float32), np.ones([1, 20, 10, 3], np.float32)], axis=2)
    got = guided_filter.filtered(edge, flat, radius_px=4, epsilon=1e-3)
    assert np.abs(np.diff(got, axis=2)).max() < 0.2


def test_coefficients_of_a_small_picture_give_a_large_one_with_its_own_edges():
    photograph = np.kron(tiny_network.picture(8, 8, seed=3)[0], np.ones([16, 16, 1], np.float32))[np.newaxis]
    small = images.resize(photograph, 64, 64)
    coefficients = guided_filter.fit(1 - small, small, radius_px=4, epsilon=1e-6)
    np.testing.assert_allclose(guided_filter.apply(coefficients, photograph), 1 - photograph, atol=0.02)


def test_a_larger_size_is_applied_band_by_band_as_at_once(monkeypatch):
    image, guide = pictures()
    coefficients = guided_filter.fit(image, guide, radius_px=2, epsilon=1e-3)
    large = images.resize(guide, 70, 90)
    whole = guided_filter.apply(coefficients, large)
    monkeypatch.setattr(guided_filter, "_APPLIED_ROWS", 7)
    np.testing.assert_array_equal(guided_filter.apply(coefficients, large), whole)


def test_a_guide_of_another_size_is_refused():
    image, guide = pictures()
    with pytest.raises(errors.ImageError, match=r"the guide must be \[1, 21, 26, 3\]"):
        guided_filter.fit(image, guide[:, :-1], radius_px=2, epsilon=1e-3)


def test_a_large_radius_is_fitted_at_a_smaller_size_and_looks_alike(monkeypatch):
    image, guide = pictures(200, 260)
    config = configs.preset("default", guided_filter_radius=0.2)
    whole = guided_filter.of_photograph(image, guide, config)
    monkeypatch.setattr(guided_filter, "MOST_RADIUS_PX", 13)
    np.testing.assert_allclose(guided_filter.of_photograph(image, guide, config), whole, atol=0.02)

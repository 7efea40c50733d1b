import numpy as np
import pytest

from nst_tf import configs, errors, evaluation
from nst_tf.pictures import colours, fine_contrast, guided_filter, images
from tests.tiny import tiny_network

LUMA = np.array(colours.LUMA, np.float32)


def pictures(height=21, width=26):
    return [tiny_network.picture(height, width, seed=seed) for seed in (1, 2)]


def windows(height, width, radius):
    """The pixels of each pixel's window."""
    for y in range(height):
        for x in range(width):
            yield y, x, np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]


def by_definition(image, guide, radius, epsilon):
    """The nearest affine map, what is beyond it filtered, the grain and the finest band held back; window by window.

    He et al. 2013, eq. 19 to 21, and for the grain section 3.2.
    """
    i = guide[0].astype(np.float64)
    known = np.append(i.reshape(-1, 3), np.ones([i.size // 3, 1]), axis=1)
    ridge = np.sqrt(guided_filter.HELD * len(known)) * np.eye(3, 4)  # slopes that keep to the guide's colours
    targets = np.append((image[0] - i).reshape(-1, 3), np.zeros([3, 3]), axis=0)
    slopes = np.eye(4, 3) + np.linalg.lstsq(np.append(known, ridge, axis=0), targets, rcond=None)[0]
    p = image[0] - (known @ slopes).reshape(i.shape)
    fitted, total = np.empty([*p.shape[:2], 4, 3]), np.empty([*p.shape[:2], 4, 3])
    for y, x, window in windows(*p.shape[:2], radius):
        colours, targets = i[window].reshape(-1, 3), p[window].reshape(-1, 3)
        centred = colours - colours.mean(axis=0)
        covariance = centred.T @ centred / len(colours) + epsilon * np.eye(3)
        a = np.linalg.solve(covariance, centred.T @ targets / len(colours))
        fitted[y, x] = [*a, targets.mean(axis=0) - colours.mean(axis=0) @ a]
    for y, x, window in windows(*p.shape[:2], radius):
        total[y, x] = slopes + fitted[window].reshape(-1, 4, 3).mean(axis=0)
    grain = i - calm(i)
    changed = np.einsum("hwk,hwkc->hwc", grain, total[..., :3, :])
    strength, of_changed = np.linalg.norm(grain, axis=-1), np.linalg.norm(changed, axis=-1)
    changed *= np.minimum(1, strength / of_changed)[..., np.newaxis]
    of_grey = np.einsum("hwkc,c->hw", total[..., :3, :], LUMA).clip(-1, 1)
    changed += (of_grey * (grain @ LUMA) - changed @ LUMA)[..., np.newaxis]
    result = (np.einsum("hwk,hwkc->hwc", i - grain, total[..., :3, :]) + total[..., 3, :] + changed).clip(0, 1)
    (fine, whole), (fine_after, whole_after) = (
        (np.mean(finest(luma) ** 2), luma.var()) for luma in (i @ LUMA, result @ LUMA)
    )
    lost = 1 - min(1, np.sqrt(fine / whole * whole_after / fine_after))
    return (result - lost * finest(result @ LUMA)[..., np.newaxis]).clip(0, 1)[np.newaxis]


def finest(luma):
    """What two binomial blurs take off."""
    for _ in range(2):
        padded = np.pad(luma, 1, mode="edge")
        weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
        luma = luma - np.einsum("hwyx,yx->hw", np.lib.stride_tricks.sliding_window_view(padded, (3, 3)), weights)
    return luma


def calm(colours):
    """Each channel under its own guided filter."""
    fitted, result = np.empty([2, *colours.shape]), np.empty(colours.shape)
    for y, x, window in windows(*colours.shape[:2], fine_contrast.GRAIN_RADIUS_PX):
        mean, variance = colours[window].mean(axis=(0, 1)), colours[window].var(axis=(0, 1))
        slope = variance / (variance + fine_contrast.GRAIN)
        fitted[:, y, x] = slope, mean - slope * mean
    for y, x, window in windows(*colours.shape[:2], fine_contrast.GRAIN_RADIUS_PX):
        slope, offset = (values[window].mean(axis=(0, 1)) for values in fitted)
        result[y, x] = slope * colours[y, x] + offset
    return result


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


def test_an_affine_change_of_the_guides_colours_passes_unchanged(monkeypatch):
    monkeypatch.setattr(guided_filter, "HELD", 1e-6)
    monkeypatch.setattr(fine_contrast, "GRAIN", 1e-12)
    _, guide = pictures()
    matrix = np.array([[0.5, 0.2, 0.0], [0.1, 0.6, 0.1], [0.3, 0.0, 0.4]], np.float32)
    image = guide @ matrix + np.float32(0.05)
    got = guided_filter.filtered(image, guide, radius_px=5, epsilon=0.1)
    np.testing.assert_allclose(got, image, atol=1e-3)


def test_the_guide_itself_passes_unchanged():
    _, guide = pictures()
    np.testing.assert_allclose(guided_filter.filtered(guide, guide, radius_px=5, epsilon=0.1), guide, atol=1e-6)


def test_grain_is_not_strengthened_where_edges_are():
    grain = np.random.default_rng(0).normal(0, 0.01, [1, 40, 40, 1]).astype(np.float32)
    edge = np.where(np.arange(40) < 20, np.float32(0.4), np.float32(0.6))[:, np.newaxis]
    guide = np.tile(edge + grain, [1, 1, 1, 3])
    got = guided_filter.filtered(0.5 + 2 * (guide - 0.5), guide, radius_px=8, epsilon=1e-3)
    for side in np.s_[:, :, :14], np.s_[:, :, 26:]:
        assert got[side].std() < 1.2 * guide[side].std()  # 2 without care
    assert got[:, :, 26:].mean() - got[:, :, :14].mean() > 1.8 * 0.2


def test_a_map_that_mixes_colours_makes_no_luma_of_their_noise():
    red, blue = np.random.default_rng(2).normal(0, 0.02, [2, 30, 30]).astype(np.float32)
    noise = np.stack([red, np.zeros_like(red), blue], axis=-1)
    noise -= (noise @ LUMA)[..., np.newaxis]  # colour alone
    mixing = np.eye(3, dtype=np.float32) + np.array([[1, 1, 1], [-1, -1, -1], [0, 0, 0]], np.float32)
    slopes = np.broadcast_to(mixing, [30, 30, 3, 3])
    assert (noise @ mixing @ LUMA).std() > 0.02
    np.testing.assert_allclose(fine_contrast.changed_grain(noise, slopes) @ LUMA, 0, atol=1e-6)


def test_the_finest_band_keeps_its_share_of_the_contrast_where_light_becomes_even(monkeypatch):
    monkeypatch.setattr(fine_contrast, "_BAND_ROWS", 17)
    detail = np.random.default_rng(3).uniform(-0.1, 0.1, [1, 60, 80, 1]).astype(np.float32)
    light = np.linspace(0.2, 0.8, 80, dtype=np.float32)[:, np.newaxis]
    photograph, even = (np.tile(picture + detail, [1, 1, 1, 3]) for picture in (light, 0.5 + 0.7 * (light - 0.5)))
    got = even.copy()
    fine_contrast.hold_finest(got, photograph)
    shares = [evaluation.high_frequency_share(picture) for picture in (photograph, even, got)]
    assert shares[1] > 1.5 * shares[0]
    assert shares[2] < 1.1 * shares[0]
    fine_contrast.hold_finest(photograph, even)
    np.testing.assert_array_equal(photograph, np.tile(light + detail, [1, 1, 1, 3]))


def test_colours_that_hardly_vary_in_the_photograph_are_not_made_strong():
    generator = np.random.default_rng(1)
    light, tint = generator.uniform(0.2, 0.8, [1, 40, 40, 1]), generator.normal(0, 0.01, [1, 40, 40, 1])
    guide = np.concatenate([light + tint, light, light - tint], axis=-1).astype(np.float32)
    image = np.tile(light + 4 * tint, [1, 1, 1, 3]).astype(np.float32)
    slopes = guided_filter.whole_picture_map(image, guide)[:3]
    np.testing.assert_allclose(slopes.sum(axis=0), 1, atol=0.05)  # of light
    assert np.abs(np.array([0.5, 0, -0.5]) @ slopes).max() < 1  # of the tint; the nearest map has 4


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

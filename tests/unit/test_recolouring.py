import json

import numpy as np
import pytest

from nst_tf import configs, errors, recolouring
from nst_tf.pictures import colours, images
from tests.tiny import tiny_network

CONTENT = tiny_network.picture(40, 50, seed=1)
STYLE = 0.25 + 0.5 * tiny_network.picture(30, 35, seed=2)


def recolour(content=CONTENT, style=STYLE, **settings):
    return recolouring.recolour(content, style, configs.RecolourConfig(**settings), on_message=lambda _: None)


def test_the_result_has_the_mean_and_covariance_of_the_styles_colours():
    got, wanted = (pixels.reshape(-1, 3) for pixels in (recolour().image, STYLE))
    np.testing.assert_allclose(got.mean(axis=0), wanted.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(np.cov(got.T), np.cov(wanted.T), atol=1e-3)


def test_a_photograph_keeps_its_own_size_unless_told_otherwise():
    large = tiny_network.picture(600, 700, seed=1)
    assert recolour(large).image.shape == large.shape
    assert recolour(large, max_side_px=70).image.shape == (1, 60, 70, 3)


def test_luminance_keeps_the_chroma_of_the_photograph():
    content = 0.25 + 0.5 * CONTENT
    got = recolour(content, colours="luminance").image
    chroma = [pixels - colours.luma(pixels) for pixels in (got, content)]
    np.testing.assert_allclose(*chroma, atol=1e-3)
    assert colours.luma(got).mean() == pytest.approx(colours.luma(STYLE).mean(), abs=2e-3)


def test_strength_goes_from_the_photograph_to_the_result():
    np.testing.assert_array_equal(recolour(strength=0).image, CONTENT)
    np.testing.assert_allclose(recolour(strength=0.5).image, (CONTENT + recolour().image) / 2, atol=1e-6)


def test_several_styles_are_mixed_by_their_shares():
    other = 1 - STYLE
    np.testing.assert_allclose(recolour(style=[STYLE, other], style_blend=(1, 0)).image, recolour().image, atol=1e-5)
    mixed = recolour(style=[STYLE, other], style_blend=(1, 1)).image
    np.testing.assert_allclose(mixed.mean(axis=(1, 2)), 0.5, atol=0.01)


def test_the_colours_of_the_content_are_refused():
    with pytest.raises(errors.ConfigError, match="colours must be style or luminance"):
        recolour(colours="content")


def test_the_transparency_and_the_record_are_kept(tmp_path):
    alpha = np.linspace(0, 1, 50, dtype=np.float32).reshape(1, 1, 50, 1).repeat(40, axis=1)
    result = recolour(images.Picture(pixels=CONTENT, alpha=alpha, sha256="1" * 64, name="photo"))
    result.save(tmp_path / "out.png")
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert (record["method"], record["inputs"][0]["name"], record["network"]) == ("recolour", "photo", {})
    np.testing.assert_array_equal(result.alpha, alpha)

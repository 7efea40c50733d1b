import json

import numpy as np
import pytest

import nst_tf
from nst_tf import configs, errors
from nst_tf.networks import adain, one_pass
from nst_tf.pictures import colours, guided_filter, images, inputs, transparency
from tests.tiny import tiny_adain, tiny_network

CLOSE = {"atol": 2e-5}
CONTENT, STYLE, OTHER = (tiny_network.picture(14, 18, seed=seed) for seed in (1, 2, 3))


engine = tiny_adain.engine


def test_a_picture_gets_the_style_at_its_strength():
    network = tiny_adain.network()
    result = engine(strength=0.4)(CONTENT, STYLE)
    expected = network.apply(CONTENT, network.style_moments(STYLE), 0.4)
    np.testing.assert_allclose(result.image, expected, **CLOSE)


def test_several_styles_are_blended_in_their_shares():
    network = tiny_adain.network()
    style = adain.blend([network.style_moments(STYLE), network.style_moments(OTHER)], (3.0, 1.0))
    result = engine(style_blend=(0.6, 0.2))(CONTENT, [STYLE, OTHER])
    np.testing.assert_allclose(result.image, network.apply(CONTENT, style), **CLOSE)


def test_masks_of_another_size_are_scaled_to_the_content():
    left = np.zeros([28, 36], np.float32)
    left[:, :16] = 1
    result = engine()(CONTENT, [STYLE, OTHER], style_masks=[left, 1 - left])
    network = tiny_adain.network()
    styles = [network.style_moments(STYLE), network.style_moments(OTHER)]
    half = images.resize(left[None, :, :, None], 14, 18)
    expected = network.apply_regions(CONTENT, adain.together(styles), np.concatenate([half, 1 - half], axis=-1))
    np.testing.assert_allclose(result.image, expected, atol=1e-3)


def test_with_the_colours_of_the_content_a_paler_style_gives_the_same_picture():
    recoloured = STYLE * 0.5 + np.array([0.1, 0.2, 0.3], np.float32)
    first, second = (engine(colours="content")(CONTENT, style).image for style in (STYLE, recoloured))
    assert np.abs(engine()(CONTENT, recoloured).image - engine()(CONTENT, STYLE).image).max() > 0.01
    np.testing.assert_allclose(first, second, atol=2e-3)


def test_with_luminance_the_chroma_is_the_contents():
    content = CONTENT * 0.3 + 0.35  # so that nothing is clipped
    result = engine(colours="luminance", strength=0.5)(content, STYLE).image
    inside = (result > 0.01).all(axis=-1) & (result < 0.99).all(axis=-1)
    assert inside.mean() > 0.5
    chroma, own = result - colours.grey(result), content - colours.grey(content)
    np.testing.assert_allclose(chroma[inside], own[inside], atol=1e-5)


def test_the_guided_filter_acts_on_the_finished_picture():
    expected = guided_filter.filtered(engine()(CONTENT, STYLE).image, CONTENT, radius_px=2, epsilon=1e-3)
    result = engine(guided_filter_radius=0.1, guided_filter_epsilon=1e-3)(CONTENT, STYLE)
    np.testing.assert_allclose(result.image, expected, **CLOSE)


def test_a_style_is_taken_from_its_own_mask():
    left = np.zeros([14, 18], np.float32)
    left[:, :8] = 1
    result = engine()(CONTENT, STYLE, style_own_masks=[left])
    network = tiny_adain.network()
    expected = network.apply(CONTENT, network.style_moments(STYLE, left[np.newaxis, :, :, np.newaxis]))
    np.testing.assert_allclose(result.image, expected, **CLOSE)
    assert np.abs(result.image - engine()(CONTENT, STYLE).image).max() > 0.01


def test_a_keep_mask_keeps_the_content():
    left = np.zeros([14, 18], np.float32)
    left[:, :8] = 1
    result = engine()(CONTENT, STYLE, keep_mask=left).image
    np.testing.assert_array_equal(result[:, :, :8], CONTENT[:, :, :8])
    np.testing.assert_array_equal(result[:, :, 8:], engine()(CONTENT, STYLE).image[:, :, 8:])


def test_transparent_pixels_neither_give_nor_take_style():
    alpha = np.zeros([1, 14, 18, 1], np.float32)
    alpha[:, :, :8] = 1

    def sprite(pixels, hidden):
        on_white = np.where(alpha > 0, pixels, hidden) * alpha + 1 - alpha
        return images.Picture(pixels=on_white.astype(np.float32), alpha=alpha, sha256="0", name="sprite")

    first, second = (engine()(sprite(CONTENT, hidden), sprite(STYLE, hidden)).image for hidden in (0.1, 0.8))
    np.testing.assert_array_equal(first, second)
    network = tiny_adain.network()
    content, style = (transparency.straight(sprite(pixels, 0.1)).pixels for pixels in (CONTENT, STYLE))
    expected = network.apply_regions(content, network.style_moments(style, alpha), alpha)
    np.testing.assert_allclose(first, expected, **CLOSE)


def test_a_style_that_comes_again_is_encoded_once_and_one_engine_serves_every_size():
    stylize = one_pass.AdainTransfer(loaded=tiny_adain.loaded())
    first = stylize(CONTENT, STYLE)
    encoded = []
    moments = stylize._engine.moments
    stylize._engine = stylize._engine._replace(moments=lambda *given: encoded.append(1) or moments(*given))
    np.testing.assert_array_equal(stylize(CONTENT, STYLE).image, first.image)
    assert stylize(tiny_network.picture(18, 18), STYLE).image.shape == (1, 18, 18, 3)
    assert encoded == []
    stylize(CONTENT, OTHER)
    assert encoded == [1]


def test_the_result_is_saved_with_its_record_and_the_alpha_of_the_content(tmp_path):
    alpha = np.linspace(0, 1, 14 * 18, dtype=np.float32).reshape(1, 14, 18, 1)
    content = images.Picture(pixels=CONTENT, alpha=alpha, sha256="1" * 64, name="photo")
    engine(strength=0.5)(content, STYLE).save(tmp_path / "out.png")
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert (record["method"], record["config"]["strength"], record["precision"]) == ("adain", 0.5, "float32")
    assert record["inputs"][0] == {"name": "photo", "sha256": "1" * 64, "width_px": 18, "height_px": 14}
    assert record["network"] == {"decoder": {"source": "tiny"}}
    assert record["versions"]["nst_tf"] == nst_tf.__version__
    np.testing.assert_allclose(images.load(tmp_path / "out.png").alpha, alpha, atol=1 / 255)


@pytest.mark.parametrize(
    ("changes", "masks", "words"),
    [
        ({"style_blend": (1.0,)}, 0, "style_blend needs one share for each of the 2"),
        ({}, 1, "style_masks needs one mask for each of the 2 style pictures. Received: 1"),
        ({"style_blend": (1.0, 1.0)}, 2, "exclude each other"),
    ],
)
def test_shares_and_masks_that_do_not_fit_the_styles_are_refused(changes, masks, words):
    with pytest.raises(errors.ConfigError, match=words):
        engine(**changes)(CONTENT, [STYLE, OTHER], style_masks=[np.ones([14, 18], np.float32)] * masks)


@pytest.mark.parametrize(
    ("content", "style", "masks", "words"),
    [
        (CONTENT[:, :8], STYLE, [], "content: the shorter side must be at least 9 px for AdaIN. Received: 18 x 8 px"),
        (CONTENT, STYLE[:, :, :5], [], "style: the shorter side must be at least 9 px"),
        (CONTENT, [], [], "at least one style picture"),
        (CONTENT, np.zeros([0, 12, 3]), [], "style: "),
        (CONTENT, np.zeros([12, 12, 4]), [], "Drop the alpha channel"),
        (CONTENT, np.full([12, 12, 3], 200.0), [], "Divide 0-255 floats by 255"),
        (CONTENT, STYLE, [np.ones([18, 14])], "aspect ratio. Received: 14 x 18 px for 18 x 14 px"),
        (CONTENT, np.full([9, 9, 3], np.nan), [], "must be finite"),
        (CONTENT, STYLE, [np.full([14, 18], 2.0)], r"mask: floating values must be in \[0, 1\]"),
    ],
)
def test_pictures_that_do_not_serve_are_refused(content, style, masks, words):
    with pytest.raises(errors.ImageError, match=words):
        engine()(content, style, style_masks=masks)


@pytest.mark.parametrize("settings", [{"strength": 1.1}, {"colours": "none"}, {"style_blend": (0.0, 0.0)}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(errors.ConfigError):
        configs.AdainConfig(**settings)


def test_the_settings_shared_with_the_optimisation_have_its_defaults():
    shared = ("max_side_px", "style_max_side_px", "style_blend", "weights", "precision")
    adain, optimisation = configs.AdainConfig(), configs.StyleTransferConfig()
    assert [getattr(adain, name) for name in shared] == [getattr(optimisation, name) for name in shared]


def test_an_optimisation_can_start_from_the_picture_of_one_pass(monkeypatch):
    loaded = adain.Loaded(tiny_adain.network(), "float32", {})
    monkeypatch.setattr(adain, "load", lambda **_: loaded)
    one_pass._shared_transfer.cache_clear()
    config = tiny_network.config(initialisation="adain", steps=1)
    reported = []
    nst_tf.stylize(
        CONTENT,
        STYLE,
        config,
        extractor=tiny_network.TinyNetwork(),
        on_report=lambda report: reported.append(report.image()),
    )
    expected = engine()(CONTENT, STYLE)
    np.testing.assert_allclose(reported[0], expected.image.clip(0.02, 0.98), atol=1e-3)
    start = one_pass.start(inputs.read(CONTENT, STYLE, config), config, lambda _: None)
    assert start.name == "adain"
    one_pass._shared_transfer.cache_clear()

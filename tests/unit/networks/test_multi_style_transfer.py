import json

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.networks import multi_style, multi_style_transfer
from nst_tf.pictures import colours, images
from nst_tf.weights import known_styles, style_files
from tests.tiny import tiny_multi_style, tiny_network

PICTURE = tiny_network.picture(36, 44)
LOADED = tiny_multi_style.loaded()


engine = tiny_multi_style.engine


def drawn(gamma, beta):
    return LOADED.network(PICTURE, multi_style.Style(gamma, beta)).numpy()


def test_a_known_style_is_drawn_by_its_number():
    expected = drawn(LOADED.known.gamma[2], LOADED.known.beta[2])
    np.testing.assert_allclose(engine()(PICTURE, "style:2").image, expected, atol=1e-5)


def test_a_shipped_style_is_drawn_by_the_network_of_the_package_without_a_download(monkeypatch, tmp_path):
    monkeypatch.setenv("NST_TF_HOME", str(tmp_path / "empty"))
    network = multi_style.load(known_styles.PAINTINGS)
    expected = network.network(PICTURE, multi_style.Style(*style_files.shipped("redon").at(576))).numpy()
    transfer = multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(stroke_size_px=576))
    result = transfer(PICTURE, "style:redon")
    np.testing.assert_allclose(result.image, expected, atol=1e-5)
    assert result.network["sha256"] == network.weights["sha256"]
    assert not (tmp_path / "empty").exists()


def test_a_file_is_drawn_at_the_size_of_its_strokes(tmp_path):
    style = tiny_multi_style.style_file(sizes_px=(128, 512))
    style_files.write(tmp_path / "x.style", style)
    result = engine(stroke_size_px=512)(PICTURE, tmp_path / "x.style")
    np.testing.assert_allclose(result.image, drawn(style.gamma[1], style.beta[1]), atol=1e-5)


def test_styles_of_all_kinds_are_blended_in_their_shares():
    style = tiny_multi_style.style_file()
    blended = [0.25 * known[0] + 0.75 * own for known, own in zip(LOADED.known, style.at(None), strict=True)]
    expected = drawn(*blended)
    result = engine(style_blend=(1.0, 3.0))(PICTURE, ["style:0", style])
    np.testing.assert_allclose(result.image, expected, atol=1e-5)


def test_below_full_strength_the_result_is_blended_with_the_content():
    full = engine()(PICTURE, "style:1").image
    np.testing.assert_allclose(engine(strength=0.25)(PICTURE, "style:1").image, 0.75 * PICTURE + 0.25 * full, atol=1e-6)
    np.testing.assert_array_equal(engine(strength=0.0)(PICTURE, "style:1").image, PICTURE)


def test_with_the_colours_of_the_content_the_result_has_its_mean_and_covariance():
    pale = PICTURE * 0.4 + 0.3  # so that nothing is clipped
    received = engine(colours="content")(pale, "style:1").image.reshape(-1, 3)
    np.testing.assert_allclose(received.mean(axis=0), pale.reshape(-1, 3).mean(axis=0), atol=5e-3)
    np.testing.assert_allclose(np.cov(received.T), np.cov(pale.reshape(-1, 3).T), atol=5e-3)


def test_with_luminance_the_result_has_the_chroma_of_the_content():
    pale = PICTURE * 0.3 + 0.35
    result = engine(colours="luminance")(pale, "style:1").image
    np.testing.assert_allclose(result - colours.grey(result), pale - colours.grey(pale), atol=1e-5)


def test_each_region_is_drawn_in_its_own_style_and_the_rest_is_the_contents():
    left = np.tile(np.arange(44) < 15, (36, 1))
    middle = np.roll(left, 15, axis=1)
    result = engine()(PICTURE, ["style:0", "style:1"], style_masks=[left, middle]).image
    alone = [engine()(PICTURE, f"style:{number}").image for number in (0, 1)]
    np.testing.assert_allclose(result[:, :, :15], alone[0][:, :, :15], atol=1e-6)
    np.testing.assert_allclose(result[:, :, 15:30], alone[1][:, :, 15:30], atol=1e-6)
    np.testing.assert_array_equal(result[:, :, 30:], PICTURE[:, :, 30:])


def test_a_keep_mask_keeps_the_content():
    left = np.tile(np.arange(44) < 15, (36, 1))
    result = engine()(PICTURE, "style:1", keep_mask=left).image
    np.testing.assert_array_equal(result[:, :, :15], PICTURE[:, :, :15])
    np.testing.assert_array_equal(result[:, :, 15:], engine()(PICTURE, "style:1").image[:, :, 15:])


def test_masks_that_do_not_fit_the_styles_are_refused():
    with pytest.raises(errors.ConfigError, match="style_masks needs one mask for each of the 2 style pictures"):
        engine()(PICTURE, ["style:0", "style:1"], style_masks=[np.ones([36, 44], np.float32)])


def test_the_result_is_saved_with_its_record_and_the_alpha_of_the_content(tmp_path):
    alpha = np.linspace(0, 1, 36 * 44, dtype=np.float32).reshape(1, 36, 44, 1)
    content = images.Picture(pixels=PICTURE, alpha=alpha, sha256="1" * 64, name="photo")
    engine()(content, ["style:1", tiny_multi_style.style_file()]).save(tmp_path / "out.png")
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert (record["method"], record["precision"], record["network"]["source"]) == ("multi-style", "float32", "tiny")
    assert [entry["name"] for entry in record["inputs"]] == ["photo", "style:1", "tiny"]
    np.testing.assert_allclose(images.load(tmp_path / "out.png").alpha, alpha, atol=1 / 255)


@pytest.mark.parametrize(
    ("content", "style", "words"),
    [
        (PICTURE, "style:3", "the network's own styles are style:0 to style:2. Received: 3"),
        (PICTURE, tiny_multi_style.style_file(network_sha256="0" * 64), "one of another network"),
        (PICTURE, "painting.jpg", "nst-tf train"),
        (PICTURE[:, :20], "style:1", "content: the shorter side must be at least 32 px for multi-style"),
        (np.full([40, 40, 3], 200.0), "style:1", "Divide 0-255 floats by 255"),
    ],
)
def test_pictures_and_styles_that_cannot_be_used_are_refused(content, style, words):
    with pytest.raises(errors.NstError, match=words):
        engine()(content, style)


@pytest.mark.parametrize("settings", [{"style_blend": (0.0, 0.0)}, {"stroke_size_px": 3}, {"max_side_px": 16}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(errors.ConfigError):
        configs.MultiStyleConfig(**settings)

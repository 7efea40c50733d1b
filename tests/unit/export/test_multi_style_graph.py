import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.export import bundle, manifest, model_card, multi_style_graph, trial_requests
from nst_tf.pictures import images
from tests.tiny import tiny_multi_style, tiny_network

CONFIG = configs.MultiStyleConfig(max_side_px=64)
LIMITS = configs.ExportConfig(method="multi-style", max_pixels=20_000)
LOADED = tiny_multi_style.loaded()


def picture(height, width, seed=0):
    return np.rint(tiny_network.picture(height, width, seed=seed) * 255) / np.float32(255)


ONES = np.ones([2], np.float32)
CONTENTS = (picture(50, 90, 1), picture(40, 35, 2))


@pytest.fixture(scope="module")
def served():
    return multi_style_graph.MultiStyle(LOADED, CONFIG, LIMITS).signatures()


def request(*styles, **overrides):
    values = {
        "content_bytes": trial_requests.encoded(CONTENTS),
        "style": np.array([style.encode() for style in styles or ("2", "style:0=1,1=3")]),
        "max_side_px": np.array([58, 999], np.int32),
        "style_strength": np.array([1.0, 0.3], np.float32),
    }
    return {name: tf.constant(value) for name, value in (values | overrides).items()}


def expected(content, styles, **settings):
    return tiny_multi_style.engine(**{"max_side_px": 64} | settings)(content, styles).image


def assert_same(data, image):
    apart = np.abs(images.load(bytes(data)).pixels * 255 - np.rint(image * 255))
    assert apart.mean() < trial_requests.TOLERANCE_LEVELS["float32"][0]


def test_a_style_by_its_name_and_a_blend_are_what_python_makes_of_them(served):
    first, second = served["serving_default"](**request())["stylized_bytes"].numpy()
    assert_same(first, expected(CONTENTS[0], "style:2", max_side_px=58))
    assert_same(second, expected(CONTENTS[1], ["style:0", "style:1"], style_blend=(1.0, 3.0), strength=0.3))


def test_gamma_and_beta_of_a_name_give_its_picture_again(served):
    numbers = served["encode_style"](style=request()["style"])
    assert numbers["gamma"].shape == numbers["beta"].shape == (2, tiny_multi_style.SIZE)
    inputs = {name: value for name, value in request().items() if name != "style"}
    again = served["apply_style"](**inputs, **numbers)["stylized_bytes"].numpy()
    assert list(again) == list(served["serving_default"](**request())["stylized_bytes"].numpy())


MASKS = trial_requests.masks(CONTENTS[0])


def regions_of(signatures, **overrides):
    masks = trial_requests.encoded(MASKS.styles)
    inputs = {
        "style": np.array([[b"2", b"style:0=1,1=3"], [b"1", b"0"]]),
        "style_mask_bytes": np.array([masks, [b"", b""]]),
        "keep_mask_bytes": np.array([trial_requests.encoded([MASKS.keep])[0], b""]),
    }
    return signatures["stylize_regions"](**request(**(inputs | overrides)))["stylized_bytes"].numpy()


def test_styles_by_masks_and_what_is_kept_are_what_python_makes_of_them(served):
    out = regions_of(served, style=np.array([["2", "style:0"], ["1", "0"]]))
    engine = tiny_multi_style.engine(max_side_px=58)
    given = {"style_masks": MASKS.styles, "keep_mask": MASKS.keep}
    assert_same(out[0], engine(CONTENTS[0], ["style:2", "style:0"], **given).image)
    engine = tiny_multi_style.engine(max_side_px=64, strength=0.3)
    white = np.ones_like(CONTENTS[1])
    assert_same(out[1], engine(CONTENTS[1], ["style:1", "style:0"], style_masks=[white, white]).image)


def test_a_blend_goes_where_its_mask_is(served):
    blend = regions_of(served)
    assert blend[0] != regions_of(served, style=np.array([["2", "0"], ["1", "0"]]))[0]
    assert blend[0] == regions_of(served, style=np.array([["2", "0=2,1=6"], ["1", "0"]]))[0]


def test_a_wrong_style_of_several_is_named_by_its_place(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style\[1, 0\]: a style must be one of 0, 1, 2"):
        regions_of(served, style=np.array([["2", "0"], ["x", "0"]]))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"one value for each of one or more styles. Received: 1, 2"
    ):
        regions_of(served, style=np.array([["2"], ["0"]]))


def test_numbers_of_a_trained_style_are_drawn(served):
    style = tiny_multi_style.style_file()
    gamma, beta = style.at(None)
    inputs = {name: value[1:] for name, value in request().items() if name != "style"}
    out = served["apply_style"](**inputs, gamma=gamma[np.newaxis], beta=beta[np.newaxis])["stylized_bytes"].numpy()
    assert_same(out[0], expected(CONTENTS[1], style, strength=0.3))


def test_each_picture_of_a_batch_of_tensors_has_its_own_style(served):
    contents = np.concatenate([CONTENTS[1], CONTENTS[1][:, ::-1]])
    together = served["stylize_tensor"](content=contents, style=tf.constant(["0", "1"]), style_strength=ONES[:2])
    for i in range(2):
        np.testing.assert_allclose(together["stylized"][i], expected(contents[i], f"style:{i}")[0], atol=1e-5)


def test_a_baked_blend_needs_no_style_in_the_request():
    config = dataclasses.replace(CONFIG, style_blend=(1.0, 2.0))
    style = multi_style_graph.baked(LOADED, ["style:1", tiny_multi_style.style_file()], config)
    module = multi_style_graph.MultiStyle(LOADED, config, LIMITS, style)
    out = tf.function(module.stylize_tensor, autograph=False)(
        content=tf.constant(CONTENTS[1]), style_strength=ONES[:1]
    )["stylized"]
    styles = ["style:1", tiny_multi_style.style_file()]
    np.testing.assert_allclose(out, expected(CONTENTS[1], styles, style_blend=(1.0, 2.0)), atol=1e-5)


def test_styles_of_the_package_are_known_where_they_belong_to_the_network():
    assert multi_style_graph.named(LOADED, CONFIG).names == ("0", "1", "2")


@pytest.mark.parametrize("style", ["0", " style:0 ", "0=1", "0=.5,0=.5", "0=2e3", "0,1=0"])
def test_ways_to_write_one_style(served, style):
    np.testing.assert_allclose(
        served["encode_style"](style=tf.constant([style]))["gamma"][0], LOADED.known.gamma[0], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style": np.array([b"0", b"redon"])}, r"style\[1\]: a style must be one of 0, 1, 2, or .* Received: redon"),
        ({"style": np.array([b"", b"0"])}, r"style\[0\]: a style must be one of"),
        ({"style": np.array([b"0=x", b"0"])}, r"style\[0\]: a style must be one of"),
        ({"style": np.array([b"0=-1", b"0"])}, r"style\[0\]: a style must be one of"),
        ({"style": np.array([b"0", b"0=0,1=0"])}, r"style\[1\]: the shares of a style must add up to more than 0"),
        ({"style": np.array([b"0", b"0=1e999"])}, r"style\[1\]: the shares of a style must add up"),
        ({"style": np.array([b"\xff" * 5000, b"0"])}, r"style\[0\]: a style must be one of"),
        ({"style": np.array([b"0"])}, "must have one length"),
        ({"style_strength": np.array([1, 1.5], np.float32)}, r"style_strength\[1\] must be 0 to 1. Received: 1.5"),
        ({"max_side_px": np.array([50, 0], np.int32)}, r"max_side_px\[1\] must be at least 1. Received: 0"),
        ({"max_side_px": np.array([50, 20], np.int32)}, r"content_bytes\[0\]: the shorter side must be at least 32 px"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_request_is_refused_with_its_index(served, changes, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        served["serving_default"](**request(**changes))


def test_numbers_that_are_not_finite_are_refused(served):
    inputs = {name: value for name, value in request().items() if name != "style"}
    gamma = np.ones([2, tiny_multi_style.SIZE], np.float32)
    beta = gamma.copy()
    beta[1, 3] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"beta\[1\]: the values must be finite"):
        served["apply_style"](**inputs, gamma=gamma, beta=beta)


def test_the_bundle_answers_as_python_on_every_signature_in_the_c_library(styles_version):
    record = json.loads((styles_version / manifest.PATH).read_text())
    assert {check["signature"] for check in record["self_check"]["requests"].values()} == {
        "serving_default", "stylize_tensor", "stylize_regions", "encode_style", "apply_style",
    }  # fmt: skip
    card = (styles_version / model_card.PATH).read_text()
    assert "A request names its style: 0, 1, 2; or a blend, such as `0=0.3,2=0.7`." in card
    assert "Dumoulin" in card
    assert manifest.read(styles_version).method == "multi-style"


def test_a_style_of_another_network_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(errors.StyleError, match="one of another network"):
        bundle.export_multi_style(tmp_path / "one", CONFIG, LIMITS, styles=["style:redon"], loaded=LOADED)
    assert list((tmp_path / "one").iterdir()) == []

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.export import adain_graph, manifest, trial_requests
from nst_tf.networks import adain as networks_adain
from nst_tf.pictures import images
from tests.tiny import tiny_adain, tiny_network

CONFIG = configs.AdainConfig(max_side_px=64)
LIMITS = configs.ExportConfig(method="adain", max_pixels=20_000)
RECORD = {"source": "random", "sha256": "0", "licence": "ours"}


@pytest.fixture(scope="module")
def loaded():
    return networks_adain.Loaded(tiny_adain.network(), "float32", {"encoder": RECORD, "decoder": RECORD})


@pytest.fixture(scope="module")
def served(loaded):
    return adain_graph.Adain(loaded.network, CONFIG, LIMITS).signatures()


def picture(height, width, seed=0):
    return np.rint(tiny_network.picture(height, width, seed=seed) * 255) / np.float32(255)


CONTENTS = (picture(40, 90, 1), picture(30, 20, 2))
STYLES = (picture(70, 33, 3), picture(45, 99, 4))
MASKS = trial_requests.masks(CONTENTS[0])
UPRIGHT = trial_requests.masks(CONTENTS[1]).styles[0]


def request(**overrides):
    values = {
        "content_bytes": trial_requests.encoded(CONTENTS),
        "style_bytes": trial_requests.encoded(STYLES),
        "style_strength": np.array([1.0, 0.3], np.float32),
        "max_side_px": np.array([50, 999], np.int32),
    }
    return {name: tf.constant(value) for name, value in (values | overrides).items()}


def expected(i, **settings):
    settings = {"strength": (1.0, 0.3)[i], "max_side_px": (50, 64)[i]} | settings
    return tiny_adain.engine(**settings)(CONTENTS[i], STYLES[i], on_message=lambda _: None).image


def assert_same(data, image):
    apart = np.abs(images.load(bytes(data)).pixels * 255 - np.rint(image * 255))
    assert apart.mean() < trial_requests.TOLERANCE_LEVELS["float32"][0]


def test_each_picture_of_a_batch_is_what_python_makes_of_it(served, loaded):
    out = served["serving_default"](**request())["stylized_bytes"].numpy()
    for i in range(2):
        assert_same(out[i], expected(i))


def test_luminance_is_what_python_makes_of_it_and_has_no_style_without_its_content(loaded):
    config = dataclasses.replace(CONFIG, colours="luminance")
    module = adain_graph.Adain(loaded.network, config, LIMITS)
    signatures = module.signatures()
    assert sorted(signatures) == ["serving_default", "stylize_blend", "stylize_regions", "stylize_tensor"]
    out = signatures["serving_default"](**request())["stylized_bytes"].numpy()
    for i in range(2):
        assert_same(out[i], expected(i, colours="luminance"))
    assert_same(regions_of(signatures)[0], in_regions(colours="luminance"))
    with pytest.raises(errors.ConfigError, match="Received: luminance, which shifts the style to each content"):
        adain_graph.baked(loaded, [], config)


def several(**overrides):
    """A request of two pictures with two styles each."""
    both = trial_requests.encoded(STYLES)
    return request(style_bytes=np.stack([both, both[::-1]]), **overrides)


def regions_of(signatures, **overrides):
    masks = trial_requests.encoded(MASKS.styles)
    inputs = {
        "style_mask_bytes": np.array([masks, [b"", trial_requests.encoded([UPRIGHT])[0]]]),
        "keep_mask_bytes": np.array([trial_requests.encoded([MASKS.keep])[0], b""]),
    }
    return signatures["stylize_regions"](**several(**(inputs | overrides)))["stylized_bytes"].numpy()


def in_regions(**settings):
    engine = tiny_adain.engine(max_side_px=50, **settings)
    return engine(CONTENTS[0], list(STYLES), style_masks=MASKS.styles, keep_mask=MASKS.keep).image


def test_styles_by_masks_and_what_is_kept_are_what_python_makes_of_them(served, loaded):
    out = regions_of(served)
    assert_same(out[0], in_regions())
    engine = tiny_adain.engine(max_side_px=64, strength=0.3)
    masks = [np.ones_like(UPRIGHT), UPRIGHT]
    assert_same(out[1], engine(CONTENTS[1], list(STYLES[::-1]), style_masks=masks).image)


def test_several_styles_with_a_share_each_are_what_python_makes_of_them(served, loaded):
    blend = np.array([[1, 3], [1, 0]], np.float32)
    out = served["stylize_blend"](**several(style_blend=blend))["stylized_bytes"].numpy()
    engine = tiny_adain.engine(max_side_px=50, style_blend=(1.0, 3.0))
    assert_same(out[0], engine(CONTENTS[0], list(STYLES)).image)
    engine = tiny_adain.engine(max_side_px=64, strength=0.3)
    assert_same(out[1], engine(CONTENTS[1], STYLES[1]).image)


def test_a_baked_style_takes_a_mask_of_what_is_kept(loaded):
    styles = [images.Picture(pixels=STYLES[0], alpha=None, sha256="", name="style")]
    module = adain_graph.Adain(loaded.network, CONFIG, LIMITS, adain_graph.baked(loaded, styles, CONFIG))
    values = {name: value[:1] for name, value in request().items() if name != "style_bytes"}
    values |= {"keep_mask_bytes": trial_requests.encoded([MASKS.keep])}
    out = tf.function(module.stylize_regions, autograph=False)(**values)["stylized_bytes"].numpy()
    engine = tiny_adain.engine(max_side_px=50, style_max_side_px=70)
    assert_same(out[0], engine(CONTENTS[0], STYLES[0], keep_mask=MASKS.keep).image)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style_mask_bytes": np.full([2, 3], b"")}, "one value for each of one or more styles. Received: 2, 3"),
        ({"style_mask_bytes": np.array([[b"", b""], [b"", b"x"]])}, r"style_mask_bytes\[1, 1\]: a picture must be"),
        ({"keep_mask_bytes": trial_requests.encoded([picture(30, 30)] * 2)}, r"keep_mask_bytes\[0\]: a mask must have"),
        (
            {"keep_mask_bytes": trial_requests.encoded([np.ones([1, 40, 90, 3])] * 2)},
            r"keep_mask_bytes\[0\]: the mask must leave something",
        ),
        (
            {"keep_mask_bytes": trial_requests.encoded([np.zeros([1, 40, 90, 3])] * 2)},
            r"keep_mask_bytes\[0\]: a mask must have white pixels. Received: none brighter than 0",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_masks_are_refused_with_their_place(served, changes, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        regions_of(served, **changes)


@pytest.mark.parametrize("blend", [[[1, -1], [1, 1]], [[0, 0], [1, 1]], [[1, np.nan], [1, 1]]], ids=str)
def test_shares_that_are_none_are_refused(served, blend):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style_blend\[0\]: the shares must be at least 0"):
        served["stylize_blend"](**several(style_blend=np.array(blend, np.float32)))


def test_a_style_encoded_beforehand_gives_the_same_picture(served):
    whole = request()
    sides = tf.constant([50, 30])  # of the contents, at which a style is read beside them
    style = served["encode_style"](style_bytes=whole["style_bytes"], max_side_px=sides)
    assert style["style_mean"].shape == style["style_deviation"].shape == (2, 8)
    inputs = {name: value for name, value in whole.items() if name != "style_bytes"}
    out = served["apply_style"](**inputs, **style)["stylized_bytes"].numpy()
    assert list(out) == list(served["serving_default"](**whole)["stylized_bytes"].numpy())


def test_a_baked_style_needs_no_style_in_the_request(loaded):
    styles = [images.Picture(pixels=pixels, alpha=None, sha256="", name="style") for pixels in STYLES]
    config = dataclasses.replace(CONFIG, style_blend=(3.0, 1.0))
    module = adain_graph.Adain(loaded.network, config, LIMITS, adain_graph.baked(loaded, styles, config))
    out = tf.function(module.stylize_tensor, autograph=False)(
        content=tf.constant(CONTENTS[0][:, :, :60]), style_strength=tf.constant([0.7])
    )["stylized"]
    engine = tiny_adain.engine(max_side_px=64, style_blend=(3.0, 1.0), strength=0.7, style_max_side_px=99)
    np.testing.assert_allclose(out, engine(CONTENTS[0][:, :, :60], list(STYLES)).image, atol=1e-5)


def test_tensors_of_one_size_pass_as_a_batch(served, loaded):
    contents = np.concatenate([CONTENTS[1], CONTENTS[1][:, ::-1]])
    styles = np.concatenate([STYLES[0][:, :30, :20], STYLES[1][:, :20, :30].swapaxes(1, 2)])
    run = served["stylize_tensor"]
    together = run(content=contents, style=styles, style_strength=tf.constant([1.0, 0.5]))["stylized"]
    for i, strength in enumerate((1.0, 0.5)):
        one = run(content=contents[i : i + 1], style=styles[i : i + 1], style_strength=tf.constant([strength]))
        np.testing.assert_allclose(together[i], one["stylized"][0], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style_strength": np.array([1, np.nan], np.float32)}, r"style_strength\[1\] must be 0 to 1. Received: nan"),
        ({"style_strength": np.array([-0.1, 0], np.float32)}, r"style_strength\[0\] must be 0 to 1"),
        ({"style_strength": np.array([1], np.float32)}, "must have one length"),
        ({"max_side_px": np.array([50, 0], np.int32)}, r"max_side_px\[1\] must be at least 1. Received: 0"),
        ({"max_side_px": np.array([50, 4], np.int32)}, r"content_bytes\[1\]: the shorter side must be at least 5 px"),
        ({"style_bytes": np.array([b"x", b"y"])}, r"style_bytes\[0\]: a picture must be a JPEG or a PNG"),
        (
            {"content_bytes": trial_requests.encoded([picture(40, 40), picture(200, 101)])},
            r"content_bytes\[1\]: .*1 to 20000",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_request_is_refused_with_its_index(served, changes, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        served["serving_default"](**request(**changes))


def test_moments_that_are_not_finite_are_refused(served):
    inputs = {name: value for name, value in request().items() if name != "style_bytes"}
    moments = np.ones([2, 8], np.float32)
    moments[1, 3] = np.inf
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style_deviation\[1\]: the values must be finite"):
        served["apply_style"](**inputs, style_mean=tf.ones([2, 8]), style_deviation=tf.constant(moments))


@pytest.mark.parametrize(("name", "value"), [("colours", "content"), ("guided_filter_radius", 0.1)])
def test_settings_that_a_graph_does_not_have_are_refused(name, value):
    with pytest.raises(errors.ConfigError, match=name):
        adain_graph.check(dataclasses.replace(CONFIG, **{name: value}))


def test_a_graph_in_float16_for_gpus_draws_nearly_the_same_picture(served):
    loaded = networks_adain.Loaded(tiny_adain.network("mixed_float16"), "mixed_float16", {})
    half = tf.function(adain_graph.Adain(loaded.network, CONFIG, LIMITS).stylize_tensor, autograph=False)
    inputs = {"content": CONTENTS[1], "style": STYLES[0][:, :60], "style_strength": np.ones([1], np.float32)}
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    apart = np.abs(half(**inputs)["stylized"] - served["stylize_tensor"](**inputs)["stylized"]) * 255
    assert 0 < apart.max() < trial_requests.TOLERANCE_LEVELS["mixed_float16"][1]


def test_the_check_of_a_baked_style_reads_it_at_the_size_it_was_baked_in_at(loaded):
    style = images.Picture(pixels=picture(300, 200), alpha=None, sha256="", name="style")
    module = adain_graph.Adain(loaded.network, CONFIG, LIMITS, adain_graph.baked(loaded, [style], CONFIG))
    _, tensors, _ = adain_graph.example_requests(loaded, CONFIG, [style])
    answer = tf.function(module.stylize_tensor, autograph=False)(
        **{name: tf.constant(v) for name, v in tensors.inputs.items()}
    )
    mean, _ = trial_requests.difference(tensors, {name: value.numpy() for name, value in answer.items()})
    assert mean < trial_requests.TOLERANCE_LEVELS["float32"][0]


def test_the_bundle_answers_as_python_on_every_signature_in_the_c_library(adain_version):
    checks = json.loads((adain_version / manifest.PATH).read_text())["self_check"]
    assert {check["signature"] for check in checks["requests"].values()} == {
        "serving_default", "stylize_tensor", "stylize_blend", "stylize_regions", "encode_style", "apply_style",
    }  # fmt: skip
    for check in checks["requests"].values():
        assert 0 <= check["mean_difference_levels"] <= checks["tolerance_levels"]["mean"]

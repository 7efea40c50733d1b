import concurrent.futures
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import errors
from nst_tf.export import gatys_graph, trial_requests
from nst_tf.losses import objective
from nst_tf.optimisation import transfer
from nst_tf.pictures import images
from tests.tiny import tiny_bundle, tiny_network, tiny_vgg

CONFIG = tiny_bundle.config(  # every control in one graph, which takes seconds to trace
    initialisation="noise",
    max_side_px=150,
    style_max_side_px=40,
    scales=3,  # the coarsest of which is left out
    coarse_growth=2.0,
    total_variation_weight=5.0,
    photorealism_weight=100.0,
    guided_filter_radius=0.05,
    strength=0.6,
    colours="luminance",
)


def module(config, network=None):
    goal = objective.Objective(extractor=network or tiny_bundle.Network(), config=config)
    return gatys_graph.Gatys(goal, config, tiny_bundle.LIMITS)


@pytest.fixture(scope="module")
def controlled():
    """A configuration with every control and two statistics of the style, and the graph of each signature."""
    settings = {"photorealism_weight": 100.0, "guided_filter_radius": 0.05, "strength": 0.6, "colours": "luminance"}
    settings |= {"style_terms": ("gram", "w2"), "total_variation_weight": 5.0}
    config = tiny_bundle.config(initialisation="style", scales=2, **settings)
    served = module(config)
    names = ("stylize_bytes", "stylize_blend", "stylize_regions")
    return config, {name: tf.function(getattr(served, name), autograph=False) for name in names}


class Watched(tiny_bundle.Network):
    """Counts its calls, and overflows where it is told to."""

    def __init__(self):
        super().__init__()
        self.calls, self.factor = tf.Variable(0), tf.Variable(1.0)

    def __call__(self, image):
        self.calls.assign_add(tf.cast(tf.math.is_finite(image[0, 0, 0, 0]), tf.int32))  # waits for the image
        return {layer: features * self.factor for layer, features in super().__call__(image).items()}


@pytest.fixture(scope="module")
def network():
    return Watched()


@pytest.fixture(scope="module")
def served(network):
    return module(CONFIG, network).signatures()


def encoded(*pictures):
    return tf.constant([images.encode(picture, ".png") for picture in pictures])


def request(batch=1, **overrides):
    """A request of small pictures with every control."""
    pictures = [tiny_network.picture(20, 24 + i, seed=i) for i in range(2 * batch)]
    values = {
        "content_bytes": encoded(*pictures[:batch]),
        "style_bytes": encoded(*pictures[batch:]),
        "steps": [3] * batch,
        "content_weight": [1.0] * batch,
        "seed": [0] * batch,
        "max_side_px": [512] * batch,
    }
    return {name: tf.constant(value) for name, value in (values | overrides).items()}


def python(content, style, config, given=None, **settings):
    changed = dataclasses.replace(config, **settings)
    return tiny_network.stylize(content, style, changed, adjustable=True, **(given or {})).image


def levels(data):
    return images.load(bytes(data)).pixels * 255


def assert_same(data, image):
    assert np.abs(levels(data) - np.rint(image * 255)).mean() < trial_requests.TOLERANCE_LEVELS["float32"][0]


def test_each_picture_of_a_batch_is_what_python_makes_of_it_with_every_control(served):
    assert_each_picture_of_a_batch_is_what_python_makes_of_it(CONFIG, served["serving_default"])


@pytest.mark.slow  # masks have two statistics of the style as well
def test_each_picture_of_a_batch_is_what_python_makes_of_it_from_the_style_with_two_statistics(controlled):
    config, signatures = controlled
    assert_each_picture_of_a_batch_is_what_python_makes_of_it(config, signatures["stylize_bytes"])


@pytest.mark.slow  # as the check in each export
def test_each_picture_of_a_batch_is_what_python_makes_of_it_from_the_content():
    config = tiny_bundle.config(total_variation_weight=5.0, initialisation="content", scales=2)
    run = tf.function(module(config).stylize_bytes, autograph=False)
    assert_each_picture_of_a_batch_is_what_python_makes_of_it(config, run)


def assert_each_picture_of_a_batch_is_what_python_makes_of_it(config, run):
    pictures = [
        np.rint(tiny_network.picture(*size, seed=i) * 255) / 255
        for i, size in enumerate([(150, 131), (20, 37), (140, 90), (31, 28)])
    ]
    pictures[1] = np.repeat(np.rint(pictures[1][..., :1]), 3, -1)  # black and white, which L-BFGS starts off
    out = run(
        **request(
            2,
            content_bytes=encoded(*pictures[:2]),
            style_bytes=encoded(*pictures[2:]),
            steps=[5, 2],
            content_weight=[1.0, 7.0],
            seed=[0, 9],
            max_side_px=[133, 999],
        )
    )["stylized_bytes"]
    first = {"steps": 5, "coarse_steps": 4, "max_side_px": 133}
    second = {"steps": 2, "coarse_steps": 2, "content_weight": 7.0, "seed": 9}
    for i, own in enumerate([first, second]):
        assert_same(out[i].numpy(), python(pictures[i], pictures[2 + i], config, **own))


CONTENTS = [np.rint(tiny_network.picture(*size, seed=i) * 255) / 255 for i, size in enumerate([(150, 131), (20, 37)])]
STYLES = [np.rint(tiny_network.picture(*size, seed=i) * 255) / 255 for i, size in enumerate([(140, 90), (31, 28)])]


def several(**overrides):
    """A request of two pictures with two styles each."""
    both = encoded(*STYLES)
    values = {"content_bytes": encoded(*CONTENTS), "style_bytes": tf.stack([both, both[::-1]]), "steps": [5, 2]}
    return request(2, **(values | {"content_weight": [1.0, 7.0], "max_side_px": [133, 999]} | overrides))


FIRST = {"steps": 5, "coarse_steps": 4, "max_side_px": 133}
SECOND = {"steps": 2, "coarse_steps": 2, "content_weight": 7.0}


def test_styles_by_masks_and_what_is_kept_are_what_python_makes_of_them():
    config = tiny_bundle.config(scales=1, style_terms=("gram", "w2"))
    run = tf.function(module(config).stylize_regions, autograph=False)
    content, masks = CONTENTS[1], trial_requests.masks(CONTENTS[1])
    inputs = {"style_mask_bytes": encoded(*masks.styles)[tf.newaxis], "keep_mask_bytes": encoded(masks.keep)}
    values = request(content_bytes=encoded(content), style_bytes=encoded(*STYLES)[tf.newaxis], **inputs)
    given = {"style_masks": masks.styles, "keep_mask": masks.keep}
    assert_same(run(**values)["stylized_bytes"][0].numpy(), python(content, STYLES, config, steps=3, given=given))
    bad = [[values["style_mask_bytes"][0, 0].numpy(), b"x"]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style_mask_bytes\[0, 1\]: a picture must be a JPEG"):
        run(**values | {"style_mask_bytes": tf.constant(bad)})


@pytest.mark.slow
def test_styles_by_masks_and_what_is_kept_are_what_python_makes_of_them_with_every_control(controlled):
    config, signatures = controlled
    masks = [trial_requests.masks(content) for content in CONTENTS]
    inputs = {
        "style_mask_bytes": [list(encoded(*masks[0].styles).numpy()), [b"", encoded(masks[1].styles[1]).numpy()[0]]],
        "keep_mask_bytes": [encoded(masks[0].keep).numpy()[0], b""],
    }
    out = signatures["stylize_regions"](**several(**inputs))["stylized_bytes"].numpy()
    given = {"style_masks": masks[0].styles, "keep_mask": masks[0].keep}
    assert_same(out[0], python(CONTENTS[0], STYLES, config, **FIRST, given=given))
    given = {"style_masks": [np.ones_like(CONTENTS[1]), masks[1].styles[1]]}
    assert_same(out[1], python(CONTENTS[1], STYLES[::-1], config, **SECOND, given=given))


@pytest.mark.slow
def test_several_styles_with_a_share_each_are_what_python_makes_of_them(controlled):
    config, signatures = controlled
    out = signatures["stylize_blend"](**several(style_blend=[[1.0, 3.0], [2.0, 0.0]]))["stylized_bytes"].numpy()
    assert_same(out[0], python(CONTENTS[0], STYLES, config, **FIRST, style_blend=(1.0, 3.0)))
    assert_same(out[1], python(CONTENTS[1], STYLES[1], config, **SECOND))


@pytest.mark.slow
def test_a_bad_style_or_mask_at_the_end_of_a_batch_is_named(controlled):
    run = controlled[1]["stylize_regions"]
    good = several(style_mask_bytes=[[b""] * 2] * 2, keep_mask_bytes=[b""] * 2)
    bad = tf.constant([[b"", b""], [b"", b"x"]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style_mask_bytes\[1, 1\]: a picture must be a JPEG"):
        run(**good | {"style_mask_bytes": bad})
    bad_style = tf.stack([[good["style_bytes"][0, 0].numpy(), b"x"], good["style_bytes"][1]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"style_bytes\[0, 1\]: a picture must be a JPEG"):
        run(**good | {"style_bytes": bad_style})


def test_the_style_is_read_at_the_size_that_the_configuration_says(served):
    content = np.rint(tiny_network.picture(70, 80) * 255) / 255
    style = np.random.default_rng(0).integers(0, 256, [1, 63, 70, 3]) / 255  # noise, which scaling makes flat
    out = served["serving_default"](**request(content_bytes=encoded(content), style_bytes=encoded(style)))
    received, steps = out["stylized_bytes"][0].numpy(), {"steps": 3, "coarse_steps": 3}
    assert_same(received, python(content, style, CONFIG, **steps))
    with pytest.raises(AssertionError):
        assert_same(received, python(content, style, CONFIG, style_max_side_px=None, **steps))


def test_more_steps_than_the_limit_are_cut_and_fewer_than_one_are_one(served):
    run = served["serving_default"]
    most = run(**request(steps=[2**31 - 1]))["stylized_bytes"][0].numpy()
    assert most == run(**request(steps=[tiny_bundle.LIMITS.max_steps]))["stylized_bytes"][0].numpy()
    assert most != run(**request(steps=[tiny_bundle.LIMITS.max_steps // 2]))["stylized_bytes"][0].numpy()
    least = run(**request(steps=[-(2**31)]))["stylized_bytes"][0].numpy()
    assert least == run(**request(steps=[1]))["stylized_bytes"][0].numpy()


@pytest.mark.parametrize(("asked_for_px", "size"), [(2**31 - 1, (90, 150)), (12, (7, 12))])
def test_the_output_size_is_cut_to_the_configurations(served, asked_for_px, size):
    content = encoded(tiny_network.picture(120, 200))
    out = served["serving_default"](**request(content_bytes=content, max_side_px=[asked_for_px], steps=[1]))
    assert levels(out["stylized_bytes"][0].numpy()).shape == (1, *size, 3)


def test_an_empty_batch_is_an_empty_answer(served):
    empty = {name: value[:0] for name, value in request().items()}
    assert served["serving_default"](**empty)["stylized_bytes"].shape == (0,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content_weight": [1.0, float("nan")]}, r"content_weight\[1\] must be 0 to 100. Received: nan"),
        ({"content_weight": [float("inf"), 1.0]}, r"content_weight\[0\] must be 0 to 100. Received: inf"),
        ({"content_weight": [1.0, -1e-9]}, r"content_weight\[1\] must be 0 to 100"),
        ({"content_weight": [101.0, 1.0]}, r"content_weight\[0\] must be 0 to 100. Received: 101"),
        ({"steps": [3]}, r"must have one length. Received: .*1"),
        ({"style_bytes": [b"x", b"y"]}, r"style_bytes\[0\]: a picture must be a JPEG or a PNG"),
        ({"max_side_px": [512, 0]}, r"max_side_px\[1\] must be at least 1. Received: 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_request_is_refused_with_its_index(served, changes, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        served["serving_default"](**request(2, **changes))


def test_a_bad_picture_at_the_end_of_a_batch_fails_before_anything_is_optimised(served, network):
    run = served["serving_default"]
    good = request(2)
    before = int(network.calls)
    run(**good)
    done = int(network.calls)
    assert done > before
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"content_bytes\[1\]"):
        run(**good | {"content_bytes": tf.stack([good["content_bytes"][0], b"x"])})
    assert int(network.calls) == done


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": np.full([1, 20, 20, 3], np.nan, np.float32)}, r"content\[0\]: the values must be finite"),
        ({"style": np.full([1, 20, 20, 3], np.inf, np.float32)}, r"style\[0\]: the values must be finite"),
        ({"content": np.zeros([1, 1, 20, 3], np.float32)}, r"content\[0\]: the shorter side must be at least 2 px"),
        ({"style": np.zeros([1, 20, 1, 3], np.float32)}, r"style\[0\]: the shorter side must be at least 2 px"),
        ({"content": np.zeros([1, 0, 20, 3], np.float32)}, r"content: the sides must be 1 to 150 px"),
        ({"style": np.zeros([1, 20, 0, 3], np.float32)}, r"style: the sides must be 1 to"),
        ({"content": np.zeros([1, 2, 151, 3], np.float32)}, r"content: the sides must be 1 to 150 px"),
        ({"seed": [1, 2]}, "must have one length"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_tensor_is_refused(served, changes, words):
    values = {"content": tiny_network.picture(), "style": tiny_network.picture(seed=1)}
    values |= {"steps": [2], "content_weight": [1.0], "seed": [0]}
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        served["stylize_tensor"](**{name: tf.constant(value) for name, value in (values | changes).items()})


def test_an_objective_that_is_not_finite_fails_the_request(served, network):
    network.factor.assign(1e30)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"element\[0\]: the objective is not a finite number"):
        served["serving_default"](**request())
    network.factor.assign(1.0)


def test_requests_at_the_same_time_get_what_they_get_alone(served):
    requests = [request(seed=[i], steps=[2 + i], content_weight=[1.0 + i]) for i in range(4)]
    run = served["serving_default"]
    alone = [run(**one)["stylized_bytes"][0].numpy() for one in requests]
    assert len(set(alone)) == 4
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: run(**one)["stylized_bytes"][0].numpy(), requests * 3))
    for expected, received in zip(itertools.cycle(alone), together, strict=False):
        np.testing.assert_allclose(levels(received), levels(expected), atol=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "adam"}, "optimizer must be lbfgs"),
        ({"averaging": 0.9}, "averaging"),
        ({"precision": "mixed_float16"}, "precision must be auto or float32 or mixed_bfloat16"),
        ({"initialisation": "start.png"}, "initialisation must be content or style or noise"),
        ({"style_blend": (1.0, 2.0)}, "style_blend"),
        ({"xla": "on"}, "xla must be off"),
        ({"snapshot_interval": 5}, "snapshot_interval"),
    ],
    ids=str,
)
def test_settings_that_a_graph_does_not_have_are_refused(settings, words):
    with pytest.raises(errors.ConfigError, match=words):
        gatys_graph.check(tiny_bundle.config(**settings))


@pytest.mark.slow  # sixteen layers in a loop; Python's own form is in make test
def test_a_small_style_at_a_coarse_size_is_that_of_python():
    config = dataclasses.replace(
        tiny_bundle.config(scales=2), content_layers=("conv4_1",), style_layers=("conv1_1", "conv5_1")
    )
    goal = objective.Objective(extractor=tiny_vgg.TinyVgg("conv5_1"), config=config)
    pictures = [np.rint(tiny_network.picture(*size) * 255) / 255 for size in ((130, 140), (17, 170))]
    served = gatys_graph.Gatys(goal, config, tiny_bundle.LIMITS)
    values = request(content_bytes=encoded(pictures[0]), style_bytes=encoded(pictures[1]), steps=[1])
    out = tf.function(served.stylize_bytes, autograph=False)(**values)["stylized_bytes"][0]
    settings = {"steps": 1, "coarse_steps": 1, "max_side_px": 140}
    changed = dataclasses.replace(config, **settings)
    assert_same(out.numpy(), transfer.StyleTransfer(changed, extractor=goal.extractor)(*pictures).image)

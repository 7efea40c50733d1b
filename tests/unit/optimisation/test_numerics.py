"""Pictures at the edge: a result that the objective speaks for, or a clear error; never a blank picture in silence."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, precision
from nst_tf.losses import objective, on_vgg19
from nst_tf.optimisation import lbfgs, transfer
from nst_tf.pictures import images
from tests.tiny import tiny_network

SIDE_PX = 24
LAYERS = {"content_layers": ("conv2_2",), "style_layers": ("conv1_1", "conv2_1"), "mrf_layers": ("conv2_1",)}
PRECISIONS = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}
OPTIMIZERS = ("lbfgs", "adam")


def constant(*colour):
    return np.broadcast_to(np.float32(colour), [1, SIDE_PX, SIDE_PX, 3]).copy()


def red_only():
    return tiny_network.picture(SIDE_PX, SIDE_PX, seed=5) * np.float32([1, 0, 0])


def noise(seed):
    return np.random.default_rng(seed).random([1, SIDE_PX, SIDE_PX, 3], np.float32)


PICTURES = {
    "constant": constant(0.4, 0.5, 0.6),
    "black": constant(0, 0, 0),
    "white": constant(1, 1, 1),
    "one channel": red_only(),
    "noise": noise(1),
    "smooth": tiny_network.picture(SIDE_PX, SIDE_PX, seed=1),
}
BLANK = ("constant", "black", "white")
# Of other programs, under whose total variations or learning rates a few steps may improve nothing.
MAY_STAY = ("neural-style", "tensorflow-tutorial", "keras-example", "mrf-code")
PAIRS = [
    *((name, "smooth") for name in PICTURES if name != "smooth"),
    *(("smooth", name) for name in PICTURES if name != "smooth"),
    ("black", "white"),
]


def engine(config, policy="float32"):
    """The tiny network computing in a policy's dtype, with all that transfer does for that policy."""
    network = tiny_network.TinyNetwork()

    def extractor(image):
        return network(tf.cast(image, PRECISIONS[policy]))

    ready = transfer.StyleTransfer(config)
    ready._network = on_vgg19.Network(objective.Objective(extractor=extractor, config=config), policy, {})
    return ready


def combinations():
    """Every preset in make test, optimisers and precisions taking turns; every combination in the slow form."""
    kinds = list(itertools.product(OPTIMIZERS, PRECISIONS))
    turns = ("lbfgs", "float32"), ("adam", "mixed_bfloat16"), ("lbfgs", "mixed_bfloat16"), ("adam", "float32")
    for preset, turn in zip(configs.PRESETS, itertools.cycle(turns), strict=False):
        for kind in kinds:
            yield pytest.param(preset, *kind, marks=[] if kind == turn else [pytest.mark.slow])


@pytest.mark.parametrize(("preset", "optimizer", "policy"), list(combinations()))
def test_every_picture_gives_a_result_that_is_no_blank_and_better_than_the_start(preset, optimizer, policy):
    config = configs.preset(
        preset,
        **LAYERS,
        optimizer=optimizer,
        steps=8,
        scales=1,
        initialisation="content",
        epsilon=1e-12,
        lbfgs_memory=3,  # every pair is unrolled in the step's graph
    )
    ready = engine(config, policy)
    for content, style in PAIRS:
        result = ready(PICTURES[content], PICTURES[style], on_message=lambda _: None)
        losses, pair = result.losses["total"], f"{content} in the style of {style}"
        assert np.isfinite(result.image).all(), pair
        assert 0 <= result.image.min() <= result.image.max() <= 1, pair
        assert np.isfinite(losses[0]), pair
        assert result.losses["gradient_norm"][0] > 0, pair
        if preset not in MAY_STAY:
            assert np.float32(result.best_loss) < losses[0], pair
        if content not in BLANK:
            assert result.image.std() > 0.3 * PICTURES[content].std(), pair


@pytest.mark.parametrize(
    ("optimizer", "policy"),
    [
        ("adam", "float32"),
        pytest.param("lbfgs", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("adam", "mixed_float16", marks=pytest.mark.slow),
        pytest.param("lbfgs", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_a_picture_with_nan_is_an_error(optimizer, policy):
    ready = engine(tiny_network.config(optimizer=optimizer, steps=3), policy)
    for which in ("content", "style"):
        pictures = {"content": PICTURES["smooth"].copy(), "style": PICTURES["noise"].copy()}
        pictures[which][0, 3, 4, 1] = np.nan
        with pytest.raises(errors.ImageError, match=f"{which}: the values must be finite. Received: 1 of"):
            ready(pictures["content"], pictures["style"])
        made_by_hand = images.Picture(pixels=pictures[which], alpha=None, sha256="", name="mine")
        with pytest.raises(errors.NstError, match="finite"):
            ready(*(made_by_hand if name == which else pictures[name] for name in pictures))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_that_is_never_finite_is_an_error_and_not_the_start_given_back(optimizer):
    def no_gradient(image):
        broken = tf.sqrt(tf.reduce_mean(image, axis=-1, keepdims=True) * 0.0)  # 0, whose slope is infinite
        return dict.fromkeys(("conv1_1", "conv2_1", "conv2_2"), image + broken)

    config = tiny_network.config(optimizer=optimizer, steps=3)
    with pytest.raises(errors.NstError, match="gradient is not a finite number at the start"):
        transfer.stylize(PICTURES["smooth"], PICTURES["noise"], config, extractor=no_gradient)


def test_lbfgs_takes_the_same_way_at_every_scale_of_the_objective():
    plain, small, large = (
        tiny_network.stylize(
            PICTURES["smooth"],
            PICTURES["noise"],
            tiny_network.config(content_weight=scale, style_weight=100.0 * scale, steps=12),
            adjustable=True,
        )
        for scale in (1.0, 1e-10, 1e10)
    )
    assert plain.best_loss < 0.5 * plain.losses["total"][0]
    assert small.best_loss / 1e-10 == pytest.approx(plain.best_loss, rel=0.05)
    assert large.best_loss / 1e10 == pytest.approx(plain.best_loss, rel=0.05)


@pytest.mark.parametrize(("optimizer", "margin"), [("adam", 0), ("lbfgs", lbfgs.SATURATION)])
def test_equal_pictures_stay_as_they_are(optimizer, margin):
    picture = np.clip(PICTURES["smooth"], margin, 1 - margin)
    result = tiny_network.stylize(picture, picture, tiny_network.config(optimizer=optimizer, steps=4))
    np.testing.assert_allclose(result.image, picture, atol=1e-3)


@pytest.mark.slow  # the tiny network takes every pair of pictures under every preset
@pytest.mark.weights
@pytest.mark.parametrize(
    ("optimizer", "policy"),
    [
        ("lbfgs", "float32"),
        ("adam", "float32"),
        ("lbfgs", "mixed_bfloat16"),
        ("adam", "mixed_bfloat16"),
    ],
)
def test_the_real_network_takes_black_and_noise(optimizer, policy):
    settings = {"steps": 6, "scales": 1, "lbfgs_memory": 3, "convolution": "direct"}
    ready = transfer.StyleTransfer(configs.preset("default", optimizer=optimizer, precision=policy, **settings))
    for content, style in (("black", "smooth"), ("noise", "white"), ("one channel", "noise")):
        result = ready(PICTURES[content], PICTURES[style], on_message=lambda _: None)
        assert np.isfinite(result.image).all()
        assert result.best_loss < result.losses["total"][0]
        assert result.image.std() > 0.3 * PICTURES[content].std()


def test_float16_finds_a_scale_for_a_start_without_a_gradient():
    picture = PICTURES["smooth"]
    ready = engine(tiny_network.config(optimizer="lbfgs", steps=4), "mixed_float16")
    result = ready(picture, picture)
    assert np.isfinite(result.image).all()
    assert precision.loss_scale(lambda *_: (None, tf.zeros([1])), picture, None) >= 1


def test_float16_finds_a_scale_below_1_for_a_gradient_beyond_its_range():
    def overflows(image, targets, scale):
        return None, tf.cast(tf.fill([3], 1e7 * scale), tf.float16)

    assert 0 < 1e7 * precision.loss_scale(overflows, PICTURES["smooth"], None) < 65504

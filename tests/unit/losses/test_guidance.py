import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import guidance, objective, tiled_objective
from nst_tf.optimisation import keeping
from tests import tolerances
from tests.tiny import tiny_network, tiny_vgg

LAYERS = ("conv1_1", "conv2_1")


def picture(seed, height=12, width=16):
    return tf.constant(tiny_network.picture(height, width, seed=seed, dtype=np.float64))


def goal(**settings):
    return objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config(**settings))


def halves(height=12, width=16):
    left = np.zeros([1, height, width, 2])
    left[:, :, : width // 2, 0] = left[:, :, width // 2 :, 1] = 1
    return tf.constant(left)


def soft(height=12, width=16):
    """Two soft masks that share what they cover and leave some of the picture uncovered."""
    masks = np.concatenate([tiny_network.picture(height, width, seed=seed)[..., :1] for seed in (8, 9)], -1)
    return tf.constant(masks / 2, tf.float64)


def ones(image):
    return tf.ones_like(image[..., :1])


def guided(aim, shares, styles, content=None, weights=None):
    aim = guidance.guided(aim)
    content = picture(0) if content is None else content
    weights = [ones(style) for style in styles] if weights is None else weights
    measured = [guidance.measured(aim, *each) for each in zip(styles, weights, strict=True)]
    blend = aim.config.style_blend or (1.0,) * len(styles)
    of_styles = guidance.together(measured) if shares.shape[-1] > 1 else guidance.blended(measured, blend)
    return aim, guidance.targets(aim, content, shares, of_styles)


@pytest.mark.parametrize("term", ["gram", "w2", "moments"])
def test_a_mask_that_is_white_everywhere_changes_nothing(term):
    content, style, image = (picture(seed) for seed in (0, 1, 2))
    plain = goal(style_blend=(0.3, 0.7), strength=0.6, style_terms=(term,))
    expected, slope = plain.terms_and_gradient(image, plain.targets(content, [style, image * 0.5]))
    aim, targets = guided(plain, ones(content), [style, image * 0.5])
    terms, gradient = aim.terms_and_gradient(image, targets)
    np.testing.assert_allclose(terms.total, expected.total, **tolerances.of("float64"))
    np.testing.assert_allclose(gradient, slope, **tolerances.of("float64"))


def test_each_half_is_compared_with_its_own_style():
    styles = [picture(1), picture(2)]
    halved = tf.concat([styles[0][:, :, :8], styles[1][:, :, 8:]], 2)
    weights = [halves()[..., :1], halves()[..., 1:]]
    aim, targets = guided(goal(style_layers=("conv1_1",), propagation="inside"), halves(), styles, weights=weights)
    matched = aim.terms(halved, targets).values["style"]
    assert float(matched[0]) < 0.02 * float(aim.terms(tf.reverse(halved, [2]), targets).values["style"][0])


@pytest.mark.parametrize("propagation", configs.PROPAGATIONS)
@pytest.mark.parametrize("reduction", ["mean", "equations"])
def test_the_gradient_is_that_of_finite_differences(propagation, reduction):
    assert_the_gradient_is_that_of_finite_differences(propagation=propagation, reduction=reduction, style_weight=1e3)


@pytest.mark.parametrize("terms", [("w2",), ("moments",), ("gram", "w2", "moments")], ids="+".join)
def test_the_gradient_of_other_statistics_is_that_of_finite_differences(terms):
    assert_the_gradient_is_that_of_finite_differences(style_terms=terms)


def assert_the_gradient_is_that_of_finite_differences(**settings):
    styles = [picture(1), picture(2)]
    weights = [soft()[..., :1], ones(styles[1])]
    aim, targets = guided(goal(strength=0.8, **settings), soft(), styles, weights=weights)
    targets = keeping.with_kept(targets, picture(0), tf.reverse(soft()[..., :1], [2]))
    evaluate = keeping.through(aim.terms_and_gradient)
    image = picture(5)
    _, gradient = evaluate(image, targets, 1.0)
    generator = np.random.default_rng(3)
    for _ in range(4):
        direction = generator.normal(size=image.shape)
        step = 1e-6
        after, before = (evaluate(image + sign * step * direction, targets, 1.0)[0].total for sign in (1, -1))
        np.testing.assert_allclose((after - before) / (2 * step), [np.sum(gradient * direction)], rtol=1e-4)


def test_tiles_give_the_guided_terms_and_gradient_of_the_whole():
    layers = {"content_layers": ("conv3_2",), "style_layers": ("conv1_1", "conv4_1")}
    terms = ("gram", "w2", "moments")
    config = configs.preset("default", style_weight=50.0, strength=0.7, style_terms=terms, **layers)
    parts = {"extractor": tiny_vgg.TinyVgg("conv4_1"), "config": config}
    content, image = picture(0, 112, 144), picture(2, 112, 144)
    styles = [picture(1, 70, 96), picture(4, 112, 144)]
    found = []
    for aim in (
        objective.Objective(**parts),
        tiled_objective.TiledObjective(**parts, tile_height_px=64, tile_width_px=80),
    ):
        aim, targets = guided(aim, soft(112, 144), styles, content)
        terms, gradient = tf.function(aim.terms_and_gradient, autograph=False)(image, targets)
        found.append((terms.total, *terms.values.values(), gradient))
    for whole, tiled in zip(*found, strict=True):
        np.testing.assert_allclose(tiled, whole, rtol=1e-9, atol=1e-10 * np.abs(whole).max())


def test_a_position_is_inside_all_or_some_of_a_region_by_its_receptive_field():
    mask = np.zeros([1, 48, 48, 1], np.float32)
    mask[:, 8:40, 8:40] = 1
    simple, everything, inside = (
        guidance.guides(tf.constant(mask), LAYERS, name)["conv2_1"] for name in ("simple", "all", "inside")
    )
    np.testing.assert_array_equal(simple[0, :, 12, 0], np.repeat([0, 1, 0], [4, 16, 4]))
    reach = 2  # positions: conv1_1 and conv1_2 see 2 px further, which is one position, and conv2_1 another one
    np.testing.assert_array_equal(everything[0, :, 12, 0], np.repeat([0, 1, 0], [4 - reach, 16 + 2 * reach, 4 - reach]))
    np.testing.assert_array_equal(inside[0, :, 12, 0], np.repeat([0, 1, 0], [4 + reach, 16 - 2 * reach, 4 + reach]))


def test_a_region_too_small_for_a_layer_has_no_share_there():
    tiny = np.zeros([1, 12, 16, 1])
    tiny[:, 5:9, 5:9] = 1
    aim, targets = guided(goal(propagation="inside"), tf.constant(tiny), [picture(1)])
    terms, gradient = aim.terms_and_gradient(picture(3), targets)
    assert float(terms.parts["style/conv2_1"][0]) == 0
    assert float(terms.parts["style/conv1_1"][0]) > 0
    assert np.isfinite(gradient).all()


def test_pixels_without_weight_give_no_style():
    style = picture(1).numpy()
    weights = np.ones([1, 12, 16, 1])
    weights[:, :, 8:] = 0
    other = style.copy()
    other[:, :, 10:] = 0.9  # conv2_1 sees 4 px further
    settings = {"propagation": "inside"}
    grams = [
        guided(goal(**settings), ones(style), [tf.constant(one)], weights=[tf.constant(weights)])[1]["style"]
        for one in (style, other)
    ]
    for layer in LAYERS:
        np.testing.assert_allclose(grams[0][layer].statistics, grams[1][layer].statistics, **tolerances.of("float64"))


def test_only_means_over_positions_can_be_guided():
    named = goal(style_terms=("gram", "w2", "moments")).named_terms
    assert guidance.can_guide(named)
    assert not guidance.can_guide(named[:1])
    assert not guidance.can_guide(goal(style_terms=("gram", "mrf"), mrf_layers=("conv1_1",)).named_terms)

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, vgg
from nst_tf.losses import objective, tiled_objective, total_variation
from nst_tf.weights import vgg19
from tests import tolerances
from tests.tiny import tiny_network, tiny_vgg

LAYER_SETS = {
    "the paper's": (("conv4_2",), ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")),
    "the deepest": (("conv5_4",), ("conv5_4", "conv3_4")),
    "content below style": (("conv2_2", "conv3_1"), ("conv3_1",)),
    "the shallowest": ((), ("conv1_1",)),
    "no style": (("conv4_1",), ()),
}


def objectives(layers="the paper's", tile=(64, 80), pooling="average", dtype=None, **settings):
    """One objective untiled and in tiles."""
    content_layers, style_layers = LAYER_SETS[layers]
    weights = {"content_weight": 1.0, "style_weight": 50.0, "total_variation_weight": 3.0} | settings
    config = configs.preset("default", content_layers=content_layers, style_layers=style_layers, **weights)
    parts = {"extractor": tiny_vgg.TinyVgg(config.layers[-1], pooling=pooling, dtype=dtype), "config": config}
    return objective.Objective(**parts), tiled_objective.TiledObjective(
        **parts, tile_height_px=tile[0], tile_width_px=tile[1]
    )


def pictures(height=112, width=144, dtype=np.float64):
    sizes = ((height, width), (35, 70), (height, width))
    return [tf.constant(tiny_network.picture(*size, seed=seed, dtype=dtype)) for seed, size in enumerate(sizes)]


def evaluate(aim, content, style, image):
    terms, gradient = aim.terms_and_gradient(image, aim.targets(content, [style]))
    return [value.numpy() for value in tf.nest.flatten(terms) if value is not None], gradient.numpy()


def assert_agree(aims, height, width, dtype="float64", relative=None):
    """Terms agree, and no part of the gradient differs by more than the tolerance of its largest value."""
    relative = relative or {"float64": 1e-10, "float32": 1e-4}[dtype]
    pair = pictures(height, width, np.dtype(dtype))
    (terms, gradient), (tiled_terms, tiled_gradient) = (evaluate(aim, *pair) for aim in aims)
    for expected, got in zip(terms, tiled_terms, strict=True):
        np.testing.assert_allclose(got, expected, rtol=relative)
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(tiled_gradient, gradient, rtol=0, atol=relative * np.abs(gradient).max())


@pytest.mark.parametrize(
    ("layers", "pooling", "dtype"),
    [
        *((layers, "average", "float64") for layers in LAYER_SETS),
        ("the paper's", "max", "float64"),
        ("the paper's", "average", "float32"),
        *(
            pytest.param(layers, *kind, marks=pytest.mark.slow)
            for layers in LAYER_SETS
            for kind in (("max", "float64"), ("average", "float32"), ("max", "float32"))
            if layers != "the paper's" or kind == ("max", "float32")
        ),
    ],
)
def test_tiles_give_the_terms_and_the_gradient_of_the_whole(layers, pooling, dtype):
    assert_agree(objectives(layers, pooling=pooling), 112, 144, dtype)


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ((32, 48), (16, 16)),
        ((112, 144), (112, 48)),
        ((97, 130), (48, 64)),
        ((111, 31), (64, 64)),
        ((16, 200), (16, 48)),
        ((64, 64), (512, 512)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (((112, 144), (112, 16)), ((112, 144), (32, 144)), ((240, 250), (224, 224)))
        ),
    ],
)
def test_any_tile_serves_any_size(size, tile):
    assert_agree(objectives(tile=tile), *size)


def test_every_border_has_its_gradient():
    """Each edge is compared on its own scale, so that a fault at one border cannot hide below the middle's values."""
    aims = objectives(tile=(48, 48))
    pair = pictures()
    gradients = [evaluate(aim, *pair)[1] for aim in aims]
    for edge in (np.s_[:, :4], np.s_[:, -4:], np.s_[:, :, :4], np.s_[:, :, -4:], np.s_[:, 46:50], np.s_[:, :, 46:50]):
        whole, tiled = (gradient[edge] for gradient in gradients)
        assert np.linalg.norm(whole - tiled) < 1e-10 * np.linalg.norm(whole)


@pytest.mark.parametrize(
    "setting",
    [
        {"layers": "content below style", "reduction": "equations"},
        {"total_variation_weight": 0.0},
        {"photorealism_weight": 100.0},
        *({"total_variation": name} for name in configs.TOTAL_VARIATIONS),
    ],
    ids=str,
)
def test_settings_hold_in_tiles(setting):
    assert_agree(objectives(**{"layers": "the shallowest"} | setting), 112, 144)


@pytest.mark.parametrize("name", ["specks", "frame", "crosshatch"])
@pytest.mark.parametrize(
    ("size", "tile"),
    [((112, 80), (64, 80)), ((70, 50), (16, 16)), ((149, 40), (64, 64)), ((70, 50), (12, 20)), ((61, 50), (2, 50))],
)
def test_planted_faults_add_up_over_strips(name, size, tile):
    weights = configs.WITHOUT_CLEANING | {f"{name}_weight": 1000.0}
    aims = objectives("the shallowest", tile=tile, style_weight=1e-9, total_variation_weight=0.0, **weights)
    content, style, image = (each.numpy() for each in pictures(*size))
    generator = np.random.default_rng(0)
    image[0, generator.random(size) < 0.1] = 1  # beside the edges of strips, too
    for edge in (np.s_[:, :3], np.s_[:, -3:], np.s_[:, :, :3], np.s_[:, :, -3:]):
        image[edge] = generator.random(3)
    content, style, image = map(tf.constant, (content, style, image))
    whole, tiled = (aim.terms_and_gradient(image, aim.targets(content, [style])) for aim in aims)
    assert float(whole[0].values[name][0]) > 0.1
    np.testing.assert_allclose(tiled[0].values[name], whole[0].values[name], rtol=1e-10)
    np.testing.assert_allclose(tiled[1], whole[1], rtol=0, atol=1e-10 * np.abs(whole[1]).max())


def test_the_total_variation_never_sees_more_than_a_strip(monkeypatch):
    rows = []

    def watched(image, size=None):
        rows.append(image.shape[1])
        return total_variation.total_variation(image, size)

    _, aim = objectives("the shallowest")
    content, style, image = pictures()
    targets = aim.targets(content, [style])
    monkeypatch.setitem(total_variation.TOTAL_VARIATIONS, "mean-squared", watched)
    aim.terms_and_gradient(image, targets)
    aim.terms(image, targets)
    assert 0 < max(rows) <= aim.tile_height_px + 1 < image.shape[1]


def test_a_smaller_halo_would_not_do(monkeypatch):
    needed = vgg.halo_px(("conv5_1",))
    assert needed == 80
    monkeypatch.setattr(vgg, "halo_px", lambda layers: needed - 16)
    with pytest.raises(AssertionError):
        assert_agree(objectives(tile=(16, 16)), 208, 16)


def test_terms_alone_are_those_with_the_gradient():
    _, aim = objectives("content below style")
    content, style, image = pictures()
    targets = aim.targets(content, [style])
    np.testing.assert_allclose(
        aim.terms(image, targets).total, aim.terms_and_gradient(image, targets)[0].total, **tolerances.of("float64")
    )


def test_several_styles_blend_in_tiles():
    content, first, second = pictures()
    whole, tiled = objectives("content below style", style_blend=(0.7, 0.3))
    expected, got = (aim.targets(content, [first, second])["style"] for aim in (whole, tiled))
    for layer, gram in expected.items():
        np.testing.assert_allclose(got[layer], gram, **tolerances.of("float64"))


def test_a_batch_gives_each_image_its_own_gradient():
    whole, tiled = objectives("content below style")
    content, style, image = pictures()
    batch = tf.concat([image, content], 0)
    targets = whole.targets(content, [style])
    _, expected = whole.terms_and_gradient(batch, targets)
    _, got = tiled.terms_and_gradient(batch, targets)
    np.testing.assert_allclose(got, expected, atol=1e-10 * np.abs(expected).max())


def test_the_loss_scale_leaves_the_gradient_as_it_is():
    _, aim = objectives("content below style")
    content, style, image = pictures()
    targets = aim.targets(content, [style])
    _, plain = aim.terms_and_gradient(image, targets)
    _, scaled = aim.terms_and_gradient(image, targets, tf.constant(2.0**20, tf.float64))
    np.testing.assert_allclose(scaled, plain, **tolerances.of("float64"))


def test_content_targets_stay_in_the_networks_own_format():
    whole, tiled = objectives(dtype=tf.bfloat16)
    content, style, _ = pictures(dtype=np.float32)
    p = tiled.targets(content, [style])["content"]["conv4_2"]
    assert p.dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(p, tf.float32), whole.targets(content, [style])["content"]["conv4_2"])


@pytest.mark.parametrize("pooling", ["average", pytest.param("max", marks=pytest.mark.slow)])
def test_one_graph_gives_the_gradient_of_the_whole_at_every_size(pooling):
    whole, aim = objectives("content below style", tile=(48, 48), pooling=pooling)
    traces = []

    @tf.function(reduce_retracing=True, autograph=False)
    def compute(image, targets):
        traces.append(image.shape)
        return aim.terms_and_gradient(image, targets)

    for height, width in ((112, 176), (96, 64), (200, 80), (48, 48)):
        content, style, image = pictures(height, width)
        _, got = compute(image, aim.targets(content, [style]))
        _, expected = evaluate(whole, content, style, image)
        np.testing.assert_allclose(got, expected, atol=1e-10 * np.abs(expected).max())
    assert len(traces) <= 2


@pytest.mark.parametrize("side_px", [0, 8, 40])
def test_a_tile_that_the_stride_does_not_divide_is_refused(side_px):
    with pytest.raises(errors.ConfigError, match=f"multiples of 16 px for conv5_1. Received: {side_px} px"):
        objectives(tile=(side_px, 32))


@pytest.mark.slow  # its geometry is that of the networks above
@pytest.mark.weights
def test_the_real_network_in_tiles_has_the_gradient_of_the_whole():
    config = configs.preset("default")
    extractor = vgg.feature_extractor(vgg19.load().convolutions, config.layers, pooling=config.pooling)
    whole = objective.Objective(extractor=extractor, config=config)
    tiled = tiled_objective.TiledObjective(extractor=extractor, config=config, tile_height_px=96, tile_width_px=96)
    assert_agree((whole, tiled), 112, 176, "float32")

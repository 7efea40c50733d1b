"""The real VGG-19 against what the papers and an independent forward pass say of it."""

import numpy as np
import pytest

from nst_tf import configs, vgg
from nst_tf.evaluation import lpips
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, samples
from nst_tf.weights import self_test, vgg19
from tests.reference import numpy_losses

PHOTOGRAPHS = 20
# Medians over a layer's channels of the mean activation over the photographs; measured 0.815 (block 5) to 1.041.
NORMALISED_BAND = (0.79, 1.07)


@pytest.fixture(scope="module")
def normalised():
    return vgg19.load("normalised").convolutions


@pytest.fixture(scope="module")
def original():
    return vgg19.load("imagenet", network="original").convolutions


def numpy_taps(convolutions, pixels, pooling):
    """Every layer's features in float64, {conv4_2: [H, W, N]}, without TensorFlow."""
    x = pixels[0].astype(np.float64)[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68])
    taps, block = {}, "block1"
    for name, (kernel, bias) in convolutions.items():
        if not name.startswith(block):
            block, x = name.split("_")[0], numpy_losses.pool(x, pooling)
        x = np.maximum(numpy_losses.convolve(x, kernel.astype(np.float64), bias), 0)
        taps[vgg.layer_name(name)] = x
    return taps


@pytest.mark.weights
@pytest.mark.parametrize("pooling", ["average", pytest.param("max", marks=pytest.mark.slow)])
def test_keras_taps_agree_with_an_independent_forward_pass(normalised, pooling):
    pixels = images.load("sample:launch-pad", max_side_px=48).pixels
    features = vgg.feature_extractor(normalised, vgg.LAYERS, pooling=pooling)(pixels)
    for layer, expected in numpy_taps(normalised, pixels, pooling).items():
        np.testing.assert_allclose(features[layer][0], expected, rtol=1e-4, atol=1e-4 * expected.max(), err_msg=layer)


@pytest.mark.slow  # the network is the same as long as its hash is, which a test of its own compares
@pytest.mark.weights
def test_the_normalised_networks_mean_activations_lie_near_one(normalised, reference_data):
    paths = sorted((reference_data / "photos").glob("*.jpg"))[:PHOTOGRAPHS]
    assert len(paths) == PHOTOGRAPHS
    totals, positions = dict.fromkeys(normalised, 0.0), dict.fromkeys(normalised, 0)
    for path in paths:
        for name, features in self_test.activations(normalised, images.load(path, max_side_px=224).pixels):
            totals[name] = totals[name] + features.numpy().sum(axis=(0, 1, 2), dtype=np.float64)
            positions[name] += features.shape[1] * features.shape[2]
    medians = {name: float(np.median(totals[name] / positions[name])) for name in normalised}
    low, high = NORMALISED_BAND
    assert all(low < median < high for median in medians.values()), medians


@pytest.mark.weights
def test_one_seed_gives_one_picture_to_the_bit():
    settings = {"max_side_px": 64, "steps": 4, "optimizer": "adam", "initialisation": "noise", "seed": 5}
    engine = transfer.StyleTransfer(configs.preset("default", **settings))
    first, second = (engine("sample:launch-pad", "sample:turner").image for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow  # a whole run; benchmarks/identity.py has more pictures
@pytest.mark.weights
def test_at_one_size_the_optimisation_leaves_a_picture_with_its_own_style_unchanged_to_the_eye():
    content = images.load("sample:cat", max_side_px=256)
    nearly = content.pixels.copy()
    nearly[0, 0, 0, 0] += np.float32(1 / 255)  # another picture, so that the run does not return the content at once
    result = transfer.StyleTransfer(configs.preset("default", max_side_px=256, scales=1))(content, nearly)
    assert result.steps > 1
    assert float(lpips.load("alexnet")(result.image, content.pixels)[0]) <= 0.02


@pytest.mark.weights
def test_a_content_that_is_its_own_style_comes_back_unchanged_to_the_eye():
    config = configs.preset("default", max_side_px=144, scales=2, steps=3, coarse_steps=3, lbfgs_memory=3)
    result = transfer.StyleTransfer(config)("sample:cat", "sample:cat")
    content = images.load("sample:cat", max_side_px=144).pixels
    assert float(lpips.load("alexnet")(result.image, content)[0]) <= 0.02


@pytest.mark.weights
def test_the_original_network_normalised_changes_each_tap_by_a_constant_only(original):
    pictures = [
        images.load(samples.PREFIX + name, max_side_px=64).pixels for name in ("launch-pad", "temple", "turner")
    ]
    scaled = self_test.normalise(original, pictures)
    before = dict(self_test.activations(original, pictures[0]))
    for name, features in self_test.activations(scaled, pictures[0]):
        was, now = before[name].numpy(), features.numpy()
        constant = now.max(axis=(0, 1, 2)) / np.maximum(was.max(axis=(0, 1, 2)), 1e-30)
        np.testing.assert_allclose(now, was * constant, rtol=1e-2, atol=1e-3 * now.max(), err_msg=name)


@pytest.mark.slow  # its hash and its preset on the tiny network have tests
@pytest.mark.weights
def test_the_original_networks_preset_starts_from_a_finite_objective():
    config = configs.preset("gatys-original", max_side_px=64, steps=3, lbfgs_memory=2)
    result = transfer.stylize("sample:launch-pad", "sample:turner", config)
    assert np.isfinite(result.losses["total"]).all()
    assert result.best_loss < result.losses["total"][0]
